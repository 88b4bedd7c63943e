import type { Agent, ClientRequest } from 'node:http';
import type { Socket } from 'node:net';
import { NO_CONNECTION } from './connection-codes.js';

/** Looks in one idle time: a request waits for as long, and for a look more at most. */
const LOOKS = 4;

/**
 * Watches those who wait for a connection while all of them are taken. Where each is held by a download that nobody reads, and
 * whoever would read it waits for a connection, too, nothing would ever move again: so a request fails that has waited for the
 * idle time in which no connection was given back and no byte has moved on any.
 */
export class ConnectionQueue {
  readonly #waited = new WeakMap<ClientRequest, number>();
  readonly #moved = new Map<string, number>();
  #timer: NodeJS.Timeout | undefined;
  #turns = 0;
  #isChanging = false;

  /** @param idleTimeout milliseconds */
  constructor(
    private readonly agent: Agent,
    private readonly idleTimeout: number,
  ) {}

  /** A connection is taken, given back or closed just now. */
  changed(): void {
    this.#turns++;
    if (this.#isChanging) return;
    this.#isChanging = true;
    // Once the agent has counted it, too.
    process.nextTick(() => {
      this.#isChanging = false;
      this.#watchWhileFull();
    });
  }

  #watchWhileFull(): void {
    const { sockets, maxSockets } = this.agent;
    if (Object.values(sockets).some((taken = []) => taken.length >= maxSockets)) {
      this.#timer ??= setInterval(() => this.#look(), this.idleTimeout / LOOKS);
      return;
    }
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#moved.clear();
  }

  #look(): void {
    for (const [host, requests = []] of Object.entries(this.agent.requests)) {
      const moved = this.#turns + bytesOf(this.agent.sockets[host]);
      const isStuck = this.#moved.get(host) === moved;
      this.#moved.set(host, moved);
      for (const request of requests) {
        const looks = isStuck ? (this.#waited.get(request) ?? -1) + 1 : 0;
        this.#waited.set(request, looks);
        if (looks >= LOOKS && !request.destroyed) this.#refuse(request);
      }
    }
  }

  #refuse(request: ClientRequest): void {
    const error = Object.assign(
      new Error(
        `No connection came free and nothing moved on any of the ${this.agent.maxSockets} for ${this.idleTimeout} ms: ` +
          'read downloads to their end or cancel them before further calls, or raise maxSockets',
      ),
      { code: NO_CONNECTION },
    );
    request.destroy(error);
    // Without a connection it would tell of its end only when there is one.
    request.emit('error', error);
  }
}

function bytesOf(sockets: readonly Socket[] = []): number {
  return sockets.reduce((sum, { bytesRead, bytesWritten }) => sum + bytesRead + bytesWritten, 0);
}
