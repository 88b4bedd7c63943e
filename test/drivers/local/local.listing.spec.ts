import { chmod, mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { compareKeys } from '../../../lib/core/key.js';
import type { ListPage, StorageDriver } from '../../../lib/core/storage-driver.js';
import { openStorage } from '../../../lib/drivers/open-storage.js';
import {
  asNobody,
  cleanUp,
  failure,
  listAll,
  openDriver,
  posix,
  put,
  signal,
} from './local-fixture.js';

const KEYS = [
  'a',
  'a-b',
  'a.txt',
  'b/1',
  'b/2/x',
  'b/2/y',
  'b/3',
  'b0',
  'c/d/e/f/g',
  'caf\u00e9',
  '\uff5e',
  '\u{1f388}',
  'x/y',
  'x-y',
  'x.z/1',
].sort(compareKeys);

describe('listing a local storage', () => {
  let root: string;
  let driver: StorageDriver;

  beforeEach(async () => {
    ({ root, driver } = await openDriver());
  });
  afterEach(cleanUp);

  const fill = async (keys: readonly string[] = KEYS): Promise<void> => {
    for (const key of keys) await put(driver, key);
  };

  it('gives all keys in the order of their UTF-8 bytes, and nothing of its own', async () => {
    await fill();
    await put(driver, 'a', 'with metadata', { metadata: { n: '1' } });
    await mkdir(join(root, 'empty/folder'), { recursive: true });
    expect(await listAll(driver)).toEqual(KEYS);
  });

  it('gives nothing of a storage that has its root below, but its files', async () => {
    await fill(['a/b']);
    const nested = await openStorage('nested', { driver: 'local', root: join(root, 'a') });
    await nested.put('c', 'hello', { metadata: { n: '1' } });
    await nested.close();
    expect(await listAll(driver)).toEqual(['a/b', 'a/c']);
    const options = { signal, pageSize: 9, prefix: 'a/', delimiter: '/' } as const;
    for await (const { prefixes } of driver.list(options)) expect(prefixes).toEqual([]);
  });

  it('gives the same for every prefix, start and page size as a filter of all keys would', async () => {
    await fill();
    for (const prefix of ['', 'a', 'b', 'b/', 'b/2', 'b/2/', 'c/d/e', 'x', 'none', 'a/', 'b/1/']) {
      for (const startAfter of ['', 'a', 'b/', 'b/2', 'b/2/x', 'b0', 'c/d/zzz', '\uff5e']) {
        for (const pageSize of [1, 2, 1000]) {
          const expected = KEYS.filter(
            (key) => key.startsWith(prefix) && compareKeys(key, startAfter) > 0,
          );
          expect(await listAll(driver, { prefix, startAfter, pageSize })).toEqual(expected);
        }
      }
    }
  });

  it('goes on from a cursor where the page ended, with and without a delimiter', async () => {
    await fill();
    for (const delimiter of [undefined, '/']) {
      const found: string[] = [];
      const sizes: number[] = [];
      const cursors: string[] = [];
      let cursor: string | undefined;
      do {
        const page = await firstPage({
          pageSize: 2,
          ...(delimiter !== undefined && { delimiter }),
          ...(cursor !== undefined && { cursor }),
        });
        sizes.push(page.files.length + page.prefixes.length);
        found.push(...page.files.map(({ key }) => key), ...page.prefixes);
        cursor = page.cursor;
        cursors.push(cursor ?? '');
      } while (cursor !== undefined);
      expect(sizes.slice(0, -1)).toEqual(sizes.slice(1).map(() => 2));
      expect(cursors.join('')).toMatch(/^[\w-]+$/);
      const expected = new Set(
        KEYS.map((key) =>
          delimiter && key.includes('/') ? key.slice(0, key.indexOf('/') + 1) : key,
        ),
      );
      expect(found.sort()).toEqual([...expected].sort());
    }
  });

  it('rolls up by the delimiter below a prefix, and only folders that hold files', async () => {
    await fill();
    await mkdir(join(root, 'b/empty/deep'), { recursive: true });
    const page = await firstPage({ prefix: 'b/', delimiter: '/' });
    expect(page.files.map(({ key }) => key)).toEqual(['b/1', 'b/3']);
    expect(page.prefixes).toEqual(['b/2/']);
    expect((await firstPage({ prefix: 'b', delimiter: '/' })).prefixes).toEqual(['b/']);
  });

  it('starts within a folder that it rolls up', async () => {
    await fill(['p/1', 'p/2', 'q']);
    const after = (startAfter: string): Promise<string[]> =>
      listAll(driver, { delimiter: '/', startAfter });
    expect(await after('p/1')).toEqual(['q', 'p/']);
    expect(await after('p/2')).toEqual(['q']);
    expect(await after('p/')).toEqual(['q', 'p/']);
  });

  it('refuses a cursor that is none of this listing', async () => {
    await fill(['a/1', 'b/1', 'b/2']);
    const { cursor } = await firstPage({ prefix: 'b/', pageSize: 1 });
    for (const [prefix, wrong] of [
      ['a/', cursor!],
      ['b/', 'not base64!'],
      ['b/', ''],
      ['', ''],
      ['', Buffer.from([0xff, 0xfe]).toString('base64url')],
    ] as const) {
      const error = await failure(firstPage({ prefix, cursor: wrong }));
      expect(error.code).toBe('INVALID_ARGUMENT');
    }
  });

  it('goes on from the cursor or the start, whichever is later', async () => {
    await fill(['a', 'b', 'c', 'd']);
    const { cursor } = await firstPage({ pageSize: 2 });
    const after = (startAfter: string): Promise<string[]> =>
      listAll(driver, { cursor: cursor!, startAfter });
    expect(await after('a')).toEqual(['c', 'd']);
    expect(await after('c')).toEqual(['d']);
  });

  it('lists size, etag and time, and no metadata', async () => {
    const { size, etag, lastModified } = await put(driver, 'k', 'abc', { metadata: { a: 'b' } });
    const { files } = await firstPage({});
    expect(files).toEqual([{ key: 'k', size, etag, lastModified, metadata: {} }]);
    expect(Object.isFrozen(files[0])).toBe(true);
  });

  it('gives one empty page of an empty storage', async () => {
    const pages: ListPage[] = [];
    for await (const page of driver.list({ signal, prefix: '', pageSize: 5 })) pages.push(page);
    expect(pages).toStrictEqual([{ files: [], prefixes: [] }]);
  });

  it('leaves out what disappears meanwhile', async () => {
    await fill(['a', 'b', 'c/1', 'd/1']);
    const found: string[] = [];
    for await (const page of driver.list({ signal, prefix: '', pageSize: 1 })) {
      found.push(...page.files.map(({ key }) => key));
      if (found.length === 1) {
        await driver.deleteMany(['b', 'c/1'], { signal });
        await rm(join(root, 'c'), { recursive: true, force: true });
      }
    }
    expect(found).toEqual(['a', 'd/1']);
  });

  posix.it('leaves out names that no key can have', async () => {
    await fill(['ok']);
    await writeFile(join(root, 'back\\slash'), '');
    await writeFile(join(root, '\\'), '');
    await writeFile(join(root, 'new\nline'), '');
    await writeFile(join(root, 'e\u0301'), '');
    await symlink('ok', join(root, 'link'));
    expect(await listAll(driver)).toEqual(['ok']);
  });

  it('stops when its signal is aborted', async () => {
    await fill(['a', 'b']);
    const controller = new AbortController();
    const pages = driver.list({ signal: controller.signal, prefix: '', pageSize: 1 });
    const iterator = pages[Symbol.asyncIterator]();
    await iterator.next();
    controller.abort();
    expect((await failure(iterator.next())).code).toBe('ABORTED');
  });

  posix.it('rejects rather than leaving out a folder that it may not read', async () => {
    await fill(['a/1', 'b/1']);
    await chmod(root, 0o755);
    await chmod(join(root, 'a'), 0);
    const error = await asNobody(() => failure(listAll(driver)));
    expect(error.code).toBe('PERMISSION_DENIED');
    await chmod(join(root, 'a'), 0o700);
  });

  it('lists one large folder and many small ones completely', async () => {
    await mkdir(join(root, 'large'));
    const names = Array.from({ length: 5000 }, (_, index) => `large/${index}`);
    const tree = Array.from({ length: 300 }, (_, index) => `t/${index % 30}/${index}/f`);
    for (const key of tree) await mkdir(join(root, key, '..'), { recursive: true });
    await Promise.all([...names, ...tree].map((key) => writeFile(join(root, key), '')));
    const found = await listAll(driver, { pageSize: 700 });
    expect(found).toEqual([...names, ...tree].sort(compareKeys));
  });

  async function firstPage(
    options: Partial<Parameters<StorageDriver['list']>[0]>,
  ): Promise<ListPage> {
    for await (const page of driver.list({ signal, prefix: '', pageSize: 1000, ...options })) {
      return page;
    }
    throw new Error('no page');
  }
});
