import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import type { Server, Socket } from 'node:net';
import { PassThrough, Readable } from 'node:stream';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { StorageDriver } from '../../lib/index.js';
import { holdTimeouts } from '../held-timeouts.js';
import { closeApps, until } from '../nest/app-fixture.js';
import { openSocket, send, sendRaw } from '../nest/http-client.js';
import { ADAPTERS } from './adapters.js';
import { endless, servingOn } from './serving-fixture.js';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

afterEach(closeApps);

describe.each(ADAPTERS)('%s', (_adapter, adapter) => {
  const serve = servingOn(adapter);

  describe('a client that leaves', () => {
    function endlessFiles(opened: Readable[]): (memory: StorageDriver) => Partial<StorageDriver> {
      return (memory) => ({
        get: async (key, options) => {
          const { file } = await memory.get(key, options);
          const body = endless();
          opened.push(body);
          return { file: { ...file, size: 2 ** 40 }, body };
        },
      });
    }

    test('frees what the driver opened at once, and waits for no timer', async () => {
      const opened: Readable[] = [];
      const { port, put } = await serve(endlessFiles(opened));
      await put('a.bin', 'x');
      const socket = await openSocket(port);
      socket.write('GET /files/a.bin HTTP/1.1\r\nHost: x\r\n\r\n');
      await once(socket, 'data');
      using _held = holdTimeouts();
      const freed = once(opened[0]!, 'close');
      socket.destroy();
      await freed;
    });

    test('has one file open of all that it asked for on its connection, and then none', async () => {
      const opened: Readable[] = [];
      const asked = new Set<unknown>();
      const { port, put, log } = await serve(endlessFiles(opened), undefined, {
        configure: (app) =>
          app.use((request: unknown, _response: unknown, next: () => void) => {
            asked.add(request);
            next();
          }),
      });
      await put('a.bin', 'x');
      const socket = await openSocket(port);
      socket.write('GET /files/a.bin HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(20));
      await until(() => asked.size === 20);
      // By another connection: whatever the others do at once is done.
      await send(port, '/files/a.bin', { method: 'HEAD' });
      expect(opened.length).toBe(1);
      socket.destroy();
      await until(() => opened[0]!.destroyed);
      await send(port, '/files/a.bin', { method: 'HEAD' });
      expect(opened.length).toBe(1);
      expect(log.entries).toEqual([]);
    });

    test('gets the next file when it has read the one before', async () => {
      const { port, put, calls } = await serve();
      await put('a.bin', 'x'.repeat(100_000));
      const request = 'GET /files/a.bin HTTP/1.1\r\nHost: x\r\n';
      const answers = await sendRaw(
        port,
        `${request}\r\n`.repeat(9) + `${request}Connection: close\r\n\r\n`,
      );
      expect(answers.match(/HTTP\/1\.1 200 /g)).toHaveLength(10);
      expect(calls.filter((call) => call === 'get a.bin')).toHaveLength(10);
    });

    test('ends the call that opens the file', async () => {
      const signals: AbortSignal[] = [];
      const { port } = await serve(() => ({
        get: (_key, { signal }) => {
          signals.push(signal);
          return new Promise((_resolve, reject) => {
            signal.addEventListener('abort', () => reject(signal.reason as Error));
          });
        },
      }));
      const socket = await openSocket(port);
      socket.write('GET /files/a.bin HTTP/1.1\r\nHost: x\r\n\r\n');
      await until(() => signals.length === 1);
      socket.destroy();
      await until(() => signals[0]!.aborted);
    });

    test('before the first byte frees the file, and is no failure', async () => {
      const opened: Readable[] = [];
      const { port, put, log } = await serve((memory) => ({
        get: async (key, options) => {
          const { file } = await memory.get(key, options);
          const body = new Readable({ read() {} });
          opened.push(body);
          return { file: { ...file, size: 10 }, body };
        },
      }));
      await put('a.bin', 'x');
      const socket = await openSocket(port);
      socket.write('GET /files/a.bin HTTP/1.1\r\nHost: x\r\n\r\n');
      await until(() => opened.length === 1);
      socket.destroy();
      await until(() => opened[0]!.destroyed);
      expect(log.entries).toEqual([]);
    });

    test('keeps a listener on its connection only while it waits', async () => {
      const { app, port, put } = await serve();
      await put('a.txt', 'x'.repeat(100));
      const sockets = new Set<Socket>();
      (app.getHttpServer() as Server).on('connection', (socket: Socket) => sockets.add(socket));
      const socket = await openSocket(port);
      const counts: number[] = [];
      for (let index = 0; index < 30; index++) {
        socket.write('GET /files/a.txt HTTP/1.1\r\nHost: x\r\n\r\n');
        await once(socket, 'data');
        counts.push([...sockets][0]!.listenerCount('close'));
      }
      // What waits for the last answer may still be at hand.
      await until(() => [...sockets][0]!.listenerCount('close') <= counts[1]!);
      socket.destroy();
    });

    test('and asks many times before holds on to none of its answers', async () => {
      const answers: WeakRef<ServerResponse>[] = [];
      const { port, put } = await serve(undefined, undefined, {
        configure: (app) =>
          app.use((_request: unknown, response: ServerResponse, next: () => void) => {
            answers.push(new WeakRef(response));
            next();
          }),
      });
      await put('a.txt', 'x'.repeat(100));
      const socket = await openSocket(port);
      for (let index = 0; index < 30; index++) {
        socket.write('GET /files/a.txt HTTP/1.1\r\nHost: x\r\n\r\n');
        await once(socket, 'data');
      }
      // The last ones may still be at hand, and Nest 12 itself holds on to the first.
      await until(() => {
        collectGarbage();
        return answers.slice(1, 20).every((answer) => answer.deref() === undefined);
      });
      socket.destroy();
    });

    test('is waited for by no more listeners than the answer of an app with a middleware may have', async () => {
      const counts: boolean[] = [];
      const { port, put } = await serve(undefined, undefined, {
        configure: (app) =>
          app.use((_request: unknown, response: ServerResponse, next: () => void) => {
            // As those that log requests do.
            response.on('close', () => {});
            response.once('finish', () => {
              counts.push(response.listenerCount('close') <= response.getMaxListeners());
            });
            next();
          }),
      });
      await put('a.txt', 'x'.repeat(100));
      expect((await send(port, '/files/a.txt')).status).toBe(200);
      expect(counts).toEqual([true]);
    });

    test('has an answer whose listeners are as many as an app likes, where it says so', async () => {
      const limits: number[] = [];
      const { port, put } = await serve(undefined, undefined, {
        configure: (app) =>
          app.use((_request: unknown, response: ServerResponse, next: () => void) => {
            response.setMaxListeners(0);
            response.once('finish', () => limits.push(response.getMaxListeners()));
            next();
          }),
      });
      await put('a.txt', 'x');
      expect((await send(port, '/files/a.txt')).status).toBe(200);
      expect(limits).toEqual([0]);
    });

    test('before the file is open frees it, too', async () => {
      const opened: PassThrough[] = [];
      let open: () => void = () => {};
      const asked = new Promise<void>((resolve) => (open = resolve));
      let answer: () => void = () => {};
      const answered = new Promise<void>((resolve) => (answer = resolve));
      const { app, port, put } = await serve((memory) => ({
        get: async (key, options) => {
          open();
          await answered;
          const { file } = await memory.get(key, options);
          const body = new PassThrough();
          body.write('x');
          opened.push(body);
          return { file: { ...file, size: 1000 }, body };
        },
      }));
      await put('a.bin', 'x');
      const socket = await openSocket(port);
      socket.write('GET /files/a.bin HTTP/1.1\r\nHost: x\r\n\r\n');
      await asked;
      socket.destroy();
      await until(() => connections(app) === 0);
      answer();
      await until(() => opened[0]?.destroyed === true);
    });

    test('leaves nothing under way: the app closes at once', async () => {
      const opened: Readable[] = [];
      const { app, port, put } = await serve(endlessFiles(opened));
      await put('a.bin', 'x');
      const socket = await openSocket(port);
      socket.write('GET /files/a.bin HTTP/1.1\r\nHost: x\r\n\r\n');
      await once(socket, 'data');
      socket.destroy();
      await app.close();
      expect(opened[0]!.destroyed).toBe(true);
    });

    function connections(app: { getHttpServer(): unknown }): number {
      const server = app.getHttpServer() as { _connections?: number };
      return server._connections ?? 0;
    }
  });
});
