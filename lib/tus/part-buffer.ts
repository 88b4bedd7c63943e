/** The bytes of one part, in memory that is filled again for the next. */
export class PartBuffer {
  readonly #memory: Buffer;
  #size = 0;

  /** @param capacity bytes of a part */
  constructor(capacity: number) {
    this.#memory = Buffer.allocUnsafe(capacity);
  }

  get size(): number {
    return this.#size;
  }

  get isFull(): boolean {
    return this.#size === this.#memory.byteLength;
  }

  /** Valid until the next `fill`. */
  get bytes(): Uint8Array {
    return this.#memory.subarray(0, this.#size);
  }

  /** Takes as much as there is room for. @returns what is left of the chunk */
  fill(chunk: Uint8Array): Uint8Array {
    const taken = chunk.subarray(0, this.#memory.byteLength - this.#size);
    this.#memory.set(taken, this.#size);
    this.#size += taken.byteLength;
    return chunk.subarray(taken.byteLength);
  }

  clear(): void {
    this.#size = 0;
  }
}
