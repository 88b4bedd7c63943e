import * as foreign from 'readable-stream';
import { Storage } from '../../lib/core/storage.js';
import { DriverSource } from '../../lib/core/driver-source.js';
import { StorageInvalidArgumentError } from '../../lib/core/errors.js';
import { parseRetryOptions } from '../../lib/core/retry.js';
import { createMemoryDriver } from '../../lib/drivers/memory/memory.driver.js';
import { createStorage } from '../../lib/drivers/open-storage.js';

type Readable = foreign.Readable;

async function openWithOld(): Promise<Storage> {
  const storage = createStorage('m', { driver: 'memory' }) as Storage;
  await storage.put('a', 'old');
  return storage;
}

function textStream(text: string): Readable {
  const stream = new foreign.Readable({ read() {} });
  stream.push(text);
  stream.push(null);
  return stream;
}

function silentStream(): Readable {
  return new foreign.Readable({ read() {} });
}

// As `archiver` and many others build their streams: these are no instances of Node's own.
describe('a stream of another library than Node', () => {
  it('is stored whole', async () => {
    const storage = await openWithOld();
    await storage.put('a', textStream('hello'));
    expect(String(await storage.getBytes('a'))).toBe('hello');
  });

  it('may fail before the storage is open', async () => {
    let open = (): void => {};
    const opened = new Promise<void>((resolve) => (open = resolve));
    const memory = { storage: 'm', retry: parseRetryOptions(), concurrency: 4 };
    const storage = new Storage(
      new DriverSource('memory', async () => {
        await opened;
        return createMemoryDriver({}, memory);
      }),
    );
    const body = silentStream();
    const put = storage.put('a', body);
    // An 'error' event that nobody listens to would end the process, and with it this test run.
    body.destroy(new Error('gone'));
    await new Promise(setImmediate);
    open();
    await expect(put).rejects.toThrow(/gone/);
    await expect(storage.exists('a')).resolves.toBe(false);
  });

  it.each([
    [
      'read to its end',
      async () => {
        const stream = textStream('hello');
        for await (const _ of stream);
        return stream;
      },
    ],
    [
      'destroyed',
      async () => {
        const stream = silentStream();
        stream.destroy();
        return stream;
      },
    ],
  ])('is refused when it was %s before', async (_, spent) => {
    const storage = await openWithOld();
    await expect(storage.put('a', await spent())).rejects.toThrow(StorageInvalidArgumentError);
    expect(String(await storage.getBytes('a'))).toBe('old');
  });

  it.each(['hex', 'base64', 'latin1'] as const)(
    'is refused when it decodes its bytes as %s',
    async (encoding) => {
      const storage = await openWithOld();
      const stream = textStream('hello');
      stream.setEncoding(encoding);
      // As version 3 has it, which tells of its encoding nowhere else.
      Object.defineProperty(stream, 'readableEncoding', { value: undefined });
      await expect(storage.put('a', stream)).rejects.toThrow(/decodes its bytes as/);
      expect(String(await storage.getBytes('a'))).toBe('old');
    },
  );

  it('is none when it is not readable by its own word, and is read as any iterable', async () => {
    const storage = await openWithOld();
    const subprocess = {
      on() {},
      pipe() {},
      async *[Symbol.asyncIterator]() {
        yield 'hello';
      },
    };
    await storage.put('a', subprocess);
    expect(String(await storage.getBytes('a'))).toBe('hello');
  });

  it('is refused the second time', async () => {
    const storage = await openWithOld();
    const body = textStream('hello');
    await storage.put('b', body);
    await expect(storage.put('a', body)).rejects.toThrow(StorageInvalidArgumentError);
  });

  it('leaves what is there when it is destroyed without an error before it is read', async () => {
    const storage = await openWithOld();
    const body = silentStream();
    const put = storage.put('a', body);
    body.destroy();
    await expect(put).rejects.toThrow(/before its end/);
    expect(String(await storage.getBytes('a'))).toBe('old');
  });

  it('leaves what is there when it is destroyed without an error behind its first chunk', async () => {
    const storage = await openWithOld();
    let reads = 0;
    const body = new foreign.Readable({
      read() {
        if (reads++ === 0) this.push('hel');
        else this.destroy();
      },
    });
    await expect(storage.put('a', body)).rejects.toThrow(/before its end/);
    expect(String(await storage.getBytes('a'))).toBe('old');
  });

  it('is freed when the call is refused', async () => {
    const storage = await openWithOld();
    const body = silentStream();
    await expect(storage.put('../a', body)).rejects.toMatchObject({ code: 'INVALID_KEY' });
    expect(body.destroyed).toBe(true);
  });

  it('is freed when the call is aborted', async () => {
    const storage = await openWithOld();
    const body = silentStream();
    const abort = new AbortController();
    const put = storage.put('a', body, { signal: abort.signal });
    abort.abort();
    await expect(put).rejects.toMatchObject({ code: 'ABORTED' });
    expect(body.destroyed).toBe(true);
  });

  it('is stored whole although somebody listens to its chunks, too', async () => {
    const storage = createStorage('m', { driver: 'memory' }) as Storage;
    const body = new foreign.PassThrough();
    body.on('data', () => {});
    const put = storage.put('a', body);
    body.write('hello ');
    body.end('world');
    await put;
    expect(String(await storage.getBytes('a'))).toBe('hello world');
  });
});
