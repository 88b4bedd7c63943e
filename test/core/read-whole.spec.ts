import { Readable } from 'node:stream';
import { StorageConnectionError, StorageIntegrityError } from '../../lib/core/errors.js';
import type { StorageDriver } from '../../lib/core/storage-driver.js';
import { Storage } from '../../lib/core/storage.js';
import { recordingDriver } from '../nest/recording-driver.js';

const RETRY = { maxRetries: 2, baseDelay: 0 };
const BYTES = Buffer.from('hello');

/** A body of which two bytes come before it breaks off. */
function broken(error: Error): Readable {
  return Readable.from(
    (async function* () {
      yield BYTES.subarray(0, 2);
      throw error;
    })(),
    { objectMode: false },
  );
}

/** A storage with one file, whose reads are what `bodies` makes of them, and those after these as they should be. */
async function open(
  bodies: readonly ((memory: StorageDriver) => Promise<Readable> | Readable)[],
  options: object = {},
) {
  let reads = 0;
  const recording = await recordingDriver((memory) => ({
    async get(key, given) {
      const download = await memory.get(key, given);
      const body = await bodies[reads++]?.(memory);
      return body ? { ...download, body } : download;
    },
  }));
  const storage = new Storage(recording.driver, { name: 'files', retry: RETRY, ...options });
  await storage.put('a', BYTES);
  return { storage, reads: () => recording.count('get') };
}

const breaks = () => broken(new StorageConnectionError('broke off'));

describe('a file that is read whole', () => {
  test('is read anew when it breaks off', async () => {
    const { storage, reads } = await open([breaks, breaks]);
    expect(await storage.getBytes('a')).toEqual(BYTES);
    expect(reads()).toBe(3);
  });

  test('fails as it broke off when it does so again and again', async () => {
    const { storage, reads } = await open([breaks, breaks, breaks]);
    await expect(storage.getBytes('a')).rejects.toMatchObject({
      code: 'CONNECTION_FAILED',
      message: expect.stringContaining('broke off'),
    });
    expect(reads()).toBe(3);
  });

  test('is not read anew when it would break off for the same reason', async () => {
    const wrong = () => broken(new StorageIntegrityError('wrong bytes'));
    const { storage, reads } = await open([wrong]);
    await expect(storage.getBytes('a')).rejects.toThrow(StorageIntegrityError);
    expect(reads()).toBe(1);
  });

  test('is not read anew when its progress is told, which would fall back', async () => {
    const { storage, reads } = await open([breaks]);
    const told: number[] = [];
    const read = storage.getBytes('a', {
      onProgress: ({ bytesTransferred }) => void told.push(bytesTransferred),
    });
    await expect(read).rejects.toThrow('broke off');
    expect(reads()).toBe(1);
    expect(told).toEqual(told.toSorted((left, right) => left - right));
  });

  test('is not opened anew: who opens it has tried that again already', async () => {
    const refuses = () => Promise.reject(new StorageConnectionError('refused'));
    const { storage, reads } = await open([refuses]);
    await expect(storage.getBytes('a')).rejects.toThrow('refused');
    expect(reads()).toBe(1);
  });

  test('takes no longer than the total timeout, all attempts together', async () => {
    const silent = () => new Readable({ read() {} });
    const { storage } = await open([silent], { totalTimeout: 50 });
    await expect(storage.getBytes('a')).rejects.toMatchObject({
      code: 'TIMEOUT',
      message: expect.stringContaining('The call took longer than 50 ms'),
      storage: 'files',
      driver: 'memory',
      operation: 'get',
      key: 'a',
    });
  });

  test.each([{}, { totalTimeout: 60_000 }])(
    'that its reader gives up is aborted, with %j',
    async (options) => {
      const stop = new AbortController();
      const reason = new Error('enough');
      const silent = () => {
        setImmediate(() => stop.abort(reason));
        return new Readable({ read() {} });
      };
      const { storage, reads } = await open([silent], options);
      const read = storage.getBytes('a', { signal: stop.signal });
      await expect(read).rejects.toMatchObject({ code: 'ABORTED', cause: reason });
      expect(reads()).toBe(1);
    },
  );

  test('that its reader gives up before another attempt is not read again', async () => {
    const stop = new AbortController();
    const { storage, reads } = await open([breaks], {
      retry: { maxRetries: 1, baseDelay: 60_000, jitter: false },
    });
    const read = storage.getBytes('a', { signal: stop.signal });
    const failed = read.catch((error: unknown) => error);
    // Once the body is broken, nothing but the wait is under way.
    for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve));
    stop.abort();
    expect(await failed).toMatchObject({
      code: 'ABORTED',
      storage: 'files',
      driver: 'memory',
      operation: 'get',
      key: 'a',
    });
    expect(reads()).toBe(1);
  });

  test('whose storage is closed is aborted, and not called late', async () => {
    const silent = () => new Readable({ read() {} });
    const { storage, reads } = await open([silent], { totalTimeout: 60_000 });
    const read = storage.getBytes('a').catch((error: unknown) => error);
    await storage.close({ timeout: 0 });
    expect(await read).toMatchObject({ code: 'ABORTED' });
    expect(reads()).toBe(1);
  });

  test.each([{ signal: 'now' }, null])('with the options %j is refused', async (options) => {
    const { storage, reads } = await open([], { totalTimeout: 60_000 });
    await expect(storage.getBytes('a', options as never)).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
    });
    expect(reads()).toBe(0);
  });
});
