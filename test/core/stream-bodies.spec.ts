import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { connect, createServer } from 'node:http2';
import { type AddressInfo, createConnection } from 'node:net';
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

  it('may be a request over HTTP/2 of which nothing has come yet', async () => {
    const storage = new Storage(await openMemory());
    const server = createServer((request, response) => {
      void storage.put('key', request).then(() => response.end());
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const session = connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    const stream = session.request({ ':method': 'POST' });
    await once(server, 'stream');
    stream.end('hello').resume();
    await once(stream, 'end');
    expect(String(await storage.getBytes('key'))).toBe('hello');
    session.destroy();
    await new Promise((resolve) => server.close(resolve));
  });

  it.each(
    [0, 8].flatMap((code) => (['request', 'stream'] as const).map((kind) => [kind, code] as const)),
  )(
    'over HTTP/2 is stored whole, and not at all when it is reset: a %s, code %i',
    async (kind, code) => {
      const storage = slowToOpen();
      let taken = (_put: Promise<unknown>): void => {};
      const server = createServer((request, response) => {
        response.on('error', () => {});
        const body: Readable = kind === 'request' ? request : request.stream;
        body.once('readable', () => taken(storage.put('key', body)));
      });
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      const socket = createConnection((server.address() as AddressInfo).port, '127.0.0.1');
      socket.write(`PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n`);
      socket.write(frame(SETTINGS, 0, 0));
      const send = async (stream: number, end: Buffer): Promise<unknown> => {
        const put = new Promise((resolve, reject) => {
          taken = (putting) => {
            putting.then(resolve, reject);
            socket.write(end);
          };
        });
        socket.write(frame(HEADERS, END_HEADERS, stream, Buffer.from('838684410178', 'hex')));
        socket.write(frame(DATA, 0, stream, Buffer.from('hello')));
        return put;
      };
      const cut = send(1, frame(RST_STREAM, 0, 1, Buffer.of(0, 0, 0, code)));
      await expect(cut).rejects.toMatchObject({ code: 'UNKNOWN' });
      await expect(storage.exists('key')).resolves.toBe(false);
      await send(3, frame(DATA, END_STREAM, 3, Buffer.from(' world')));
      expect(String(await storage.getBytes('key'))).toBe('hello world');
      socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  );
});

const [DATA, HEADERS, RST_STREAM, SETTINGS] = [0, 1, 3, 4] as const;
const [END_STREAM, END_HEADERS] = [1, 4] as const;

/** RFC 9113 §4.1: Node's own client ends a stream before it resets it. */
function frame(type: number, flags: number, stream: number, payload = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}
