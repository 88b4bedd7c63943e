import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import type { Download } from '../core/download.js';
import type { ByteRange } from '../core/range.js';
import { contentRange } from './byte-ranges.js';

/** Several ranges as one body, RFC 9110 §14.6. */
export interface MultipartByteranges {
  readonly contentType: string;
  /** Length of the whole body. */
  readonly size: number;
  /** Reads the parts one after the other, the next when the one before is sent. */
  stream(first: Download, next: (range: ByteRange) => Promise<Download>): Readable;
}

/** @param type the media type of the file */
export function multipartByteranges(
  ranges: readonly [ByteRange, ...ByteRange[]],
  type: string,
): MultipartByteranges {
  // Random, so that it does not occur in the file.
  const boundary = randomBytes(18).toString('base64url');
  const heads = ranges.map((range) =>
    Buffer.from(
      `\r\n--${boundary}\r\nContent-Type: ${type}\r\nContent-Range: ${contentRange(range)}\r\n\r\n`,
      'latin1',
    ),
  );
  const end = Buffer.from(`\r\n--${boundary}--\r\n`);
  const bytes = ranges.reduce((sum, range) => sum + range.end - range.start + 1, 0);
  return {
    contentType: `multipart/byteranges; boundary=${boundary}`,
    size: heads.reduce((sum, head) => sum + head.byteLength, bytes + end.byteLength),
    stream(first, next) {
      const source = first.stream;
      const body = Readable.from(parts(ranges, heads, end, source, next), { objectMode: false });
      // A generator that was never started does not free what it was given.
      return body.once('close', () => source.destroy());
    },
  };
}

async function* parts(
  ranges: readonly ByteRange[],
  heads: readonly Uint8Array[],
  end: Uint8Array,
  first: Readable,
  next: (range: ByteRange) => Promise<Download>,
): AsyncGenerator<Uint8Array, void> {
  for (const [index, range] of ranges.entries()) {
    yield heads[index]!;
    yield* index === 0 ? (first as AsyncIterable<Uint8Array>) : await next(range);
  }
  yield end;
}
