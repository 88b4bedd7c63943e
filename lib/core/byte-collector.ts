const FIRST_BLOCK = 1024;
const LARGEST_BLOCK = 4 * 1024 * 1024;

/**
 * Gathers the chunks of a body into one array of bytes. Chunks are copied, so their source may use them again, and
 * what is held besides the bytes does not grow with the number of chunks.
 */
export class ByteCollector {
  /** All but the last are full. Each is as large as those before it together, so that few are needed. */
  readonly #blocks: Uint8Array[] = [];
  #free = 0;
  #size = 0;

  append(chunk: Uint8Array): void {
    for (let at = 0; at < chunk.byteLength;) {
      if (this.#free === 0) this.#addBlock(chunk.byteLength - at);
      const block = this.#blocks.at(-1)!;
      const piece = chunk.subarray(at, at + this.#free);
      block.set(piece, block.byteLength - this.#free);
      this.#free -= piece.byteLength;
      this.#size += piece.byteLength;
      at += piece.byteLength;
    }
  }

  get size(): number {
    return this.#size;
  }

  /** All bytes so far, in an array of their own. Not a Buffer: the slice() of that would share memory. */
  bytes(): Uint8Array {
    const bytes = new Uint8Array(this.#size);
    let at = 0;
    for (const block of this.#blocks) {
      bytes.set(block.subarray(0, this.#size - at), at);
      at += block.byteLength;
    }
    return bytes;
  }

  #addBlock(needed: number): void {
    const length = Math.min(Math.max(this.#size, FIRST_BLOCK), LARGEST_BLOCK);
    this.#free = Math.max(length, needed);
    this.#blocks.push(new Uint8Array(this.#free));
  }
}
