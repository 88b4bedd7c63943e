import { Readable } from 'node:stream';
import { readBody } from './body.js';
import { assertChecksum, type Checksum, startChecksum } from './checksum.js';
import {
  StorageConnectionError,
  StorageIntegrityError,
  StorageRangeNotSatisfiableError,
} from './errors.js';
import type { ByteRange } from './range.js';
import type { DriverDownload } from './storage-driver.js';

/**
 * Reads a range in parts, several at once, and delivers them in order. Never holds more than `concurrency` parts.
 *
 * @param openPart reads one part of the pinned version; its signal ends with the stream.
 * @param checksum of the whole range, where it is known: the last part is delivered only when all bytes match it.
 */
export function parallelDownload(
  range: ByteRange,
  partSize: number,
  concurrency: number,
  openPart: (part: { start: number; end: number }, signal: AbortSignal) => Promise<DriverDownload>,
  checksum?: Checksum,
): Readable {
  const stopped = new AbortController();
  async function readPart(start: number): Promise<Uint8Array> {
    const end = Math.min(start + partSize - 1, range.end);
    const { body } = await openPart({ start, end }, stopped.signal).catch((error: unknown) => {
      throw error instanceof StorageRangeNotSatisfiableError ? fewerBytes(error) : error;
    });
    const bytes = await readBody(body);
    if (bytes.byteLength !== end - start + 1) {
      throw new StorageIntegrityError(
        `The backend delivered ${bytes.byteLength} bytes of a range of ${end - start + 1}`,
      );
    }
    return bytes;
  }
  async function* inOrder(): AsyncGenerator<Uint8Array, void> {
    const running = checksum && startChecksum(checksum.algorithm);
    const window: Promise<Uint8Array>[] = [];
    let next = range.start;
    try {
      while (next <= range.end || window.length > 0) {
        while (next <= range.end && window.length < concurrency) {
          const part = readPart(next);
          // Whoever fails first is reported by the loop; the others must not be unhandled meanwhile.
          part.catch(() => {});
          window.push(part);
          next += partSize;
        }
        const bytes = await window.shift()!;
        running?.update(bytes);
        const isLast = next > range.end && window.length === 0;
        if (checksum && running && isLast) assertChecksum(checksum, running.digest());
        yield bytes;
      }
    } finally {
      stopped.abort();
      await Promise.allSettled(window);
    }
  }
  const stream = Readable.from(inOrder(), { objectMode: false, highWaterMark: partSize });
  // Before the generator is told to end: it would wait for the part that it is waiting for.
  const destroy = stream._destroy.bind(stream);
  stream._destroy = (error, callback) => {
    stopped.abort();
    destroy(error, callback);
  };
  return stream;
}

/** Nobody asked for a range that lies outside of what was announced. */
function fewerBytes({ cause }: StorageRangeNotSatisfiableError): StorageConnectionError {
  return new StorageConnectionError('The file has fewer bytes than the backend announced', {
    cause,
  });
}
