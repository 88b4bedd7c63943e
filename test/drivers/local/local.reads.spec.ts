import { execFileSync } from 'node:child_process';
import { getEventListeners, once } from 'node:events';
import { mkdir, readdir, symlink, truncate, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { setImmediate } from 'node:timers/promises';
import { jest } from '@jest/globals';
import type { StorageDriver } from '../../../lib/core/storage-driver.js';
import { MetadataFolder } from '../../../lib/drivers/local/local.metadata.js';
import { LocalRoot } from '../../../lib/drivers/local/local.paths.js';
import { openStorage } from '../../../lib/drivers/open-storage.js';
import {
  bytesOf,
  cleanUp,
  failure,
  listAll,
  openAs,
  openDriver,
  posix,
  put,
  signal,
  text,
} from './local-fixture.js';

const LARGE = 3 * 1024 * 1024 + 5;

/** Which files are open, only Linux lists there. */
const whereProcIs = process.platform === 'linux' ? it : it.skip;

describe('reading from a local storage', () => {
  let root: string;
  let driver: StorageDriver;

  beforeEach(async () => {
    ({ root, driver } = await openDriver());
  });
  afterEach(cleanUp);

  it.each([0, 1, 4096, 65_536, 65_537, LARGE])('delivers exactly %d bytes', async (size) => {
    const bytes = Buffer.alloc(size, 'abcdefg');
    await put(driver, 'k', bytes);
    const { body, file } = await driver.get('k', { signal });
    expect(file.size).toBe(size);
    expect(Buffer.compare(await bytesOf(body), bytes)).toBe(0);
  });

  it('gives small bodies as bytes that share no memory with others', async () => {
    await put(driver, 'k', 'small');
    const { body } = await driver.get('k', { signal });
    expect((body as Uint8Array).buffer.byteLength).toBe(5);
  });

  it.each([
    [
      { start: 2, end: 4 },
      { start: 2, end: 4 },
    ],
    [{ start: LARGE - 3 }, { start: LARGE - 3, end: LARGE - 1 }],
    [
      { start: 7, end: LARGE * 2 },
      { start: 7, end: LARGE - 1 },
    ],
    [{ suffix: 100_000 }, { start: LARGE - 100_000, end: LARGE - 1 }],
  ])('delivers the range %j', async (range, expected) => {
    const bytes = Buffer.alloc(LARGE, 'abcdefg');
    await put(driver, 'k', bytes);
    const download = await driver.get('k', { signal, range });
    expect(download.range).toEqual({ ...expected, size: LARGE });
    expect(download.file.size).toBe(LARGE);
    const wanted = bytes.subarray(expected.start, expected.end + 1);
    expect(Buffer.compare(await bytesOf(download.body), wanted)).toBe(0);
  });

  it('refuses a range beyond the end, and any range of an empty file', async () => {
    await put(driver, 'k', 'abc');
    await put(driver, 'empty', '');
    const beyond = await failure(driver.get('k', { signal, range: { start: 3 } }));
    expect(beyond).toMatchObject({ code: 'RANGE_NOT_SATISFIABLE', size: 3 });
    const empty = await failure(driver.get('empty', { signal, range: { suffix: 1 } }));
    expect(empty.code).toBe('RANGE_NOT_SATISFIABLE');
  });

  it('judges conditions on the version that it reads', async () => {
    const { etag, lastModified } = await put(driver, 'k', 'abc');
    await driver.get('k', { signal, ifMatch: etag!, ifUnmodifiedSince: lastModified! });
    expect((await failure(driver.get('k', { signal, ifNoneMatch: etag! }))).code).toBe(
      'NOT_MODIFIED',
    );
    expect((await failure(driver.get('k', { signal, ifMatch: '"other"' }))).code).toBe(
      'PRECONDITION_FAILED',
    );
  });

  it('finds no file in a folder, below a file or where nothing is', async () => {
    await put(driver, 'a/b', 'x');
    for (const key of ['a', 'a/b/c', 'a/c', 'z/z']) {
      expect((await failure(driver.get(key, { signal }))).code).toBe('FILE_NOT_FOUND');
      expect((await failure(driver.info(key, { signal }))).code).toBe('FILE_NOT_FOUND');
    }
  });

  posix.it('refuses what is no regular file, without waiting for it', async () => {
    execFileSync('mkfifo', [join(root, 'fifo')]);
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(join(root, 'socket'), resolve));
    for (const key of ['fifo', 'socket']) {
      expect((await failure(driver.get(key, { signal }))).code).toBe('PERMISSION_DENIED');
      expect((await failure(driver.info(key, { signal }))).code).toBe('PERMISSION_DENIED');
      const refused = await failure(put(driver, key, 'x'));
      expect(refused).toMatchObject({ code: 'PERMISSION_DENIED', key });
      expect(refused.message).toContain('no regular file');
      const { failed } = await driver.deleteMany([key], { signal });
      expect(failed).toMatchObject([{ key, error: { code: 'PERMISSION_DENIED' } }]);
    }
    expect(await readdir(root)).toEqual(expect.arrayContaining(['fifo', 'socket']));
    await new Promise((resolve) => server.close(resolve));
  });

  it('reads on from the version that it opened when the file is replaced', async () => {
    await put(driver, 'k', Buffer.alloc(LARGE, 'a'));
    const { body } = await driver.get('k', { signal });
    await put(driver, 'k', Buffer.alloc(LARGE, 'b'));
    expect((await bytesOf(body)).equals(Buffer.alloc(LARGE, 'a'))).toBe(true);
  });

  it('fails when the file becomes shorter while it is read', async () => {
    await put(driver, 'k', Buffer.alloc(LARGE));
    const { body } = await driver.get('k', { signal });
    await truncate(join(root, 'k'), 1000);
    expect((await failure(bytesOf(body))).code).toBe('INTEGRITY');
  });

  it('fails when a small file becomes shorter before it is read', async () => {
    await put(driver, 'k', 'small');
    const mock = jest.spyOn(LocalRoot.prototype, 'locate');
    mock.mockImplementation(async function (this: LocalRoot, ...args) {
      mock.mockRestore();
      await truncate(join(root, 'k'), 2);
      return this.locate(...args);
    });
    const error = await failure(driver.get('k', { signal }));
    expect(error).toMatchObject({ code: 'INTEGRITY', key: 'k' });
    expect(error.message).toContain('became shorter');
  });

  it('leaves nothing on the signal of a read that has ended', async () => {
    await put(driver, 'k', Buffer.alloc(LARGE));
    const controller = new AbortController();
    const { body } = await driver.get('k', { signal: controller.signal });
    expect(getEventListeners(controller.signal, 'abort')).toHaveLength(1);
    await bytesOf(body);
    if (!(body as Readable).closed) await once(body as Readable, 'close');
    expect(getEventListeners(controller.signal, 'abort')).toEqual([]);
  });

  posix.it.each([
    ['linux', 'deny'],
    ['linux', 'follow-inside'],
    ['darwin', 'deny'],
    ['darwin', 'follow-inside'],
  ] as const)(
    'pairs no version with metadata that went with it: %s, symlinks: %s',
    async (platform, symlinks) => {
      const reader = await openAs(platform, { root, symlinks });
      await symlink('k', join(root, 'link'));
      const key = symlinks === 'deny' ? 'k' : 'link';
      const newer = { contentType: 'text/plain', metadata: { version: 'newer' } };
      await put(driver, 'k', 'old', { metadata: { version: 'old' } });
      const mock = jest.spyOn(MetadataFolder.prototype, 'read');
      mock.mockImplementation(async function (this: MetadataFolder, ...args) {
        mock.mockRestore();
        await put(driver, 'k', 'newer', newer);
        return this.read(...args);
      });
      const file = await reader.info(key, { signal });
      expect(file).toMatchObject({ size: 5, ...(symlinks === 'deny' && newer) });
    },
  );

  it('ends a read when its signal is aborted', async () => {
    await put(driver, 'k', Buffer.alloc(LARGE));
    const controller = new AbortController();
    const { body } = await driver.get('k', { signal: controller.signal });
    const reason = new Error('enough');
    const reading = failure(bytesOf(body));
    controller.abort(reason);
    expect(await reading).toMatchObject({ code: 'ABORTED', cause: reason });
  });

  it('reads files that other programs put there, by their name', async () => {
    await mkdir(join(root, 'by'));
    await writeFile(join(root, 'by/hand.html'), '<p>');
    const file = await driver.info('by/hand.html', { signal });
    expect(file).toMatchObject({ size: 3, contentType: 'text/html', metadata: {} });
    expect(await text(driver, 'by/hand.html')).toBe('<p>');
  });

  it('ends what was aborted, and closes, once a disk that was silent answers', async () => {
    await put(driver, 'k');
    const storage = await openStorage('silent', { driver: 'local', root });
    let answer!: () => void;
    const answered = new Promise<void>((resolve) => (answer = resolve));
    const asked = new Promise<void>((resolve) => {
      const mock = jest.spyOn(LocalRoot.prototype, 'openFile');
      mock.mockImplementation(async function (this: LocalRoot, key) {
        mock.mockRestore();
        resolve();
        await answered;
        return this.openFile(key);
      });
    });
    const events: string[] = [];
    const abort = new AbortController();
    const read = failure(storage.getBytes('k', { signal: abort.signal }));
    const ended = read.then(({ code }) => events.push(code));
    await asked;
    const closed = storage.close({ timeout: 0 }).then(() => events.push('closed'));
    abort.abort();
    await setImmediate();
    events.push('answered');
    answer();
    await Promise.all([ended, closed]);
    expect(events).toEqual(['answered', 'ABORTED', 'closed']);
  });

  whereProcIs('keeps no descriptor of reads that are left', async () => {
    await put(driver, 'k', Buffer.alloc(LARGE));
    await put(driver, 'small', 'x');
    const before = await readdir('/proc/self/fd');
    const streams: Readable[] = [];
    for (let index = 0; index < 200; index++) {
      const { body } = await driver.get('k', { signal });
      const stream = body as Readable;
      if (index % 3 === 0) stream.destroy();
      else if (index % 3 === 1) stream.once('data', () => stream.destroy());
      else for await (const chunk of stream) if (chunk) break;
      streams.push(stream);
      await driver.get('small', { signal });
      await failure(driver.get('missing', { signal }));
      await failure(driver.get('k', { signal, ifMatch: '"x"' }));
    }
    await Promise.all(
      streams.map(async (stream) => {
        if (!stream.closed) await once(stream, 'close');
      }),
    );
    expect((await readdir('/proc/self/fd')).length).toBeLessThanOrEqual(before.length);
  });

  whereProcIs('keeps no descriptor of what is copied, moved, listed and looked at', async () => {
    await put(driver, 'a/file', 'x', { metadata: { a: '1' } });
    const before = await readdir('/proc/self/fd');
    for (let index = 0; index < 20; index++) {
      await driver.copy('a/file', 'b/copy', { signal, move: false });
      await driver.copy('b/copy', 'c/moved', { signal, move: true });
      await listAll(driver);
      await driver.info('c/moved', { signal });
      await failure(driver.copy('a/missing', 'b/copy', { signal, move: false }));
    }
    expect((await readdir('/proc/self/fd')).length).toBeLessThan(before.length + 20);
  });

  whereProcIs('keeps no descriptor of what is deleted, refused, joined and opened', async () => {
    await mkdir(join(root, 'real/inner'), { recursive: true });
    await symlink('real', join(root, 'link'));
    const upload = { key: 'joined', uploadId: '' };
    const start = { signal, contentType: 'a/b', metadata: {} };
    const before = await readdir('/proc/self/fd');
    for (let index = 0; index < 20; index++) {
      await put(driver, 'a/b/c', 'x');
      await driver.deleteMany(['a/b/c'], { signal });
      await put(driver, 'a/b/c', 'x', { ifMatch: '*' }).catch(() => {});
      await failure(driver.info('real', { signal }));
      await failure(put(driver, 'link/inner/x', 'x'));
      await failure(put(driver, 'link/inner/x/y', 'x'));
      upload.uploadId = await driver.startMultipartUpload('joined', start);
      const parts = [];
      for (const number of [1, 2]) {
        parts.push(await driver.uploadPart(upload, number, Buffer.from('x'), { signal }));
      }
      await driver.completeMultipartUpload(upload, parts, { signal });
      await (await openDriver({ root })).driver.close();
    }
    expect((await readdir('/proc/self/fd')).length).toBeLessThan(before.length + 20);
  });
});
