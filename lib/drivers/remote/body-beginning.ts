import { nextChunk } from './body-failure.js';

/** What was read of a body before it was clear how to send it. */
export interface BodyBeginning {
  readonly bytes: Uint8Array;
  /** Whether that is all of it. */
  readonly whole: boolean;
}

/**
 * Reads until it is certain whether the body fits into one request: all of it, or somewhat more than `limit` bytes.
 *
 * @throws BodyFailure
 */
export async function readBeginning(
  chunks: AsyncIterator<Uint8Array>,
  limit: number,
): Promise<BodyBeginning> {
  let bytes: Uint8Array = Buffer.allocUnsafeSlow(0);
  let size = 0;
  for (;;) {
    const next = await nextChunk(chunks);
    if (next.done) return { bytes: bytes.subarray(0, size), whole: true };
    const { byteLength } = next.value;
    if (size + byteLength > bytes.byteLength) {
      // Copied as they come: thousands of small chunks that wait for each other would outlive their time.
      const room = Math.min(Math.max(4 * (size + byteLength), 64 * 1024), limit + byteLength);
      const larger = Buffer.allocUnsafeSlow(Math.max(room, size + byteLength));
      larger.set(bytes.subarray(0, size));
      bytes = larger;
    }
    bytes.set(next.value, size);
    size += byteLength;
    if (size > limit) return { bytes: bytes.subarray(0, size), whole: false };
  }
}
