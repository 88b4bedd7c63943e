import {
  type CallHandler,
  ClassSerializerInterceptor,
  Controller,
  type ExecutionContext,
  Get,
  Header,
  HttpCode,
  Injectable,
  type NestInterceptor,
  Param,
  Post,
  StreamableFile,
} from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { PassThrough, Readable } from 'node:stream';
import { map, type Observable, of } from 'rxjs';
import {
  createStorage,
  InjectStorage,
  ServedFile,
  Storage,
  StorageConnectionError,
  type StorageDriver,
  StorageTimeoutError,
} from '../../lib/index.js';
import { closeApps, failure, startApp, until } from '../nest/app-fixture.js';
import { openSocket, send } from '../nest/http-client.js';
import { endless, serve } from './serving-fixture.js';

afterEach(closeApps);

const SAFE = {
  'x-content-type-options': 'nosniff',
  'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'; sandbox",
  'cross-origin-resource-policy': 'same-origin',
};

describe('a file that is not there', () => {
  test('and a key that could never be one get the same 404', async () => {
    const { port } = await serve();
    const missing = await send(port, '/files/missing.txt');
    expect(missing.status).toBe(404);
    expect(missing.json).toEqual({
      statusCode: 404,
      message: 'File not found',
      code: 'FILE_NOT_FOUND',
    });
    expect(missing.headers).toMatchObject(SAFE);
    const bad = [
      'a%00b',
      'a%5Cb',
      '%2e%2e%2fsecret',
      'a%2F%2Fb',
      'x'.repeat(300),
      '%E2%80%AE',
      'e%CC%81',
    ];
    for (const key of bad) {
      const answer = await send(port, `/files/${key}`);
      expect([key, answer.status, answer.text]).toEqual([key, 404, missing.text]);
      expect(answer.headers).toMatchObject(SAFE);
    }
  });

  test('is a 404 also for HEAD, ranges and conditions', async () => {
    const { port } = await serve();
    for (const [method, headers] of [
      ['HEAD', {}],
      ['GET', { Range: 'bytes=0-1' }],
      ['GET', { 'If-None-Match': '*' }],
      ['GET', { 'If-Match': '"a"' }],
    ] as const) {
      expect((await send(port, '/files/a', { method, headers: { ...headers } })).status).toBe(404);
    }
  });
});

describe('how a browser treats the file', () => {
  test.each([
    ['photo.png', 'image/png', 'inline'],
    ['clip.mp4', 'video/mp4', 'inline'],
    ['notes.txt', 'text/plain', 'inline'],
    ['page.html', 'text/html', 'attachment'],
    ['page.html', 'TEXT/HTML; charset=utf-8', 'attachment'],
    ['drawing.svg', 'image/svg+xml', 'attachment'],
    ['feed.xml', 'application/xml', 'attachment'],
    ['page.xhtml', 'application/xhtml+xml', 'attachment'],
    ['script.js', 'text/javascript', 'attachment'],
    ['style.css', 'text/css', 'attachment'],
    ['paper.pdf', 'application/pdf', 'attachment'],
    ['data.bin', 'application/octet-stream', 'attachment'],
    ['odd.xml', 'video/x+xml', 'attachment'],
  ])('%s of type %s is %s', async (name, contentType, disposition) => {
    const { port, put } = await serve();
    await put(name, 'x', { contentType });
    const { headers } = await send(port, `/files/${name}`);
    expect(headers['content-disposition']).toBe(`${disposition}; filename="${name}"`);
    expect(headers).toMatchObject(SAFE);
  });

  @Controller()
  class InlineController {
    constructor(@InjectStorage() private readonly files: Storage) {}
    @Get('inline/:key')
    inline(@Param('key') key: string): ServedFile {
      return new ServedFile(this.files, key, {
        disposition: 'inline',
        crossOrigin: 'cross-origin',
      });
    }
  }

  test('html is not inline even when the app says so', async () => {
    const { port, put } = await serve(undefined, { controllers: [InlineController] });
    await put('a.html', '<script>');
    const { headers } = await send(port, '/inline/a.html');
    expect(headers['content-disposition']).toMatch(/^attachment/);
    expect(headers['cross-origin-resource-policy']).toBe('cross-origin');
  });

  test('the name is the uploaded one, else the end of the key', async () => {
    const { port, put } = await serve();
    await put('a/b/c.png', 'x');
    await put('d.png', 'x', { metadata: { filename: 'Zürich.png' } });
    expect((await send(port, '/files/a/b/c.png')).headers['content-disposition']).toBe(
      'inline; filename="c.png"',
    );
    expect((await send(port, '/files/d.png')).headers['content-disposition']).toBe(
      `inline; filename="Z_rich.png"; filename*=UTF-8''Z%C3%BCrich.png`,
    );
  });

  test.each([
    '日本語.png',
    '../../etc/passwd',
    'a\r\nSet-Cookie: b=c.png',
    'quote".png',
    '100%.png',
    '\u202Egnp.exe',
    '',
    '...',
    "it's (1)*.png",
  ])('any name makes a valid header: %j', async (name) => {
    const { port, put } = await serve();
    await put('a', 'x');
    const { status, headers } = await send(port, `/files/a?save=${encodeURIComponent(name)}`);
    expect(status).toBe(200);
    expect(headers).not.toHaveProperty('set-cookie');
    expect(headers['content-disposition']).toMatch(
      /^attachment; filename="[\x20\x21\x23-\x7e]{1,200}"(; filename\*=UTF-8''[A-Za-z0-9!#$&+.^_`|~%-]+)?$/,
    );
    expect(headers['content-disposition']).not.toContain('/');
  });

  test('a name of ten thousand characters is cut', async () => {
    const { port, put } = await serve();
    await put('a', 'x');
    const { headers } = await send(port, `/files/a?save=${'x'.repeat(10_000)}.png`);
    expect(headers['content-disposition']!.length).toBeLessThan(250);
    expect(headers['content-disposition']).toContain('.png');
  });

  test('a lone surrogate in the name does no harm', async () => {
    @Controller()
    class SurrogateController {
      constructor(@InjectStorage() private readonly files: Storage) {}
      @Get()
      show(): ServedFile {
        return new ServedFile(this.files, 'a', { filename: 'a\uD800b.png' });
      }
    }
    const { port, put } = await serve(undefined, { controllers: [SurrogateController] });
    await put('a', 'x');
    const { headers } = await send(port, '/');
    expect(headers['content-disposition']).toBe('attachment; filename="ab.png"');
  });
});

describe('headers', () => {
  test('those stored with the file are sent', async () => {
    const { port, put } = await serve();
    await put('a.txt', 'x', {
      cacheControl: 'public, max-age=60',
      contentEncoding: 'identity',
      contentLanguage: 'de',
    });
    expect((await send(port, '/files/a.txt')).headers).toMatchObject({
      'cache-control': 'public, max-age=60',
      'content-encoding': 'identity',
      'content-language': 'de',
    });
  });

  test('a type is sent as stored, else by the key', async () => {
    const { port, put } = await serve();
    await put('a.txt', 'x', { contentType: 'image/png' });
    expect((await send(port, '/files/a.txt')).headers['content-type']).toBe('image/png');
  });

  test('a driver without ranges sends the whole file and says so', async () => {
    const { port, put } = await serve((memory) => ({
      capabilities: { ...memory.capabilities, ranges: false },
    }));
    await put('a.txt', '0123456789');
    const answer = await send(port, '/files/a.txt', { headers: { Range: 'bytes=0-2' } });
    expect(answer).toMatchObject({ status: 200, text: '0123456789' });
    expect(answer.headers['accept-ranges']).toBe('none');
  });

  test('a driver without conditions still answers them', async () => {
    const { port, put } = await serve((memory) => ({
      capabilities: { ...memory.capabilities, conditionalGet: false },
    }));
    const { etag } = await put('a.txt', '0123456789');
    const headers = { 'If-Match': etag, Range: 'bytes=0-2' };
    expect(await send(port, '/files/a.txt', { headers })).toMatchObject({
      status: 206,
      text: '012',
    });
    const again = await send(port, '/files/a.txt', { headers: { 'If-None-Match': etag } });
    expect(again.status).toBe(304);
  });

  @Controller()
  class DecoratedController {
    constructor(@InjectStorage() private readonly files: Storage) {}
    @Get('code')
    @HttpCode(203)
    code(): ServedFile {
      return new ServedFile(this.files, 'a.txt');
    }
    @Get('header')
    @Header('X-Powered-By', 'storage')
    @Header('Cache-Control', 'public, max-age=5')
    header(): ServedFile {
      return new ServedFile(this.files, 'a.txt');
    }
    @Post('report')
    report(): ServedFile {
      return new ServedFile(this.files, 'a.txt');
    }
    @Get('observable')
    observable(): Observable<ServedFile> {
      return of(new ServedFile(this.files, 'a.txt'));
    }
  }

  test('@HttpCode is the status of a whole file, and of nothing else', async () => {
    const { port, put } = await serve(undefined, { controllers: [DecoratedController] });
    const { etag } = await put('a.txt', '0123456789');
    const status = async (headers: Record<string, string>): Promise<number> =>
      (await send(port, '/code', { headers })).status;
    expect(await status({})).toBe(203);
    expect(await status({ Range: 'bytes=0-1' })).toBe(206);
    expect(await status({ 'If-None-Match': etag })).toBe(304);
    expect(await status({ 'If-Match': '"x"' })).toBe(412);
    expect(await status({ Range: 'bytes=99-' })).toBe(416);
  });

  test('@Header sets others, and Cache-Control', async () => {
    const { port, put } = await serve(undefined, { controllers: [DecoratedController] });
    const { etag } = await put('a.txt', 'x');
    const want = { 'x-powered-by': 'storage', 'cache-control': 'public, max-age=5' };
    expect((await send(port, '/header')).headers).toMatchObject(want);
    const unchanged = await send(port, '/header', { headers: { 'If-None-Match': etag } });
    expect(unchanged).toMatchObject({ status: 304, headers: want });
  });

  test('a POST may answer with a file, whole', async () => {
    const { port, put } = await serve(undefined, { controllers: [DecoratedController] });
    const { etag } = await put('a.txt', '0123456789');
    const headers = { Range: 'bytes=0-1', 'If-None-Match': etag };
    expect(await send(port, '/report', { method: 'POST', headers })).toMatchObject({
      status: 201,
      text: '0123456789',
    });
  });

  test('a handler may answer with an Observable of a file', async () => {
    const { port, put } = await serve(undefined, { controllers: [DecoratedController] });
    await put('a.txt', '0123456789');
    expect((await send(port, '/observable')).text).toBe('0123456789');
  });
});

describe('interceptors of the app', () => {
  test('ClassSerializerInterceptor leaves the file alone', async () => {
    const spoil = (): unknown => ({ spoilt: true });
    const transformerPackage = { classToPlain: spoil, plainToInstance: spoil } as never;
    const { port, put } = await serve(undefined, undefined, {
      configure: (app) =>
        app.useGlobalInterceptors(
          new ClassSerializerInterceptor(app.get(Reflector), { transformerPackage }),
        ),
    });
    await put('a.txt', 'bytes');
    expect((await send(port, '/files/a.txt')).text).toBe('bytes');
  });

  test('one that wraps every value can tell a file from data', async () => {
    @Injectable()
    class Wrap implements NestInterceptor {
      intercept(_context: ExecutionContext, next: CallHandler): Observable<unknown> {
        return next.handle().pipe(
          map((value: object) => {
            JSON.stringify(Object.keys(value));
            return value instanceof StreamableFile ? value : { data: value };
          }),
        );
      }
    }
    const { port, put } = await serve(undefined, undefined, {
      configure: (app) => app.useGlobalInterceptors(new Wrap()),
    });
    await put('a.txt', 'bytes');
    expect((await send(port, '/files/a.txt')).text).toBe('bytes');
  });

  test('without the module, the answer is a 500 and the log says what to do', async () => {
    const files = createStorage('files', { driver: 'memory' });
    @Controller()
    class LonelyController {
      @Get()
      show(): ServedFile {
        return new ServedFile(files, 'a');
      }
    }
    const { port, log } = await startApp({ controllers: [LonelyController] });
    const answer = await send(port, '/');
    expect(answer.status).toBe(500);
    expect(answer.json).toMatchObject({ statusCode: 500, message: 'Internal server error' });
    expect(log.text).toContain('import StorageModule.forRoot()');
  });
});

describe('a file that is replaced while it is served', () => {
  test('never mixes the bytes of two versions', async () => {
    let replaceOnce: (() => Promise<unknown>) | undefined;
    const { port, put, storage } = await serve((memory) => ({
      info: async (key, options) => {
        const file = await memory.info(key, options);
        await replaceOnce?.();
        return file;
      },
    }));
    const old = await put('a.txt', 'aaaaaaaaaa');
    replaceOnce = async () => {
      replaceOnce = undefined;
      await storage.put('a.txt', 'bbbbbbbbbbbbbbbbbbbb');
    };
    const answer = await send(port, '/files/a.txt', { headers: { Range: 'bytes=5-' } });
    expect(answer.status).toBe(206);
    expect(answer.text).toBe('b'.repeat(15));
    expect(answer.headers['content-range']).toBe('bytes 5-19/20');
    expect(answer.headers['etag']).not.toBe(old.etag);
  });

  test('drops the range when it was asked for the old version', async () => {
    let replaceOnce: (() => Promise<unknown>) | undefined;
    const { port, put, storage } = await serve((memory) => ({
      info: async (key, options) => {
        const file = await memory.info(key, options);
        await replaceOnce?.();
        return file;
      },
    }));
    const { etag } = await put('a.txt', 'aaaaaaaaaa');
    replaceOnce = async () => {
      replaceOnce = undefined;
      await storage.put('a.txt', 'bbbbb');
    };
    const headers = { Range: 'bytes=8-', 'If-Range': etag };
    expect(await send(port, '/files/a.txt', { headers })).toMatchObject({
      status: 200,
      text: 'bbbbb',
    });
  });

  test('is given up when it is replaced again and again', async () => {
    const { port, put, storage } = await serve((memory) => ({
      info: async (key, options) => {
        const file = await memory.info(key, options);
        await storage.put('a.txt', 'bbbbbbbbbb');
        return file;
      },
    }));
    await put('a.txt', 'aaaaaaaaaa');
    const answer = await send(port, '/files/a.txt', { headers: { Range: 'bytes=5-' } });
    expect(answer.status).toBe(412);
  });
});

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
    expect(answer.headers).toMatchObject(SAFE);
    expect(log.text).toContain('the disk is on fire');
  });

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

  test('before the first byte is a proper status, without the headers of the file', async () => {
    const { port, put, log } = await serve(
      failingBody([], new StorageTimeoutError('no answer from bucket')),
      undefined,
      { configure: (app) => app.enableCors({ origin: 'http://friend.example' }) },
    );
    await put('a.png', 'x'.repeat(1000), { cacheControl: 'public, max-age=1000' });
    const answer = await send(port, '/files/a.png');
    expect(answer.status).toBe(504);
    expect(answer.json).toEqual({
      statusCode: 504,
      message: 'The file storage did not answer in time',
      code: 'TIMEOUT',
    });
    expect(answer.headers['content-type']).toContain('application/json');
    for (const name of [
      'etag',
      'last-modified',
      'cache-control',
      'content-disposition',
      'accept-ranges',
    ]) {
      expect(answer.headers).not.toHaveProperty(name);
    }
    expect(answer.headers).toMatchObject(SAFE);
    expect(answer.headers['access-control-allow-origin']).toBe('http://friend.example');
    expect(log.text).toContain('no answer from bucket');
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

  test('frees what the driver opened, fifty times', async () => {
    const opened: Readable[] = [];
    const { port, put } = await serve(endlessFiles(opened));
    await put('a.bin', 'x');
    await until(() => descriptors() > 0);
    const before = descriptors();
    for (let index = 0; index < 50; index++) {
      const socket = await openSocket(port);
      socket.write('GET /files/a.bin HTTP/1.1\r\nHost: x\r\n\r\n');
      await once(socket, 'data');
      socket.destroy();
    }
    await until(() => opened.every((body) => body.destroyed));
    expect(opened).toHaveLength(50);
    await until(() => descriptors() <= before + 1);
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

  function descriptors(): number {
    return readdirSync('/proc/self/fd').length;
  }
});
