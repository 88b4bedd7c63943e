import { mkdir, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { jest } from '@jest/globals';
import { StorageTooLargeError } from '../../../lib/core/errors.js';
import type { StorageDriver } from '../../../lib/core/storage-driver.js';
import {
  RESERVED,
  chunks,
  cleanUp,
  failure,
  filesBelow,
  listAll,
  openDriver,
  put,
  signal,
  temporaryFiles,
  text,
} from './local-fixture.js';

describe('writing to a local storage', () => {
  let root: string;
  let driver: StorageDriver;

  beforeEach(async () => {
    ({ root, driver } = await openDriver());
  });
  afterEach(cleanUp);

  it('stores a body as a plain file at the path of its key', async () => {
    const file = await put(driver, 'a/b/c.txt', 'hello');
    expect(await readFile(join(root, 'a/b/c.txt'), 'utf8')).toBe('hello');
    expect(file).toMatchObject({ key: 'a/b/c.txt', size: 5, contentType: 'text/plain' });
    expect(await temporaryFiles(root)).toEqual([]);
  });

  it.each(['full', 'rename', 'none'] as const)(
    'stores bytes, streams and metadata with durability %s',
    async (durability) => {
      const { driver: other } = await openDriver({ durability });
      await put(other, 'x/y.txt', 'old');
      await put(other, 'x/y.txt', chunks('n', 'ew'), { metadata: { by: 'me' } });
      expect(await text(other, 'x/y.txt')).toBe('new');
      expect((await other.info('x/y.txt', { signal })).metadata).toEqual({ by: 'me' });
    },
  );

  it('stores a stream of small and large chunks in order', async () => {
    const parts = Array.from({ length: 400 }, (_, index) =>
      Buffer.alloc(index % 7 === 0 ? 40_000 : 1 + index, index % 251),
    );
    await put(driver, 'mixed.bin', async_(parts));
    expect(Buffer.compare(await readFile(join(root, 'mixed.bin')), Buffer.concat(parts))).toBe(0);
  });

  it('stores bytes that are more than one system call takes', async () => {
    const bytes = Buffer.alloc(9 * 1024 * 1024 + 3, 'abcdefg');
    await put(driver, 'large.bin', bytes);
    expect(Buffer.compare(await readFile(join(root, 'large.bin')), bytes)).toBe(0);
  });

  it('stores empty bodies, also over longer ones', async () => {
    await put(driver, 'e', 'something');
    expect((await put(driver, 'e', new Uint8Array())).size).toBe(0);
    expect((await put(driver, 'e', chunks())).size).toBe(0);
    expect(await text(driver, 'e')).toBe('');
  });

  it('shows nothing of a body before its end', async () => {
    await put(driver, 'k', 'old');
    let seen: unknown;
    async function* body(): AsyncGenerator<Uint8Array> {
      yield Buffer.alloc(3_000_000);
      seen = [await text(driver, 'k'), await listAll(driver)];
      yield Buffer.alloc(1);
    }
    await put(driver, 'k', body());
    expect(seen).toEqual(['old', ['k']]);
  });

  it('leaves the old file, and nothing else, when the body fails', async () => {
    await put(driver, 'k', 'old');
    const boom = new Error('boom');
    const error = await failure(put(driver, 'k', chunks('new', boom)));
    expect(error).toMatchObject({ code: 'UNKNOWN', cause: boom });
    expect(error.message).toContain('boom');
    expect(await text(driver, 'k')).toBe('old');
    expect(await temporaryFiles(root)).toEqual([]);
  });

  it('tells what was wrong with a body as it was told, an error or not', async () => {
    const tooLarge = new StorageTooLargeError('Enough');
    expect(await failure(put(driver, 'k', chunks('new', tooLarge)))).toBe(tooLarge);
    const thrown: AsyncIterable<Uint8Array> = {
      [Symbol.asyncIterator]: () => ({ next: () => Promise.reject('a text') }),
    };
    const error = await failure(put(driver, 'k', thrown));
    expect(error).toMatchObject({ code: 'UNKNOWN', cause: 'a text' });
    expect(error.message).toContain('a text');
  });

  it('does not take an error of the body for one of the disk', async () => {
    const missing = Object.assign(new Error('no such source'), { code: 'ENOENT', syscall: 'open' });
    expect((await failure(put(driver, 'k', chunks(missing)))).code).toBe('UNKNOWN');
    expect(await listAll(driver)).toEqual([]);
  });

  it('leaves the old file, and nothing else, when it is aborted', async () => {
    await put(driver, 'k', 'old');
    const controller = new AbortController();
    const reason = new Error('enough');
    let left = false;
    async function* body(): AsyncGenerator<Uint8Array> {
      try {
        yield Buffer.alloc(2_000_000);
        controller.abort(reason);
        for (;;) yield Buffer.alloc(2_000_000);
      } finally {
        left = true;
      }
    }
    const error = await failure(put(driver, 'k', body(), { signal: controller.signal }));
    expect(error).toMatchObject({ code: 'ABORTED', cause: reason });
    expect(left).toBe(true);
    expect(await text(driver, 'k')).toBe('old');
    expect(await temporaryFiles(root)).toEqual([]);
  });

  it('writes nothing when it was aborted before', async () => {
    const aborted = AbortSignal.abort();
    expect((await failure(put(driver, 'a/b', 'x', { signal: aborted }))).code).toBe('ABORTED');
    expect(await readdir(root)).toEqual([]);
  });

  it('lets exactly one of many creators win, and keeps its bytes', async () => {
    const results = await Promise.allSettled(
      Array.from({ length: 40 }, (_, index) =>
        put(driver, 'deep/one.txt', index % 2 ? `${index}` : chunks(`${index}`), {
          ifNoneMatch: '*',
        }),
      ),
    );
    const winners = results.filter(({ status }) => status === 'fulfilled');
    expect(winners).toHaveLength(1);
    const codes = results.map((result) => (result as PromiseRejectedResult).reason?.code);
    expect(new Set(codes)).toEqual(new Set(['FILE_EXISTS', undefined]));
    expect(await text(driver, 'deep/one.txt')).toBe(`${results.indexOf(winners[0]!)}`);
    expect(await temporaryFiles(root)).toEqual([]);
  });

  it('lets exactly one of the creators in two drivers win', async () => {
    const { driver: other } = await openDriver({ root });
    const results = await Promise.allSettled(
      Array.from({ length: 20 }, (_, index) =>
        put(index % 2 ? driver : other, 'one.txt', `${index}`, { ifNoneMatch: '*' }),
      ),
    );
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  });

  it('replaces only the version that ifMatch names', async () => {
    const first = await put(driver, 'k', 'first');
    const second = await put(driver, 'k', 'second', { ifMatch: first.etag! });
    const stale = await failure(put(driver, 'k', 'third', { ifMatch: first.etag! }));
    expect(stale.code).toBe('PRECONDITION_FAILED');
    expect(await text(driver, 'k')).toBe('second');
    await put(driver, 'k', 'fourth', { ifMatch: second.etag! });
    await put(driver, 'k', 'fifth', { ifMatch: '*' });
    expect(await text(driver, 'k')).toBe('fifth');
  });

  it('creates no folder for an ifMatch that cannot hold', async () => {
    const error = await failure(put(driver, 'a/b', 'x', { ifMatch: '*' }));
    expect(error.code).toBe('PRECONDITION_FAILED');
    expect(await readdir(root)).toEqual([RESERVED]);
  });

  it('counts right when several drivers increment with ifMatch', async () => {
    await put(driver, 'count', '0');
    const { driver: other } = await openDriver({ root });
    const increment = async (own: StorageDriver): Promise<void> => {
      for (;;) {
        const { file, body } = await own.get('count', { signal });
        const next = String(Number(Buffer.from(body as Uint8Array)) + 1);
        const lost = await put(own, 'count', next, { ifMatch: file.etag! }).then(
          () => undefined,
          (error: { code: string }) => error.code,
        );
        if (lost === undefined) return;
        if (lost !== 'PRECONDITION_FAILED') throw new Error(lost);
      }
    };
    await Promise.all(
      Array.from({ length: 30 }, (_, index) => increment(index % 2 ? driver : other)),
    );
    expect(await text(driver, 'count')).toBe('30');
    expect(await readdir(join(root, RESERVED, 'locks'))).toEqual([]);
  });

  it('gives every version an etag of its own, also in the same tick and on the same inode', async () => {
    const etags = new Set<string | undefined>();
    for (let index = 0; index < 300; index++) {
      etags.add((await put(driver, 'k', 'same')).etag);
      if (index % 2) await driver.deleteMany(['k'], { signal });
    }
    expect(etags.size).toBe(300);
  });

  it('gives every version a time of its own, though the clock stands still', async () => {
    const now = Date.now();
    const clock = jest.spyOn(Date, 'now').mockReturnValue(now);
    const random = jest.spyOn(Math, 'random').mockReturnValue(0.5);
    const times = new Set<bigint>();
    for (let index = 0; index < 5; index++) {
      const { lastModified } = await put(driver, 'k', 'same');
      expect(lastModified!.getTime() - now).toBeGreaterThanOrEqual(0);
      expect(lastModified!.getTime() - now).toBeLessThan(60_000);
      times.add((await stat(join(root, 'k'), { bigint: true })).mtimeNs);
    }
    clock.mockRestore();
    random.mockRestore();
    expect(times.size).toBe(5);
  });

  it.each(['bytes', 'stream'])(
    'stores a checksum of %s when every file is to have one',
    async (kind) => {
      const { driver: summing } = await openDriver({ root, checksum: 'crc32' });
      const body = kind === 'bytes' ? '123456789' : chunks('1234', '56789');
      const file = await put(summing, 'k', body, { metadata: { a: 'b' } });
      const checksum = { algorithm: 'crc32', value: 'y/Q5Jg==' } as const;
      expect(file).toMatchObject({ size: 9, checksum, metadata: { a: 'b' } });
      expect(await summing.info('k', { signal })).toEqual(file);
      expect(await text(summing, 'k')).toBe('123456789');
      const given = { algorithm: 'md5', value: 'JfnnlDI7RTiF9RgfG2JNCw==' } as const;
      expect((await put(summing, 'k', '123456789', { checksum: given })).checksum).toEqual(given);
    },
  );

  it('lets no upload wait for others that are slow to send', async () => {
    let go!: () => void;
    const gone = new Promise<void>((resolve) => (go = resolve));
    async function* slowly(): AsyncGenerator<Uint8Array> {
      await gone;
      yield Buffer.from('slow');
    }
    const slow = Array.from({ length: 40 }, (_, index) => put(driver, `slow/${index}`, slowly()));
    await put(driver, 'quick', chunks('qui', 'ck'));
    expect(await listAll(driver)).toEqual(['quick']);
    go();
    await Promise.all(slow);
    expect(await listAll(driver)).toHaveLength(41);
  });

  it('lets the first writes with conditions of several files go at once', async () => {
    const keys = Array.from({ length: 8 }, (_, index) => `${index}`);
    for (const key of keys) await writeFile(join(root, key), 'old');
    await Promise.all(keys.map((key) => put(driver, key, 'new', { ifMatch: '*' })));
    for (const key of keys) expect(await text(driver, key)).toBe('new');
    expect(await readdir(join(root, RESERVED, 'locks'))).toEqual([]);
  });

  it('tells one etag for a version, wherever it is asked', async () => {
    const { etag, lastModified } = await put(driver, 'k', 'v');
    expect(etag).toMatch(/^"[\w-]+"$/);
    const { file } = await driver.get('k', { signal });
    for await (const page of driver.list({ signal, prefix: '', pageSize: 10 })) {
      expect(page.files[0]).toMatchObject({ etag, lastModified });
    }
    expect(file).toMatchObject({ etag, lastModified });
    expect(await driver.info('k', { signal })).toEqual(file);
  });

  it('names the clash of a file with a folder, and harms neither', async () => {
    await put(driver, 'a', 'file');
    await put(driver, 'b/c', 'file');
    for (const key of ['a/b', 'a/b/c', 'b']) {
      for (const options of [{}, { ifNoneMatch: '*' as const }]) {
        const error = await failure(put(driver, key, 'new', options));
        expect(error.code).toBe('INVALID_KEY');
        expect(error.message).toMatch(/clashes/);
      }
    }
    expect(await listAll(driver)).toEqual(['a', 'b/c']);
    expect(await temporaryFiles(root)).toEqual([]);
  });

  it('goes on when somebody has tidied away its temporary folder', async () => {
    await put(driver, 'a', 'x', { metadata: { n: '1' } });
    await rm(join(root, RESERVED), { recursive: true });
    await put(driver, 'a', 'y', { ifMatch: '*' });
    expect(await text(driver, 'a')).toBe('y');
  });

  it('never fails a put because a deletion prunes the same folder', async () => {
    const writers = Array.from({ length: 8 }, async (_, writer) => {
      for (let round = 0; round < 40; round++) {
        const key = `deep/er/folder/${writer}`;
        await put(driver, key, 'x', round % 2 ? { metadata: { round: `${round}` } } : {});
        await driver.deleteMany([key], { signal });
      }
    });
    await Promise.all(writers);
    expect(await readdir(root)).toEqual([RESERVED]);
    expect(await filesBelow(join(root, RESERVED, 'meta'))).toEqual([]);
  });

  it('keeps paths of the machine out of the message when its own folder is broken', async () => {
    // A file where the driver's folder of temporary files should be stands for what cannot be written.
    await put(driver, 'a', 'x');
    await rm(join(root, RESERVED, 'tmp'), { recursive: true });
    await writeFile(join(root, RESERVED, 'tmp'), '');
    const error = await failure(put(driver, 'a', 'x'));
    expect(error.message).not.toContain(root);
    expect(error.cause).toBeDefined();
    await rm(join(root, RESERVED, 'tmp'));
    await mkdir(join(root, RESERVED, 'tmp'));
  });
});

async function* async_(parts: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* parts;
}
