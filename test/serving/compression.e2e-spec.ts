import compress from '@fastify/compress';
import { Controller, Get, type INestApplication, Param } from '@nestjs/common';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import compression from 'compression';
import { InjectStorage, ServedFile, type ServedFileOptions, Storage } from '../../lib/index.js';
import { type AppSettings, closeApps } from '../nest/app-fixture.js';
import { send } from '../nest/http-client.js';
import { serve } from './serving-fixture.js';

afterEach(closeApps);

@Controller()
class TextsController {
  constructor(@InjectStorage() private readonly files: Storage) {}

  @Get('text')
  text(): object {
    return { text: TEXT };
  }

  @Get(':cache/:key')
  show(@Param('cache') cache: string, @Param('key') key: string): ServedFile {
    const options: ServedFileOptions = cache === 'own' ? { cacheControl: 'max-age=60' } : {};
    return new ServedFile(this.files, key, options);
  }
}

const TEXT = 'the same line again\n'.repeat(500);

const COMPRESSING: readonly (readonly [string, () => AppSettings])[] = [
  ['compression on Express', () => ({ configure: (app) => app.use(compression()) })],
  [
    'compression that takes brotli for the rule',
    () => ({ configure: (app) => app.use(compression({ enforceEncoding: 'br' })) }),
  ],
  [
    '@fastify/compress',
    () => ({
      adapter: new FastifyAdapter(),
      configure: (app) => (app as Fastify).register(compress),
    }),
  ],
];

type Fastify = INestApplication & { register(plugin: unknown): void };

describe.each(COMPRESSING)('with %s', (_name, settings) => {
  const headers = { 'Accept-Encoding': 'gzip, br' };

  test('answers of the app are compressed', async () => {
    const { port } = await serve(undefined, { controllers: [TextsController] }, settings());
    const answer = await send(port, '/text', { headers });
    expect(answer.headers['content-encoding']).toMatch(/^(gzip|br)$/);
  });

  test.each(['default', 'own'])(
    'no byte of a file is changed under its etag, Cache-Control being the %s one',
    async (cache) => {
      const { port, put } = await serve(undefined, { controllers: [TextsController] }, settings());
      const { etag } = await put('a.txt', TEXT);
      for (const [asked, status, text] of [
        [{}, 200, TEXT],
        [{ Range: 'bytes=2000-' }, 206, TEXT.slice(2000)],
        [{ Range: 'bytes=0-1999', 'If-Range': etag }, 206, TEXT.slice(0, 2000)],
        [{ 'If-None-Match': etag }, 304, ''],
      ] as const) {
        const answer = await send(port, `/${cache}/a.txt`, { headers: { ...headers, ...asked } });
        expect(answer).toMatchObject({ status, text, headers: { etag } });
        expect(answer.headers).not.toHaveProperty('content-encoding');
        if (status !== 304) {
          expect(answer.headers['content-length']).toBe(String(text.length));
        }
      }
      const head = await send(port, `/${cache}/a.txt`, { method: 'HEAD', headers });
      expect(head.headers).toMatchObject({ etag, 'content-length': String(TEXT.length) });
      expect(head.headers).not.toHaveProperty('content-encoding');
    },
  );
});
