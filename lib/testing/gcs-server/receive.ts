import { createHash, type Hash } from 'node:crypto';
import { crc32c } from '../../core/crc32c.js';
import type { BodyStorage } from '../servers/stored-body.js';
import { MemoryBodyStorage } from '../servers/stored-body.js';
import type { DeclaredContent } from './attributes.js';
import type { GcsCall } from './call.js';
import { GcsError, invalid } from './errors.js';
import type { ObjectContent } from './object-store.js';

/** The checksums of bytes as they pass. */
export class RunningDigests {
  readonly #md5: Hash = createHash('md5');
  #crc32c = 0;

  update(chunk: Buffer): void {
    this.#md5.update(chunk);
    this.#crc32c = crc32c(chunk, this.#crc32c);
  }

  /** To be asked once, at the end. */
  finish(): { md5: string; crc32c: string } {
    return { md5: this.#md5.digest('base64'), crc32c: encodeCrc32c(this.#crc32c) };
  }
}

function encodeCrc32c(value: number): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes.toString('base64');
}

/** Keeps a stream of bytes, digesting it as it passes. Nothing is kept of one that fails. */
export async function keep(
  source: AsyncIterable<Buffer>,
  storage: BodyStorage,
): Promise<ObjectContent & { md5: string }> {
  const writer = await storage.create();
  const digests = new RunningDigests();
  try {
    for await (const chunk of source) {
      digests.update(chunk);
      await writer.write(chunk);
    }
  } catch (error) {
    await writer.discard();
    throw error;
  }
  return { ...digests.finish(), body: await writer.finish(), componentCount: undefined };
}

/** The checksums a request declares of the object it finishes. @throws GcsError invalid */
export function declaredChecksums(
  headers: ReadonlyMap<string, string>,
  resource: DeclaredContent = {},
): { md5: string[]; crc32c: string[] } {
  const header = new Map(
    (headers.get('x-goog-hash') ?? '')
      .split(',')
      .map((pair) => pair.trim())
      .filter((pair) => pair !== '')
      .map((pair): [string, string] => {
        const equals = pair.indexOf('=');
        return [pair.slice(0, equals), pair.slice(equals + 1)];
      }),
  );
  for (const algorithm of header.keys()) {
    if (algorithm !== 'md5' && algorithm !== 'crc32c') {
      throw invalid(`Unknown algorithm in x-goog-hash: ${algorithm}`);
    }
  }
  const given = (...values: (string | undefined)[]) =>
    values.filter((value) => value !== undefined);
  return {
    md5: given(resource.md5Hash, headers.get('content-md5'), header.get('md5')),
    crc32c: given(resource.crc32c, header.get('crc32c')),
  };
}

/** @throws GcsError invalid, when a declared checksum is not that of the bytes */
export function verifyChecksums(
  declared: ReturnType<typeof declaredChecksums>,
  actual: { readonly md5: string; readonly crc32c: string },
): void {
  const mismatch = (algorithm: string, given: string, calculated: string): GcsError =>
    invalid(
      `Provided ${algorithm} hash "${given}" doesn't match calculated ${algorithm} hash "${calculated}".`,
      'BadDigest',
    );
  for (const given of declared.md5) {
    if (given !== actual.md5) throw mismatch('MD5', given, actual.md5);
  }
  for (const given of declared.crc32c) {
    if (given !== actual.crc32c) throw mismatch('CRC32C', given, actual.crc32c);
  }
}

const DOCUMENT_LIMIT = 2 * 1024 * 1024;

/** Takes in a body that is to be read as text. @throws GcsError */
export async function receiveText(call: Pick<GcsCall, 'body'>): Promise<string> {
  const { body } = await keep(limited(call.body(), DOCUMENT_LIMIT), new MemoryBodyStorage());
  const text = body.readSync(0, body.size).toString('utf8');
  body.release();
  return text;
}

/** An empty body counts as an empty object. @throws GcsError */
export async function receiveJson(call: Pick<GcsCall, 'body'>): Promise<unknown> {
  return parseJson(await receiveText(call));
}

export function parseJson(text: string): unknown {
  if (text.trim() === '') return {};
  try {
    return JSON.parse(text);
  } catch {
    throw new GcsError(400, 'parseError', 'InvalidArgument', 'Parse Error');
  }
}

async function* limited(source: AsyncIterable<Buffer>, limit: number): AsyncGenerator<Buffer> {
  let size = 0;
  for await (const chunk of source) {
    size += chunk.length;
    if (size > limit) {
      throw new GcsError(413, 'uploadTooLarge', 'EntityTooLarge', 'Request entity is too large.');
    }
    yield chunk;
  }
}
