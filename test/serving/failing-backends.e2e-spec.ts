import { FastifyAdapter } from '@nestjs/platform-fastify';
import { once } from 'node:events';
import { connect, constants } from 'node:http2';
import { Readable } from 'node:stream';
import {
  StorageConnectionError,
  type StorageDriver,
  StorageTimeoutError,
} from '../../lib/index.js';
import { closeApps, failure, until } from '../nest/app-fixture.js';
import { openSocket, send } from '../nest/http-client.js';
import { ADAPTERS } from './adapters.js';
import { SAFE_HEADERS } from './safe-headers.js';
import { serve, servingOn } from './serving-fixture.js';

afterEach(closeApps);

function failingBody(
  chunks: Buffer[],
  error: Error,
): (memory: StorageDriver) => Partial<StorageDriver> {
  return (memory) => ({
    get: async (key, options) => {
      const { file } = await memory.get(key, options);
      let index = 0;
      const body = new Readable({
        read() {
          if (index < chunks.length) this.push(chunks[index++]);
          else setImmediate(() => this.destroy(error));
        },
      });
      return { file, body };
    },
  });
}

describe.each(ADAPTERS)('%s', (_adapter, adapter) => {
  const serve = servingOn(adapter);

  describe('a backend that fails', () => {
    test.each([
      ['info', { Range: 'bytes=0-1' }],
      ['get', {}],
    ] as const)('in %s() is a proper status, and logged', async (method, headers) => {
      const { port, log } = await serve(() => ({
        [method]: () => Promise.reject(new StorageConnectionError('the disk is on fire')),
      }));
      const answer = await send(port, '/files/a.txt', { headers });
      expect(answer.status).toBe(502);
      expect(answer.json).toMatchObject({ code: 'CONNECTION_FAILED' });
      expect(answer.text).not.toContain('fire');
      expect(answer.headers).toMatchObject(SAFE_HEADERS);
      expect(log.text).toContain('the disk is on fire');
    });

    test('before the first byte is a proper status, without the headers of the file', async () => {
      const { port, put, log } = await serve(
        failingBody([], new StorageTimeoutError('no answer from bucket')),
        undefined,
        { configure: (app) => app.enableCors({ origin: 'http://friend.example' }) },
      );
      const { etag } = await put('a.png', 'x'.repeat(1000), {
        cacheControl: 'public, max-age=1000',
      });
      const answer = await send(port, '/files/a.png');
      expect(answer.status).toBe(504);
      expect(answer.json).toEqual({
        statusCode: 504,
        message: 'The file storage did not answer in time',
        code: 'TIMEOUT',
      });
      expect(answer.headers['content-type']).toContain('application/json');
      for (const name of [
        'last-modified',
        'cache-control',
        'content-disposition',
        'accept-ranges',
      ]) {
        expect(answer.headers).not.toHaveProperty(name);
      }
      expect(answer.headers.etag).not.toBe(etag);
      expect(answer.headers).toMatchObject(SAFE_HEADERS);
      expect(answer.headers['access-control-allow-origin']).toBe('http://friend.example');
      expect(log.text).toContain('no answer from bucket');
    });

    test('in the very turn of the first byte is a proper status, too', async () => {
      const { port, put } = await serve((memory) => ({
        get: async (key, options) => {
          const { file } = await memory.get(key, options);
          let isBegun = false;
          const body = new Readable({
            read() {
              if (isBegun) return;
              isBegun = true;
              this.push('0');
              // Its event comes before anybody else could listen; unheard, it would end the process.
              process.nextTick(() => this.destroy(new StorageConnectionError('reset by backend')));
            },
          });
          return { file, body };
        },
      }));
      await put('a.png', '0123456789');
      const answer = await send(port, '/files/a.png');
      expect(answer).toMatchObject({ status: 502, json: { code: 'CONNECTION_FAILED' } });
    });

    test.each([
      ['fewer bytes than it announced', 9, 'delivered 9 bytes of the 10'],
      ['more bytes than it announced', 60, 'more than the 10 bytes'],
    ])('by %s cuts the connection, and lets out none beyond', async (_, size, message) => {
      const bytes = Buffer.from(
        '0123456789HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nEVIL!'.padEnd(size),
      );
      const { port, put, log } = await serve((memory) => ({
        get: async (key, options) => {
          const { file } = await memory.get(key, options);
          const body = Readable.from([bytes.subarray(0, 5), bytes.subarray(5, size)], {
            objectMode: false,
          });
          return { file, body };
        },
      }));
      await put('a.png', '0123456789');
      const socket = await openSocket(port);
      socket.write('GET /files/a.png HTTP/1.1\r\nHost: x\r\nConnection: keep-alive\r\n\r\n');
      let received = '';
      socket.on('data', (chunk: Buffer) => (received += chunk.toString()));
      await until(() => socket.closed);
      expect(received).not.toContain('EVIL');
      expect(received.split('\r\n\r\n')[1]!.length).toBeLessThan(10);
      expect(log.text).toContain(message);
    });

    test('by other bytes than it announced, known before the first, is a 502, and logged', async () => {
      const { port, put, log } = await serve((memory) => ({
        get: async (key, options) => ({
          ...(await memory.get(key, options)),
          body: Buffer.from('too many bytes'),
        }),
      }));
      await put('a.png', '0123456789');
      const answer = await send(port, '/files/a.png');
      expect(answer).toMatchObject({
        status: 502,
        json: {
          code: 'INTEGRITY',
          message: 'The file storage delivered other bytes than it announced',
        },
      });
      expect(answer.headers).toMatchObject(SAFE_HEADERS);
      expect(log.text).toContain('more than the 10 bytes');
    });

    test('in mid-stream cuts the connection, and is logged', async () => {
      const { port, put, log } = await serve(
        failingBody([Buffer.alloc(100_000)], new Error('reset by backend')),
      );
      await put('a.png', Buffer.alloc(1_000_000));
      expect(await failure(send(port, '/files/a.png'))).toMatchObject({ code: 'ECONNRESET' });
      expect(log.text).toContain('reset by backend');
    });

    test('in mid-stream closes a connection that the client would keep', async () => {
      const { port, put } = await serve(
        failingBody([Buffer.alloc(100_000)], new Error('reset by backend')),
      );
      await put('a.png', Buffer.alloc(1_000_000));
      const socket = await openSocket(port);
      socket.write('GET /files/a.png HTTP/1.1\r\nHost: x\r\nConnection: keep-alive\r\n\r\n');
      let received = 0;
      socket.on('data', (chunk: Buffer) => (received += chunk.length));
      // Long before an idle connection would be closed.
      await until(() => socket.closed);
      expect(received).toBeLessThan(1_000_000);
    });
  });
});

test('a backend that fails in mid-stream resets the stream of HTTP/2 with an error, with a length or without', async () => {
  const { port, put, log } = await serve(
    failingBody([Buffer.alloc(100_000)], new Error('reset by backend')),
    undefined,
    {
      adapter: new FastifyAdapter({ http2: true } as never),
      configure: (app) => {
        const instance = app.getHttpAdapter().getInstance();
        // As plugins do that change the bytes.
        instance.addHook('onSend', async (request: any, reply: any, payload: unknown) => {
          if ('x-unmeasured' in request.headers) reply.removeHeader('content-length');
          return payload;
        });
      },
    },
  );
  await put('a.png', Buffer.alloc(1_000_000));
  const session = connect(`http://127.0.0.1:${port}`);
  try {
    for (const headers of [{}, { 'x-unmeasured': '1' }]) {
      const stream = session.request({ ':path': '/files/a.png', ...headers });
      const closed = once(stream.resume(), 'close').catch(() => {});
      const [answered] = await once(stream, 'response');
      expect('content-length' in answered).toBe(!('x-unmeasured' in headers));
      await closed;
      expect(stream.rstCode).toBe(constants.NGHTTP2_INTERNAL_ERROR);
    }
  } finally {
    session.destroy();
  }
  expect(log.text).toContain('reset by backend');
});
