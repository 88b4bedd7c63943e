import { once } from 'node:events';
import { type IncomingMessage, ServerResponse } from 'node:http';
import type { Readable } from 'node:stream';
import { onConnectionClosed } from '../core/connection-end.js';
import { StorageAbortedError } from '../core/errors.js';
import { HeldBytes } from '../core/held-bytes.js';

/** Somebody who waits for an answer, and may leave at any time. */
export class ClientConnection {
  readonly #left = new AbortController();
  #body: Readable | undefined;

  constructor(
    request: IncomingMessage,
    readonly response: ServerResponse,
  ) {
    const { socket } = request;
    const leave = (): void => {
      forget();
      this.#leave();
    };
    const forget = onConnectionClosed(socket, leave);
    // Also when the answer is complete, where nothing is left to free.
    response.once('close', leave);
    // Nest and Fastify have as many themselves as Node takes without a warning, but for one that is left to the app.
    const most = response.getMaxListeners();
    // 0 is no limit.
    if (most > 0) response.setMaxListeners(most + 1);
    if (socket.destroyed || response.destroyed) leave();
  }

  /** Aborted when nobody waits any more: for calls that are under way. */
  get signal(): AbortSignal {
    return this.#left.signal;
  }

  /**
   * Resolves when this answer is the next on its connection: of all that are asked for there at once (pipelining), one
   * file is open. At once for what has no such order, as HTTP/2.
   *
   * @throws StorageAbortedError when nobody waits any more
   */
  async turn(): Promise<void> {
    if (this.response instanceof ServerResponse && !this.response.socket) {
      await once(this.response, 'socket', { signal: this.signal }).catch(() => {});
    }
    this.signal.throwIfAborted();
  }

  /** Frees the body as soon as nobody waits for it. */
  holds(body: Readable): void {
    this.#body = body;
    if (this.signal.aborted) body.destroy();
  }

  #leave(): void {
    // All of it was read, so that no call is under way any more: there is nothing to abort.
    if (this.#body instanceof HeldBytes || this.#body?.readableEnded) return;
    // Without an error, and before the signal ends it with one: that a client leaves is none.
    this.#body?.destroy();
    this.#left.abort(new StorageAbortedError('The client went away'));
  }
}
