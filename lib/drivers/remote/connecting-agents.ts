import { Agent as HttpAgent, type AgentOptions } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import type { Duplex } from 'node:stream';
import { ConnectionQueue } from './connection-queue.js';

const CONNECT_TIMEOUT = 5000;

/** The connections of one client; destroy both to free them. */
export interface ConnectionAgents {
  readonly httpAgent: HttpAgent;
  readonly httpsAgent: HttpsAgent;
}

/**
 * Keeps connections alive, and gives one up that is not made within five seconds. An SDK's own timeout of that kind also
 * counts the time that a request waits for a free socket, so that a thousand calls at once fail on a healthy network.
 *
 * @param maxSockets connections open at once; further requests wait for one in the order of asking
 * @param concurrency requests of one call in flight at once, for a few of which there are connections by default
 * @param idleTimeout milliseconds for which they wait while nothing moves on any connection
 */
export function openAgents(
  maxSockets: number | undefined,
  concurrency: number,
  idleTimeout: number,
): ConnectionAgents {
  const most = maxSockets ?? Math.max(256, 4 * concurrency);
  const options = { keepAlive: true, maxSockets: most };
  return {
    httpAgent: new ConnectingHttpAgent(options, idleTimeout),
    httpsAgent: new ConnectingHttpsAgent(options, idleTimeout),
  };
}

class ConnectingHttpAgent extends HttpAgent {
  readonly #queue: ConnectionQueue;

  constructor(options: AgentOptions, idleTimeout: number) {
    super(options);
    this.#queue = new ConnectionQueue(this, idleTimeout);
  }

  override createConnection(
    ...[options, callback]: Parameters<HttpAgent['createConnection']>
  ): ReturnType<HttpAgent['createConnection']> {
    this.#queue.changed();
    const socket = limitConnecting(super.createConnection(options, callback), 'connect');
    socket?.once('close', () => this.#queue.changed());
    return socket;
  }

  override reuseSocket(...[socket, request]: Parameters<HttpAgent['reuseSocket']>): void {
    this.#queue.changed();
    super.reuseSocket(socket, request);
  }

  override keepSocketAlive(socket: Duplex): void {
    this.#queue.changed();
    return super.keepSocketAlive(socket);
  }
}

class ConnectingHttpsAgent extends HttpsAgent {
  readonly #queue: ConnectionQueue;

  constructor(options: AgentOptions, idleTimeout: number) {
    super(options);
    this.#queue = new ConnectionQueue(this, idleTimeout);
  }

  override createConnection(
    ...[options, callback]: Parameters<HttpsAgent['createConnection']>
  ): ReturnType<HttpsAgent['createConnection']> {
    this.#queue.changed();
    const socket = limitConnecting(super.createConnection(options, callback), 'secureConnect');
    socket?.once('close', () => this.#queue.changed());
    return socket;
  }

  override reuseSocket(...[socket, request]: Parameters<HttpsAgent['reuseSocket']>): void {
    this.#queue.changed();
    super.reuseSocket(socket, request);
  }

  override keepSocketAlive(socket: Duplex): void {
    this.#queue.changed();
    return super.keepSocketAlive(socket);
  }
}

function limitConnecting<Socket extends Duplex | null | undefined>(
  socket: Socket,
  connected: 'connect' | 'secureConnect',
): Socket {
  if (!socket) return socket;
  const timer = setTimeout(() => {
    socket.destroy(
      Object.assign(new Error(`No connection within ${CONNECT_TIMEOUT} ms`), { code: 'ETIMEDOUT' }),
    );
  }, CONNECT_TIMEOUT);
  const stop = (): void => clearTimeout(timer);
  socket.once(connected, stop).once('close', stop);
  return socket;
}
