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
  Post,
  StreamableFile,
} from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { map, type Observable, of } from 'rxjs';
import { createStorage, InjectStorage, ServedFile, Storage } from '../../lib/index.js';
import { closeApps, startApp } from '../nest/app-fixture.js';
import { send } from '../nest/http-client.js';
import { ADAPTERS } from './adapters.js';
import { SAFE_HEADERS } from './safe-headers.js';
import { servingOn } from './serving-fixture.js';

afterEach(closeApps);

describe.each(ADAPTERS)('%s', (_adapter, adapter) => {
  const serve = servingOn(adapter);

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
      expect(missing.headers).toMatchObject(SAFE_HEADERS);
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
        expect(answer.headers).toMatchObject(SAFE_HEADERS);
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
        expect((await send(port, '/files/a', { method, headers: { ...headers } })).status).toBe(
          404,
        );
      }
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
      const { port, log } = await startApp(
        { controllers: [LonelyController] },
        { adapter: adapter() },
      );
      const answer = await send(port, '/');
      expect(answer.status).toBe(500);
      expect(answer.json).toMatchObject({ statusCode: 500, message: 'Internal server error' });
      expect(log.text).toContain('import StorageModule.forRoot()');
    });
  });
});
