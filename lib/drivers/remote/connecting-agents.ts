import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import type { Duplex } from 'node:stream';

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
 */
export function openAgents(maxSockets: number | undefined, concurrency: number): ConnectionAgents {
  const most = maxSockets ?? Math.max(256, 4 * concurrency);
  return {
    httpAgent: new ConnectingHttpAgent({ keepAlive: true, maxSockets: most }),
    httpsAgent: new ConnectingHttpsAgent({ keepAlive: true, maxSockets: most }),
  };
}

class ConnectingHttpAgent extends HttpAgent {
  override createConnection(
    ...[options, callback]: Parameters<HttpAgent['createConnection']>
  ): ReturnType<HttpAgent['createConnection']> {
    return limitConnecting(super.createConnection(options, callback), 'connect');
  }
}

class ConnectingHttpsAgent extends HttpsAgent {
  override createConnection(
    ...[options, callback]: Parameters<HttpsAgent['createConnection']>
  ): ReturnType<HttpsAgent['createConnection']> {
    return limitConnecting(super.createConnection(options, callback), 'secureConnect');
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
