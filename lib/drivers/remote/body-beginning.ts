import { nextChunk } from './body-failure.js';
import type { BufferPool } from './buffer-pool.js';
import { PartBuffer } from './part-buffer.js';

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
  const part = new PartBuffer(limit, pool, signal, SMALL);
  const beginning = (rest: Uint8Array, whole: boolean): BodyBeginning => ({
    bytes: part.seal(),
    rest,
    whole,
    release: () => part.release(),
  });
  try {
    for (;;) {
      const next = await nextChunk(chunks);
      if (next.done) return beginning(new Uint8Array(0), true);
      const rest = await part.add(next.value);
      if (rest.byteLength > 0) return beginning(rest, false);
    }
  } catch (error) {
    part.release();
    throw error;
  }
}
