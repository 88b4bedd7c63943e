import { type Checksum, type ChecksumAlgorithm, parseChecksum } from '../core/checksum.js';
import { StorageInvalidArgumentError } from '../core/errors.js';
import { malformedChecksum } from './upload.exceptions.js';

// RFC 9530 §5, of those that storages compare; the strongest first.
const ALGORITHMS: readonly (readonly [name: string, algorithm: ChecksumAlgorithm])[] = [
  ['sha-256', 'sha256'],
  ['sha', 'sha1'],
  ['md5', 'md5'],
  ['crc32c', 'crc32c'],
];

/**
 * The checksum that a client announces for a file, as such or as the value of a `Content-Digest` or `Repr-Digest` field
 * (`sha-256=:…:`, RFC 9530), of which the strongest algorithm that is known counts; `undefined` when there is none.
 *
 * @throws UploadException 400 when it is not well-formed
 */
export function announcedChecksum(
  announced: Checksum | string | undefined,
  field: string,
): Checksum | undefined {
  if (announced === undefined || announced === '') return undefined;
  try {
    return parseChecksum(typeof announced === 'string' ? digestOf(announced) : announced);
  } catch (error) {
    throw malformedChecksum(field, error);
  }
}

function digestOf(field: string): Checksum {
  const members = new Map<string, string>();
  for (const member of field.split(',')) {
    const [, name, value] = /^\s*([a-z*][a-z0-9_.*-]*)=:([A-Za-z0-9+/=]*):\s*$/.exec(member) ?? [];
    if (name === undefined) throw new StorageInvalidArgumentError('The digest is not well-formed');
    members.set(name, value!);
  }
  const known = ALGORITHMS.find(([name]) => members.has(name));
  if (!known) throw new StorageInvalidArgumentError('The digest is of no known algorithm');
  return { algorithm: known[1], value: members.get(known[0])! };
}
