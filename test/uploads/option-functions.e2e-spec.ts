import { FastifyAdapter } from '@nestjs/platform-fastify';
import { Controller, Post, UploadedFile, UseInterceptors } from '@nestjs/common';
import type { FastifyInstance } from 'fastify';
import multer from 'multer';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  Storage,
  StorageAnyFilesInterceptor,
  StorageEngine,
  StorageFileInterceptor,
  StorageModule,
  type StoredUpload,
  type UploadOptions,
} from '../../lib/index.js';
import { closeApps, RejectionWatch } from '../nest/app-fixture.js';
import { send } from '../nest/http-client.js';
import { recordingDriver } from '../nest/recording-driver.js';
import { form, formHeaders, png } from './forms.js';
import { onEachAdapter, recordedUploadApp, startApp } from './upload-fixture.js';

const photo = { name: 'photo', filename: 'a.png', type: 'image/png', content: png(10_000) };
const never = undefined as never;

/** Fails as nobody should, and somebody does. */
const rejecting = (reason: unknown) => (): Promise<never> => Promise.reject(reason as Error);

onEachAdapter(() => {
  const rejections = new RejectionWatch();
  beforeEach(() => rejections.start());
  afterEach(async () => {
    await closeApps();
    rejections.stop();
  });

  test.each<[what: string, options: UploadOptions]>([
    ['a key function that rejects with nothing', { key: rejecting(undefined) }],
    ['a key function that rejects with null', { key: rejecting(null) }],
    ['a metadata function that rejects with a text', { metadata: rejecting('no') }],
    ['words that the parser has, too', { metadata: () => JSON.parse('') as never }],
    ['a code that multer has, too', { key: rejecting(coded('db limit', 'LIMIT_FILE_SIZE')) }],
    ['a key that is a number', { key: () => 5 as never }],
    ['a key that is missing', { key: () => never }],
    ['metadata of numbers', { metadata: () => ({ a: 5 as never }) }],
    ['metadata that is a text', { metadata: () => 'abc' as never }],
  ])('%s is a fault of the app: 500, and in the log', async (_what, options) => {
    const app = await recordedUploadApp(StorageFileInterceptor('photo', options));
    const answer = await app.post(photo);
    expect(answer.status).toBe(500);
    expect(answer.text).not.toMatch(/db limit|JSON input/);
    expect(app.log.entries.length).toBeGreaterThan(0);
    expect(await app.keys()).toEqual([]);
  });

  test('they see the text fields that came before their file, whatever comes while they wait', async () => {
    const first = deferred();
    const scanned: Record<string, string> = {};
    interface FormRequest {
      body: { album?: string; meta: Record<string, string>; tags: string[] };
      headers: Record<string, string>;
    }
    const app = await recordedUploadApp(
      StorageAnyFilesInterceptor<FormRequest>({
        key: async ({ originalname }, request) => {
          // Told when the parser has come to the last file.
          if (originalname === '1.png') await first.done;
          else first.resolve();
          return `${request.headers['content-type']!.slice(0, 9)}/${originalname}`;
        },
        metadata: async (_file, request) => {
          await Promise.resolve();
          return { body: JSON.stringify(request.body) };
        },
        scan: async (_bytes, { originalname }, { request }) => {
          if (originalname === '1.png') await first.done;
          scanned[originalname] = JSON.stringify(request.body);
        },
      }),
      { several: true },
    );
    const answer = await app.post(
      { name: 'meta[a]', content: '1' },
      { name: 'tags[]', content: 'x' },
      { ...photo, filename: '1.png', content: png(100) },
      { name: 'album', content: 'of-someone-else' },
      { name: 'meta[album]', content: 'of-someone-else' },
      { name: 'tags[]', content: 'y' },
      { ...photo, filename: '2.png', content: png(100) },
    );
    const before = '{"meta":{"a":"1"},"tags":["x"]}';
    const all =
      '{"meta":{"a":"1","album":"of-someone-else"},"tags":["x","y"],"album":"of-someone-else"}';
    expect(answer.json).toMatchObject({
      body: JSON.parse(all) as object,
      files: [
        { key: 'multipart/1.png', stored: { metadata: { body: before } } },
        { key: 'multipart/2.png', stored: { metadata: { body: all } } },
      ],
    });
    expect(scanned).toEqual({ '1.png': before, '2.png': all });
  });

  test('a key that the name of a file makes invalid is a 400, and in the log', async () => {
    const app = await recordedUploadApp(
      StorageFileInterceptor('photo', { key: ({ originalname }) => `a//${originalname}` }),
    );
    const answer = await app.post(photo);
    expect(answer.json).toMatchObject({ statusCode: 400, code: 'INVALID_KEY', field: 'photo' });
    expect(app.log.entries).toEqual([
      expect.objectContaining({ level: 'warn', text: expect.stringContaining('Invalid key: ') }),
    ]);
  });
});

test.each<[what: string, options: UploadOptions]>([
  ['cacheControl', { cacheControl: 'a\r\nb' }],
  ['metadata', { metadata: { a: 5 as never } }],
  ['metadata', { metadata: null as never }],
  ['minSize', { minSize: 20, maxSize: 10 }],
])('a wrong %s is refused before there is a request', (name, options) => {
  expect(() => StorageFileInterceptor('photo', options)).toThrow(name);
});

test.each([undefined, null, 'no'])(
  'the engine tells multer of a failure with %s instead of an error',
  async (reason) => {
    const { driver } = await recordingDriver();
    const storage = new Storage(driver);
    const engine = new StorageEngine(storage, { key: rejecting(reason) });
    const upload = multer({ storage: engine }).single('photo');
    const server = createServer((request, response) => {
      upload(request as never, response as never, (error: unknown) => {
        response.end(error instanceof Error ? error.message : 'stored');
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const answer = await send(port, '/', {
      method: 'POST',
      headers: formHeaders,
      body: form(photo),
    });
    await new Promise((resolve) => server.close(resolve));
    await storage.close();
    expect(answer.text).toContain('A function among the upload options failed with');
  },
);

@Controller()
class UploadController {
  @Post()
  @UseInterceptors(StorageFileInterceptor('photo'))
  add(@UploadedFile() file: StoredUpload): unknown {
    return { size: file.size };
  }
}

test('an app on Fastify that has a parser for all forms itself starts', async () => {
  const adapter = new FastifyAdapter();
  const { port } = await startApp(
    {
      imports: [StorageModule.forRoot({ storages: { a: { driver: 'memory' } } })],
      controllers: [UploadController],
    },
    {
      adapter,
      configure: (created) =>
        (created.getHttpAdapter().getInstance() as FastifyInstance).addContentTypeParser(
          /^multipart\//,
          (_request: unknown, _payload: unknown, done: (error: null) => void) => done(null),
        ),
    },
  );
  const answer = await send(port, '/', {
    method: 'POST',
    headers: formHeaders,
    body: form(photo),
  });
  await closeApps();
  expect(answer.json).toEqual({ size: 10_000 });
});

function deferred(): { done: Promise<void>; resolve: () => void } {
  let resolve: () => void = () => {};
  return { done: new Promise<void>((settle) => (resolve = settle)), resolve: () => resolve() };
}

function coded(message: string, code: string): Error {
  return Object.assign(new Error(message), { code });
}
