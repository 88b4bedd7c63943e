/** Reads a stream of chunks by lines, counts and delimiters, holding no more than one chunk and an unfinished line. */
export class ByteReader {
  #rest: Buffer = Buffer.alloc(0);
  readonly #source: AsyncIterator<Buffer>;

  constructor(source: AsyncIterable<Buffer>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** The next line without its CRLF; `undefined` when the stream ends first, or the line is longer than `limit` bytes. */
  async line(limit: number): Promise<string | undefined> {
    for (;;) {
      const end = this.#rest.indexOf('\r\n');
      if (end > limit) return undefined;
      if (end >= 0) {
        const line = this.#rest.toString('latin1', 0, end);
        this.#rest = this.#rest.subarray(end + 2);
        return line;
      }
      // A line that is as long as it may be can still wait for the second half of its CRLF.
      if (this.#rest.length > limit + 1) return undefined;
      const chunk = await this.#next();
      if (!chunk) return undefined;
      this.#rest = Buffer.concat([this.#rest, chunk]);
    }
  }

  /** The next `count` bytes, fewer only when the stream ends first. */
  async *take(count: number): AsyncGenerator<Buffer> {
    while (count > 0) {
      const chunk = this.#rest.length > 0 ? this.#rest : await this.#next();
      if (!chunk) return;
      const taken = chunk.subarray(0, count);
      this.#rest = chunk.subarray(taken.length);
      count -= taken.length;
      yield taken;
    }
  }

  /** The bytes before `delimiter`, which is consumed. The generator returns false when the stream ends without it. */
  async *until(delimiter: Buffer): AsyncGenerator<Buffer, boolean> {
    for (;;) {
      const at = this.#rest.indexOf(delimiter);
      if (at >= 0) {
        const last = this.#rest.subarray(0, at);
        this.#rest = this.#rest.subarray(at + delimiter.length);
        if (last.length > 0) yield last;
        return true;
      }
      // The delimiter may straddle two chunks, so its length is held back.
      const safe = this.#rest.length - delimiter.length + 1;
      if (safe > 0) {
        const ready = this.#rest.subarray(0, safe);
        this.#rest = this.#rest.subarray(safe);
        yield ready;
      }
      const chunk = await this.#next();
      if (!chunk) return false;
      this.#rest = Buffer.concat([this.#rest, chunk]);
    }
  }

  /** Whether nothing is left. */
  async ended(): Promise<boolean> {
    while (this.#rest.length === 0) {
      const chunk = await this.#next();
      if (!chunk) return true;
      this.#rest = chunk;
    }
    return false;
  }

  async #next(): Promise<Buffer | undefined> {
    const { done, value } = await this.#source.next();
    return done ? undefined : value;
  }
}
