import { createHash } from 'node:crypto';
import { type Checksum, type ChecksumAlgorithm, parseChecksum } from '../core/checksum.js';
import { StorageInvalidArgumentError } from '../core/errors.js';
import type { BodyInspection } from './body-inspection.js';
import { malformedChecksum, unknownChecksum, wrongChecksum } from './upload.exceptions.js';

interface Digest<Algorithm> {
  readonly algorithm: Algorithm;
  /** Base64. */
  readonly value: string;
}

/** No storage compares it: an upload that streams does. */
export type Sha512 = Digest<'sha512'>;

type Algorithms<Algorithm> = readonly (readonly [name: string, algorithm: Algorithm])[];

// RFC 9530 §5, of those that storages compare; the strongest first.
const OF_STORAGES: Algorithms<ChecksumAlgorithm> = [
  ['sha-256', 'sha256'],
  ['sha', 'sha1'],
  ['md5', 'md5'],
  ['crc32c', 'crc32c'],
];

const OF_FORMS: Algorithms<ChecksumAlgorithm | 'sha512'> = [['sha-512', 'sha512'], ...OF_STORAGES];

/**
 * The checksum that a client announces for a file, as such or as the value of a `Content-Digest` or `Repr-Digest` field
 * (`sha-256=:…:`, RFC 9530), of which the strongest algorithm that is known counts: a recipient may pass over the others
 * (§2). `undefined` when there is none.
 *
 * @throws UploadException 400 when it is not well-formed, or of no algorithm that is known
 */
export function announcedChecksum(
  announced: Checksum | string | undefined,
  field: string,
): Checksum | undefined {
  return parseAnnounced(announced, field, OF_STORAGES, parseChecksum);
}

/** The same for a file whose bytes come through the app, which may have a SHA-512 as well. */
export function announcedInForm(
  announced: Checksum | string | undefined,
  field: string,
): Checksum | Sha512 | undefined {
  return parseAnnounced(announced, field, OF_FORMS, ({ algorithm, value }) =>
    algorithm === 'sha512' ? parseSha512(value) : parseChecksum({ algorithm, value }),
  );
}

function parseAnnounced<Algorithm, Parsed>(
  announced: Checksum | string | undefined,
  field: string,
  algorithms: Algorithms<Algorithm | ChecksumAlgorithm>,
  parse: (digest: Digest<Algorithm | ChecksumAlgorithm>) => Parsed,
): Parsed | undefined {
  if (announced === undefined || announced === '') return undefined;
  try {
    if (typeof announced !== 'string') return parse(announced);
    const members = digestsOf(announced);
    const known = algorithms.find(([name]) => members.has(name));
    if (known) return parse({ algorithm: known[1], value: members.get(known[0])! });
  } catch (error) {
    throw malformedChecksum(field, error);
  }
  const names = algorithms.map(([name]) => name);
  throw unknownChecksum(field, names);
}

// RFC 9651 §3.1.2 and §3.2: a member of a dictionary, whose value is a byte sequence here, with the parameters that it may have.
const PARAMETER = /; *[a-z*][a-z0-9_.*-]*(?:=(?:%?"(?:[^"\\]|\\["\\])*"|[^\s",;]+))?/;
const MEMBER = new RegExp(
  String.raw`\s*([a-z*][a-z0-9_.*-]*)=:([A-Za-z0-9+/=]*):(?:${PARAMETER.source})*\s*(,|$)`,
  'y',
);

function digestsOf(field: string): Map<string, string> {
  const members = new Map<string, string>();
  let separator: string | undefined;
  MEMBER.lastIndex = 0;
  do {
    const [, name, value, end] = MEMBER.exec(field) ?? [];
    if (name === undefined) throw new StorageInvalidArgumentError('The digest is not well-formed');
    // RFC 9530 gives no parameter a meaning.
    members.set(name, value!);
    separator = end;
  } while (separator === ',');
  return members;
}

function parseSha512(value: string): Sha512 {
  const digest = Buffer.from(value, 'base64');
  if (digest.length === 64 && digest.toString('base64') === value) {
    return { algorithm: 'sha512', value };
  }
  throw new StorageInvalidArgumentError('The digest is not the base64 of 64 bytes');
}

/** Refuses a file that has another SHA-512. */
export class Sha512Inspection implements BodyInspection {
  readonly #hash = createHash('sha512');

  constructor(
    private readonly expected: Sha512,
    private readonly field: string,
  ) {}

  see(chunk: Uint8Array): void {
    this.#hash.update(chunk);
  }

  decide(): void {
    if (this.#hash.digest('base64') !== this.expected.value) throw wrongChecksum(this.field);
  }

  abandon(): void {}
}
