import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { setImmediate } from 'node:timers/promises';
import { Injectable, Module } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import {
  getStorageToken,
  OPERATION_END,
  type StorageCallEvent,
  InjectStorage,
  Storage,
  StorageConnectionError,
  StorageError,
  StorageInvalidArgumentError,
  StorageModule,
  StorageRegistry,
  StorageRateLimitedError,
  StorageTimeoutError,
} from '../../../lib/index.js';
import {
  FakeStorage,
  fakeStorage,
  overrideStorages,
  storageMatchers,
  StorageTestingModule,
} from '../../../lib/testing/fakes/index.js';
import { describeStorageDriver } from '../../../lib/testing/conformance/index.js';

expect.extend(storageMatchers);

@Injectable()
class Reports {
  constructor(@InjectStorage('reports') private readonly reports: Storage) {}

  save(name: string, text: string) {
    return this.reports.put(`${name}.txt`, text, { metadata: { by: 'test' } });
  }
}

@Module({
  imports: [StorageModule.forRoot({ storages: { reports: { driver: 's3', bucket: 'reports' } } })],
  providers: [Reports],
})
class AppModule {}

/** Puts there what a sweep finds, once the clock has gone on. */
async function begin({ stored }: FakeStorage): Promise<void> {
  await stored.stage('x');
  await stored.startMultipartUpload('b');
  const begun = Date.now();
  while (Date.now() <= begun + 1) await setImmediate();
}

describe('a fake storage', () => {
  test('takes the place of the storage of its name, and of the default', async () => {
    const reports = fakeStorage('reports');
    const builder = Test.createTestingModule({ imports: [AppModule] });
    const app = await overrideStorages(builder, reports).compile();
    await app.get(Reports).save('today', 'All is well');
    await reports.assertUploaded('today.txt', { content: 'All is well', metadata: { by: 'test' } });
    expect(app.get(getStorageToken())).toBe(reports);
    expect(reports.calls).toEqual([{ method: 'put', key: 'today.txt' }]);
    expect(app.get(StorageRegistry).get('reports')).toBe(reports);
    await app.close();
    await expect(reports.exists('today.txt')).rejects.toThrow('The storage is closed');
  });

  test('tells those who listen to calls of none that a test looks at it with', async () => {
    const reports = fakeStorage('reports');
    const told: string[] = [];
    const note = (event: unknown): void => {
      told.push((event as StorageCallEvent).operation);
    };
    subscribe(OPERATION_END, note);
    await reports.put('a', 'hello');
    await reports.assertUploaded('a', { content: 'hello' });
    await reports.assertMissing('b');
    await reports.stored.put('b', 'hello');
    await expect(reports).toHaveFile('b');
    unsubscribe(OPERATION_END, note);
    expect(told).toEqual(['put']);
    await reports.close();
  });

  test('takes the place of a part of a storage in each module that asks for it', async () => {
    const feature = { avatars: { storage: 'reports', prefix: 'avatars/' } };
    const builder = Test.createTestingModule({
      imports: [
        AppModule,
        StorageModule.forFeature(feature),
        StorageModule.forFeature({ ...feature }),
      ],
    });
    const avatars = fakeStorage('avatars');
    const app = await overrideStorages(builder, avatars).compile();
    expect(app.get(getStorageToken('avatars'))).toBe(avatars);
    await app.close();
  });

  test('can be asserted when the app is closed', async () => {
    const reports = fakeStorage('reports');
    const builder = Test.createTestingModule({ imports: [AppModule] });
    const app = await overrideStorages(builder, reports).compile();
    await app.get(Reports).save('today', 'All is well');
    await app.close();
    expect(reports.calls).toEqual([{ method: 'put', key: 'today.txt' }]);
    await reports.assertUploaded('today.txt', { content: 'All is well' });
    await reports.assertMissing('tomorrow.txt');
    await expect(reports).toHaveFile('today.txt');
  });

  test.each<[string, () => unknown, string]>([
    [
      'an option',
      () => fakeStorage('a', { behaveLike: 'r2' } as object),
      'fakeStorage(): unknown option "behaveLike"; known are behavesLike, capabilities,',
    ],
    [
      'a fault',
      () => fakeStorage().failOn('put', { time: 2 } as object),
      'failOn(): unknown option "time"; known are after, afterBytes, error, key, times',
    ],
    [
      'a method',
      () => fakeStorage().failOn('delete' as 'put'),
      'failOn(): a storage asks its driver for no "delete", but for "deleteMany"; there are abortMultipartUpload,',
    ],
    [
      'a method that is slow',
      () => fakeStorage().delayOn('exists' as 'put', 1),
      'delayOn(): a storage asks its driver for no "exists"',
    ],
    [
      'an option of the kit',
      () => describeStorageDriver('a', () => Promise.reject(), { servesUrl: true } as object),
      'describeStorageDriver(): unknown option "servesUrl"; known are isView, names, prefixBytes,',
    ],
  ])('refuses %s that there is not, and names those that there are', (_what, call, message) => {
    expect(call).toThrow(message);
  });

  test.each<[string, string, () => unknown]>([
    ['times', 'not NaN', () => fakeStorage().failOn('put', { times: NaN })],
    ['times', 'not -1', () => fakeStorage().failOn('put', { times: -1 })],
    ['times', 'not a string', () => fakeStorage().failOn('put', { times: '2' as never })],
    ['after', 'not -1', () => fakeStorage().failOn('put', { after: -1 })],
    ['after', 'not Infinity', () => fakeStorage().failOn('put', { after: Infinity })],
    ['afterBytes', 'not NaN', () => fakeStorage().failOn('put', { afterBytes: NaN })],
    ['afterBytes', '"copy"', () => fakeStorage().failOn('copy', { afterBytes: 1 })],
    ['afterBytes', '"uploadPart"', () => fakeStorage().failOn('uploadPart', { afterBytes: 1 })],
    ['key', 'not 1', () => fakeStorage().failOn('put', { key: 1 as never })],
    [
      'error',
      'must be a function',
      () => fakeStorage().failOn('put', { error: new Error() as never }),
    ],
    ['milliseconds', 'not NaN', () => fakeStorage().delayOn('get', NaN)],
    ['milliseconds', 'not -5', () => fakeStorage().delayOn('get', -5)],
    ['milliseconds', 'not a string', () => fakeStorage().delayOn('get', '1s' as never)],
    ['now', 'not Invalid Date', () => fakeStorage('a', { now: new Date(NaN) })],
    ['now', 'not a string', () => fakeStorage('a', { now: '2026-01-01' as never })],
  ])('refuses %s that can never be: %s', (name, reason, call) => {
    let refusal: unknown;
    try {
      call();
    } catch (error) {
      refusal = error;
    }
    expect(refusal).toBeInstanceOf(StorageInvalidArgumentError);
    expect((refusal as Error).message).toContain(name);
    expect((refusal as Error).message).toContain(reason);
  });

  test('refuses a clock that tells no time', async () => {
    const storage = fakeStorage('a', { now: () => new Date(NaN) });
    await expect(storage.url('b.txt', { expiresIn: 60 })).rejects.toThrow(
      StorageInvalidArgumentError,
    );
  });

  test('refuses to compare what a file has not', async () => {
    const storage = fakeStorage();
    await storage.put('a.txt', 'hello');
    const expected = { contenttype: 'text/plain' } as object;
    const reason = 'unknown option "contenttype"; known are content, contentType, metadata, size';
    await expect(storage.assertUploaded('a.txt', expected)).rejects.toThrow(reason);
    await expect(storage.assertUploaded('b.txt', expected)).rejects.toThrow(reason);
    await expect(expect(storage).not.toHaveFileLike('a.txt', expected)).rejects.toThrow(reason);
    const nothing = undefined as unknown as string;
    await expect(storage.assertContent('a.txt', nothing)).rejects.toThrow(
      'content is undefined, which would hold of any file',
    );
  });

  test('refuses a capability that there is not', async () => {
    const storage = fakeStorage('a', { capabilities: { multiparts: false } as object });
    await expect(storage.open()).rejects.toThrow(
      'fakeStorage(): capabilities: unknown option "multiparts"',
    );
  });

  test('is refused when the app has no storage of its name, whichever call gave it', async () => {
    const builder = Test.createTestingModule({ imports: [AppModule] });
    overrideStorages(builder, fakeStorage('reprots'));
    overrideStorages(builder, fakeStorage('reports'));
    await expect(builder.compile()).rejects.toThrow(
      'There is no storage "reprots" that overrideStorages() could put a fake in the place of; the storages are "reports"',
    );
  });

  test('stands behind the tokens of StorageTestingModule', async () => {
    const app = await Test.createTestingModule({
      imports: [
        StorageTestingModule.forRoot({
          storages: ['reports', fakeStorage('images')],
          default: 'images',
        }),
      ],
      providers: [Reports],
    }).compile();
    await app.get(Reports).save('today', 'All is well');
    const reports = app.get<FakeStorage>(getStorageToken('reports'));
    await expect(reports).toHaveUploaded('today.txt');
    expect(app.get<FakeStorage>(getStorageToken()).name).toBe('images');
    await app.close();
    await expect(reports.exists('today.txt')).rejects.toThrow('The storage is closed');
  });

  test('says what is there when a file is not', async () => {
    const storage = fakeStorage('reports');
    await expect(storage.assertExists('b.txt')).rejects.toThrow(
      'There is no file "b.txt" in the storage "reports"; there is none at all',
    );
    await storage.put('a.txt', 'hello');
    await storage.assertExists('a.txt');
    await storage.assertMissing('b.txt');
    await expect(storage.assertMissing('a.txt')).rejects.toThrow('There is a file "a.txt"');
    await expect(storage.assertContent('b.txt', 'x')).rejects.toThrow('there are "a.txt"');
    await expect(storage.assertUploaded('b.txt')).rejects.toThrow('Nothing has written');
    await storage.assertContent('a.txt', Buffer.from('hello'));
    await storage.put('latin-1.txt', Buffer.from('üü', 'latin1'));
    await expect(storage.assertContent('latin-1.txt', '\uFFFD\uFFFD')).rejects.toThrow(
      'its content is 2 bytes (fcfc), not 6 bytes (efbfbdefbfbd)',
    );
    await expect(storage.assertContent('a.txt', 'other')).rejects.toThrow(
      'its content is "hello", not "other"',
    );
  });

  test('is what the matchers take, and so is any other storage', async () => {
    const storage = fakeStorage();
    await storage.scope('photos/').put('a.png', 'png', { metadata: { b: '2', a: '1' } });
    await expect(storage).toHaveFile('photos/a.png');
    await expect(storage.readonly()).not.toHaveFile('a.png');
    await expect(storage).toHaveFileLike('photos/a.png', {
      content: 'png',
      size: 3,
      contentType: 'image/png',
      metadata: { a: '1', b: '2' },
    });
    await expect(storage).not.toHaveUploaded('photos/b.png');
    await expect(expect(storage).toHaveFileLike('photos/a.png', { size: 4 })).rejects.toThrow(
      'its size is 3, not 4',
    );
    await expect(expect(storage.readonly()).toHaveUploaded('photos/a.png')).rejects.toThrow(
      'The matcher takes a FakeStorage',
    );
  });

  test('fails when it is told to: after so many calls, so many times', async () => {
    const storage = fakeStorage().failOn('put', { after: 1, times: 2 });
    await storage.put('a', '1');
    await expect(storage.put('b', '2')).rejects.toThrow(StorageConnectionError);
    await expect(storage.put('c', '3')).rejects.toThrow(StorageConnectionError);
    await storage.put('d', '4');
    storage.failOn('info', {
      times: Infinity,
      key: 'a',
      error: () => new StorageRateLimitedError(),
    });
    await expect(storage.exists('a')).rejects.toThrow(StorageRateLimitedError);
    await expect(storage.exists('d')).resolves.toBe(true);
    await expect(storage.heal().exists('a')).resolves.toBe(true);
  });

  test('fails for one of the files that are deleted together, and deletes the others', async () => {
    const storage = fakeStorage();
    for (const key of ['a', 'b', 'c']) await storage.stored.put(key, 'x');
    storage.failOn('deleteMany', { key: 'b', times: 2 });
    const { deleted, failed } = await storage.deleteMany(['a', 'b']);
    expect(deleted).toEqual(['a']);
    expect(failed).toMatchObject([{ key: 'b', error: { code: 'CONNECTION_FAILED', key: 'b' } }]);
    expect(await storage.deleteMany(['b'])).toMatchObject({ deleted: [], failed: [{ key: 'b' }] });
    await storage.assertExists('b');
    storage.failOn('deleteMany', { key: 'c' });
    await expect(storage.delete('c')).rejects.toMatchObject({ code: 'CONNECTION_FAILED' });
    const { etag } = await storage.stored.info('c');
    storage.failOn('deleteMany', { key: 'c' });
    await expect(storage.delete('c', { ifMatch: etag! })).rejects.toMatchObject({
      code: 'CONNECTION_FAILED',
    });
    expect(await storage.deletePrefix('', { all: true })).toEqual({ deleted: 2, failed: [] });
    storage.failOn('deleteMany');
    await expect(storage.deleteMany(['a', 'b'])).rejects.toMatchObject({
      code: 'CONNECTION_FAILED',
    });
  });

  test.each<[string, (storage: FakeStorage) => Promise<unknown>]>([
    ['exists', (storage) => storage.exists('a')],
    ['getBytes', (storage) => storage.getBytes('a')],
    ['listPage', (storage) => storage.listPage()],
    ['delete', (storage) => storage.delete('a')],
    ['deletePrefix', (storage) => storage.deletePrefix('a')],
    ['move', (storage) => storage.move('a', 'b')],
    ['stage', (storage) => storage.stage('x')],
    ['staged', async (storage) => storage.staged((await storage.stored.stage('x')).name)],
    ['sweepStaged', (storage) => begin(storage).then(() => storage.sweepStaged({ olderThan: 1 }))],
    ['sweep', (storage) => begin(storage).then(() => storage.sweep({ olderThan: 1 }))],
    [
      'resumeMultipartUpload',
      async (storage) => {
        const upload = await storage.stored.startMultipartUpload('a');
        await storage.resumeMultipartUpload(upload, new Blob(['x']));
      },
    ],
  ])('says to what %s comes down, which it is told of', async (name, call) => {
    // Where no file is moved in one step.
    const storage = fakeStorage('files', { capabilities: { atomicMove: false } });
    await storage.stored.put('a', 'x');
    await call(storage);
    const asked = [...new Set(storage.calls.map(({ method }) => `"${method}"`))];
    expect(() => storage.failOn(name as 'put')).toThrow(
      `asks its driver for no "${name}", but for ${asked.join(', ')};`,
    );
  });

  test('repeats what fails where the test asks for it', async () => {
    const storage = fakeStorage('retried', { retry: { maxRetries: 2, baseDelay: 0 } });
    storage.failOn('put', { times: 2 });
    await storage.put('a', 'hello');
    expect(storage.calls.length).toBe(3);
    storage.failOn('info').failOn('get');
    await storage.assertContent('a', 'hello');
    expect(storage.calls.length).toBe(3);
  });

  test('breaks a body in the middle, and keeps what was stored', async () => {
    const storage = fakeStorage();
    await storage.put('a', 'before');
    storage.failOn('put', { afterBytes: 2 }).failOn('get', { afterBytes: 3 });
    await expect(storage.put('a', 'hello')).rejects.toThrow(StorageConnectionError);
    const { stream } = await storage.get('a');
    const received: Buffer[] = [];
    const reading = (async () => {
      for await (const chunk of stream) received.push(chunk as Buffer);
    })();
    await expect(reading).rejects.toThrow(StorageConnectionError);
    expect(Buffer.concat(received).toString()).toBe('bef');
    await storage.assertContent('a', 'before');
  });

  test('is as slow as it is told to be, until the call is given up', async () => {
    const storage = fakeStorage('slow', { timeout: 1 }).delayOn('info', Infinity);
    await expect(storage.info('a')).rejects.toThrow(StorageTimeoutError);
    await expect(storage.heal().exists('a')).resolves.toBe(false);
  });

  test('signs the same URLs at the same time', async () => {
    const urls = await Promise.all(
      [fakeStorage('a', { now: new Date(0) }), fakeStorage('a', { now: () => new Date(0) })].map(
        (storage) => storage.url('b.txt', { expiresIn: 60 }),
      ),
    );
    expect(new Set(urls).size).toBe(1);
    const url = new URL(urls[0]!);
    expect(url.origin + url.pathname).toBe('https://storage.test/a/b.txt');
    expect(url.searchParams.get('expires')).toBe('60');
  });

  test('refuses what the service that it behaves like refuses', async () => {
    const b2 = fakeStorage('photos', { behavesLike: 'b2' });
    await expect(b2.put('a', 'x', { ifNoneMatch: '*' })).rejects.toThrow(/cannot|support/i);
    const r2 = fakeStorage('photos', { behavesLike: 'r2' });
    await r2.put('a', 'x', { ifNoneMatch: '*' });
    const refused = await r2.uploadUrl('a', { method: 'POST' }).catch((error: unknown) => error);
    expect((refused as StorageError).code).toBe('UNSUPPORTED');
    expect((refused as StorageError).driver).toBe('fake of r2');
    const upload = await r2.startMultipartUpload('big');
    const sizes = [5, 6, 1].map((mebibytes) => Buffer.alloc(mebibytes * 1024 ** 2));
    const parts = [];
    for (const [index, part] of sizes.entries()) {
      parts.push(await r2.uploadPart(upload, index + 1, part));
    }
    await expect(r2.completeMultipartUpload(upload, parts)).rejects.toThrow('the same size');
    await expect(
      r2.completeMultipartUpload(upload, [parts[2]!, parts[0]!].toReversed()),
    ).resolves.toMatchObject({ size: 6 * 1024 ** 2 });
    const limited = fakeStorage('x', { behavesLike: 'nowhere' as 'r2' });
    await expect(limited.open()).rejects.toThrow('There is no S3 provider "nowhere"');
  });

  test('has the capabilities and limits that it is given', async () => {
    const storage = fakeStorage('old', {
      capabilities: { createOnly: false },
      limits: { deleteBatch: 1 },
    });
    await expect(storage.put('a', 'x', { ifNoneMatch: '*' })).rejects.toMatchObject({
      code: 'UNSUPPORTED',
    });
    await storage.deleteMany(['a', 'b']);
    expect(storage.calls).toEqual([
      { method: 'deleteMany', key: 'a' },
      { method: 'deleteMany', key: 'b' },
    ]);
  });
});
