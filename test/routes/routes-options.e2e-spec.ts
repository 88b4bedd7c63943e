import { jest } from '@jest/globals';
import {
  type CallHandler,
  type CanActivate,
  Catch,
  Controller,
  type ExecutionContext,
  type ExceptionFilter,
  Get,
  HttpException,
  type ArgumentsHost,
  Injectable,
  Module,
  type ModuleMetadata,
  type NestInterceptor,
  SetMetadata,
  StreamableFile,
  UnauthorizedException,
  UseGuards,
  VersioningType,
} from '@nestjs/common';
import {
  APP_FILTER,
  APP_GUARD,
  APP_INTERCEPTOR,
  ApplicationConfig,
  type HttpAdapterHost,
  ModulesContainer,
  Reflector,
} from '@nestjs/core';
import { Test } from '@nestjs/testing';
import { type Observable, tap } from 'rxjs';
import { StorageConfigurationError } from '../../lib/core/errors.js';
import type { Storage } from '../../lib/core/storage.js';
import type { StorageRoutesOptions } from '../../lib/interfaces/storage-routes-options.interface.js';
import { ServeStorageModule } from '../../lib/routes/serve-storage.module.js';
import { RouteMounts } from '../../lib/routes/route-mounts.js';
import { SignedRoutes } from '../../lib/routes/signed-routes.js';
import { StorageModule } from '../../lib/storage.module.js';
import { getStorageToken } from '../../lib/storage.tokens.js';
import { closeApps, failure, startApp } from '../nest/app-fixture.js';
import { send } from '../nest/http-client.js';
import { ADAPTERS, signingKeys, startRoutes, targetOf } from './routes-fixture.js';

afterEach(async () => {
  jest.restoreAllMocks();
  await closeApps();
});

const APPS = Object.entries(ADAPTERS);

describe.each(APPS)('routes on %s', (_, adapter) => {
  test('lead to the address that the app listens on, where nothing else is said', async () => {
    const { storage, port } = await startRoutes({ adapter: adapter() });
    const url = await storage.url('a b.txt');
    expect(url).toMatch(new RegExp(`^http://localhost:${port}/storage/uploads/a%20b\\.txt\\?`));
  });

  test('are below the path of the options, and lead to the base URL', async () => {
    const { storage, port } = await startRoutes({
      adapter: adapter(),
      routes: { signingKeys, path: 'files/signed/', baseUrl: 'https://app.example.com/behind/' },
    });
    await storage.put('a.txt', 'hello');
    const url = await storage.url('a.txt');
    expect(url).toMatch(/^https:\/\/app\.example\.com\/behind\/files\/signed\/uploads\/a\.txt\?/);
    // What stands in front of the app takes its own part of the path away.
    const target = targetOf(url).replace('/behind', '');
    expect(await send(port, target)).toMatchObject({ status: 200, text: 'hello' });
  });

  test.each(['api', '/api/', 'a/b'])(
    'are below the global prefix %j, and so are their URLs',
    async (prefix) => {
      const { storage, port } = await startRoutes({
        adapter: adapter(),
        configure: (app) => app.setGlobalPrefix(prefix),
      });
      const put = await storage.uploadUrl('a.json');
      expect(new URL(put.url).pathname).toBe(
        `/${prefix.replace(/^\/|\/$/g, '')}/storage/uploads/a.json`,
      );
      const headers = { 'Content-Type': 'application/json' };
      const stored = await send(port, targetOf(put.url), {
        method: 'PUT',
        headers,
        body: '{"a":1}',
      });
      expect(stored.status).toBe(201);
      expect((await send(port, targetOf(await storage.url('a.json')))).text).toBe('{"a":1}');
    },
  );

  test('are where they are when the app leaves them out of its prefix', async () => {
    const { storage, port } = await startRoutes({
      adapter: adapter(),
      configure: (app) => app.setGlobalPrefix('api', { exclude: ['storage/*path'] }),
    });
    await storage.put('a.txt', 'hello');
    const url = await storage.url('a.txt');
    expect(new URL(url).pathname).toBe('/storage/uploads/a.txt');
    expect((await send(port, targetOf(url))).text).toBe('hello');
  });

  test('have no version, whatever the app has', async () => {
    const { storage, port } = await startRoutes({
      adapter: adapter(),
      configure: (app) => app.enableVersioning({ type: VersioningType.URI, defaultVersion: '2' }),
    });
    await storage.put('a.txt', 'hello');
    const url = await storage.url('a.txt');
    expect(new URL(url).pathname).toBe('/storage/uploads/a.txt');
    expect((await send(port, targetOf(url))).text).toBe('hello');
  });

  test('serve each storage of the module by its name, scopes and prefixes included', async () => {
    const { app, port } = await startApp(
      {
        imports: [
          StorageModule.forRoot({
            default: 'a/b',
            storages: {
              'a/b': { driver: 'memory', prefix: 'tenant/' },
              'ü ?': { driver: 'memory' },
            },
            routes: { signingKeys },
          }),
        ],
      },
      { adapter: adapter() },
    );
    for (const name of ['a/b', 'ü ?']) {
      const whole = app.get<Storage>(getStorageToken(name));
      const storage = whole.scope('deep/');
      const { url } = await storage.uploadUrl('x.txt');
      expect((await send(port, targetOf(url), { method: 'PUT', body: name })).status).toBe(201);
      expect(await (await whole.get('deep/x.txt')).text()).toBe(name);
      expect((await send(port, targetOf(await storage.url('x.txt')))).text).toBe(name);
    }
  });

  test('serve a storage with a base URL and keys of its own', async () => {
    const own = [{ id: 'own', secret: Buffer.alloc(32, 7) }];
    const { storage, port } = await startRoutes({
      adapter: adapter(),
      configuration: {
        driver: 'memory',
        baseUrl: 'https://files.example.com/u',
        signingKeys: own,
      },
    });
    await storage.put('a.txt', 'hello');
    const url = await storage.url('a.txt');
    expect(url).toMatch(/^https:\/\/files\.example\.com\/u\/a\.txt\?.*kid=own/);
    const target = targetOf(url).replace('/u/', '/storage/uploads/');
    expect((await send(port, target)).text).toBe('hello');
  });

  test('are for the guards, interceptors and filters of the app', async () => {
    const seen: string[] = [];
    @Injectable()
    class Guard implements CanActivate {
      constructor(private readonly reflector: Reflector) {}

      canActivate(context: ExecutionContext): boolean {
        if (this.reflector.get<boolean>('open', context.getClass())) return true;
        throw new UnauthorizedException();
      }
    }
    class Interceptor implements NestInterceptor {
      intercept(_context: ExecutionContext, next: CallHandler): Observable<unknown> {
        return next
          .handle()
          .pipe(
            tap((value) => void seen.push(value instanceof StreamableFile ? 'a file' : 'nothing')),
          );
      }
    }
    @Catch(HttpException)
    class Filter implements ExceptionFilter {
      catch(exception: HttpException, host: ArgumentsHost): void {
        seen.push(String(exception.getStatus()));
        const response = host.switchToHttp().getResponse<{
          status(code: number): { send(body: unknown): void };
        }>();
        response.status(418).send({ filtered: true });
      }
    }
    const metadata: ModuleMetadata = {
      providers: [
        { provide: APP_GUARD, useClass: Guard },
        { provide: APP_INTERCEPTOR, useClass: Interceptor },
        { provide: APP_FILTER, useClass: Filter },
      ],
    };
    const closed = await startRoutes({ adapter: adapter(), metadata });
    await closed.storage.put('a.txt', 'hello');
    const refused = await send(closed.port, targetOf(await closed.storage.url('a.txt')));
    expect(refused).toMatchObject({ status: 418, json: { filtered: true } });
    const open = await startRoutes({
      adapter: adapter(),
      metadata,
      routes: { signingKeys, decorators: [SetMetadata('open', true) as ClassDecorator] },
    });
    await open.storage.put('a.txt', 'hello');
    const target = targetOf(await open.storage.url('a.txt'));
    expect((await send(open.port, target)).text).toBe('hello');
    expect((await send(open.port, `${target}x`)).status).toBe(418);
    expect(seen).toEqual(['401', 'a file', '403']);
  });

  test('take guards of their own', async () => {
    class Never implements CanActivate {
      canActivate = (): boolean => false;
    }
    const { storage, port } = await startRoutes({
      adapter: adapter(),
      routes: { signingKeys, decorators: [UseGuards(Never)] },
    });
    const { url } = await storage.uploadUrl('a.txt');
    const answer = await send(port, targetOf(url), { method: 'PUT', body: 'hello' });
    expect(answer).toMatchObject({ status: 403, json: { message: 'Forbidden resource' } });
    expect(await storage.exists('a.txt')).toBe(false);
  });

  test('leave the other routes of the app alone', async () => {
    @Controller('storage')
    class OwnController {
      @Get()
      show(): string {
        return 'own';
      }
    }
    const { port } = await startRoutes({
      adapter: adapter(),
      metadata: { controllers: [OwnController] },
    });
    expect((await send(port, '/storage')).text).toBe('own');
    expect((await send(port, '/storages/uploads/a')).status).toBe(404);
  });
});

describe('routes', () => {
  test('give the storages what they declare', async () => {
    const { storage } = await startRoutes();
    await storage.open();
    const constraints = ['contentType', 'size', 'maxSize', 'checksum', 'createOnly'];
    expect(storage.capabilities).toMatchObject({
      signedUrls: true,
      signedUploads: { PUT: constraints, POST: constraints },
    });
    const plain = await startApp({
      imports: [StorageModule.forRoot({ storages: { plain: { driver: 'memory' } } })],
    });
    const unsigned = plain.app.get<Storage>(getStorageToken());
    await unsigned.open();
    expect(unsigned.capabilities).toMatchObject({
      signedUrls: false,
      signedUploads: { PUT: false, POST: false },
    });
  });

  test('sign by the keys of a factory', async () => {
    @Module({ providers: [{ provide: 'KEYS', useValue: signingKeys }], exports: ['KEYS'] })
    class KeysModule {}
    const { app } = await startApp({
      imports: [
        StorageModule.forRootAsync({
          storages: { uploads: { useFactory: () => ({ driver: 'memory' }) } },
          routes: {
            path: '/signed',
            imports: [KeysModule],
            inject: ['KEYS'],
            useFactory: async (keys: typeof signingKeys) => ({
              baseUrl: 'https://app.example.com',
              signingKeys: keys,
            }),
          },
        }),
      ],
    });
    const url = await app.get<Storage>(getStorageToken()).url('a.txt');
    expect(url).toMatch(/^https:\/\/app\.example\.com\/signed\/uploads\/a\.txt\?.*kid=one/);
  });

  test('sign with a random key where none is given, and warn once of it', async () => {
    const { app, log, port } = await startApp({
      imports: [
        StorageModule.forRoot({
          default: 'one',
          storages: { one: { driver: 'memory' }, two: { driver: 'memory' } },
          routes: {},
        }),
      ],
    });
    const [one, two] = ['one', 'two'].map((name) => app.get<Storage>(getStorageToken(name)));
    await one!.put('a.txt', 'hello');
    await two!.put('a.txt', 'hello');
    for (const storage of [one!, two!]) {
      expect((await send(port, targetOf(await storage.url('a.txt')))).status).toBe(200);
    }
    const target = targetOf(await one!.url('a.txt'));
    expect((await send(port, target.replace('/one/', '/two/'))).status).toBe(403);
    expect(log.entries.filter(({ text }) => text.includes('random key'))).toHaveLength(1);
  });

  test('verify the URLs of another process with the same keys, and of none with others', async () => {
    const routes = { signingKeys, baseUrl: 'https://app.example.com' };
    const [first, second] = [await startRoutes({ routes }), await startRoutes({ routes })];
    await second.storage.put('a.txt', 'hello');
    const url = await first.storage.url('a.txt');
    expect((await send(second.port, targetOf(url))).status).toBe(200);
    const rotated = await startRoutes({
      routes: {
        ...routes,
        signingKeys: [{ id: 'two', secret: Buffer.alloc(32, 1) }, ...signingKeys],
      },
    });
    await rotated.storage.put('a.txt', 'hello');
    expect((await send(rotated.port, targetOf(url))).status).toBe(200);
    const renewed = await startRoutes({
      routes: { ...routes, signingKeys: [{ id: 'one', secret: Buffer.alloc(32, 1) }] },
    });
    await renewed.storage.put('a.txt', 'hello');
    expect((await send(renewed.port, targetOf(url))).status).toBe(403);
  });

  describe('in production', () => {
    let environment: string | undefined;

    beforeEach(() => {
      environment = process.env['NODE_ENV'];
      process.env['NODE_ENV'] = 'production';
    });

    afterEach(() => {
      process.env['NODE_ENV'] = environment;
    });

    const baseUrl = 'https://app.example.com';

    test.each([
      ['signingKeys', { baseUrl }],
      ['baseUrl', { signingKeys }],
    ])('end the start without %s, and say what to set', async (option, routes) => {
      const error = await failure(startRoutes({ routes }));
      expect(error).toBeInstanceOf(StorageConfigurationError);
      expect(error.message).toMatch(new RegExp(`in production.*${option}`));
    });

    test('need neither for a storage that has both', async () => {
      const { storage } = await startRoutes({
        configuration: { driver: 'memory', baseUrl, signingKeys },
        routes: {},
      });
      expect(await storage.url('a.txt')).toMatch(/^https:\/\/app\.example\.com\/a\.txt/);
    });
  });

  test.each<[string, unknown, string]>([
    ['a path with a parameter', { path: '/:tenant' }, 'path must be one such as "/storage"'],
    ['a path that is empty', { path: '' }, 'path must be one such as "/storage"'],
    ['a path with an encoded letter', { path: '/%73torage' }, 'path must be one such as'],
    ['an option that there is not', { url: 'x' }, 'unknown option "url"'],
    ['what are no options', 'storage', 'needs an object'],
    [
      "keys in a factory's place",
      { useFactory: () => ({}), signingKeys },
      'unknown option "signingKeys"',
    ],
  ])('refuse %s', (_, routes, message) => {
    const create = (): unknown =>
      StorageModule.forRoot({
        storages: { uploads: { driver: 'memory' } },
        routes: routes as StorageRoutesOptions,
      });
    expect(create).toThrow(StorageConfigurationError);
    expect(create).toThrow(message);
  });

  test.each<[string, StorageRoutesOptions, string]>([
    ['a base URL that is none', { baseUrl: 'app.example.com' }, 'baseUrl must be an absolute'],
    ['a base URL with a query', { baseUrl: 'https://a.example/?b' }, 'baseUrl must be an absolute'],
    [
      'a short secret',
      { signingKeys: [{ id: 'a', secret: 'short' }] },
      'routes: signingKeys: the secret of "a" has 5 bytes',
    ],
    ['no keys at all', { signingKeys: [] }, 'at least one'],
  ])('end the start with %s', async (_, routes, message) => {
    const error = await failure(startRoutes({ routes }));
    expect(error).toBeInstanceOf(StorageConfigurationError);
    expect(error.message).toContain(message);
  });

  test('are refused below a path that others have', async () => {
    const module = (name: string) =>
      StorageModule.forRoot({
        storages: { [name]: { driver: 'memory' } },
        routes: { signingKeys },
      });
    const serve = ServeStorageModule.forRoot({ storage: 'one', path: 'storage/', public: true });
    for (const imports of [
      [module('one'), module('two')],
      [module('one'), serve],
    ]) {
      const error = await failure(startApp({ imports }));
      expect(error).toBeInstanceOf(StorageConfigurationError);
      expect(error.message).toMatch(/^Two modules serve storages below the path "\/storage"/);
    }
  });

  test('leave its URLs to a storage whose service serves it by itself', async () => {
    const { storage, port } = await startRoutes({
      configuration: {
        driver: 's3',
        bucket: 'bucket',
        region: 'eu-central-1',
        accessKeyId: 'id',
        secretAccessKey: 'secret',
      },
    });
    const { host, pathname } = new URL(await storage.url('a.txt'));
    expect([host, pathname]).toEqual(['bucket.s3.eu-central-1.amazonaws.com', '/a.txt']);
    expect(await send(port, '/storage/uploads/a.txt')).toMatchObject({ status: 403 });
  });

  test.each([
    ['::', 'IPv6', 'http://localhost:3000'],
    ['0.0.0.0', 'IPv4', 'http://localhost:3000'],
    ['127.0.0.1', 'IPv4', 'http://localhost:3000'],
    ['::1', 'IPv6', 'http://[::1]:3000'],
    ['192.0.2.1', 'IPv4', 'http://192.0.2.1:3000'],
  ])('lead to where an app that listens on %s is reached', (address, family, origin) => {
    const server = { address: () => ({ address, family, port: 3000 }) };
    const httpAdapter = { getHttpServer: () => server };
    const adapterHost = { httpAdapter } as unknown as HttpAdapterHost;
    const routes = new SignedRoutes(
      '/storage',
      { signingKeys },
      adapterHost,
      new RouteMounts(class {}, new ApplicationConfig(), new ModulesContainer()),
    );
    const completed = routes.complete('uploads', { driver: 'memory' }) as {
      baseUrl: () => string;
    };
    expect(completed.baseUrl()).toBe(`${origin}/storage/uploads`);
  });

  test('have no URL before the app listens, unless they are told one', async () => {
    const module = await Test.createTestingModule({
      imports: [
        StorageModule.forRoot({
          storages: { uploads: { driver: 'memory' } },
          routes: { signingKeys },
        }),
      ],
    }).compile();
    const storage = module.get<Storage>(getStorageToken());
    const error = await failure(storage.url('a.txt'));
    expect(error).toBeInstanceOf(StorageConfigurationError);
    expect(error.message).toMatch(/does not listen.*baseUrl/);
    await module.close();
  });
});
