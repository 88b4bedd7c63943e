import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { Connection, ConnectionGone } from './connection.js';
import { applyCors, type CorsRule } from './cors.js';
import { RequestLog } from './request-log.js';

/** One request and its answer, as a service has them. */
export interface Exchange {
  /** Rejects with what the client is to be told instead. */
  answer(): Promise<void>;
  /** Tells why there is no answer. Only called while none has begun. */
  refuse(error: unknown): Promise<void>;
}

/** An HTTP server on a free port of 127.0.0.1 that knows its sockets, what came in and what is under way. */
export abstract class LoopbackServer<Entry> implements AsyncDisposable {
  protected readonly log = new RequestLog<Entry>();
  readonly #http = createServer({ keepAliveTimeout: 60_000, requestTimeout: 0 });
  readonly #sockets = new Map<Socket, number>();
  readonly #running = new Set<Promise<void>>();
  #totalConnections = 0;
  #port = 0;

  constructor(private readonly cors: readonly CorsRule[] = []) {
    this.#http.on('request', (incoming, response) => this.#handle(incoming, response, false));
    this.#http.on('checkContinue', (incoming, response) => this.#handle(incoming, response, true));
    this.#http.on('connection', (socket) => {
      this.#sockets.set(socket, ++this.#totalConnections);
      socket.once('close', () => {
        this.#sockets.delete(socket);
        this.log.changed();
      });
      this.log.changed();
    });
  }

  protected abstract exchange(connection: Connection): Exchange;

  get port(): number {
    return this.#port;
  }

  get requests(): readonly Entry[] {
    return this.log.requests;
  }

  get connections(): number {
    return this.#sockets.size;
  }

  get totalConnections(): number {
    return this.#totalConnections;
  }

  get inFlight(): number {
    return this.#running.size;
  }

  clearRequests(): void {
    this.log.clear();
  }

  until(condition: (server: this) => boolean): Promise<void> {
    return this.log.until(() => condition(this));
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
    this.log.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #handle(incoming: IncomingMessage, response: ServerResponse, awaitsContinue: boolean): void {
    if (applyCors(this.cors, incoming, response)) return;
    const number = this.#sockets.get(incoming.socket) ?? 0;
    const connection = new Connection(incoming, response, {
      number,
      awaitsContinue,
      log: this.log,
    });
    const running = converse(connection, this.exchange(connection)).finally(() => {
      this.#running.delete(running);
      this.log.changed();
    });
    this.#running.add(running);
    this.log.changed();
  }
}

/** Must not reject: nobody would hear of it. */
async function converse(connection: Connection, exchange: Exchange): Promise<void> {
  try {
    await exchange.answer();
  } catch (error) {
    if (error instanceof ConnectionGone || connection.isGone) return;
    if (connection.isAnswered) connection.destroy();
    else await exchange.refuse(error);
  } finally {
    connection.drain();
  }
}
