import { chmod, link, mkdir, readdir, stat, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { StorageDriver } from '../../../lib/core/storage-driver.js';
import {
  RESERVED,
  cleanUp,
  failure,
  filesBelow,
  listAll,
  openDriver,
  posix,
  put,
  signal,
  temporaryFiles,
  text,
} from './local-fixture.js';

const ATTRIBUTES = { contentType: 'application/x-thing', metadata: { a: '1' }, cacheControl: 'x' };

describe('copying, moving and deleting in a local storage', () => {
  let root: string;
  let driver: StorageDriver;

  beforeEach(async () => {
    ({ root, driver } = await openDriver());
  });
  afterEach(cleanUp);

  describe.each([false, true])('copy with move: %s', (move) => {
    it('brings the bytes and the attributes to a new key', async () => {
      await put(driver, 'a/x.txt', 'bytes', ATTRIBUTES);
      const file = await driver.copy('a/x.txt', 'b/c/y.html', { signal, move });
      expect(file).toMatchObject({ ...ATTRIBUTES, key: 'b/c/y.html', size: 5 });
      expect(await driver.info('b/c/y.html', { signal })).toEqual(file);
      expect(await text(driver, 'b/c/y.html')).toBe('bytes');
      expect(await listAll(driver)).toEqual(move ? ['b/c/y.html'] : ['a/x.txt', 'b/c/y.html']);
      expect(await temporaryFiles(root)).toEqual([]);
    });

    it('keeps the type that the old name stood for', async () => {
      await put(driver, 'x.txt', 'bytes');
      const file = await driver.copy('x.txt', 'y.html', { signal, move });
      expect(file.contentType).toBe('text/plain');
    });

    it('replaces the attributes that are given', async () => {
      await put(driver, 'x', 'bytes', ATTRIBUTES);
      const file = await driver.copy('x', 'y', { signal, move, metadata: { b: '2' } });
      expect(file).toMatchObject({ ...ATTRIBUTES, metadata: { b: '2' } });
      expect(await driver.info('y', { signal })).toEqual(file);
    });

    it('replaces what is there, metadata included', async () => {
      await put(driver, 'x', 'new');
      await put(driver, 'y', 'old', ATTRIBUTES);
      await driver.copy('x', 'y', { signal, move });
      expect(await text(driver, 'y')).toBe('new');
      expect((await driver.info('y', { signal })).metadata).toEqual({});
      expect(await filesBelow(join(root, RESERVED, 'meta'))).toEqual([]);
    });

    it('leaves both as they are when the destination must not exist', async () => {
      await put(driver, 'x', 'new', ATTRIBUTES);
      await put(driver, 'y', 'old');
      const error = await failure(driver.copy('x', 'y', { signal, move, ifNoneMatch: '*' }));
      expect(error.code).toBe('FILE_EXISTS');
      expect([await text(driver, 'x'), await text(driver, 'y')]).toEqual(['new', 'old']);
      expect((await driver.info('x', { signal })).metadata).toEqual(ATTRIBUTES.metadata);
      expect(await filesBelow(join(root, RESERVED, 'meta'))).toHaveLength(1);
    });

    it('lets exactly one of many win when the destination must not exist', async () => {
      const sources = Array.from({ length: 10 }, (_, index) => `s/${index}`);
      for (const key of sources) await put(driver, key);
      const results = await Promise.allSettled(
        sources.map((key) => driver.copy(key, 'd', { signal, move, ifNoneMatch: '*' })),
      );
      const winner = results.findIndex(({ status }) => status === 'fulfilled');
      expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
      expect(await text(driver, 'd')).toBe(sources[winner]);
      const left = await listAll(driver, { prefix: 's/' });
      expect(left).toEqual(sources.filter((_, index) => !move || index !== winner));
    });

    it('names a missing source, and harms nothing', async () => {
      await put(driver, 'y', 'old');
      await mkdir(join(root, 'folder'));
      for (const from of ['missing', 'folder', 'y/below']) {
        const error = await failure(driver.copy(from, 'y', { signal, move }));
        expect(error).toMatchObject({ code: 'FILE_NOT_FOUND', key: from });
      }
      expect(await text(driver, 'y')).toBe('old');
    });

    it('refuses a destination that is a folder', async () => {
      await put(driver, 'x', 'new');
      await put(driver, 'folder/y', 'old');
      expect((await failure(driver.copy('x', 'folder', { signal, move }))).code).toBe(
        'INVALID_KEY',
      );
      expect(await listAll(driver)).toEqual(['folder/y', 'x']);
    });

    it('does nothing when it is aborted before', async () => {
      await put(driver, 'x', 'new');
      const aborted = AbortSignal.abort();
      expect((await failure(driver.copy('x', 'y', { signal: aborted, move }))).code).toBe(
        'ABORTED',
      );
      expect(await listAll(driver)).toEqual(['x']);
    });
  });

  it('copies to a file of its own', async () => {
    await put(driver, 'x', 'bytes');
    const copy = await driver.copy('x', 'y', { signal });
    const [source, target] = [await stat(join(root, 'x')), await stat(join(root, 'y'))];
    expect(source.ino).not.toBe(target.ino);
    await writeFile(join(root, 'x'), 'other');
    expect(await text(driver, 'y')).toBe('bytes');
    expect(copy.etag).toBe((await driver.info('y', { signal })).etag);
  });

  posix.it('gives a copy the configured mode, not that of its source', async () => {
    await put(driver, 'x', 'bytes');
    await chmod(join(root, 'x'), 0o640);
    await driver.copy('x', 'y', { signal });
    expect((await stat(join(root, 'y'))).mode & 0o777).toBe(0o600);
  });

  it('moves by renaming: the same file, its old folder pruned', async () => {
    await put(driver, 'deep/er/x', 'bytes');
    const { ino } = await stat(join(root, 'deep/er/x'));
    await driver.copy('deep/er/x', 'y', { signal, move: true });
    expect((await stat(join(root, 'y'))).ino).toBe(ino);
    expect((await readdir(root)).sort()).toEqual([RESERVED, 'y']);
  });

  it('finishes a move that a crash left with both names', async () => {
    await put(driver, 'x', 'bytes');
    await link(join(root, 'x'), join(root, 'y'));
    await driver.copy('x', 'y', { signal, move: true });
    expect(await listAll(driver)).toEqual(['y']);
    await put(driver, 'y', 'again');
    await unlink(join(root, 'y'));
  });

  it('lets moves that cross each other end', async () => {
    for (let round = 0; round < 20; round++) {
      await put(driver, 'x', 'bytes');
      await put(driver, 'y', 'bytes');
      await Promise.all([
        driver.copy('x', 'y', { signal, move: true }).catch(() => {}),
        driver.copy('y', 'x', { signal, move: true }).catch(() => {}),
      ]);
      expect((await listAll(driver)).length).toBe(1);
    }
  });

  describe('deleteMany', () => {
    it('deletes files, takes missing ones as deleted, and prunes empty folders', async () => {
      const keys = Array.from({ length: 50 }, (_, index) => `a/${index % 5}/${index}`);
      for (const key of keys) await put(driver, key);
      await put(driver, 'a/up');
      await put(driver, 'a/0/below/down');
      await put(driver, 'b/keep');
      keys.push('a/0/below/down', 'a/up');
      const result = await driver.deleteMany([...keys, 'b/missing', 'no/where', 'b/keep/x'], {
        signal,
      });
      expect(result).toEqual({ failed: [] });
      expect((await readdir(root)).sort()).toEqual([RESERVED, 'b']);
      expect(await listAll(driver)).toEqual(['b/keep']);
    });

    it('never takes a folder for a file', async () => {
      await put(driver, 'a/b/c');
      expect(await driver.deleteMany(['a', 'a/b'], { signal })).toEqual({ failed: [] });
      expect(await listAll(driver)).toEqual(['a/b/c']);
    });

    it('rejects when it is aborted', async () => {
      await put(driver, 'a');
      const call = driver.deleteMany(['a'], { signal: AbortSignal.abort() });
      expect((await failure(call)).code).toBe('ABORTED');
      expect(await listAll(driver)).toEqual(['a']);
    });
  });
});
