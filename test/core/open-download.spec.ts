import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { Readable } from 'node:stream';
import type { Capabilities } from '../../lib/core/capabilities.js';
import type { Download } from '../../lib/core/download.js';
import { Storage } from '../../lib/core/storage.js';
import { fakeStorage } from '../../lib/testing/fakes/index.js';
import { recordingDriver } from '../nest/recording-driver.js';

/** A storage whose file `a` comes as a stream of three bytes. */
async function streaming(): Promise<Storage> {
  const { driver } = await recordingDriver((memory) => ({
    async get(key, options) {
      const download = await memory.get(key, options);
      return { ...download, body: Readable.from(['a', 'b', 'c'], { objectMode: false }) };
    },
  }));
  const storage = new Storage(driver);
  await storage.put('a', 'abc');
  return storage;
}

describe('the stream of a download', () => {
  test('tells of no failure when it was read to its end', async () => {
    const storage = await streaming();
    const { stream } = await storage.get('a');
    const errors: unknown[] = [];
    stream.on('error', (error) => errors.push(error)).resume();
    await once(stream, 'close');
    expect(errors).toEqual([]);
    await storage.close();
  });

  test('tells of none when whoever has it destroys it without a reason', async () => {
    const storage = await streaming();
    const { stream } = await storage.get('a');
    const errors: unknown[] = [];
    stream.on('error', (error) => errors.push(error)).destroy();
    await once(stream, 'close');
    expect(errors).toEqual([]);
    await storage.close();
  });
});

describe('a body that broke before anybody read it', () => {
  const READS: Readonly<Record<string, (download: Download) => Promise<unknown>>> = {
    bytes: (download) => download.bytes(),
    web: (download) => download.web().getReader().read(),
    'for await': async (download) => {
      for await (const _ of download);
    },
  };

  // Not `once` of events, which rejects with the error.
  const closed = (body: Readable): Promise<void> =>
    new Promise((resolve) => void body.once('close', resolve));

  async function withBody(body: Readable): Promise<Storage> {
    const { driver } = await recordingDriver((memory) => ({
      get: async (key, asked) => ({ ...(await memory.get(key, asked)), body }),
    }));
    const storage = new Storage(driver, { name: 'files' });
    await storage.put('a', 'abc');
    return storage;
  }

  test.each(Object.entries(READS))(
    'says by %s where it happened, whatever broke it',
    async (_, read) => {
      const body = new Readable({ read() {} });
      const storage = await withBody(body);
      const download = await storage.get('a');
      const cause = new Error('reset');
      body.destroy(cause);
      await closed(body);
      await expect(read(download)).rejects.toMatchObject({
        storage: 'files',
        operation: 'get',
        key: 'a',
        cause,
      });
      await storage.close();
    },
  );
});

test.each([
  ['', {}],
  // Its bytes are counted then, by a stream that lives.
  [', also with its progress told', { onProgress: () => {} }],
])('a stream that was destroyed before it was handed over is no download%s', async (_, options) => {
  const { driver } = await recordingDriver((memory) => ({
    async get(key, asked) {
      return { ...(await memory.get(key, asked)), body: Readable.from(['abc']).destroy() };
    },
  }));
  await using storage = new Storage(driver);
  await storage.put('a', 'abc');
  await expect(storage.get('a', options)).rejects.toMatchObject({
    code: 'CONNECTION_FAILED',
    message: expect.stringContaining('broke off before it was read'),
  });
});

test('a body whose bytes are counted is that of the driver, which breaks off after what has come', async () => {
  const body = new Readable({ read() {} });
  const { driver } = await recordingDriver((memory) => ({
    get: async (key, asked) => ({ ...(await memory.get(key, asked)), body }),
  }));
  await using storage = new Storage(driver);
  await storage.put('a', 'abc');
  const progress: number[] = [];
  const download = await storage.get('a', {
    onProgress: ({ bytesTransferred }) => progress.push(bytesTransferred),
  });
  const { stream } = download;
  const received: string[] = [];
  stream.on('data', (chunk) => received.push(String(chunk)));
  body.push('ab');
  await new Promise((resolve) => setImmediate(resolve));
  stream.destroy();
  expect([received, progress, body.destroyed]).toEqual([['ab'], [2], true]);
});

describe('a backend without', () => {
  const without = (capability: keyof Capabilities): Storage =>
    fakeStorage('files', { capabilities: { [capability]: false } });

  test('conditions of reads is read without any, and refuses each', async () => {
    const storage = without('conditionalGet');
    await storage.put('a', 'abc');
    expect((await storage.getBytes('a')).toString()).toBe('abc');
    for (const condition of [
      { ifMatch: '"x"' },
      { ifNoneMatch: '"x"' },
      { ifModifiedSince: new Date(0) },
      { ifUnmodifiedSince: new Date(0) },
    ]) {
      await expect(storage.get('a', condition)).rejects.toMatchObject({
        code: 'UNSUPPORTED',
        message: expect.stringContaining('does not support reads with conditions'),
      });
    }
  });

  test('ranges is read as a whole, and refuses parts', async () => {
    const storage = without('ranges');
    await storage.put('a', 'abc');
    expect((await storage.getBytes('a')).toString()).toBe('abc');
    await expect(storage.get('a', { range: { start: 1 } })).rejects.toMatchObject({
      code: 'UNSUPPORTED',
      message: expect.stringContaining('does not support ranges'),
    });
  });
});

describe('a file that is read by several requests', () => {
  test('is one that has more bytes than a part', async () => {
    const { driver, count } = await recordingDriver();
    const storage = new Storage(driver);
    await storage.put('a', 'abcde');
    for (const [partSize, requests] of [
      [5, 1],
      [4, 2],
    ] as const) {
      const before = count('get');
      const bytes = await storage.getBytes('a', { concurrency: 2, partSize });
      expect([bytes.toString(), count('get') - before]).toEqual(['abcde', requests]);
    }
  });

  test('is compared with its checksum as a whole only', async () => {
    const { driver } = await recordingDriver();
    const storage = new Storage(driver);
    const value = createHash('md5').update('abcdefghij').digest('base64');
    await storage.put('a', 'abcdefghij', { checksum: { algorithm: 'md5', value } });
    for (const [range, expected] of [
      [{ start: 0, end: 7 }, 'abcdefgh'],
      [{ start: 2 }, 'cdefghij'],
      [{ start: 0 }, 'abcdefghij'],
    ] as const) {
      const bytes = await storage.getBytes('a', { range, concurrency: 2, partSize: 3 });
      expect(bytes.toString()).toBe(expected);
    }
  });
});

test('a range that is to be verified is refused with what to do', async () => {
  const storage = fakeStorage('files');
  await storage.put('a', 'abc');
  await expect(storage.get('a', { range: { start: 1 }, verify: true })).rejects.toMatchObject({
    code: 'INVALID_ARGUMENT',
    message: expect.stringContaining('read the file without range'),
  });
});
