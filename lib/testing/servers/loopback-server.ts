import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { applyCors, type CorsRule } from './cors.js';
import type { RequestLog } from './request-log.js';

export interface LoopbackOptions {
  readonly cors: readonly CorsRule[] | undefined;
  /** Is told whenever a request comes or ends and a socket opens or closes. */
  readonly log: Pick<RequestLog<unknown>, 'changed'>;
  /**
   * Answers one request. Must not reject.
   * @param awaitsContinue whether the client holds its body back until told to go on
   */
  readonly answer: (
    incoming: IncomingMessage,
    response: ServerResponse,
    awaitsContinue: boolean,
  ) => Promise<void>;
}

/** An HTTP server on a free port of 127.0.0.1 that knows its sockets and what is under way. */
export class LoopbackServer {
  readonly #http = createServer({ keepAliveTimeout: 60_000, requestTimeout: 0 });
  readonly #sockets = new Map<Socket, number>();
  readonly #running = new Set<Promise<void>>();
  #totalConnections = 0;
  #port = 0;

  constructor({ answer, cors = [], log }: LoopbackOptions) {
    const handle =
      (awaitsContinue: boolean) =>
      (incoming: IncomingMessage, response: ServerResponse): void => {
        if (applyCors(cors, incoming, response)) return;
        const running = answer(incoming, response, awaitsContinue).finally(() => {
          this.#running.delete(running);
          log.changed();
        });
        this.#running.add(running);
        log.changed();
      };
    this.#http.on('request', handle(false));
    this.#http.on('checkContinue', handle(true));
    this.#http.on('connection', (socket) => {
      this.#sockets.set(socket, ++this.#totalConnections);
      socket.once('close', () => {
        this.#sockets.delete(socket);
        log.changed();
      });
      log.changed();
    });
  }

  get port(): number {
    return this.#port;
  }

  /** Sockets open. */
  get connections(): number {
    return this.#sockets.size;
  }

  /** Sockets ever opened. */
  get totalConnections(): number {
    return this.#totalConnections;
  }

  /** Requests under way. */
  get inFlight(): number {
    return this.#running.size;
  }

  /** Which of all connections it came over, from 1 on. */
  connectionOf({ socket }: IncomingMessage): number {
    return this.#sockets.get(socket) ?? 0;
  }

  async listen(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#http.once('error', reject);
      this.#http.listen(0, '127.0.0.1', resolve);
    });
    this.#port = (this.#http.address() as AddressInfo).port;
  }

  /** Destroys every socket, and waits for what is under way. */
  async close(): Promise<void> {
    if (this.#http.listening) {
      const closed = new Promise((resolve) => this.#http.close(resolve));
      for (const socket of this.#sockets.keys()) socket.destroy();
      await closed;
    }
    await Promise.all(this.#running);
  }
}
