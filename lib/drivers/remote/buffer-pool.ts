import { UploadMemory } from '../../core/upload-memory.js';

interface Waiting {
  readonly size: number;
  readonly resolve: (buffer: Uint8Array) => void;
  readonly reject: (error: unknown) => void;
}

/** One pool for each memory, whichever storages share it. */
const POOLS = new WeakMap<UploadMemory, BufferPool>();
/** Bytes that are kept for the next upload when none is under way. */
const KEPT_WHEN_IDLE = 32 * 1024 * 1024;
/** Milliseconds: long enough for a process that is busy with many uploads. */
const PATIENCE = 500;
const SMALLEST_ROOM = 256 * 1024;

/**
 * The memory that the uploads of one driver, or of several, hold together: each takes buffers, fills them, sends them, and gives them back.
 * Whoever asks for more than is left waits, in the order of asking. Buffers are used again, because the engine frees large
 * ones late.
 *
 * A buffer that waits for a slow source rests: nobody knows when it comes back, so nobody waits for it. Where such buffers
 * alone leave too little, the others are given one at a time beyond the limit.
 *
 * So that uploads never wait for each other in a circle, one that asks must hold none but those that rest or are being sent.
 */
export class BufferPool {
  #held = 0;
  #free: Uint8Array[] = [];
  readonly #resting = new Set<Uint8Array>();
  #rested = 0;
  readonly #waiting: Waiting[] = [];

  /**
   * @param limit bytes held at once, at most; a single larger buffer is given when none is held but resting ones
   * @param patience milliseconds without much progress after which a buffer is to rest
   */
  constructor(
    private readonly limit = new UploadMemory().limit,
    readonly patience = PATIENCE,
  ) {}

  /** Bytes that are taken and not given back. */
  get held(): number {
    return this.#held;
  }

  /**
   * A buffer of the size, with anything in it. Rejects with the signal's reason when it is aborted meanwhile.
   *
   * @throws RangeError when there is no such memory
   */
  async take(size: number, signal: AbortSignal): Promise<Uint8Array> {
    signal.throwIfAborted();
    if (this.#waiting.length === 0 && this.#fits(size)) return this.#allocate(size);
    return new Promise((resolve, reject) => {
      const leave = (): void => signal.removeEventListener('abort', onAbort);
      const waiting: Waiting = {
        size,
        resolve: (buffer) => {
          leave();
          resolve(buffer);
        },
        reject: (error) => {
          leave();
          reject(error as Error);
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
    this.resume(buffer);
    this.#held -= buffer.byteLength;
    this.#free.push(buffer);
    this.#serve();
    this.#trim(this.#held === 0 ? KEPT_WHEN_IDLE : this.limit - this.#held);
  }

  /**
   * Lets the others go on without the buffer, and takes back what is far from being filled.
   *
   * @returns the buffer to go on with, with what was filled; nobody may look at the other one any more
   */
  rest(buffer: Uint8Array, filled: number): Uint8Array {
    const size = this.roomFor(filled, buffer.byteLength);
    const smaller = size < buffer.byteLength && this.#allocateIfThere(size);
    if (!smaller) {
      this.#rest(buffer);
      this.#serve();
      return buffer;
    }
    smaller.set(buffer.subarray(0, filled));
    this.#rest(smaller);
    this.give(buffer);
    return smaller;
  }

  /** Ends the rest of a buffer: it is to be sent, and comes back. Does nothing where it does not rest. */
  resume(buffer: Uint8Array): void {
    if (this.#resting.delete(buffer)) this.#rested -= buffer.byteLength;
  }

  /** Bytes of a buffer that holds so many, and is no more than half empty unless it is a small one. */
  roomFor(filled: number, most: number): number {
    let size = SMALLEST_ROOM;
    while (size < filled) size *= 2;
    return Math.min(size, most);
  }

  #rest(buffer: Uint8Array): void {
    if (this.#resting.has(buffer)) return;
    this.#resting.add(buffer);
    this.#rested += buffer.byteLength;
  }

  #serve(): void {
    for (;;) {
      const next = this.#waiting[0];
      if (!next || !this.#fits(next.size)) return;
      this.#waiting.shift();
      try {
        next.resolve(this.#allocate(next.size));
      } catch (error) {
        next.reject(error);
      }
    }
  }

  #fits(size: number): boolean {
    return this.#held === this.#rested || this.#held + size <= this.limit;
  }

  #allocate(size: number): Uint8Array {
    const index = this.#free.findIndex(({ byteLength }) => byteLength === size);
    // What is kept in other sizes comes on top of what is held.
    if (index === -1) this.#trim(this.limit - this.#held - size);
    const buffer = index === -1 ? Buffer.allocUnsafeSlow(size) : this.#free.splice(index, 1)[0]!;
    // Not before: nobody gives back what there was no memory for.
    this.#held += size;
    return buffer;
  }

  /** For what can do without, such as a timer, from which an error would end the process. */
  #allocateIfThere(size: number): Uint8Array | undefined {
    try {
      return this.#allocate(size);
    } catch {
      return undefined;
    }
  }

  #trim(most: number): void {
    let kept = 0;
    this.#free = this.#free.filter(({ byteLength }) => (kept += byteLength) <= most);
  }
}

/** The pool of the memory, or one of its own for whoever was given none. */
export function poolOf(memory: UploadMemory | undefined): BufferPool {
  if (!memory) return new BufferPool();
  let pool = POOLS.get(memory);
  if (!pool) POOLS.set(memory, (pool = new BufferPool(memory.limit)));
  return pool;
}
