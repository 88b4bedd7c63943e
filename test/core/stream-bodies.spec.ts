import { createReadStream } from 'node:fs';
import { PassThrough, Readable } from 'node:stream';
import { DriverSource } from '../../lib/core/driver-source.js';
import { Storage } from '../../lib/core/storage.js';
import { parseRetryOptions } from '../../lib/core/retry.js';
import { createMemoryDriver } from '../../lib/drivers/memory/memory.driver.js';

const openMemory = () =>
  createMemoryDriver({}, { storage: 'm', retry: parseRetryOptions(), concurrency: 4 });

/** A storage whose driver takes its time to open. */
function slowToOpen(): Storage {
  return new Storage(
    new DriverSource('memory', async () => {
      await new Promise((resolve) => setTimeout(resolve, 20));
      return openMemory();
    }),
  );
}

describe('a stream as a body', () => {
  it('may fail before the storage is open', async () => {
    // An 'error' event that nobody listens to would end the process, and with it this test run.
    const body = createReadStream('/there/is/no/such/file');
    await expect(slowToOpen().put('a', body)).rejects.toMatchObject({
      cause: { code: 'ENOENT' },
    });
  });

  it('may be destroyed with an error before the driver reads it', async () => {
    const body = new PassThrough();
    const put = slowToOpen().put('a', body);
    setImmediate(() => body.destroy(new Error('gone')));
    await expect(put).rejects.toThrow(/gone/);
  });

  it('is refused the second time, even while it is stored the first time', async () => {
    const storage = slowToOpen();
    const body = Readable.from([Buffer.from('hello')]);
    await storage.put('second', 'old');
    const [first, second] = await Promise.allSettled([
      storage.put('first', body),
      storage.put('second', body),
    ]);
    expect(first).toMatchObject({ status: 'fulfilled', value: { size: 5 } });
    expect(second).toMatchObject({ reason: { code: 'INVALID_ARGUMENT' } });
    expect(String(await storage.getBytes('second'))).toBe('old');
  });

  it('is stored whole although somebody listens to its chunks, too', async () => {
    const body = new PassThrough();
    const heard: Buffer[] = [];
    body.on('data', (chunk: Buffer) => heard.push(chunk));
    const storage = slowToOpen();
    const put = storage.put('a', body);
    body.write('hello ');
    body.end('world');
    await put;
    expect(String(await storage.getBytes('a'))).toBe('hello world');
    expect(String(Buffer.concat(heard))).toBe('hello world');
  });

  it('may be a download, whose size is known', async () => {
    const storage = slowToOpen();
    await storage.put('a', Readable.from(['hello']));
    await expect(storage.put('b', await storage.get('a'))).resolves.toMatchObject({ size: 5 });
  });

  it('is freed when it is a download and the call is refused before it is read', async () => {
    const driver = await openMemory();
    const source = new Readable({ read() {} });
    const storage = new Storage(
      new Proxy(driver, {
        get(target, name: keyof typeof driver) {
          if (name === 'get') {
            return async (key: string) => ({
              file: await target.info(key, { signal }),
              body: source,
            });
          }
          const value = target[name];
          return typeof value === 'function' ? value.bind(target) : value;
        },
      }),
    );
    const { signal } = new AbortController();
    await storage.put('a', 'hello');
    await expect(storage.put('bad//key', await storage.get('a'))).rejects.toMatchObject({
      code: 'INVALID_KEY',
    });
    expect(source.destroyed).toBe(true);
  });

  it('keeps its own error when leaving the source fails at once', async () => {
    const body = {
      [Symbol.iterator]: () => ({
        next: () => ({ done: false, value: 'hello' }),
        return(): never {
          throw new Error('return');
        },
      }),
    } as Iterable<string>;
    await expect(slowToOpen().put('a', body, { size: 3 })).rejects.toMatchObject({
      code: 'INTEGRITY',
    });
  });

  it('of chunks without end lets an abort by time come through', async () => {
    const endless = {
      *[Symbol.iterator]() {
        for (;;) yield '';
      },
    };
    const put = slowToOpen().put('a', endless, { signal: AbortSignal.timeout(50) });
    await expect(put).rejects.toMatchObject({ code: 'ABORTED' });
  });
});
