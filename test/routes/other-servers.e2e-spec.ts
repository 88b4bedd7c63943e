import { jest } from '@jest/globals';
import { ExpressAdapter } from '@nestjs/platform-express';
import { Test } from '@nestjs/testing';
import dns from 'node:dns';
import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { ServeStorageModule } from '../../lib/routes/serve-storage.module.js';
import { StorageModule } from '../../lib/storage.module.js';
import { closeApps } from '../nest/app-fixture.js';
import { type Answer, send } from '../nest/http-client.js';
import { SAFE_HEADERS } from '../serving/safe-headers.js';
import { ADAPTERS, REFUSAL, type RoutesApp, startRoutes } from './routes-fixture.js';

/** A second address of this machine; macOS has only one of IPv4. */
const SECOND =
  process.platform === 'darwin'
    ? { address: '::1', family: 6 }
    : { address: '127.0.0.2', family: 4 };
const ADDRESSES = [{ address: '127.0.0.1', family: 4 }, SECOND];

/** Has `localhost` two addresses, whatever this machine says of it. */
function lookUpTwo(): void {
  const { lookup } = dns;
  jest.spyOn(dns, 'lookup').mockImplementation(((host: string, ...others: unknown[]) => {
    const answer = others.at(-1) as (...found: unknown[]) => void;
    const { all = false } = others[0] as { all?: boolean };
    if (host !== 'localhost') (lookup as (...given: unknown[]) => void)(host, ...others);
    else if (all) answer(null, ADDRESSES);
    else answer(null, ADDRESSES[0]!.address, ADDRESSES[0]!.family);
  }) as never);
}

const serveImages = ServeStorageModule.forRoot({
  storage: 'uploads',
  path: '/images',
  authorize: (_request, key) => key.startsWith('open/'),
});

const closing: Server[] = [];

afterEach(async () => {
  jest.restoreAllMocks();
  for (const server of closing.splice(0)) server.close();
  await closeApps();
});

/** A server that asks the listener, on a port of its own. */
async function listenWith(listener: RequestListener): Promise<Server> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  closing.push(server);
  await once(server, 'listening');
  return server;
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port;
}

/** What tells whether a server hands on what it is asked as the first one of the app does. */
async function askAll(
  { storage }: RoutesApp,
  get: (target: string) => Promise<Answer>,
): Promise<Record<string, Answer>> {
  await storage.put('open/a.txt', 'hello');
  return {
    absolute: await get('http://any.example/images/open/a.txt'),
    denied: await get('/images/a.txt'),
    malformed: await get('/images/%zz'),
    unsigned: await get('/storage/uploads/%zz'),
  };
}

const ANSWERS = {
  absolute: { status: 200, text: 'hello' },
  denied: { status: 403, headers: SAFE_HEADERS },
  malformed: { status: 404, headers: SAFE_HEADERS },
  unsigned: { status: REFUSAL.status, text: REFUSAL.body, headers: SAFE_HEADERS },
};

describe('what is asked of the routes', () => {
  test('is the same by each address of localhost, for which Fastify has a server of its own', async () => {
    lookUpTwo();
    const app = await startRoutes({
      adapter: ADAPTERS['Fastify']!(),
      host: 'localhost',
      metadata: { imports: [serveImages] },
    });
    for (const { address: host } of ADDRESSES) {
      const answers = await askAll(app, (target) => send(app.port, target, { host }));
      expect(answers).toMatchObject(ANSWERS);
    }
  });

  test('is the same by each server that hands it to the Express app', async () => {
    const adapter = new ExpressAdapter();
    const app = await startRoutes({ adapter, metadata: { imports: [serveImages] } });
    const server = await listenWith(adapter.getInstance<RequestListener>());
    const answers = await askAll(app, (target) => send(portOf(server), target));
    expect(answers).toMatchObject(ANSWERS);
  });

  test.each(Object.entries(ADAPTERS))(
    'is not what other servers are asked, besides %s',
    async (_, adapter) => {
      await startRoutes({ adapter: adapter(), metadata: { imports: [serveImages] } });
      const server = await listenWith((request, response) => void response.end(request.url));
      const answer = await send(portOf(server), '/images/%zz');
      expect(answer.text).toBe('/images/%zz');
      expect(answer.headers).not.toHaveProperty('referrer-policy');
    },
  );

  test.each(
    Object.entries(ADAPTERS).flatMap(([name, adapter]) => [
      [name, 'listened', adapter, true] as const,
      [name, 'did not listen', adapter, false] as const,
    ]),
  )(
    'leaves no trace of an app on %s that %s, and is closed',
    async (_, _what, adapter, listens) => {
      const storages = { uploads: { driver: 'memory' } } as const;
      const module = await Test.createTestingModule({
        imports: [StorageModule.forRoot({ storages }), serveImages],
      }).compile();
      const app = module.createNestApplication(adapter());
      await app.init();
      const own = app.getHttpServer() as Server;
      const handler = own.listeners('request').at(-1) as RequestListener;
      expect((await listenWith(handler)).listenerCount('request')).toBe(2);
      if (listens) await app.listen(0, '127.0.0.1');
      await Promise.all([once(own, 'close'), app.close()]);
      expect((await listenWith(handler)).listenerCount('request')).toBe(1);
    },
  );
});
