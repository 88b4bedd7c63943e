import { ServerResponse } from 'node:http';
import { Readable } from 'node:stream';

/** Bytes that are in memory, as a stream. Into a response that it is to end they go in one piece, together with its head. */
export class HeldBytes extends Readable {
  constructor(private readonly bytes: Uint8Array) {
    super();
  }

  override _read(): void {
    this.push(this.bytes);
    this.push(null);
  }

  override pipe<Destination extends NodeJS.WritableStream>(
    destination: Destination,
    options: { end?: boolean } = {},
  ): Destination {
    const endsResponse = destination instanceof ServerResponse && options.end !== false;
    if (!endsResponse || this.#isTouched) return super.pipe(destination, options);
    destination.emit('pipe', this);
    destination.end(this.bytes);
    // To its end, for whoever waits for that.
    this.resume();
    return destination;
  }

  /** Whether others read it, too, or as something else than these bytes. */
  get #isTouched(): boolean {
    return (
      this.readableDidRead ||
      this.destroyed ||
      this.readableLength > 0 ||
      this.readableEncoding !== null ||
      this.listenerCount('data') > 0
    );
  }
}
