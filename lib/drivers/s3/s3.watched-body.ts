import type { ClientRequest } from 'node:http';
import { Readable } from 'node:stream';
import { sendBody } from '../remote/settled-abort.js';

/** The request with the same body, and known to whoever aborts it as soon as it goes out. */
export function watchedBody<Request extends { readonly body?: unknown }>(
  request: Request,
  cut: AbortSignal,
): Request {
  const watched = { ...request, body: new WatchedBody(request.body, cut) };
  return Object.setPrototypeOf(watched, Object.getPrototypeOf(request) as object) as Request;
}

/**
 * Bytes that the SDK takes for a stream, since that is all to which it shows the request that it makes. They are written
 * without one all the same.
 */
class WatchedBody extends Readable {
  constructor(
    private readonly content: unknown,
    private readonly cut: AbortSignal,
  ) {
    super();
  }

  override pipe<Destination extends NodeJS.WritableStream>(destination: Destination): Destination {
    const body = this.content === undefined ? [] : [this.content as Uint8Array | string];
    sendBody(destination as unknown as ClientRequest, body, this.cut);
    return destination;
  }
}
