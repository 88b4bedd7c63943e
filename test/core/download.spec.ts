import { Readable } from 'node:stream';
import { setImmediate } from 'node:timers/promises';
import { Download } from '../../lib/core/download.js';
import { StorageIntegrityError, StorageInvalidArgumentError } from '../../lib/core/errors.js';
import { storedFile } from '../../lib/core/stored-file.js';

const file = storedFile({ key: 'a', size: 5 });
const stream = (...chunks: string[]): Readable =>
  Readable.from(chunks.map((text) => Buffer.from(text)));

describe('Download', () => {
  it('tells the bytes that it delivers: of the file, or of the range', () => {
    expect(new Download(file, undefined, Buffer.from('hello')).size).toBe(5);
    expect(new Download(file, { start: 1, end: 2, size: 5 }, Buffer.from('el')).size).toBe(2);
  });

  it('gives the bytes of a stream, joined', async () => {
    const bytes = await new Download(file, undefined, stream('hel', 'lo')).bytes();
    expect(bytes).toEqual(Buffer.from('hello'));
  });

  it('refuses a stream that ends early as if it were complete', async () => {
    for (const body of [stream('hel'), stream('hello', '!')]) {
      await expect(new Download(file, undefined, body).bytes()).rejects.toThrow(
        StorageIntegrityError,
      );
    }
  });

  it('decodes text whole, however the stream is cut', async () => {
    const bytes = Buffer.from('äöü');
    const body = Readable.from(Array.from(bytes, (byte) => Buffer.of(byte)));
    const download = new Download(storedFile({ key: 'a', size: 6 }), undefined, body);
    await expect(download.text()).resolves.toBe('äöü');
  });

  it('gives its stream as often as it is asked for, and then nothing else', async () => {
    const download = new Download(file, undefined, stream('hello'));
    expect(download.stream).toBe(download.stream);
    await expect(download.bytes()).rejects.toThrow(StorageInvalidArgumentError);
    expect(() => download.web()).toThrow(StorageInvalidArgumentError);
    expect(() => download[Symbol.asyncIterator]()).toThrow(StorageInvalidArgumentError);
  });

  it('gives no stream after its bytes', async () => {
    for (const body of [Buffer.from('hello'), stream('hello')]) {
      const download = new Download(file, undefined, body);
      await download.bytes();
      expect(() => download.stream).toThrow(StorageInvalidArgumentError);
    }
  });

  it('survives a stream that fails before anybody took it, and tells whoever takes it', async () => {
    const body = new Readable({ read() {} });
    const download = new Download(file, undefined, body);
    body.destroy(new Error('the connection broke'));
    await new Promise((resolve) => body.once('close', resolve));
    await expect(download.bytes()).rejects.toThrow('the connection broke');
  });

  it('gives a web stream that fails when the body has failed before', async () => {
    const error = new Error('the connection broke');
    for (const [reason, told] of [
      [error, error.message],
      [undefined, 'broke off before it was read'],
    ] as const) {
      const body = new Readable({ read() {} });
      const download = new Download(file, undefined, body);
      body.destroy(reason);
      await new Promise((resolve) => body.once('close', resolve));
      await expect(download.web().getReader().read()).rejects.toThrow(told);
    }
  });

  it.each<[string, (download: Download) => Promise<unknown>]>([
    ['as a web stream', (download) => download.web().getReader().read()],
    [
      'chunk by chunk',
      async (download) => {
        const chunks = download[Symbol.asyncIterator]();
        await setImmediate();
        return chunks.next();
      },
    ],
  ])('survives a body that fails as it is taken %s, and tells who reads it', async (_, read) => {
    const body = new Readable({ read() {} });
    const download = new Download(file, undefined, body);
    // The event comes later, when it is taken already; unheard, it would end the process, and with it this test run.
    body.destroy(new Error('the connection broke'));
    await expect(read(download)).rejects.toThrow('the connection broke');
    await setImmediate();
  });

  it('frees the body by destroy(), by await using, and by leaving a loop', async () => {
    const bodies = [stream('hel', 'lo'), stream('hel', 'lo'), stream('hel', 'lo')] as const;
    new Download(file, undefined, bodies[0]).destroy();
    await new Download(file, undefined, bodies[1])[Symbol.asyncDispose]();
    for await (const _ of new Download(file, undefined, bodies[2])) break;
    expect(bodies.map(({ destroyed }) => destroyed)).toEqual([true, true, true]);
  });

  it('frees a body that somebody reads', () => {
    const body = stream('hel', 'lo');
    const download = new Download(file, undefined, body);
    void download.stream;
    download.destroy();
    expect(body.destroyed).toBe(true);
  });
});
