import { Module } from '@nestjs/common';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import type { NestExpressApplication } from '@nestjs/platform-express';
import express from 'express';
import type { FastifyInstance } from 'fastify';
import { StorageModule } from '../../lib/storage.module.js';
import { TusModule, type TusModuleOptions } from '../../lib/tus/index.js';
import { closeApps, failure, startApp } from '../nest/app-fixture.js';
import { ADAPTERS, CHUNK, published, signingKeys, startTus, tusClient } from './tus-fixture.js';

afterEach(closeApps);

const storages = StorageModule.forRoot({ storages: { uploads: { driver: 'memory' } } });

describe('options', () => {
  test.each<[string, object, RegExp]>([
    ['no size', { maxSize: undefined }, /needs the size of the largest file: maxSize/],
    ['no keys', { signingKeys: undefined }, /^TusModule.forRoot\(\): signingKeys must be a list/],
    [
      'a key that is not set',
      { signingKeys: [{ id: 'a', secret: undefined }] },
      /secret of "a" must be a string or a Uint8Array, and is undefined: is it set/,
    ],
    ['a short key', { signingKeys: [{ id: 'a', secret: 'x' }] }, /at least 32 are needed/],
    ['a size that is none', { maxSize: 'much' }, /TusModule.forRoot\(\): maxSize must be/],
    ['a list of types that is none', { accept: 'image/png' }, /accept must be a list/],
    ['an owner', { owner: 'ann' }, /owner must be a function/],
    ['a key by content', { key: { fromContent: () => 'x' } }, /key must be a function/],
    ['a locker that locks nothing', { locker: {} }, /locker must have the method newLock/],
    ['a base URL', { baseUrl: 'app.example.com' }, /baseUrl must be a URL/],
    ['a time', { expiresIn: 'soon' }, /expiresIn must be/],
    ['a drain time', { drainTimeout: 0 }, /drainTimeout must be/],
    ['a path with parameters', { path: '/files/:id' }, /path must be one such as/],
    ['an option that there is not', { maxFiles: 1 }, /unknown option "maxFiles"/],
  ])('%s ends the start, and says why', async (_, options, message) => {
    const error = await failure(async () => {
      const given = { signingKeys, maxSize: 1, ...options } as unknown as TusModuleOptions;
      await startApp({ imports: [storages, TusModule.forRoot(given)] });
    });
    expect(error).toMatchObject({ code: 'CONFIGURATION', message: expect.stringMatching(message) });
  });

  test('a storage that there is not ends the start, and says who wants it', async () => {
    const given = { signingKeys, maxSize: 1, storage: 'uplads' };
    const error = await failure(() => startApp({ imports: [storages, TusModule.forRoot(given)] }));
    expect(error.message).toContain('TusUploads wants the storage "uplads"');
  });

  test('of a factory are made from other providers, and looked at as well', async () => {
    @Module({ providers: [{ provide: 'SIZE', useValue: 3 }], exports: ['SIZE'] })
    class SizeModule {}

    const start = (extra: object) =>
      startApp({
        imports: [
          storages,
          TusModule.forRootAsync({
            path: 'uploads',
            imports: [SizeModule],
            inject: ['SIZE'],
            useFactory: async (maxSize: number) => ({ signingKeys, maxSize, ...extra }),
          }),
        ],
      });
    const { port } = await start({});
    const { tus } = tusClient(port);
    expect((await tus('OPTIONS', '/uploads')).headers['tus-max-size']).toBe('3');
    expect((await failure(start({ maxFiles: 1 }))).message).toMatch(/unknown option "maxFiles"/);
  });

  test('two modules at one path end the start; at two, an upload of one is nothing to the other', async () => {
    const at = (path: string, maxSize: number) => TusModule.forRoot({ path, signingKeys, maxSize });
    const error = await failure(startApp({ imports: [storages, at('/a', 1), at('/a', 1)] }));
    expect(error.message).toMatch(/Two modules serve storages below the path "\/a"/);
    const { port } = await startApp({ imports: [storages, at('/a', 10), at('/b', 5)] });
    const { tus } = tusClient(port);
    const { location } = (await tus('POST', '/a', { 'Upload-Length': '10' })).headers;
    expect((await tus('HEAD', location!)).status).toBe(200);
    expect((await tus('HEAD', location!.replace('/a/', '/b/'))).status).toBe(404);
  });
});

describe('body parsers', () => {
  const any = { type: () => true, limit: '100mb' };

  test.each<[string, Parameters<typeof startTus>[0]]>([
    [
      'Express with parsers for everything',
      {
        adapter: ADAPTERS['Express']!(),
        configure(app) {
          (app as NestExpressApplication).useBodyParser('raw', any);
          (app as NestExpressApplication).use(express.text(any));
        },
      },
    ],
    [
      'Fastify with a parser for everything, and a small limit',
      {
        adapter: new FastifyAdapter({ bodyLimit: 10 }) as never,
        configure(app) {
          const instance = app.getHttpAdapter().getInstance() as FastifyInstance;
          instance.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => {
            done(null, body);
          });
        },
      },
    ],
  ])('leave the bytes of uploads alone: %s', async (_, setup) => {
    const { tus, create, append, storage } = await startTus(setup!);
    const bytes = Buffer.alloc(300_000, 0x61);
    expect((await append(await create(bytes.length), 0, bytes)).status).toBe(204);
    const headers = { ...CHUNK, 'Upload-Length': '5' };
    expect((await tus('POST', '/files', headers, 'hello')).status).toBe(201);
    const sizes = await Promise.all(
      (await published(storage)).map(async (key) => (await storage.info(key)).size),
    );
    expect(sizes.sort((left, right) => left - right)).toEqual([5, 300_000]);
  });

  test('that read them all the same are told to the app', async () => {
    const { create, append, tus, log } = await startTus({
      configure: (app) =>
        void app.use((request: NodeJS.ReadableStream, _response: unknown, next: () => void) => {
          request.on('data', () => {}).on('end', next);
        }),
    });
    const path = await create(5);
    expect((await append(path, 0, 'hello')).status).toBe(500);
    expect(log.text).toMatch(/was read before the storage route came to it/);
    expect((await tus('HEAD', path)).headers['upload-offset']).toBe('0');
  });
});

test('CORS is for the app: what it allows is answered, and nothing else', async () => {
  const { tus } = await startTus({
    configure: (app) =>
      app.enableCors({ origin: 'https://a.example', exposedHeaders: ['Location'] }),
  });
  const { headers } = await tus('POST', '/files', {
    Origin: 'https://a.example',
    'Upload-Length': '1',
  });
  expect(headers['access-control-allow-origin']).toBe('https://a.example');
  expect(headers['access-control-expose-headers']).toBe('Location');
});
