import { nextChunk } from './body-failure.js';
import type { BufferPool } from './buffer-pool.js';

/** Up to here a body costs about as much memory as the sockets that it comes through, and none of the pool's. */
const SMALL = 256 * 1024;

/** What was read of a body before it was clear how to send it. */
export interface BodyBeginning {
  /** As many bytes as fit into one request, or all that there are. */
  readonly bytes: Uint8Array;
  /** What was read of the body behind them; empty when they are all. */
  readonly rest: Uint8Array;
  /** Whether `bytes` are the whole body. */
  readonly whole: boolean;
  /** Gives the memory of `bytes` back. Does nothing the second time. */
  readonly release: () => void;
}

/**
 * Reads until it is certain whether the body fits into one request of `limit` bytes.
 *
 * @throws BodyFailure
 */
export async function readBeginning(
  chunks: AsyncIterator<Uint8Array>,
  limit: number,
  pool: BufferPool,
  signal: AbortSignal,
): Promise<BodyBeginning> {
  let buffer: Uint8Array = Buffer.allocUnsafeSlow(0);
  let pooled: Uint8Array | undefined;
  let size = 0;
  const release = (): void => {
    if (pooled) pool.give(pooled);
    pooled = undefined;
  };
  const beginning = (rest: Uint8Array, whole: boolean): BodyBeginning => ({
    bytes: buffer.subarray(0, size),
    rest,
    whole,
    release,
  });
  try {
    for (;;) {
      const next = await nextChunk(chunks);
      if (next.done) return beginning(new Uint8Array(0), true);
      const taken = next.value.subarray(0, limit - size);
      if (size + taken.byteLength > buffer.byteLength) {
        // Copied as they come: thousands of small chunks that wait for each other would outlive their time.
        let larger: Uint8Array;
        if (size + taken.byteLength <= SMALL) {
          larger = Buffer.allocUnsafeSlow(Math.min(4 * (size + taken.byteLength), SMALL, limit));
        } else {
          larger = pooled = await pool.take(limit, signal);
        }
        larger.set(buffer.subarray(0, size));
        buffer = larger;
      }
      buffer.set(taken, size);
      size += taken.byteLength;
      const rest = next.value.subarray(taken.byteLength);
      if (rest.byteLength > 0) return beginning(rest, false);
    }
  } catch (error) {
    release();
    throw error;
  }
}
