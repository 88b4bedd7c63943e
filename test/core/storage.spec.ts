import { jest } from '@jest/globals';
import {
  StorageClosedError,
  StorageConfigurationError,
  StorageConnectionError,
  StorageError,
  StorageFileNotFoundError,
  StorageInvalidArgumentError,
  StoragePermissionError,
  StorageTooLargeError,
  StorageUnsupportedError,
} from '../../lib/core/errors.js';
import { parseRetryOptions } from '../../lib/core/retry.js';
import { DriverSource } from '../../lib/core/driver-source.js';
import type { StorageDriver } from '../../lib/core/storage-driver.js';
import type { StorageOptions } from '../../lib/core/storage-options.js';
import { Storage } from '../../lib/core/storage.js';
import { createMemoryDriver } from '../../lib/drivers/memory/memory.driver.js';
import { createStorage } from '../../lib/drivers/open-storage.js';

const AT_ONCE = { baseDelay: 0 };

function openMemory(): Promise<StorageDriver> {
  const settings = { storage: 'uploads', retry: parseRetryOptions(), concurrency: 4 };
  return createMemoryDriver({}, settings);
}

/** A storage on a memory driver that leaves retries to the storage, with some of its methods replaced. */
async function open(
  change: (driver: StorageDriver) => Partial<StorageDriver> = () => ({}),
  options: StorageOptions = {},
): Promise<{ storage: Storage; driver: StorageDriver }> {
  const driver = await openMemory();
  const changes: Partial<StorageDriver> = {
    capabilities: { ...driver.capabilities, retries: false },
    ...change(driver),
  };
  const changed = new Proxy(driver, {
    get(target, name: keyof StorageDriver) {
      const value = changes[name] ?? target[name];
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
  return { storage: new Storage(changed, { name: 'uploads', retry: AT_ONCE, ...options }), driver };
}

const unreachable = (): Promise<never> => Promise.reject(new StorageConnectionError());

describe('a storage', () => {
  it('sends bytes again when the connection broke', async () => {
    const put = jest.fn<StorageDriver['put']>(unreachable);
    const { storage } = await open(() => ({ put }));
    await expect(storage.put('a', 'hello')).rejects.toThrow(StorageConnectionError);
    expect(put).toHaveBeenCalledTimes(4);
  });

  it('never sends a stream twice', async () => {
    const put = jest.fn<StorageDriver['put']>(unreachable);
    const { storage } = await open(() => ({ put }));
    await expect(storage.put('a', ['hello'])).rejects.toThrow(StorageConnectionError);
    expect(put).toHaveBeenCalledTimes(1);
  });

  it('never repeats a write with a condition, which its first try may have met', async () => {
    const put = jest.fn<StorageDriver['put']>(unreachable);
    const { storage } = await open(() => ({ put }));
    const write = storage.put('a', 'hello', { ifNoneMatch: '*' });
    await expect(write).rejects.toThrow(StorageConnectionError);
    expect(put).toHaveBeenCalledTimes(1);
  });

  it('repeats reads, and gives what comes in the end', async () => {
    let failures = 2;
    const { storage } = await open((driver) => ({
      get: (...call) => (failures-- > 0 ? unreachable() : driver.get(...call)),
    }));
    await storage.put('a', 'hello');
    await expect(storage.getBytes('a')).resolves.toEqual(Buffer.from('hello'));
  });

  it('opens a file that it reads whole no more often than any other call', async () => {
    const get = jest.fn<StorageDriver['get']>(unreachable);
    const { storage } = await open(() => ({ get }), { retry: { ...AT_ONCE, maxRetries: 2 } });
    await expect(storage.getBytes('a')).rejects.toThrow(StorageConnectionError);
    expect(get).toHaveBeenCalledTimes(3);
  });

  it('says what it is in want of to sign a URL', async () => {
    const { storage } = await open();
    await expect(storage.url('a')).rejects.toThrow(
      /"uploads" \(memory\) cannot sign .*its own baseUrl and signingKeys/,
    );
  });

  it('says that a file does not exist only when the backend says so', async () => {
    for (const error of [new StoragePermissionError(), new StorageConnectionError()]) {
      const { storage } = await open(() => ({ info: () => Promise.reject(error) }));
      await expect(storage.exists('a')).rejects.toBe(error);
    }
  });

  it('makes a StorageError of whatever a driver rejects with', async () => {
    const bug = new TypeError('a bug');
    const { storage } = await open(() => ({ info: () => Promise.reject(bug) }));
    const failure = storage.info('a');
    await expect(failure).rejects.toThrow(StorageError);
    await expect(failure).rejects.toMatchObject({ code: 'UNKNOWN', cause: bug, key: 'a' });
  });

  it('reports per key what could not be deleted, by the key that the caller knows', async () => {
    const { storage } = await open(
      () => ({
        deleteMany: async (keys) => ({
          failed: keys
            .filter((key) => key.endsWith('b'))
            .map((key) => ({ key, error: new StoragePermissionError('Denied', { key }) })),
        }),
      }),
      { prefix: 'tenant/' },
    );
    const { deleted, failed } = await storage.deleteMany(['a', 'b', 'c']);
    expect(deleted).toEqual(['a', 'c']);
    expect(failed).toEqual([{ key: 'b', error: expect.any(StoragePermissionError) }]);
    expect(failed[0]!.error).toMatchObject({ key: 'b', storage: 'uploads' });
    expect(failed[0]!.error.message).not.toContain('tenant');
    await expect(storage.delete('b')).rejects.toThrow(StoragePermissionError);
  });

  it('deletes in batches that the backend takes', async () => {
    const batches: (readonly string[])[] = [];
    const { storage } = await open(({ capabilities }) => ({
      capabilities: { ...capabilities, limits: { ...capabilities.limits, deleteBatch: 2 } },
      async deleteMany(keys) {
        batches.push(keys);
        return { failed: [] };
      },
    }));
    await storage.deleteMany(['a', 'b', 'c', 'd', 'e']);
    expect(batches).toEqual([['a', 'b'], ['c', 'd'], ['e']]);
  });

  it('deletes the source of a move only after the copy, where there is no move in one step', async () => {
    const calls: string[] = [];
    const { storage } = await open((driver) => ({
      capabilities: { ...driver.capabilities, atomicMove: false },
      copy(from, to, options) {
        calls.push(`copy ${from} ${to} ${String(options.move)}`);
        return driver.copy(from, to, options);
      },
      deleteMany(keys, options) {
        calls.push(`delete ${keys.join()}`);
        return driver.deleteMany(keys, options);
      },
    }));
    await storage.put('a', 'hello');
    await storage.move('a', 'b');
    expect(calls).toEqual(['copy a b undefined', 'delete a']);
  });

  it('keeps the source of a move whose copy failed', async () => {
    const { storage } = await open(({ capabilities }) => ({
      capabilities: { ...capabilities, atomicMove: false },
      copy: unreachable,
    }));
    await storage.put('a', 'hello');
    await expect(storage.move('a', 'b')).rejects.toThrow(StorageConnectionError);
    expect(await storage.exists('a')).toBe(true);
  });

  it('refuses files that are larger than maxObjectSize, and stores nothing of them', async () => {
    const { storage } = await open(undefined, { maxObjectSize: '1kb' });
    await storage.put('a', Buffer.alloc(1024));
    for (const body of [
      Buffer.alloc(1025),
      [Buffer.alloc(1024), 'x'],
      new Blob(['x'.repeat(1025)]),
    ]) {
      await expect(storage.put('b', body)).rejects.toThrow(StorageTooLargeError);
    }
    await expect(storage.put('b', ['a'], { size: 1025 })).rejects.toThrow(StorageTooLargeError);
    expect(await storage.exists('b')).toBe(false);
  });

  it('makes public URLs below publicUrl, or by a function of the key with its prefix', async () => {
    const prefix = 'img/';
    const below = await open(undefined, { prefix, publicUrl: 'https://cdn.example.com/x//' });
    await expect(below.storage.url('a b#.png', { public: true })).resolves.toBe(
      'https://cdn.example.com/x/img/a%20b%23.png',
    );
    const by = await open(undefined, { prefix, publicUrl: (key) => `cdn:${key}` });
    await expect(by.storage.scope('s/').url('a', { public: true })).resolves.toBe('cdn:img/s/a');
    const none = await open();
    await expect(none.storage.url('a', { public: true })).rejects.toThrow(StorageUnsupportedError);
  });

  it('makes parts so large that the file fits into as many as there may be', async () => {
    const put = jest.fn<StorageDriver['put']>();
    const { storage } = await open((driver) => ({
      put: put.mockImplementation((key, body, options) => driver.put(key, body, options)),
      capabilities: {
        ...driver.capabilities,
        limits: { ...driver.capabilities.limits, maxParts: 10 },
      },
    }));
    await storage.put('a', Buffer.alloc(1000), { partSize: 50 });
    expect(put.mock.calls[0]![2]).toMatchObject({ partSize: 100 });
    const upload = await storage.startMultipartUpload('a', { partSize: 50, size: 1001 });
    expect(upload.partSize).toBe(101);
  });

  it('gives up a call in which nothing moves', async () => {
    const { storage } = await open(
      () => ({
        info: (_key, { signal }) =>
          new Promise((_resolve, reject) =>
            signal.addEventListener('abort', () => reject(signal.reason as Error)),
          ),
      }),
      { timeout: 1 },
    );
    await expect(storage.info('a')).rejects.toMatchObject({ code: 'TIMEOUT', retryable: true });
  });

  it('never tells that a page is missing when the driver has none', async () => {
    const { storage } = await open(() => ({ async *list() {} }));
    await expect(storage.listPage()).resolves.toEqual({ files: [], prefixes: [] });
  });

  it('leaves the pages of a listing when its reader leaves', async () => {
    let left = false;
    const { storage } = await open((driver) => ({
      async *list(options) {
        try {
          yield* driver.list(options);
        } finally {
          left = true;
        }
      },
    }));
    await storage.put('a', '');
    for await (const _ of storage.list()) break;
    expect(left).toBe(true);
  });
});

describe('the timeout of a storage', () => {
  beforeEach(() => {
    jest.useFakeTimers();
  });

  afterEach(() => {
    jest.useRealTimers();
  });

  /** A storage whose driver reads the body and then needs a minute to commit it. */
  const openSlow = (retries: boolean) =>
    open(
      (driver) => ({
        capabilities: { ...driver.capabilities, retries },
        async put(key, body, options) {
          for await (const _ of body as AsyncIterable<Uint8Array>);
          await new Promise((resolve) => setTimeout(resolve, 60_000));
          return driver.put(key, Buffer.from('slow'), options);
        },
      }),
      { timeout: '10s' },
    );

  it('may be longer than a timer can run, and ends nothing then', async () => {
    const { storage } = await open(undefined, { timeout: '30d' });
    const slow = async function* (): AsyncGenerator<string, void> {
      yield 'hello';
      await new Promise((resolve) => setTimeout(resolve, 60_000));
    };
    const put = storage.put('a', slow());
    await jest.advanceTimersByTimeAsync(60_000);
    expect(await put).toMatchObject({ size: 5 });
  });

  it('does not end the commit of a driver that keeps the time of its requests by itself', async () => {
    const { storage } = await openSlow(true);
    const put = storage.put('a', ['hello']);
    await jest.advanceTimersByTimeAsync(60_000);
    expect(await put).toMatchObject({ key: 'a' });
  });

  it('ends a call of any other driver that makes no progress', async () => {
    const { storage } = await openSlow(false);
    // A driver of its own accord would stop at the signal; this one shows that the signal comes.
    const put = storage.put('a', ['hello']).catch((error: unknown) => error);
    await jest.advanceTimersByTimeAsync(60_000);
    expect(await put).toMatchObject({ code: 'TIMEOUT' });
  });

  it('ends a body whose source falls silent, whatever the driver', async () => {
    const { storage } = await openSlow(true);
    const silent = async function* (): AsyncGenerator<string, void> {
      yield 'hello';
      await new Promise(() => {});
    };
    const put = storage.put('a', silent()).catch((error: unknown) => error);
    await jest.advanceTimersByTimeAsync(10_000);
    expect(await put).toMatchObject({ code: 'TIMEOUT' });
  });
});

describe('a storage that is opened by its first use', () => {
  it('opens its driver once, however many calls there are', async () => {
    const { driver } = await open();
    const openDriver = jest.fn(async () => driver);
    const storage = new Storage(new DriverSource('memory', openDriver), { name: 'uploads' });
    expect(storage.driver).toBe('memory');
    expect(() => storage.capabilities).toThrow(
      expect.objectContaining({ code: 'CONFIGURATION', storage: 'uploads', driver: 'memory' }),
    );
    await Promise.all([storage.put('a', 'a'), storage.exists('b'), storage.open()]);
    expect(openDriver).toHaveBeenCalledTimes(1);
    expect(storage.capabilities.ranges).toBe(true);
  });

  it('tries again after an attempt that failed', async () => {
    const { driver } = await open();
    let fails = true;
    const storage = new Storage(
      new DriverSource('memory', async () => {
        if (fails) throw new StorageConfigurationError('not yet');
        return driver;
      }),
      { name: 'uploads' },
    );
    await expect(storage.info('a')).rejects.toMatchObject({
      code: 'CONFIGURATION',
      storage: 'uploads',
      operation: 'info',
    });
    fails = false;
    await expect(storage.info('a')).rejects.toThrow(StorageFileNotFoundError);
  });

  it('opens nothing to be closed', async () => {
    const openDriver = jest.fn(unreachable);
    const storage = new Storage(new DriverSource('memory', openDriver));
    await storage.close();
    expect(openDriver).not.toHaveBeenCalled();
  });

  it('closes its driver once', async () => {
    const close = jest.fn(async () => {});
    const { storage } = await open(() => ({ close }));
    await storage.put('a', '');
    await Promise.all([storage.close(), storage.close()]);
    expect(close).toHaveBeenCalledTimes(1);
  });

  it('closes a driver that it shares once, with the last of its storages', async () => {
    const driver = await openMemory();
    const close = jest.spyOn(driver, 'close');
    expect(() => new Storage(driver, { timeout: -1 })).toThrow(StorageInvalidArgumentError);
    const [one, other] = [new Storage(driver), createStorage('other', { driver, prefix: 'b/' })];
    await one.put('a', 'hello');
    await Promise.all([one.close(), one.close(), other.scope('c/').close()]);
    expect(close).not.toHaveBeenCalled();
    await expect(one.info('a')).rejects.toThrow(StorageClosedError);
    await other.put('a', 'hello');
    await other.close();
    expect(close).toHaveBeenCalledTimes(1);
  });

  it('closes a driver anew that is given to a storage after it was closed', async () => {
    const driver = await openMemory();
    const close = jest.spyOn(driver, 'close');
    await new Storage(driver).close();
    await new Storage(driver).close();
    expect(close).toHaveBeenCalledTimes(2);
  });
});
