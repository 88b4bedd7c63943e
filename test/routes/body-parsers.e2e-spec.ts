import multipart from '@fastify/multipart';
import {
  Body,
  Controller,
  type ExecutionContext,
  Injectable,
  type NestApplicationOptions,
  type NestMiddleware,
  type MiddlewareConsumer,
  Module,
  type NestModule,
  Post,
} from '@nestjs/common';
import type { AbstractHttpAdapter } from '@nestjs/core';
import { APP_GUARD } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import express from 'express';
import type { FastifyInstance } from 'fastify';
import type { AddressInfo } from 'node:net';
import type { UploadUrlOptions } from '../../lib/core/storage-methods.js';
import type { Storage } from '../../lib/core/storage.js';
import { StorageModule } from '../../lib/storage.module.js';
import { getStorageToken } from '../../lib/storage.tokens.js';
import { LogRecorder } from '../nest/app-fixture.js';
import { send } from '../nest/http-client.js';
import { form, formHeaders } from '../uploads/forms.js';
import { ADAPTERS, signingKeys, targetOf } from './routes-fixture.js';

type App = NestExpressApplication & NestFastifyApplication;

interface Setup {
  readonly adapter: () => AbstractHttpAdapter;
  readonly options?: NestApplicationOptions;
  readonly configure?: (app: App) => unknown;
  /** Reads bodies as a middleware of Nest. */
  readonly middleware?: boolean;
}

const any = { type: () => true, limit: '100mb' };
const Express = ADAPTERS['Express']!;
const Fastify = ADAPTERS['Fastify']!;

const SETUPS: Readonly<Record<string, Setup>> = {
  'Express as it is': { adapter: Express },
  'Express with rawBody': { adapter: Express, options: { rawBody: true } },
  'Express without body parsers': { adapter: Express, options: { bodyParser: false } },
  'Express with a raw parser for everything': {
    adapter: Express,
    configure: (app) => app.useBodyParser('raw', any),
  },
  'Express with a text parser for everything': {
    adapter: Express,
    configure: (app) => app.use(express.text(any)),
  },
  'Express with a parser in a function': {
    adapter: Express,
    configure: (app) =>
      app.use((request: never, response: never, next: never) => {
        express.raw(any)(request, response, next);
      }),
  },
  'Express with a parser as a middleware of Nest': { adapter: Express, middleware: true },
  'Fastify as it is': { adapter: Fastify },
  'Fastify with rawBody': { adapter: Fastify, options: { rawBody: true } },
  'Fastify with a small bodyLimit': { adapter: () => new FastifyAdapter({ bodyLimit: 10 }) },
  'Fastify with a parser for everything': {
    adapter: Fastify,
    configure: (app) => {
      const instance = app.getHttpAdapter().getInstance() as unknown as FastifyInstance;
      instance.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => {
        done(null, body);
      });
    },
  },
  'Fastify with @fastify/multipart, which keeps fields': {
    adapter: Fastify,
    configure: (app) => app.register(multipart as never, { attachFieldsToBody: true } as never),
  },
};

const BODIES: readonly (readonly [type: string | undefined, body: string])[] = [
  ['application/json', '{"a":1}'],
  ['application/json; charset=utf-8', 'no JSON at all'],
  ['application/json', ''],
  ['application/x-www-form-urlencoded', 'a=1&b=2'],
  ['text/plain', 'text'],
  ['application/octet-stream', '\0\x01'],
  ['image/png', 'x'.repeat(300_000)],
  [undefined, 'without a type'],
];

@Controller()
class EchoController {
  @Post('echo')
  echo(@Body() body: unknown): unknown {
    return { body };
  }
}

@Injectable()
class ReadsBodies implements NestMiddleware {
  readonly use = express.json({ ...any, strict: false }) as NestMiddleware['use'];
}

@Module({})
class ReadingModule implements NestModule {
  configure(consumer: MiddlewareConsumer): void {
    consumer.apply(ReadsBodies).forRoutes('*');
  }
}

describe.each(Object.entries(SETUPS))('on %s', (_, { adapter, options, configure, middleware }) => {
  let app: App;
  let port: number;
  let storage: Storage;
  let log: LogRecorder;
  /** What guards saw of the bodies. */
  const seen: (string | undefined)[][] = [];

  beforeAll(async () => {
    log = new LogRecorder();
    const guard = {
      canActivate(context: ExecutionContext): boolean {
        const { headers } = context
          .switchToHttp()
          .getRequest<{ headers: Record<string, string> }>();
        seen.push([headers['content-type'], headers['content-length']]);
        return true;
      },
    };
    const module = await Test.createTestingModule({
      imports: [
        ...(middleware ? [ReadingModule] : []),
        StorageModule.forRoot({
          storages: { uploads: { driver: 'memory' } },
          routes: { signingKeys },
        }),
      ],
      controllers: [EchoController],
      providers: [{ provide: APP_GUARD, useValue: guard }],
    })
      .setLogger(log)
      .compile();
    app = module.createNestApplication<App>(adapter(), options);
    await configure?.(app);
    await app.listen(0, '127.0.0.1');
    ({ port } = (app.getHttpServer() as { address(): AddressInfo }).address());
    storage = app.get<Storage>(getStorageToken());
  });

  afterAll(() => app.close());

  const upload = async (options?: UploadUrlOptions) => storage.uploadUrl('a.bin', options);

  test.each(BODIES)('a PUT of %s reaches the storage as it was sent: %j', async (type, body) => {
    seen.length = 0;
    const headers = type === undefined ? {} : { 'Content-Type': type };
    const { url } = await upload();
    const answer = await send(port, targetOf(url), { method: 'PUT', headers, body });
    expect([answer.status, answer.text]).toEqual([201, '']);
    expect((await storage.getBytes('a.bin')).toString()).toBe(body);
    expect((await storage.info('a.bin')).contentType).toBe(type ?? 'application/octet-stream');
    expect(seen).toEqual([[type, String(Buffer.byteLength(body))]]);
  });

  test('a PUT without a length reaches the storage, too', async () => {
    const { url } = await upload();
    const headers = { 'Content-Type': 'application/json', 'Transfer-Encoding': 'chunked' };
    const sent = { method: 'PUT', headers, body: '{"a":' };
    expect((await send(port, targetOf(url), sent)).status).toBe(201);
    expect((await storage.getBytes('a.bin')).toString()).toBe('{"a":');
  });

  test('a form reaches the storage', async () => {
    const { url, fields } = await upload({ method: 'POST' });
    const parts = Object.entries(fields!).map(([name, content]) => ({ name, content }));
    const content = 'x'.repeat(300_000);
    const body = form(...parts, { name: 'file', filename: 'a', content });
    const sent = { method: 'POST', headers: formHeaders, body };
    expect((await send(port, targetOf(url), sent)).status).toBe(201);
    expect((await storage.getBytes('a.bin')).toString()).toBe(content);
  });

  test('a body that is refused leaves the connection in order', async () => {
    const body = 'x'.repeat(100_000);
    const headers = { 'Content-Type': 'application/json' };
    const answer = await send(port, '/storage/uploads/a.bin', { method: 'PUT', headers, body });
    expect(answer).toMatchObject({ status: 403, json: { code: 'URL_REFUSED' } });
    expect(log.text).toBe('');
  });

  if (options?.bodyParser !== false) {
    test('the other routes of the app get their bodies parsed', async () => {
      const headers = { 'Content-Type': 'application/json' };
      const answer = await send(port, '/echo', { method: 'POST', headers, body: '{"a":1}' });
      expect(answer.status).toBe(201);
      expect(answer.json.body).not.toEqual({});
    });
  }
});

test('a body that somebody has read all the same is no upload of nothing', async () => {
  const log = new LogRecorder();
  const module = await Test.createTestingModule({
    imports: [
      StorageModule.forRoot({
        storages: { uploads: { driver: 'memory' } },
        routes: { signingKeys },
      }),
    ],
  })
    .setLogger(log)
    .compile();
  const app = module.createNestApplication<NestExpressApplication>(Express());
  app.use((request: NodeJS.ReadableStream, _response: unknown, next: () => void) => {
    request.on('data', () => {}).on('end', next);
  });
  await app.listen(0, '127.0.0.1');
  try {
    const { port } = (app.getHttpServer() as { address(): AddressInfo }).address();
    const storage = app.get<Storage>(getStorageToken());
    const { url } = await storage.uploadUrl('a.bin');
    const answer = await send(port, targetOf(url), { method: 'PUT', body: 'hello' });
    expect(answer).toMatchObject({ status: 500, json: { code: 'CONFIGURATION' } });
    expect(log.text).toMatch(/was read before the storage route came to it/);
    expect(await storage.exists('a.bin')).toBe(false);
  } finally {
    await app.close();
  }
});
