import {
  type CanActivate,
  type ExecutionContext,
  type MiddlewareConsumer,
  Module,
  type ModuleMetadata,
  type NestModule,
  SetMetadata,
  UnauthorizedException,
  UseGuards,
  VersioningType,
} from '@nestjs/common';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import type { ServerResponse } from 'node:http';
import { StorageConfigurationError } from '../../lib/core/errors.js';
import { encodeKey } from '../../lib/core/key.js';
import type { Storage } from '../../lib/core/storage.js';
import type { ServeStorageOptions } from '../../lib/interfaces/storage-routes-options.interface.js';
import { ServeStorageModule } from '../../lib/routes/serve-storage.module.js';
import { StorageModule } from '../../lib/storage.module.js';
import { getStorageToken } from '../../lib/storage.tokens.js';
import { keyNames } from '../../lib/testing/conformance/key-names.js';
import {
  type AppSettings,
  closeApps,
  failure,
  startApp,
  type TestApp,
} from '../nest/app-fixture.js';
import { send, sendRaw } from '../nest/http-client.js';
import { recordingDriver, type RecordingDriver } from '../nest/recording-driver.js';
import { SAFE_HEADERS } from '../serving/safe-headers.js';
import { ADAPTERS } from './routes-fixture.js';

interface ServingApp extends TestApp, RecordingDriver {
  readonly storage: Storage;
}

async function serve(
  options: Partial<ServeStorageOptions>,
  settings: AppSettings & { metadata?: ModuleMetadata } = {},
): Promise<ServingApp> {
  const recorded = await recordingDriver();
  const { metadata = {}, ...appSettings } = settings;
  const started = await startApp(
    {
      ...metadata,
      imports: [
        StorageModule.forRoot({ storages: { files: { driver: recorded.driver } } }),
        ServeStorageModule.forRoot({ path: '/files', ...options } as ServeStorageOptions),
        ...(metadata.imports ?? []),
      ],
    },
    appSettings,
  );
  const storage = started.app.get<Storage>(getStorageToken('files'));
  return { ...started, ...recorded, storage };
}

const everybody = { public: true } as const;

afterEach(closeApps);

// `/secret` is what each of them would reach if something was decoded twice, cut off or put together.
const NO_KEYS = [
  'open%2Fsecret',
  'open%2fsecret',
  'open%5Csecret',
  'open\\secret',
  'secret%00',
  'secret%00.png',
  'open/../secret',
  'open/%2e%2e/secret',
  'open/%2E%2E/secret',
  'open/.%2e/secret',
  'open/%2e./secret',
  '../files/secret',
  './secret',
  '%2e/secret',
  'open//secret',
  '/secret',
  '//secret',
  'secret/',
  'secret//',
  'secret/.',
  'secret/..',
  'secret%2F',
  'secret#',
  'secret#x',
  'secret%0A',
  'secret%0D%0AX:%20y',
  'secret%7F',
  'secret%C2%85',
  'secret%E2%80%8B',
  'secret%E2%80%AE',
  'secre%CC%81t',
  '.nestjs-storages/secret',
  '.NestJS-Storages/secret',
  `${'x'.repeat(256)}`,
  `${'x/'.repeat(600)}y`,
  // Middleware that is bound to the path of a key looks for the letters.
  '%73ecret',
  'secre%74',
  'open/%73ecret',
  'open%2fsecret',
  'a%2Db%2E%5Fc%7E1',
  'a-b._c~%31',
  // Not well-formed.
  'secret%',
  'secret%zz',
  'secret%C0%AF',
  'secret%ED%A0%80',
  'secret%FF',
  '%',
];

/** A request with this very target. */
function getting(target: string): string {
  return `GET ${target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`;
}

describe.each(Object.entries(ADAPTERS))('a storage that is served by %s', (name, adapter) => {
  const settings = (): AppSettings => ({ adapter: adapter() });

  test('is read by GET and HEAD', async () => {
    const { storage, port } = await serve(everybody, settings());
    const { etag } = await storage.put('a/b.png', 'hello');
    const answer = await send(port, '/files/a/b.png');
    expect(answer).toMatchObject({ status: 200, text: 'hello' });
    expect(answer.headers).toMatchObject({ etag, 'content-type': 'image/png' });
    const head = await send(port, '/files/a/b.png', { method: 'HEAD' });
    expect(head).toMatchObject({ status: 200, text: '', headers: { 'content-length': '5' } });
    const part = await send(port, '/files/a/b.png', { headers: { Range: 'bytes=1-2' } });
    expect(part).toMatchObject({ status: 206, text: 'el' });
  });

  test.each(['PUT', 'POST', 'PATCH', 'DELETE'])('is not changed by %s', async (method) => {
    const { storage, port } = await serve(everybody, settings());
    await storage.put('a.txt', 'hello');
    const answer = await send(port, '/files/a.txt', { method, headers: { 'Content-Length': '0' } });
    expect(answer.status).toBe(404);
    expect(await (await storage.get('a.txt')).text()).toBe('hello');
  });

  test('has every file under its key, which is decoded once', async () => {
    const keys: string[] = [];
    const authorize = (_request: unknown, key: string): boolean => keys.push(key) > 0;
    const { storage, port } = await serve({ authorize }, settings());
    for (const key of keyNames()) {
      await storage.put(key, `this is ${key}`);
      const answer = await send(port, `/files/${encodeKey(key)}`);
      expect([answer.status, answer.text]).toEqual([200, `this is ${key}`]);
    }
    expect(keys).toEqual(keyNames());
  });

  test('has nothing under what is no key: the answer is that to a file which is not there', async () => {
    const asked: string[] = [];
    const authorize = (_request: unknown, key: string): boolean => asked.push(key) > 0;
    const { storage, port, calls } = await serve({ authorize }, settings());
    await storage.put('secret', 'hello');
    await storage.put('open/secret', 'hello');
    await storage.put('a-b._c~1', 'hello');
    calls.length = 0;
    const missing = await send(port, '/files/not/there');
    expect(missing).toMatchObject({ status: 404, json: { code: 'FILE_NOT_FOUND' } });
    expect(missing.headers).toMatchObject(SAFE_HEADERS);
    expect([asked.splice(0), calls.splice(0)]).toEqual([['not/there'], ['get not/there']]);
    for (const path of NO_KEYS) {
      const { status, text, headers } = await send(port, `/files/${path}`);
      expect([path, status, text]).toEqual([path, 404, missing.text]);
      expect({ ...headers, date: missing.headers.date }).toEqual(missing.headers);
    }
    // Neither those who decide nor the storage were bothered.
    expect([asked, calls]).toEqual([[], []]);
  });

  test('has every character that some clients encode, and others do not, in both ways', async () => {
    const { storage, port } = await serve(everybody, settings());
    const others = `!"$%&'()*+,:;<=>@[]^\`{|}`;
    const key = `a${others} ü~`;
    await storage.put(key, 'hello');
    const [raw, escaped] = [others.replace('%', '%25'), encodeKey(others)];
    for (const path of [`a${raw}%20%C3%BC~`, `a${escaped}%20%c3%bc~`]) {
      expect(await sendRaw(port, getting(`/files/${path}`))).toMatch(/^HTTP\/1\.1 200 .*hello$/s);
    }
  });

  test('is asked for by absolute URLs as by paths', async () => {
    const { storage, port } = await serve(everybody, settings());
    await storage.put('a b.txt', 'hello');
    for (const url of ['http://any.example/files/a%20b.txt', 'HTTPS://x:1/files/a%20b.txt?x=1']) {
      expect(await sendRaw(port, getting(url))).toMatch(/^HTTP\/1\.1 200 .*hello$/s);
    }
    for (const url of ['http://x', 'http://x?/files/a%20b.txt', 'ftp://x/files/a%20b.txt']) {
      expect(await sendRaw(port, getting(url))).toMatch(/^HTTP\/1\.1 404 /);
    }
  });

  test('is what middleware that is bound to a path is asked for', async () => {
    @Module({})
    class LoginModule implements NestModule {
      configure(consumer: MiddlewareConsumer): void {
        const login = (_request: unknown, response: ServerResponse): void => {
          response.statusCode = 401;
          response.end('log in first');
        };
        consumer.apply(login).forRoutes('files/private/*rest');
      }
    }
    const { storage, port } = await serve(everybody, {
      ...settings(),
      metadata: { imports: [LoginModule] },
    });
    await storage.put('private/a.txt', 'hello');
    for (const path of ['%70rivate/a.txt', 'privat%65/a.txt']) {
      // Fastify asks it for every spelling.
      expect(await sendRaw(port, getting(`/files/${path}`))).toMatch(/^HTTP\/1\.1 (401|404) /);
    }
    for (const start of ['', 'http://x']) {
      const answer = await sendRaw(port, getting(`${start}/files/private/a.txt`));
      expect(answer).toMatch(/^HTTP\/1\.1 401 /);
    }
  });

  test('lists nothing', async () => {
    const { storage, port, calls } = await serve(everybody, settings());
    await storage.put('a/index.html', 'hello');
    calls.length = 0;
    for (const path of ['/files', '/files/', '/files/a', '/files/a/']) {
      expect((await send(port, path)).status).toBe(404);
    }
    expect(calls.filter((call) => call.startsWith('list'))).toEqual([]);
  });

  test('lets in whom authorize lets in, and asks before it looks', async () => {
    const authorize = async (
      request: { headers: Record<string, string> },
      key: string,
    ): Promise<boolean> => request.headers['x-user'] === key.split('/')[0];
    const { storage, port, calls } = await serve({ authorize: authorize as never }, settings());
    await storage.put('ada/a.txt', 'hello');
    calls.length = 0;
    const get = (path: string, user: string) => send(port, path, { headers: { 'X-User': user } });
    const denied = { status: 403, json: { code: 'PERMISSION_DENIED' }, headers: SAFE_HEADERS };
    expect(await get('/files/ada/a.txt', 'bob')).toMatchObject(denied);
    expect(await get('/files/ada/missing.txt', 'bob')).toMatchObject(denied);
    expect(calls).toEqual([]);
    expect(await get('/files/ada/a.txt', 'ada')).toMatchObject({ status: 200, text: 'hello' });
    expect((await get('/files/ada/missing.txt', 'ada')).status).toBe(404);
  });

  test.each<[string, () => never]>([
    [
      '401',
      () => {
        throw new UnauthorizedException();
      },
    ],
    ['403', () => 'yes' as never],
    ['403', () => undefined as never],
    [
      '500',
      () => {
        throw new Error('a bug');
      },
    ],
  ])('says %s when authorize fails, or answers anything but true', async (status, authorize) => {
    const { storage, port } = await serve({ authorize }, settings());
    await storage.put('a.txt', 'hello');
    const answer = await send(port, '/files/a.txt');
    expect(answer.status).toBe(Number(status));
    expect(answer.text).not.toContain('hello');
  });

  test('has guards that find the same key in the parameters of the request', async () => {
    const seen: unknown[] = [];
    class Guard implements CanActivate {
      canActivate(context: ExecutionContext): boolean {
        const { params } = context.switchToHttp().getRequest<{ params: Record<string, unknown> }>();
        const key = params['key'] ?? params['*'];
        seen.push(Array.isArray(key) ? key.join('/') : key);
        return true;
      }
    }
    const { storage, port, calls } = await serve(
      { ...everybody, decorators: [UseGuards(Guard), SetMetadata('x', 1) as ClassDecorator] },
      settings(),
    );
    for (const key of keyNames()) {
      await storage.put(key, 'hello');
      calls.length = 0;
      seen.length = 0;
      await send(port, `/files/${encodeKey(key)}`);
      expect([seen, calls]).toEqual([[key], [`get ${key}`.trim()]]);
    }
  });

  test('is below the global prefix, and has no version', async () => {
    const { storage, port } = await serve(everybody, {
      ...settings(),
      configure: (app) => {
        app.setGlobalPrefix('api');
        app.enableVersioning({ type: VersioningType.URI, defaultVersion: '1' });
      },
    });
    await storage.put('a.txt', 'hello');
    expect((await send(port, '/api/files/a.txt')).text).toBe('hello');
    expect((await send(port, '/files/a.txt')).status).toBe(404);
  });

  test('is sent as the options say', async () => {
    const serving = { disposition: 'attachment', cache: 'immutable' } as const;
    const { storage, port } = await serve({ ...everybody, serving }, settings());
    await storage.put('a.png', 'hello');
    const { headers } = await send(port, '/files/a.png');
    expect(headers['content-disposition']).toBe('attachment; filename="a.png"');
    expect(headers['cache-control']).toContain('immutable');
  });

  test('may be one of several', async () => {
    const { app, port } = await startApp(
      {
        imports: [
          StorageModule.forRoot({
            storages: { one: { driver: 'memory' }, two: { driver: 'memory' } },
          }),
          ServeStorageModule.forRoot({ storage: 'one', path: '/one', public: true }),
          ServeStorageModule.forRoot({ storage: 'two', path: '/two', authorize: () => false }),
        ],
      },
      settings(),
    );
    for (const storage of ['one', 'two']) {
      await app.get<Storage>(getStorageToken(storage)).put('a.txt', storage);
    }
    expect((await send(port, '/one/a.txt')).text).toBe('one');
    expect((await send(port, '/two/a.txt')).status).toBe(403);
  });

  if (name === 'Fastify') {
    test('has nothing where the router takes the path for another one', async () => {
      const { storage, port, calls } = await serve(everybody, {
        adapter: new FastifyAdapter({ routerOptions: { useSemicolonDelimiter: true } as never }),
      });
      await storage.put('open;secret', 'hello');
      await storage.put('open', 'hello');
      calls.length = 0;
      expect((await send(port, '/files/open;secret')).status).toBe(404);
      expect(calls).toEqual([]);
      expect((await send(port, '/files/open%3Bsecret')).text).toBe('hello');
    });
  }
});

describe('ServeStorageModule', () => {
  test.each<[string, object, string]>([
    ['neither authorize nor public', {}, 'say who may read'],
    ['public: false', { public: false }, 'say who may read'],
    ['public that is only truthy', { public: 'yes' }, 'say who may read'],
    ['authorize that is no function', { authorize: true }, 'say who may read'],
    ['both of them', { authorize: () => true, public: true }, 'say who may read'],
    ['no path', { public: true, path: undefined }, 'path must be one such as'],
    ['an option that there is not', { public: true, root: 'x' }, 'unknown option "root"'],
    ['a way of serving that is none', { public: true, serving: { cache: 'x' } }, 'cache'],
  ])('refuses %s', (_, options, message) => {
    const create = (): unknown =>
      ServeStorageModule.forRoot({ path: '/files', ...options } as ServeStorageOptions);
    expect(create).toThrow(StorageConfigurationError);
    expect(create).toThrow(message);
  });

  test('names the storages there are when its own is none of them', async () => {
    const error = await failure(serve({ ...everybody, storage: 'nowhere' }));
    expect(error.message).toMatch(/"nowhere", which no module registers; the storages are "files"/);
  });
});
