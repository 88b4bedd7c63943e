import { Readable } from 'node:stream';

/** Bytes that are in memory, as a stream. Into a destination that it is to end they go in one piece: a response, with its head. */
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
    const isSeenByOthers = this.readableDidRead || this.destroyed || this.listenerCount('data') > 0;
    if (options.end === false || isSeenByOthers) return super.pipe(destination, options);
    destination.end(this.bytes);
    // To its end, for whoever waits for that.
    this.resume();
    return destination;
  }
}
