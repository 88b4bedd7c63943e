import type { BufferPool } from './buffer-pool.js';

/** Bytes of which at least so many come of a source that is not slow, in each stretch of the pool's patience. */
const LEAST_PROGRESS = 64 * 1024;

/**
 * One part of a body, gathered from chunks. It takes the memory of a whole part from the pool, and keeps it while bytes come:
 * of a source that is slow, no more is held than about twice what has come, and no other upload waits for it.
 */
export class PartBuffer {
  #buffer: Uint8Array = Buffer.allocUnsafeSlow(0);
  #isPooled = false;
  #isSlow = false;
  #filled = 0;
  /** How much there was when it was last looked whether the source is slow. */
  #seen = 0;
  #patience: NodeJS.Timeout | undefined;

  /**
   * @param size bytes of the part
   * @param unpooled bytes up to which it takes none of the pool's memory
   */
  constructor(
    readonly size: number,
    private readonly pool: BufferPool,
    private readonly signal: AbortSignal,
    private readonly unpooled = 0,
  ) {}

  get isFull(): boolean {
    return this.#filled === this.size;
  }

  /**
   * Takes of the chunk what still fits.
   *
   * @returns the rest of the chunk
   */
  async add(chunk: Uint8Array): Promise<Uint8Array> {
    // Copied as they come: thousands of small chunks that wait for each other would outlive their time.
    const taken = chunk.subarray(0, this.size - this.#filled);
    const filled = this.#filled + taken.byteLength;
    if (filled > this.#buffer.byteLength) await this.#grow(filled);
    this.#buffer.set(taken, this.#filled);
    this.#filled = filled;
    return chunk.subarray(taken.byteLength);
  }

  /** What was gathered. No more is added: it is to be sent, so its memory comes back before long. */
  seal(): Uint8Array {
    clearTimeout(this.#patience);
    if (this.#isPooled) this.pool.resume(this.#buffer);
    return this.#buffer.subarray(0, this.#filled);
  }

  /** Gives the memory back. Does nothing the second time. */
  release(): void {
    clearTimeout(this.#patience);
    if (this.#isPooled) this.pool.give(this.#buffer);
    this.#isPooled = false;
  }

  async #grow(least: number): Promise<void> {
    const { pool, size, unpooled } = this;
    let larger: Uint8Array;
    if (least <= unpooled) {
      larger = Buffer.allocUnsafeSlow(Math.min(4 * least, unpooled, size));
    } else {
      clearTimeout(this.#patience);
      // Whoever waits for memory must not be waited for.
      if (this.#isPooled) this.#buffer = pool.rest(this.#buffer, this.#filled);
      larger = await pool.take(this.#isSlow ? pool.roomFor(least, size) : size, this.signal);
      this.#seen = this.#filled;
      this.#patience = setTimeout(() => this.#judge(), pool.patience).unref();
    }
    larger.set(this.#buffer.subarray(0, this.#filled));
    if (this.#isPooled) pool.give(this.#buffer);
    this.#isPooled = least > unpooled;
    this.#buffer = larger;
  }

  #judge(): void {
    if (this.#filled - this.#seen >= LEAST_PROGRESS) {
      this.#seen = this.#filled;
      this.#patience?.refresh();
      return;
    }
    this.#isSlow = true;
    this.#buffer = this.pool.rest(this.#buffer, this.#filled);
  }
}
