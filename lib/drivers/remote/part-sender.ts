import { setMaxListeners } from 'node:events';
import { StorageTooLargeError } from '../../core/errors.js';
import { nextChunk } from './body-failure.js';

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
  /** Ends everything. */
  readonly signal: AbortSignal;
  /** Aborted with the first failure, so that whatever reads the body ends, too. */
  readonly stop: AbortController;
  /** Sends one part. Rejects only when the request is not under way any more. */
  readonly send: (partNumber: number, bytes: Uint8Array, signal: AbortSignal) => Promise<Part>;
}

/**
 * Sends a body in parts, several at once. Never holds more than `concurrency` of them: their buffers are filled again and
 * again, because the engine frees large ones late. The first failure stops the others, and it rejects when no request is
 * under way any more.
 */
export class PartSender<Part> {
  /** Aborted with the caller's signal, and with the first failure. */
  readonly signal: AbortSignal;
  readonly #underWay = new Set<Promise<void>>();
  readonly #parts: Part[] = [];
  readonly #freeBuffers: Uint8Array[] = [];
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
   * @param beginning more than a part, which was read of the chunks already; it is filled again, too
   * @throws StorageTooLargeError when there would be too many parts; BodyFailure; whatever `send` throws
   */
  async run(
    body: Uint8Array | AsyncIterator<Uint8Array>,
    beginning: Uint8Array = new Uint8Array(0),
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
    for (let start = 0; start < body.byteLength; start += partSize) {
      await this.#turn(partSize);
      this.#send(body.subarray(start, start + partSize));
    }
  }

  async #sendChunks(chunks: AsyncIterator<Uint8Array>, beginning: Uint8Array): Promise<void> {
    let size = this.options.partSize;
    let buffer: Uint8Array | undefined;
    let filled = 0;
    const first = beginning.subarray(0, size);
    if (first.byteLength > 0) this.#send(first, first);
    let next: IteratorResult<Uint8Array> = { value: beginning.subarray(size) };
    for (; !next.done; next = await nextChunk(chunks)) {
      for (let chunk = next.value; chunk.byteLength > 0;) {
        if (!buffer) {
          size = this.#nextPartSize();
          buffer = await this.#takeBuffer(size);
        }
        const taken = chunk.subarray(0, size - filled);
        buffer.set(taken, filled);
        filled += taken.byteLength;
        chunk = chunk.subarray(taken.byteLength);
        if (filled < size) continue;
        this.#send(buffer, buffer);
        buffer = undefined;
        filled = 0;
      }
    }
    if (buffer) this.#send(buffer.subarray(0, filled), buffer);
  }

  /** Doubles again and again, so that the allowed number of parts holds 2,047 times as much as without. */
  #nextPartSize(): number {
    const { partSize, maxParts, growTo = partSize } = this.options;
    const step = Math.max(1, Math.floor(maxParts / GROWTH_STEPS));
    return Math.max(partSize, Math.min(growTo, partSize * 2 ** Math.floor(this.#count / step)));
  }

  async #takeBuffer(size: number): Promise<Uint8Array> {
    await this.#turn(size);
    const free = this.#freeBuffers.pop();
    if (free && free.byteLength >= size) return free.subarray(0, size);
    this.#freeBuffers.length = 0;
    return Buffer.allocUnsafeSlow(size);
  }

  /** Waits until a part of the size may be sent. */
  async #turn(size: number): Promise<void> {
    const { concurrency, partSize } = this.options;
    const most = Math.max(1, Math.floor((concurrency * partSize) / size));
    while (this.#underWay.size >= most) await Promise.race(this.#underWay);
    this.#throwIfFailed();
  }

  /** @param buffer is filled again when the part has arrived. */
  #send(bytes: Uint8Array, buffer?: Uint8Array): void {
    const { maxParts, partSize, send } = this.options;
    if (this.#count === maxParts) throw tooManyParts(maxParts, partSize);
    const index = this.#count++;
    this.#size += bytes.byteLength;
    const request = send(index + 1, bytes, this.signal)
      .then(
        (part) => {
          this.#parts[index] = part;
          if (buffer) this.#freeBuffers.push(buffer);
        },
        (error: unknown) => this.#fail(error),
      )
      .finally(() => this.#underWay.delete(request));
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
