import { setMaxListeners } from 'node:events';
import { assertHeld } from '../../core/body.js';
import { StorageTooLargeError } from '../../core/errors.js';
import type { BodyBeginning } from './body-beginning.js';
import { nextChunk } from './body-failure.js';
import type { BufferPool } from './buffer-pool.js';
import { PartBuffer } from './part-buffer.js';

const GROWTH_STEPS = 11;

export interface PartSenderOptions<Part> {
  /** Bytes of a part but the last. */
  readonly partSize: number;
  /** Most parts that the service joins into one file. */
  readonly maxParts: number;
  /**
   * Whether later parts may be larger than `partSize`, up to so many bytes, so that a body of unknown length fits
   * whatever it turns out to be.
   */
  readonly growTo?: number;
  /** Parts in flight at once; fewer when they have grown, so that they take no more memory together. */
  readonly concurrency: number;
  /** Where the memory of parts comes from that are read from a stream. */
  readonly pool: BufferPool;
  /** Ends everything. */
  readonly signal: AbortSignal;
  /** Aborted with the first failure, so that whatever reads the body ends, too. */
  readonly stop: AbortController;
  /** Sends one part. Rejects only when the request is not under way any more. */
  readonly send: (partNumber: number, bytes: Uint8Array, signal: AbortSignal) => Promise<Part>;
}

/**
 * Sends a body in parts, several at once. Never holds more than `concurrency` of them, and no more than the pool gives. The
 * first failure stops the others, and it rejects when no request is under way any more.
 */
export class PartSender<Part> {
  /** Aborted with the caller's signal, and with the first failure. */
  readonly signal: AbortSignal;
  readonly #underWay = new Set<Promise<void>>();
  readonly #parts: Part[] = [];
  #count = 0;
  #size = 0;
  #failed: { readonly error: unknown } | undefined;

  constructor(private readonly options: PartSenderOptions<Part>) {
    this.signal = AbortSignal.any([options.signal, options.stop.signal]);
    // One listener for each part in flight, as many as the caller wants.
    setMaxListeners(0, this.signal);
  }

  /** Bytes of all parts so far. */
  get size(): number {
    return this.#size;
  }

  /**
   * Answers what `send` answered, by part number.
   *
   * @param body bytes, or chunks that end as soon as `signal` is aborted
   * @param beginning a part and more, which was read of the chunks already; its memory is given back when it has arrived
   * @throws StorageTooLargeError when there would be too many parts; BodyFailure; whatever `send` throws
   */
  async run(
    body: Uint8Array | AsyncIterator<Uint8Array>,
    beginning?: BodyBeginning,
  ): Promise<Part[]> {
    try {
      if (body instanceof Uint8Array) await this.#sendBytes(body);
      else await this.#sendChunks(body, beginning);
    } catch (error) {
      this.#fail(error);
    }
    await Promise.all(this.#underWay);
    this.#throwIfFailed();
    return this.#parts;
  }

  async #sendBytes(body: Uint8Array): Promise<void> {
    const { partSize } = this.options;
    const size = body.byteLength;
    for (let start = 0; start < size; start += partSize) {
      await this.#turn(partSize);
      assertHeld(body.byteLength, size);
      this.#send(body.subarray(start, start + partSize));
    }
  }

  async #sendChunks(
    chunks: AsyncIterator<Uint8Array>,
    beginning: BodyBeginning | undefined,
  ): Promise<void> {
    let part: PartBuffer | undefined;
    const send = (gathered: PartBuffer): void => {
      part = undefined;
      this.#send(gathered.seal(), () => gathered.release());
    };
    if (beginning) this.#send(beginning.bytes, beginning.release);
    try {
      let next: IteratorResult<Uint8Array> = { value: beginning?.rest ?? new Uint8Array(0) };
      for (; !next.done; next = await nextChunk(chunks)) {
        for (let chunk = next.value; chunk.byteLength > 0;) {
          part ??= await this.#nextPart();
          chunk = await part.add(chunk);
          if (part.isFull) send(part);
        }
      }
      if (part) send(part);
    } finally {
      part?.release();
    }
  }

  /** Doubles again and again, so that the allowed number of parts holds 2,047 times as much as without. */
  #nextPartSize(): number {
    const { partSize, maxParts, growTo = partSize } = this.options;
    const step = Math.max(1, Math.floor(maxParts / GROWTH_STEPS));
    return Math.max(partSize, Math.min(growTo, partSize * 2 ** Math.floor(this.#count / step)));
  }

  async #nextPart(): Promise<PartBuffer> {
    const size = this.#nextPartSize();
    await this.#turn(size);
    return new PartBuffer(size, this.options.pool, this.signal);
  }

  /** Waits until a part of the size may be sent. */
  async #turn(size: number): Promise<void> {
    const { concurrency, partSize } = this.options;
    const most = Math.max(1, Math.floor((concurrency * partSize) / size));
    while (this.#underWay.size >= most) await Promise.race(this.#underWay);
    this.#throwIfFailed();
  }

  /** @param release gives the memory of the bytes back */
  #send(bytes: Uint8Array, release: () => void = () => {}): void {
    const { maxParts, partSize, send } = this.options;
    if (this.#count === maxParts) {
      release();
      throw tooManyParts(maxParts, partSize);
    }
    const index = this.#count++;
    this.#size += bytes.byteLength;
    const request = send(index + 1, bytes, this.signal)
      .then(
        (part) => void (this.#parts[index] = part),
        (error: unknown) => this.#fail(error),
      )
      .finally(() => {
        release();
        this.#underWay.delete(request);
      });
    this.#underWay.add(request);
  }

  /** The first failure is the one that is told; those that it causes are not. */
  #fail(error: unknown): void {
    this.#failed ??= { error };
    this.options.stop.abort(this.#failed.error);
  }

  #throwIfFailed(): void {
    if (this.#failed) throw this.#failed.error;
  }
}

function tooManyParts(maxParts: number, partSize: number): StorageTooLargeError {
  return new StorageTooLargeError(
    `The body does not fit into ${maxParts} parts of ${partSize} bytes; tell its size, or a larger partSize`,
  );
}
