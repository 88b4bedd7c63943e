import { createHash, randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import {
  StorageAbortedError,
  StorageConnectionError,
  StorageFileExistsError,
  StorageIntegrityError,
  StoragePermissionError,
  StoragePreconditionFailedError,
} from '../../../lib/core/errors.js';
import type { DriverPutOptions } from '../../../lib/core/storage-driver.js';
import {
  chunks,
  expectStored,
  listAll,
  MIB,
  type OpenAzure,
  putOptions,
  readKey,
  signal,
  until,
  useAzurite,
  rejected,
} from './open-azure.js';

const { open } = useAzurite();
const BLOCK = /comp=block(&|$)/;
const COMMIT = /comp=blocklist/;
const PUT_BLOB = /^[^?]*$/;

/** Nothing is under way, and the key holds what it held. */
async function expectUntouched(
  { proxy, driver }: OpenAzure,
  key: string,
  bytes: string,
): Promise<void> {
  await until(() => proxy.inFlight === 0);
  expect(String(await readKey(driver, key))).toBe(bytes);
}

describe('a put', () => {
  test('of a small body is one request, with attributes and an MD5', async () => {
    await using azure = await open();
    const options = {
      contentType: 'text/css',
      metadata: { title: 'Grüße' },
      cacheControl: 'no-store',
    };
    const put = await azure.driver.put('key', chunks(Buffer.from('hello')), putOptions(options));
    expect(azure.proxy.requests).toHaveLength(1);
    const info = await azure.driver.info('key', { signal });
    expect(put).toEqual(info);
    expect(info).toMatchObject({
      contentType: 'text/css',
      metadata: { title: 'Grüße' },
      checksum: { algorithm: 'md5', value: createHash('md5').update('hello').digest('base64') },
    });
  });

  test.each([
    ['bytes in memory', (bytes: Buffer) => bytes],
    ['a stream of unknown length', (bytes: Buffer) => chunks(bytes, 100_003)],
  ])('of %s that do not fit into one request goes up in blocks', async (_, body) => {
    await using azure = await open();
    const bytes = randomBytes(9 * MIB + 7);
    const put = await azure.driver.put('key', body(bytes), putOptions({ metadata: { a: 'b' } }));
    expect(put).toEqual({ ...(await azure.driver.info('key', { signal })) });
    await expectStored(azure.driver, 'key', bytes);
    const blocks = azure.proxy.seen('PUT', BLOCK);
    expect(blocks.length).toBeGreaterThan(1);
    const ids = blocks.map(({ url }) => new URL(url, 'http://a').searchParams.get('blockid')!);
    expect(new Set(ids.map(({ length }) => length)).size).toBe(1);
    expect(azure.proxy.seen('PUT', COMMIT)).toHaveLength(1);
  });

  test('sends no more blocks at once than asked', async () => {
    await using azure = await open();
    const { proxy } = azure;
    let most = 0;
    proxy.fail({
      url: BLOCK,
      times: Infinity,
      with: {
        before: async () => {
          most = Math.max(most, proxy.inFlight);
          // None is through before all that may go at once have come.
          await proxy.until(() => proxy.seen('PUT', BLOCK).length >= 3);
        },
      },
    });
    const options = putOptions({ partSize: MIB, concurrency: 3 });
    await azure.driver.put('key', chunks(randomBytes(12 * MIB)), options);
    expect(most).toBe(3);
  });

  test('keeps the MD5 that was announced of a file in blocks', async () => {
    await using azure = await open();
    const bytes = randomBytes(2 * MIB);
    const value = createHash('md5').update(bytes).digest('base64');
    const checksum = { algorithm: 'md5', value } as const;
    const put = await azure.driver.put(
      'key',
      chunks(bytes),
      putOptions({ checksum, partSize: MIB }),
    );
    expect(put.checksum).toEqual(checksum);
    expect((await azure.driver.info('key', { signal })).checksum).toEqual(checksum);
  });

  test.each([
    ['one request', PUT_BLOB, 1000],
    ['blocks', BLOCK, 3 * MIB],
  ])('in %s that is changed on the way is refused', async (_, url, size) => {
    await using azure = await open();
    azure.proxy.fail({ method: 'PUT', url, with: { corruptRequestAt: 0 } });
    const put = azure.driver.put('key', randomBytes(size), putOptions({ partSize: MIB }));
    expect(await rejected(put)).toBeInstanceOf(StorageIntegrityError);
  });

  test('repeats what fails in passing, and only that', async () => {
    await using azure = await open();
    const busy = { status: 503, headers: { 'x-ms-error-code': 'ServerBusy' } };
    azure.proxy.fail({ url: BLOCK, after: 1, with: busy });
    azure.proxy.fail({ url: BLOCK, after: 1, with: 'reset' });
    azure.proxy.fail({ url: COMMIT, with: busy });
    const bytes = randomBytes(4 * MIB);
    await azure.driver.put('key', chunks(bytes), putOptions({ partSize: MIB }));
    expect(azure.proxy.seen('PUT', BLOCK)).toHaveLength(6);
    expect(azure.proxy.seen('PUT', COMMIT)).toHaveLength(2);
    await expectStored(azure.driver, 'key', bytes);
  });
});

describe('a put whose source', () => {
  test.each([
    ['is destroyed', undefined, 'Premature close'],
    ['fails', new Error('broken'), 'broken'],
  ])('%s on the way is rejected, and touches nothing', async (_, error, message) => {
    await using azure = await open();
    await azure.driver.put('key', Buffer.from('old'), putOptions());
    const source = new Readable({ read() {} });
    source.push(randomBytes(3 * MIB));
    const put = azure.driver.put('key', source, putOptions({ partSize: MIB }));
    await until(() => azure.proxy.seen('PUT', BLOCK).length > 0);
    source.destroy(error);
    await expect(put).rejects.toThrow(message);
    await expectUntouched(azure, 'key', 'old');
    expect(azure.proxy.seen('PUT', COMMIT)).toEqual([]);
  });
});

describe('a put that is aborted', () => {
  test.each([
    ['a single request', PUT_BLOB, 1000, 1],
    ['one block', BLOCK, 6 * MIB, 1],
    ['three blocks', BLOCK, 6 * MIB, 3],
  ])('during %s ends when nothing is under way', async (_, url, size, count) => {
    // So long is the answer awaited to what has gone out whole and would be stored by it.
    await using azure = await open({ timeout: 300 });
    const { proxy, driver } = azure;
    await driver.put('key', Buffer.from('old'), putOptions());
    proxy.fail({ method: 'PUT', url, times: Infinity, with: 'stall' });
    const abort = new AbortController();
    const put = driver.put(
      'key',
      chunks(randomBytes(size)),
      putOptions({ partSize: MIB, concurrency: count, signal: abort.signal }),
    );
    await until(() => proxy.seen('PUT', url).length >= count + (url === PUT_BLOB ? 1 : 0));
    const reason = new Error('enough');
    abort.abort(reason);
    const error = await rejected(put);
    expect(error).toBeInstanceOf(StorageAbortedError);
    expect(error.cause).toBe(reason);
    const sent = proxy.requests.length;
    await expectUntouched(azure, 'key', 'old');
    expect(proxy.seen('PUT')).toHaveLength(
      proxy.requests.slice(0, sent).filter(({ method }) => method === 'PUT').length,
    );
  });

  test('while it is committed has its answer', async () => {
    await using azure = await open();
    const { proxy, driver } = azure;
    const abort = new AbortController();
    proxy.fail({ url: COMMIT, with: { before: async () => abort.abort() } });
    const bytes = randomBytes(2 * MIB);
    await driver.put('key', chunks(bytes), putOptions({ partSize: MIB, signal: abort.signal }));
    expect(abort.signal.aborted).toBe(true);
    await expectStored(driver, 'key', bytes);
  });

  test('between two attempts makes no further one', async () => {
    await using azure = await open({ retry: { baseDelay: 60_000, jitter: false } });
    azure.proxy.fail({ url: COMMIT, with: { status: 503 } });
    const abort = new AbortController();
    const put = azure.driver.put(
      'key',
      randomBytes(2 * MIB),
      putOptions({ partSize: MIB, signal: abort.signal }),
    );
    const settled = rejected(put);
    await until(() => azure.proxy.seen('PUT', COMMIT).length === 1 && azure.proxy.inFlight === 0);
    abort.abort();
    expect(await settled).toBeInstanceOf(StorageAbortedError);
    expect(azure.proxy.seen('PUT', COMMIT)).toHaveLength(1);
  });
});

describe('a put that fails', () => {
  test('because a block is refused stops the others, and never deletes what is stored', async () => {
    await using azure = await open();
    await azure.driver.put('key', Buffer.from('old'), putOptions());
    azure.proxy.fail({
      url: BLOCK,
      after: 1,
      times: Infinity,
      with: { status: 403, headers: { 'x-ms-error-code': 'AuthorizationFailure' } },
    });
    const put = azure.driver.put(
      'key',
      chunks(randomBytes(8 * MIB)),
      putOptions({ partSize: MIB }),
    );
    expect(await rejected(put)).toBeInstanceOf(StoragePermissionError);
    await expectUntouched(azure, 'key', 'old');
    expect(azure.proxy.seen('DELETE')).toEqual([]);
  });

  test('to be committed leaves what was there', async () => {
    await using azure = await open();
    await azure.driver.put('key', Buffer.from('old'), putOptions());
    azure.proxy.fail({ url: COMMIT, times: Infinity, with: { status: 500 } });
    const put = azure.driver.put(
      'key',
      chunks(randomBytes(2 * MIB)),
      putOptions({ partSize: MIB }),
    );
    expect(await rejected(put)).toBeInstanceOf(StorageConnectionError);
    await expectUntouched(azure, 'key', 'old');
  });
});

describe('a write whose answer is lost', () => {
  const kinds: [string, number, RegExp][] = [
    ['in one request', 1000, PUT_BLOB],
    ['in blocks', 2 * MIB, COMMIT],
  ];
  const conditions: [string, (etag: string | undefined) => Partial<DriverPutOptions>][] = [
    ['creates', () => ({ ifNoneMatch: '*' })],
    ['replaces a version', (etag) => ({ ifMatch: etag! })],
    ['stores', () => ({})],
  ];
  for (const [how, size, url] of kinds) {
    for (const [what, condition] of conditions) {
      test.each([
        ['and a retry', 1],
        ['with no retry that gets through', Infinity],
      ])(`${what} ${how}: succeeds, %s`, async (_, times) => {
        await using azure = await open({ retry: { maxRetries: 2 } });
        const old =
          what === 'creates'
            ? undefined
            : await azure.driver.put('key', Buffer.from('old'), putOptions());
        azure.proxy.fail({ method: 'PUT', url, times, with: 'lose-answer' });
        const bytes = randomBytes(size);
        const options = putOptions({
          partSize: MIB,
          metadata: { a: 'b' },
          ...condition(old?.etag),
        });
        const put = await azure.driver.put('key', chunks(bytes), options);
        const info = await azure.driver.info('key', { signal });
        expect(put).toEqual(info);
        expect(info.metadata).toEqual({ a: 'b' });
        await expectStored(azure.driver, 'key', bytes);
      });
    }

    test(`is not taken for that of somebody else who was faster ${how}`, async () => {
      await using azure = await open();
      const bytes = randomBytes(size);
      azure.proxy.fail({
        method: 'PUT',
        url,
        with: {
          before: async () => {
            await azure.direct.getBlockBlobClient('key').upload(bytes, bytes.byteLength);
          },
        },
      });
      azure.proxy.fail({ method: 'PUT', url, with: 'lose-answer' });
      const options = putOptions({ partSize: MIB, ifNoneMatch: '*' });
      const put = azure.driver.put('key', chunks(bytes), options);
      expect(await rejected(put)).toBeInstanceOf(StorageFileExistsError);
    });
  }

  test.each<[string, Partial<DriverPutOptions>]>([
    ['creates', { ifNoneMatch: '*' }],
    ['replaces a version', {}],
  ])('and that %s is not called refused when somebody has built on it', async (what, given) => {
    await using azure = await open();
    const old =
      what === 'creates' ? undefined : await azure.other.put('key', Buffer.from('0'), putOptions());
    azure.proxy.fail({ method: 'PUT', url: PUT_BLOB, with: 'lose-answer' });
    azure.proxy.fail({
      method: 'PUT',
      url: PUT_BLOB,
      with: {
        before: async () => {
          const { etag } = await azure.other.info('key', { signal });
          await azure.other.put('key', Buffer.from('2'), putOptions({ ifMatch: etag! }));
        },
      },
    });
    const options = putOptions({ ...given, ...(old && { ifMatch: old.etag! }) });
    const put = azure.driver.put('key', Buffer.from('1'), options);
    const error = await rejected(put);
    expect(error).toMatchObject({ code: 'CONNECTION_FAILED', retryable: false });
    expect(error.message).toContain('was lost');
    expect(String(await readKey(azure.driver, 'key'))).toBe('2');
  });

  test('and of which nothing is there is uncertain only when it was refused', async () => {
    await using azure = await open({ retry: { maxRetries: 1 } });
    const failed = { status: 500, headers: { 'x-ms-error-code': 'InternalError' } };
    const put = () =>
      rejected(azure.driver.put('key', Buffer.from('a'), putOptions({ ifNoneMatch: '*' })));
    azure.proxy.fail({ method: 'PUT', times: 2, with: failed });
    // Nothing was stored, so whoever repeats it does no harm.
    expect(await put()).toMatchObject({ code: 'CONNECTION_FAILED', retryable: true });
    const taken = { status: 409, headers: { 'x-ms-error-code': 'BlobAlreadyExists' } };
    azure.proxy.fail({ method: 'PUT', with: failed });
    azure.proxy.fail({ method: 'PUT', with: taken });
    // It may have been stored, and deleted since.
    expect(await put()).toMatchObject({ code: 'CONNECTION_FAILED', retryable: false });
  });

  test('fails when the service never got it', async () => {
    await using azure = await open();
    await azure.driver.put('key', Buffer.from('old'), putOptions());
    azure.proxy.fail({ method: 'PUT', url: PUT_BLOB, times: Infinity, with: 'reset' });
    const put = azure.driver.put('key', Buffer.from('new'), putOptions());
    expect(await rejected(put)).toBeInstanceOf(StorageConnectionError);
    await expectUntouched(azure, 'key', 'old');
  });

  test('leaves no trace in the metadata that is told', async () => {
    await using azure = await open();
    const put = await azure.driver.put('key', Buffer.from('a'), putOptions({ ifNoneMatch: '*' }));
    expect(put.metadata).toEqual({});
    const { pages } = await listAll(azure.driver);
    expect(pages[0]!.files[0]!.metadata).toEqual({});
    const { metadata } = await azure.direct.getBlobClient('key').getProperties();
    expect(Object.keys(metadata!)).toEqual(['nestjs_storages_write']);
  });
});

describe('large uploads to one key at the same time', () => {
  test('never mix: each of those in memory is stored whole, one after the other', async () => {
    await using azure = await open();
    const bodies = Array.from({ length: 5 }, () => randomBytes(3 * MIB));
    await Promise.all(
      bodies.map((body) => azure.driver.put('key', body, putOptions({ partSize: MIB }))),
    );
    const stored = await readKey(azure.driver, 'key');
    expect(bodies.some((body) => body.equals(stored))).toBe(true);
  });

  test('fail as streams where another one was committed first, and may be repeated', async () => {
    await using azure = await open();
    const other = randomBytes(2 * MIB);
    async function* body(): AsyncGenerator<Uint8Array, void> {
      yield randomBytes(3 * MIB);
      await until(() => azure.proxy.seen('PUT', BLOCK).length === 3 && azure.proxy.inFlight === 0);
      await azure.other.put('key', other, putOptions({ partSize: MIB }));
    }
    const error = await rejected(
      azure.driver.put('key', body(), putOptions({ partSize: MIB, concurrency: 4 })),
    );
    expect(error).toBeInstanceOf(StorageConnectionError);
    expect(error.retryable).toBe(true);
    expect(error.message).toContain('dropped the blocks');
    await expectStored(azure.driver, 'key', other);
  });

  test.each([
    ['ifNoneMatch', { ifNoneMatch: '*' as const }, StorageFileExistsError],
    ['ifMatch', { ifMatch: '"0x1"' }, StoragePreconditionFailedError],
  ])('get the verdict of %s all the same', async (_, conditions, kind) => {
    await using azure = await open();
    async function* body(): AsyncGenerator<Uint8Array, void> {
      yield randomBytes(2 * MIB);
      await until(() => azure.proxy.seen('PUT', BLOCK).length === 2 && azure.proxy.inFlight === 0);
      await azure.other.put('key', randomBytes(2 * MIB), putOptions({ partSize: MIB }));
    }
    const options = putOptions({ partSize: MIB, ...conditions });
    expect(await rejected(azure.driver.put('key', body(), options))).toBeInstanceOf(kind);
  });
});
