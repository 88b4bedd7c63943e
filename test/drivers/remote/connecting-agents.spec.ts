import { once } from 'node:events';
import { request as httpsRequest } from 'node:https';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { jest } from '@jest/globals';
import { openAgents } from '../../../lib/drivers/remote/connecting-agents.js';

afterEach(() => {
  jest.useRealTimers();
});

test('a connection that is not made within five seconds is given up', async () => {
  const taken: Socket[] = [];
  // Takes connections, and never says a word of TLS.
  const silent = createServer((socket) => void taken.push(socket.on('error', () => {})));
  silent.listen(0, '127.0.0.1');
  await once(silent, 'listening');
  const { port } = silent.address() as AddressInfo;
  const { httpAgent, httpsAgent } = openAgents(1, 4, 30_000);
  jest.useFakeTimers({ doNotFake: ['nextTick', 'setImmediate', 'queueMicrotask', 'performance'] });
  const request = httpsRequest({ host: '127.0.0.1', port, agent: httpsAgent });
  let failure: NodeJS.ErrnoException | undefined;
  const failed = new Promise<void>((resolve) => {
    request.on('error', (error) => {
      failure = error;
      resolve();
    });
  });
  request.end();
  await once(silent, 'connection');
  jest.advanceTimersByTime(4999);
  await new Promise((resolve) => setImmediate(resolve));
  expect(failure).toBeUndefined();
  jest.advanceTimersByTime(1);
  await failed;
  expect(failure?.code).toBe('ETIMEDOUT');
  httpAgent.destroy();
  httpsAgent.destroy();
  for (const socket of taken) socket.destroy();
  silent.close();
});
