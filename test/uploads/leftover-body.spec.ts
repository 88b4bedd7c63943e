import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { connect, createServer, type Http2Server } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { discardLeftover, type LeftoverLimits } from '../../lib/uploads/leftover-body.js';

const servers: Http2Server[] = [];
afterEach(() => servers.splice(0).forEach((server) => server.close()));

/** A server over HTTP/2 that refuses every body before its end. */
async function refusing(limits: LeftoverLimits): Promise<string> {
  const server = createServer((request, response) => {
    const message = request as unknown as IncomingMessage;
    discardLeftover(message, response as unknown as ServerResponse, limits);
    response.writeHead(413).end('too large');
  });
  servers.push(server);
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

test.each<[string, LeftoverLimits, string[]]>([
  ['stalls', { most: Infinity, longest: 20 }, ['the beginning']],
  ['sends too much', { most: 100_000, longest: 600_000 }, Array(40).fill('x'.repeat(10_000))],
])(
  'over HTTP/2, a client that %s sees its answer, and its stream is closed without an error; not the session',
  async (_what, limits, chunks) => {
    const session = connect(await refusing(limits));
    for (let request = 0; request < 2; request++) {
      const stream = session.request({ ':method': 'POST' });
      let answer = '';
      stream.setEncoding('utf8').on('data', (text: string) => (answer += text));
      for (const chunk of chunks) stream.write(chunk);
      const [headers] = (await once(stream, 'response')) as [{ ':status': number }];
      await once(stream, 'close');
      expect([headers[':status'], answer, stream.rstCode]).toEqual([413, 'too large', 0]);
    }
    await new Promise<void>((resolve) => session.close(resolve));
  },
);
