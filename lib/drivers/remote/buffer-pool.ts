interface Waiting {
  readonly size: number;
  readonly resolve: (buffer: Uint8Array) => void;
}

const DEFAULT_LIMIT = 256 * 1024 * 1024;
/** Bytes that are kept for the next upload when none is under way. */
const KEPT_WHEN_IDLE = 32 * 1024 * 1024;

/**
 * The memory that the uploads of one driver hold together: each takes buffers, fills them, sends them, and gives them back.
 * Whoever asks for more than is left waits, in the order of asking. Buffers are used again, because the engine frees large
 * ones late.
 *
 * So that uploads never wait for each other in a circle, one that asks must hold none but those that are being sent.
 */
export class BufferPool {
  #held = 0;
  #free: Uint8Array[] = [];
  readonly #waiting: Waiting[] = [];

  /** @param limit bytes held at once, at most; a single larger buffer is given when no other is held */
  constructor(private readonly limit = DEFAULT_LIMIT) {}

  /** Bytes that are taken and not given back. */
  get held(): number {
    return this.#held;
  }

  /** A buffer of the size, with anything in it. Rejects with the signal's reason when it is aborted meanwhile. */
  async take(size: number, signal: AbortSignal): Promise<Uint8Array> {
    signal.throwIfAborted();
    if (this.#waiting.length === 0 && this.#fits(size)) return this.#allocate(size);
    return new Promise((resolve, reject) => {
      const waiting: Waiting = {
        size,
        resolve: (buffer) => {
          signal.removeEventListener('abort', onAbort);
          resolve(buffer);
        },
      };
      const onAbort = (): void => {
        this.#waiting.splice(this.#waiting.indexOf(waiting), 1);
        this.#serve();
        reject(signal.reason as Error);
      };
      signal.addEventListener('abort', onAbort, { once: true });
      this.#waiting.push(waiting);
    });
  }

  /** Takes the buffer back; nobody may look at it any more. */
  give(buffer: Uint8Array): void {
    this.#held -= buffer.byteLength;
    this.#free.push(buffer);
    this.#serve();
    if (this.#held === 0) this.#trim();
  }

  #serve(): void {
    for (;;) {
      const next = this.#waiting[0];
      if (!next || !this.#fits(next.size)) return;
      this.#waiting.shift();
      next.resolve(this.#allocate(next.size));
    }
  }

  #fits(size: number): boolean {
    return this.#held === 0 || this.#held + size <= this.limit;
  }

  #allocate(size: number): Uint8Array {
    this.#held += size;
    const index = this.#free.findIndex(({ byteLength }) => byteLength === size);
    if (index !== -1) return this.#free.splice(index, 1)[0]!;
    // Of another size: what was kept would come on top of what is held.
    this.#free = [];
    return Buffer.allocUnsafeSlow(size);
  }

  #trim(): void {
    let kept = 0;
    this.#free = this.#free.filter(({ byteLength }) => (kept += byteLength) <= KEPT_WHEN_IDLE);
  }
}
