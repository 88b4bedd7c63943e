import { PassThrough, type Readable } from 'node:stream';
import { fileTooLarge } from './upload.exceptions.js';

/** A file as multer hands it to a storage engine. */
export interface MulterFile {
  readonly fieldname: string;
  readonly originalname: string;
  readonly encoding: string;
  readonly mimetype: string;
  readonly stream: Readable & { truncated?: boolean };
}

const BUFFER_SIZE = 256 * 1024;

/**
 * The file's bytes in a stream of our own: multer's must never be destroyed, or its request would never be answered.
 * It fails where multer's ends as if it were complete: at the limit, and when the client is gone.
 */
export function openFileBody(
  { stream: source, fieldname }: MulterFile,
  maxSize: number,
): PassThrough {
  const body = new PassThrough({ writableHighWaterMark: 0, readableHighWaterMark: BUFFER_SIZE });
  let size = 0;
  const tooLarge = (): void => void body.destroy(fileTooLarge(maxSize, fieldname));
  source.on('limit', tooLarge);
  source.on('data', (chunk: Uint8Array) => {
    size += chunk.byteLength;
    if (size > maxSize) tooLarge();
  });
  source.on('end', () => (source.truncated ? tooLarge() : body.end()));
  source.on('error', (error) => body.destroy(error));
  source.on('close', () => {
    if (!source.readableEnded) body.destroy(new Error('The upload ended before the file did'));
  });
  // Whoever reads the body sees its failure; before anybody does, it must not end the process.
  body.on('error', () => {});
  source.pipe(body, { end: false });
  return body;
}

/** Leaves the file: what still comes of it is read and thrown away, so that the form goes on. */
export function leaveFile({ stream }: MulterFile, body: Readable): void {
  stream.unpipe();
  stream.resume();
  body.destroy();
}

/** The first bytes of a body, and the body with them: bytes when it is no longer than that. */
export async function peek(
  body: Readable,
  length: number,
): Promise<{ head: Uint8Array; whole: Uint8Array | AsyncIterable<Uint8Array> }> {
  const chunks: Uint8Array[] = [];
  const iterator = body[Symbol.asyncIterator]() as AsyncIterator<Uint8Array>;
  let size = 0;
  while (size < length) {
    const next = await iterator.next();
    if (next.done) {
      const bytes = Buffer.concat(chunks);
      return { head: bytes, whole: bytes };
    }
    chunks.push(next.value);
    size += next.value.byteLength;
  }
  const head = chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks);
  async function* whole(): AsyncGenerator<Uint8Array, void> {
    yield head;
    yield* { [Symbol.asyncIterator]: () => iterator };
  }
  return { head, whole: whole() };
}
