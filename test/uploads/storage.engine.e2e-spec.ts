import { jest } from '@jest/globals';
import {
  Controller,
  Logger,
  MaxFileSizeValidator,
  ParseFilePipe,
  Post,
  UploadedFile,
  UseInterceptors,
} from '@nestjs/common';
import { FileInterceptor, MulterModule } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import express from 'express';
import multer from 'multer';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { PassThrough, Readable } from 'node:stream';
import {
  contentHashKey,
  getStorageToken,
  Storage,
  StorageConnectionError,
  type StorageDriver,
  StorageEngine,
  StorageModule,
  type StoredUpload,
  type UploadOptions,
} from '../../lib/index.js';
import { closeApps, RejectionWatch, startApp, until } from '../nest/app-fixture.js';
import { type Answer, openSocket, send } from '../nest/http-client.js';
import { recordingDriver, type RecordingDriver } from '../nest/recording-driver.js';
import { form, formHeaders, type Part, part, partHead, png, requestHead } from './forms.js';

const servers: Server[] = [];
const rejections = new RejectionWatch();

beforeEach(() => rejections.start());
afterEach(async () => {
  await closeApps();
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
  rejections.stop();
});

const photo = { name: 'photo', filename: '日本語ü.png', type: 'image/png', content: png() };

interface Host extends RecordingDriver {
  readonly port: number;
  readonly storage: Storage;
}

const options = { accept: ['image/*'], maxSize: 100_000 };

async function listen(server: Server): Promise<number> {
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

async function nest(replace?: Parameters<typeof recordingDriver>[0]): Promise<Host> {
  const recorded = await recordingDriver(replace);
  const storage = new Storage(recorded.driver);
  const engine = new StorageEngine(storage, options);
  @Controller()
  class UploadController {
    @Post()
    @UseInterceptors(FileInterceptor('photo', { storage: engine, defParamCharset: 'utf8' }))
    add(@UploadedFile() file: StoredUpload): unknown {
      return { file };
    }
  }
  const { port } = await startApp({ controllers: [UploadController] });
  return { port, storage, ...recorded };
}

async function nestFastify(replace?: Parameters<typeof recordingDriver>[0]): Promise<Host> {
  const recorded = await recordingDriver(replace);
  const storage = new Storage(recorded.driver);
  const settings = {
    storage: new StorageEngine(storage, options),
    defParamCharset: 'utf8',
    limits: { fileSize: 1_000_000 },
  };
  @Controller()
  class UploadController {
    @Post()
    @UseInterceptors(nestMultipart!.FileInterceptor('photo', settings))
    add(@UploadedFile() file: StoredUpload): unknown {
      return { file };
    }
  }
  const { port } = await startApp(
    { controllers: [UploadController] },
    { adapter: new FastifyAdapter() },
  );
  return { port, storage, ...recorded };
}

async function nestModule(replace?: Parameters<typeof recordingDriver>[0]): Promise<Host> {
  const recorded = await recordingDriver(replace);
  @Controller()
  class UploadController {
    @Post()
    @UseInterceptors(FileInterceptor('photo'))
    add(@UploadedFile() file: StoredUpload): unknown {
      return { file };
    }
  }
  const { port, app } = await startApp({
    controllers: [UploadController],
    imports: [
      StorageModule.forRoot({
        storages: { photos: { driver: recorded.driver, retry: { maxRetries: 0 } } },
      }),
      MulterModule.registerAsync({
        inject: [getStorageToken('photos')],
        useFactory: (storage: Storage) => ({
          storage: new StorageEngine(storage, options),
          defParamCharset: 'utf8',
        }),
      }),
    ],
  });
  return { port, storage: app.get(getStorageToken('photos')), ...recorded };
}

async function plainExpress(replace?: Parameters<typeof recordingDriver>[0]): Promise<Host> {
  const recorded = await recordingDriver(replace);
  const storage = new Storage(recorded.driver);
  const parser = multer({
    storage: new StorageEngine(storage, options),
    defParamCharset: 'utf8',
  } as multer.Options);
  const app = express();
  app.post('/', parser.single('photo'), (request, response) => {
    response.status(201).json({ file: request.file });
  });
  app.use(((error, _request, response, _next) => {
    response.status(statusOf(error)).json(bodyOf(error));
  }) as express.ErrorRequestHandler);
  return { port: await listen(createServer(app)), storage, ...recorded };
}

async function plainHttp(replace?: Parameters<typeof recordingDriver>[0]): Promise<Host> {
  const recorded = await recordingDriver(replace);
  const storage = new Storage(recorded.driver);
  const parse = multer({
    storage: new StorageEngine(storage, options),
    defParamCharset: 'utf8',
  } as multer.Options).single('photo');
  const server = createServer((request: IncomingMessage, response: ServerResponse) => {
    parse(request as never, response as never, (error: unknown) => {
      response.writeHead(error ? statusOf(error) : 201, { 'Content-Type': 'application/json' });
      const { file } = request as { file?: unknown };
      response.end(JSON.stringify(error ? bodyOf(error) : { file }));
    });
  });
  return { port: await listen(server), storage, ...recorded };
}

function statusOf(error: unknown): number {
  return (error as { getStatus?(): number }).getStatus?.() ?? 400;
}

function bodyOf(error: unknown): unknown {
  const { code, message } = error as { code?: string; message: string };
  return (error as { getResponse?(): unknown }).getResponse?.() ?? { code, message };
}

// Nest has it since 12.1; `fastify-apps` makes sure that it is looked at there.
const nestMultipart = await import('@nestjs/platform-fastify/multipart').catch(() => undefined);

const post = (port: number, ...parts: Part[]): Promise<Answer> =>
  send(port, '/', { method: 'POST', headers: formHeaders, body: form(...parts) });

type OpenHost = (replace?: Parameters<typeof recordingDriver>[0]) => Promise<Host>;

const hosts: [where: string, open: OpenHost][] = [
  ['Nest’s FileInterceptor', nest],
  ['Nest’s MulterModule', nestModule],
  ['multer on Express', plainExpress],
  ['multer on node:http', plainHttp],
];
if (nestMultipart) hosts.push(['Nest’s FileInterceptor for Fastify', nestFastify]);

describe.each(hosts)('the engine in %s', (where, host) => {
  test('stores a file and tells what it is', async () => {
    const { port, storage, keys } = await host();
    const { status, json } = await post(port, photo);
    expect(status).toBe(201);
    const [key] = await keys();
    expect(json.file).toMatchObject({
      fieldname: 'photo',
      originalname: '日本語ü.png',
      mimetype: 'image/png',
      size: 64,
      key,
      storage: storage.name,
    });
    expect((await storage.info(key!)).metadata).toEqual({ filename: '日本語ü.png' });
  });

  test('refuses by the first bytes before the backend sees anything', async () => {
    const { port, calls } = await host();
    const answer = await post(port, { ...photo, content: '<html>' });
    expect(answer).toMatchObject({
      status: 415,
      json: {
        code: 'UNSUPPORTED_MEDIA_TYPE',
        message: expect.stringMatching(/^The file is text\/html; allowed is /) as string,
      },
    });
    expect(calls).toEqual([]);
  });

  test('refuses one byte too many, and stores nothing', async () => {
    const { port, keys } = await host();
    expect((await post(port, { ...photo, content: png(100_001) })).status).toBe(413);
    expect(await keys()).toEqual([]);
    expect((await post(port, { ...photo, content: png(100_000) })).status).toBe(201);
  });

  test('passes on the status of a backend that fails', async () => {
    const { port, keys } = await host(() => ({
      put: () => Promise.reject(new StorageConnectionError('down')),
    }));
    const answer = await post(port, { ...photo, content: png(90_000) });
    expect(answer).toMatchObject({
      status: 502,
      json: { code: 'CONNECTION_FAILED', field: 'photo' },
    });
    expect(await keys()).toEqual([]);
  });

  test('has the file before one that is not expected removed', async () => {
    const { port, keys } = await host();
    const answer = await post(port, photo, { ...photo, name: 'other' });
    expect(answer.status).toBe(400);
    expect(await keys()).toEqual([]);
  });

  test('leaves nothing of a form that breaks off', async () => {
    const { port, keys } = await host();
    const body = Buffer.concat([part(photo), partHead({ ...photo, name: 'photo' }), png(50)]);
    const answer = await send(port, '/', { method: 'POST', headers: formHeaders, body });
    expect(answer.status).toBe(400);
    expect(await keys()).toEqual([]);
  });

  test('leaves nothing of a client that leaves', async () => {
    let started: () => void = () => {};
    const begun = new Promise<void>((resolve) => (started = resolve));
    const { port, keys, storage } = await host((memory): Partial<StorageDriver> => ({
      put: (key, body, settings) => {
        started();
        return memory.put(key, body, settings);
      },
    }));
    const socket = await openSocket(port);
    socket.write(requestHead('/', 1_000_000));
    socket.write(Buffer.concat([partHead(photo), png(20_000)]));
    await begun;
    socket.destroy();
    await storage.close();
    expect(await keys()).toEqual([]);
  });

  // multer alone cannot know that a handler failed; Nest tells it when a pipe does.
  if (where === 'Nest’s FileInterceptor') {
    test('is asked to remove a file that a pipe refuses', async () => {
      const recorded = await recordingDriver();
      const engine = new StorageEngine(new Storage(recorded.driver));
      const tooSmall = new ParseFilePipe({
        validators: [new MaxFileSizeValidator({ maxSize: 1 })],
      });
      @Controller()
      class RefusingController {
        @Post()
        @UseInterceptors(FileInterceptor('photo', { storage: engine }))
        add(@UploadedFile(tooSmall) _file: StoredUpload): void {}
      }
      const { port } = await startApp({ controllers: [RefusingController] });
      expect((await post(port, photo)).status).toBe(400);
      await until(async () => (await recorded.keys()).length === 0);
      expect(recorded.count('put')).toBe(1);
    });
  }
});

describe('the engine by itself', () => {
  function incoming(stream: Readable) {
    return {
      fieldname: 'f',
      originalname: 'a.txt',
      encoding: '7bit',
      mimetype: 'text/plain',
      stream,
    };
  }
  async function engine(replace?: Parameters<typeof recordingDriver>[0], settings?: UploadOptions) {
    const recorded = await recordingDriver(replace);
    return { ...recorded, engine: new StorageEngine(new Storage(recorded.driver), settings) };
  }
  /** The file as multer hands it on: a copy. */
  async function storedBy(target: StorageEngine, content: string): Promise<StoredUpload> {
    const file = incoming(Readable.from([Buffer.from(content)], { objectMode: false }));
    return new Promise((resolve, reject) =>
      target._handleFile({}, file, (error, info) =>
        error ? reject(error as Error) : resolve({ ...file, ...info } as StoredUpload),
      ),
    );
  }
  const handle = (target: StorageEngine, stream: Readable, calls: unknown[][]): void =>
    target._handleFile({}, incoming(stream), (...args) => void calls.push(args));

  test.each<[string, (stream: PassThrough & { truncated?: boolean }) => void]>([
    ['the stream fails at once', (stream) => stream.destroy(new Error('gone'))],
    [
      'the stream fails in the middle',
      (stream) => {
        stream.write(png(10_000));
        setImmediate(() => stream.destroy(new Error('gone')));
      },
    ],
    ['the stream closes without an end', (stream) => stream.destroy()],
    [
      'the stream is cut off and ends as if it were complete',
      (stream) => {
        stream.write(png(10_000));
        stream.truncated = true;
        stream.emit('limit');
        stream.end();
      },
    ],
    [
      'the stream turns out to be cut off only at its end',
      (stream) => {
        stream.write(png(10));
        stream.truncated = true;
        stream.end();
      },
    ],
  ])('calls back once, with an error, when %s', async (_what, spoil) => {
    const { engine: target, keys } = await engine();
    const calls: unknown[][] = [];
    const stream = new PassThrough();
    handle(target, stream, calls);
    spoil(stream);
    await until(() => calls.length > 0);
    await new Promise((resolve) => setImmediate(resolve));
    expect(calls).toHaveLength(1);
    expect(calls[0]![0]).toBeInstanceOf(Error);
    expect(await keys()).toEqual([]);
  });

  test('calls back once, with what was stored', async () => {
    const { engine: target, keys } = await engine();
    const calls: unknown[][] = [];
    handle(
      target,
      Readable.from([Buffer.from('te'), Buffer.from('xt')], { objectMode: false }),
      calls,
    );
    await until(() => calls.length > 0);
    expect(calls).toEqual([
      [null, expect.objectContaining({ size: 4, mimetype: 'text/plain', key: (await keys())[0] })],
    ]);
  });

  test('shows its functions the text fields before the file, whatever comes while they wait', async () => {
    let decide!: () => void;
    const decided = new Promise<void>((resolve) => (decide = resolve));
    const recorded = await recordingDriver();
    const target = new StorageEngine<{ body: { album: string } }>(new Storage(recorded.driver), {
      key: async (_file, request) => {
        await decided;
        return request.body.album;
      },
    });
    const request = { body: { album: 'before' } };
    const file = incoming(Readable.from([Buffer.from('text')], { objectMode: false }));
    const stored = new Promise((resolve) => target._handleFile(request, file, resolve));
    request.body.album = 'behind';
    decide();
    expect(await stored).toBeNull();
    expect(await recorded.keys()).toEqual(['before']);
  });

  test('never destroys the stream of multer, and reads it to its end', async () => {
    const { engine: target } = await engine(() => ({
      put: () => Promise.reject(new Error('no')),
    }));
    const calls: unknown[][] = [];
    const stream = new PassThrough();
    handle(target, stream, calls);
    stream.write(png(2_000_000));
    await until(() => calls.length > 0);
    expect(stream.destroyed).toBe(false);
    for (let index = 0; index < 50; index++) stream.write(png(100_000));
    stream.end();
    await until(() => stream.readableEnded);
  });

  test('removes idempotently, and what never was', async () => {
    const { engine: target, keys, calls } = await engine();
    const stored: unknown[][] = [];
    handle(target, Readable.from([Buffer.from('text')], { objectMode: false }), stored);
    await until(() => stored.length > 0);
    const file = stored[0]![1] as StoredUpload;
    const remove = (each: Partial<StoredUpload>): Promise<unknown> =>
      new Promise((resolve) => target._removeFile({}, each, resolve));
    expect(await remove(file)).toBeNull();
    expect(await keys()).toEqual([]);
    expect(await remove(file)).toBeNull();
    calls.length = 0;
    expect(await remove({})).toBeNull();
    expect(await remove({ originalname: 'a.txt' })).toBeNull();
    expect(calls).toEqual([]);
  });

  test('calls back with the error when it cannot remove', async () => {
    const { engine: target } = await engine(() => ({
      deleteMany: () => Promise.reject(new StorageConnectionError('down')),
    }));
    const file = await storedBy(target, 'text');
    const logged = jest.spyOn(Logger.prototype, 'error').mockImplementation(() => {});
    const error = await new Promise((resolve) => target._removeFile({}, file, resolve));
    expect(error).toBeInstanceOf(StorageConnectionError);
    expect(logged.mock.calls).toEqual([
      [
        `An upload that was to be removed is still in the storage "${file.storage}", under "${file.key}"`,
        error,
      ],
    ]);
    logged.mockRestore();
  });

  const storeOf = (target: StorageEngine, request: object): Promise<unknown> => {
    const file = incoming(Readable.from([Buffer.from('text')], { objectMode: false }));
    return new Promise((resolve) => target._handleFile(request, file, resolve));
  };

  test('keeps nothing of a client that went away before it was stored', async () => {
    const { engine: target, keys } = await engine();
    const error = await storeOf(target, { destroyed: true, complete: false });
    expect((error as Error).cause).toMatchObject({
      code: 'ABORTED',
      message: 'The client went away before its upload was stored',
    });
    expect(await keys()).toEqual([]);
  });

  test.each([
    { destroyed: true, complete: true },
    { destroyed: false, complete: false },
  ])('keeps the file of a client that is there, or has sent all: %j', async (request) => {
    const { engine: target, keys } = await engine();
    expect(await storeOf(target, request)).toBeNull();
    expect(await keys()).toHaveLength(1);
  });

  test.each<[metadata: unknown, shown: string]>([
    [undefined, 'undefined'],
    [null, 'null'],
    [5, '5'],
    ['text', 'a string'],
    [{ a: 'b', c: 5 }, ''],
  ])('calls back with an error when metadata are %j', async (metadata, shown) => {
    const settings = { metadata: () => metadata as Record<string, string> };
    const { engine: target, keys } = await engine(undefined, settings);
    const error = await storedBy(target, 'text').catch(({ cause }: Error) => cause);
    expect(error).toMatchObject({
      code: 'CONFIGURATION',
      message: expect.stringContaining(
        `The function metadata of the upload options must return an object of strings, not ${shown}`,
      ) as unknown,
    });
    expect(await keys()).toEqual([]);
  });

  test('removes no file that it did not store', async () => {
    const { engine: target, keys, driver } = await engine();
    await new Storage(driver).put('a.txt', 'another’s');
    await target.remove({ key: 'a.txt' });
    expect(await keys()).toEqual(['a.txt']);
  });

  test.each<[string, UploadOptions]>([
    ['somebody else may have found it under the key of its content', { key: contentHashKey }],
    ['another file has given way to it', { key: () => 'me.txt', overwrite: true }],
  ])('leaves a file that is published when %s', async (_why, settings) => {
    const { engine: target, keys } = await engine(undefined, settings);
    const first = await storedBy(target, 'same');
    const second = await storedBy(target, 'same');
    await target.remove(second);
    await target.remove(first);
    expect(await keys()).toEqual([first.key]);
  });

  test.each<[string, UploadOptions]>([
    ['the key of its content', { key: contentHashKey }],
    ['a key in the place of another file', { key: () => 'me.txt', overwrite: true }],
  ])('leaves nothing of a file that cannot be published under %s', async (_where, settings) => {
    const down = new StorageConnectionError('down', { retryable: false });
    const {
      engine: target,
      keys,
      count,
    } = await engine(() => ({ copy: () => Promise.reject(down) }), settings);
    await expect(storedBy(target, 'text')).rejects.toMatchObject({ cause: down });
    expect([count('copy'), await keys()]).toEqual([1, []]);
  });

  test('tells why a file cannot be published, also when it cannot be removed either', async () => {
    const down = new StorageConnectionError('down', { retryable: false });
    const { engine: target } = await engine(
      () => ({
        copy: () => Promise.reject(down),
        deleteMany: () => Promise.reject(new StorageConnectionError('also down')),
      }),
      { key: () => 'me.txt', overwrite: true },
    );
    await expect(storedBy(target, 'text')).rejects.toMatchObject({ cause: down });
  });

  test('lets go of the scanner of a file whose key cannot be chosen', async () => {
    let signal: AbortSignal | undefined;
    const { engine: target } = await engine(undefined, {
      key: () => Promise.reject(new Error('no key')),
      scan: (_stream, _file, context) => {
        signal = context.signal;
        return new Promise(() => {});
      },
    });
    await expect(storedBy(target, 'a'.repeat(10_000))).rejects.toThrow('no key');
    expect(signal!.aborted).toBe(true);
  });

  test('leaves what somebody else has put under the key meanwhile', async () => {
    const { engine: target, driver, keys } = await engine(undefined, { key: () => 'me.txt' });
    const storage = new Storage(driver);
    const file = await storedBy(target, 'mine');
    await storage.put('me.txt', 'another’s');
    await target.remove(file);
    expect((await storage.getBytes('me.txt')).toString()).toBe('another’s');
    await storage.delete('me.txt');
    await target.remove(await storedBy(target, 'mine'));
    expect(await keys()).toEqual([]);
  });

  test('leaves what somebody else puts under the key between the look at it and the removal', async () => {
    let replace: (() => Promise<unknown>) | undefined;
    const { engine: target, driver } = await engine(
      (memory) => ({
        async info(key, options) {
          const seen = await memory.info(key, options);
          await replace?.();
          return seen;
        },
      }),
      { key: () => 'me.txt' },
    );
    const storage = new Storage(driver);
    const file = await storedBy(target, 'mine');
    replace = () => storage.put('me.txt', 'another’s');
    await target.remove(file);
    expect((await storage.getBytes('me.txt')).toString()).toBe('another’s');
  });
});
