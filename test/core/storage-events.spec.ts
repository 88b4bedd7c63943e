import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { inspect } from 'node:util';
import {
  createStorage,
  OPERATION_END,
  OPERATION_RETRY,
  OPERATION_START,
  type Storage,
  type StorageCallEvent,
  StorageFileNotFoundError,
} from '../../lib/index.js';
import { fakeStorage, startS3Server } from '../../lib/testing/index.js';
import { until } from '../nest/app-fixture.js';

describe('what becomes of a call', () => {
  const told: [channel: string, StorageCallEvent][] = [];
  const listeners = [OPERATION_START, OPERATION_RETRY, OPERATION_END].map(
    (name) =>
      [name, (message: unknown) => void told.push([name, message as StorageCallEvent])] as const,
  );

  beforeEach(() => {
    told.length = 0;
    for (const [name, listener] of listeners) subscribe(name, listener);
  });

  afterEach(() => {
    for (const [name, listener] of listeners) unsubscribe(name, listener);
  });

  const ended = (operation: string): StorageCallEvent | undefined =>
    told.find(([name, event]) => name === OPERATION_END && event.operation === operation)?.[1];

  test('is told on diagnostics channels, the same object from start to end', async () => {
    const storage = fakeStorage('files', { prefix: 'secret/' });
    await storage.put('name-of-a-person.txt', Readable.from(['hel', 'lo']));
    expect(told.map(([name]) => name)).toEqual([OPERATION_START, OPERATION_END]);
    const [[, event], [, atEnd]] = told as [(typeof told)[0], (typeof told)[0]];
    expect(atEnd).toBe(event);
    expect(event).toMatchObject({
      storage: 'files',
      driver: 'fake',
      operation: 'put',
      bytes: 5,
      retries: 0,
      duration: expect.any(Number),
      errorCode: undefined,
    });
    expect(inspect(event) + JSON.stringify(event)).not.toMatch(/person|secret/);
    expect(event.revealKey()).toBe('name-of-a-person.txt');
  });

  test('has the code of the error, and of nothing that was expected', async () => {
    const storage = fakeStorage();
    await expect(storage.get('a')).rejects.toThrow(StorageFileNotFoundError);
    expect(ended('get')).toMatchObject({ errorCode: 'FILE_NOT_FOUND', bytes: 0 });
    await storage.exists('a');
    expect(ended('exists')).toMatchObject({ errorCode: undefined });
  });

  test('is told of one that is refused for what it was given, before any key is looked at', async () => {
    const storage = fakeStorage();
    const upload = await storage.startMultipartUpload('a');
    const refused: [operation: string, call: () => Promise<unknown>][] = [
      ['put', () => storage.put('a', 5 as never)],
      ['stage', () => storage.stage(5 as never)],
      ['uploadPart', () => storage.uploadPart(upload, 1, 5 as never)],
      ['info', () => storage.info('a', { signal: 5 as never })],
    ];
    for (const [operation, call] of refused) {
      await expect(call()).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', operation });
      expect(ended(operation)).toMatchObject({ errorCode: 'INVALID_ARGUMENT', bytes: 0 });
    }
    // Nothing of them is under way.
    await storage.close({ timeout: Infinity });
  });

  test('is that a get was aborted, also where the answer was there at once', async () => {
    await using storage: Storage = createStorage('files', { driver: 'memory' });
    await storage.put('a', 'hello');
    const controller = new AbortController();
    const got = storage.get('a', { signal: controller.signal });
    controller.abort();
    await expect(got).rejects.toMatchObject({ code: 'ABORTED' });
    expect(ended('get')).toMatchObject({ errorCode: 'ABORTED', bytes: 0 });
  });

  test('ends for a get when its body does, however that ends', async () => {
    await using server = await startS3Server({ buckets: ['photos'] });
    await using storage: Storage = createStorage('photos', {
      driver: 's3',
      provider: 'aws',
      bucket: 'photos',
      endpoint: server.endpoint,
      region: server.region,
      ...server.credentials,
      retry: { maxRetries: 2, baseDelay: 0 },
    });
    await storage.put('a', Buffer.alloc(3 * 1024 ** 2));
    const download = await storage.get('a');
    expect(ended('get')).toBeUndefined();
    await download.bytes();
    await until(() => ended('get') !== undefined);
    expect(ended('get')).toMatchObject({
      bytes: 3 * 1024 ** 2,
      errorCode: undefined,
      driver: 's3',
    });

    told.length = 0;
    server.fail({ operation: 'GetObject', with: { status: 503, code: 'SlowDown' }, times: 2 });
    const left = await storage.get('a');
    expect(told.map(([name]) => name)).toEqual([OPERATION_START, OPERATION_RETRY, OPERATION_RETRY]);
    left.destroy();
    await until(() => ended('get') !== undefined);
    expect(ended('get')!.bytes).toBeLessThan(3 * 1024 ** 2);
    expect(ended('get')!.retries).toBe(2);
  });

  test('is no failure of a get whose body is left early, and is one of a body that breaks', async () => {
    const root = await mkdtemp(join(tmpdir(), 'left-early-'));
    await using storage: Storage = createStorage('files', { driver: 'local', root });
    await storage.put('a', Buffer.alloc(3 * 1024 ** 2));
    const leave: ((body: Readable) => Promise<unknown>)[] = [
      async (body) => {
        for await (const _chunk of body) break;
      },
      async (body) => {
        const chunks = body[Symbol.asyncIterator]();
        await chunks.next();
        await chunks.return!();
      },
      async (body) => {
        const reader = Readable.toWeb(body).getReader();
        await reader.read();
        await reader.cancel();
      },
    ];
    for (const each of leave) {
      told.length = 0;
      await each((await storage.get('a')).stream);
      await until(() => ended('get') !== undefined);
      expect(ended('get')).toMatchObject({ errorCode: undefined });
    }
    told.length = 0;
    const { stream } = await storage.get('a');
    stream.destroy(new Error('broken'));
    await expect(finished(stream)).rejects.toThrow('broken');
    expect(ended('get')).toMatchObject({ errorCode: 'UNKNOWN' });
    await rm(root, { recursive: true });
  });

  test('counts of a resumed upload the bytes that it sends, not those that are there', async () => {
    const storage = fakeStorage();
    const upload = await storage.startMultipartUpload('a', { partSize: 4 });
    await storage.uploadPart(upload, 1, 'abcd');
    await storage.resumeMultipartUpload(upload, new Blob(['abcdefghij']));
    expect(ended('resumeMultipartUpload')).toMatchObject({ bytes: 6, errorCode: undefined });
  });

  test('counts what the storage itself repeats, and a listing that is left', async () => {
    const storage = fakeStorage('files', { retry: { maxRetries: 1, baseDelay: 0 } });
    await storage.failOn('put').put('a', 'hello');
    expect(ended('put')).toMatchObject({ retries: 1 });
    for await (const _file of storage.list()) break;
    expect(ended('list')).toMatchObject({ errorCode: undefined });
  });
});

test.each([OPERATION_START, OPERATION_RETRY, OPERATION_END])(
  'whoever listens to %s alone is told',
  async (name) => {
    const told: unknown[] = [];
    const listener = (message: unknown): void => void told.push(message);
    subscribe(name, listener);
    const storage = fakeStorage('files', { retry: { maxRetries: 1, baseDelay: 0 } });
    await storage.failOn('put').put('a', 'hello');
    unsubscribe(name, listener);
    expect(told).toMatchObject([{ operation: 'put' }]);
  },
);
