import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { resetConnection } from '../../lib/testing/servers/reset-connection.js';

describe('resetConnection', () => {
  it('resets a connection', async () => {
    const client = await atServer(resetConnection);
    const [error] = await once(client, 'error');
    expect(error).toMatchObject({ code: 'ECONNRESET' });
  });

  it('closes one whose end is just going out, which Node would lose', async () => {
    let closed: Promise<unknown> | undefined;
    const client = await atServer((socket) => {
      closed = once(socket, 'close');
      socket.end();
      // By then the end is asked of the system, which has not told of it yet.
      process.nextTick(() => process.nextTick(resetConnection, socket));
    });
    await once(client.resume(), 'close');
    await expect(closed).resolves.toEqual([false]);
  });
});

/** @returns the client's side of a connection, with the server's side of which something is done */
async function atServer(act: (socket: Socket) => void): Promise<Socket> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    act(socket);
    server.close();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return connect((server.address() as AddressInfo).port, '127.0.0.1');
}
