import assert from 'node:assert/strict';
import { StorageInvalidArgumentError, StorageUnsupportedError } from '../../core/errors.js';
import type { Behaviour } from './behaviour.js';
import { assertHolds, listKeys, listPages, putAll, rejection } from './expectations.js';

/** In the order of their UTF-8 bytes, which is neither that of UTF-16 units nor that of words. */
const ORDERED = [
  ' space',
  '!',
  '%',
  '-/a',
  '0',
  '10',
  '9',
  'A',
  'Z',
  '_',
  'a',
  'a!',
  'a-/x',
  'aa',
  'b-',
  'b.c',
  't!/a',
  't-/a',
  't/a',
  't0/a',
  'ta',
  'z',
  'ä',
  '日本',
  '\uD55C',
  '\uFF5E',
  '😀',
  '😁',
];
const TREE = [
  'README',
  'docs/a.md',
  'docs/b.md',
  'docs/more/c.md',
  'docs-old/d.md',
  'images/e.png',
  'images/f.png',
  'license',
];

export const list: readonly Behaviour[] = [
  {
    name: 'lists nothing where nothing is stored',
    async run(storage, { folder }) {
      assert.deepEqual(await listKeys(storage, folder), []);
      assert.deepEqual(await storage.listPage({ prefix: folder }), { files: [], prefixes: [] });
    },
  },
  {
    name: 'lists all keys in the order of their UTF-8 bytes',
    async run(storage, { folder }) {
      const expected = ORDERED.map((name) => folder + name);
      await putAll(storage, expected.toReversed());
      assert.deepEqual(await listKeys(storage, folder), expected);
    },
  },
  {
    name: 'tells key, size, etag and time of each file',
    async run(storage, { folder }) {
      await storage.put(`${folder}a.txt`, 'hello');
      const { etag, lastModified } = await storage.info(`${folder}a.txt`);
      for await (const file of storage.list(folder)) {
        assert.equal(file.key, `${folder}a.txt`);
        assert.equal(file.size, 5);
        assert.equal(file.etag, etag);
        assert.ok(Math.abs(file.lastModified!.getTime() - lastModified!.getTime()) < 1000);
        assert.ok(Object.isFrozen(file));
      }
    },
  },
  {
    name: 'takes the prefix as a plain string',
    async run(storage, { folder }) {
      await putAll(
        storage,
        ['fo', 'foo', 'foo/a', 'foobar', 'fob', 'f', 'g']
          .filter((name) => name !== 'foo')
          .map((name) => folder + name),
      );
      const prefixed = async (prefix: string): Promise<string[]> =>
        (await listKeys(storage, folder + prefix)).map((key) => key.slice(folder.length));
      assert.deepEqual(await prefixed('fo'), ['fo', 'fob', 'foo/a', 'foobar']);
      assert.deepEqual(await prefixed('foo'), ['foo/a', 'foobar']);
      assert.deepEqual(await prefixed('foo/'), ['foo/a']);
      assert.deepEqual(await prefixed('foobar'), ['foobar']);
      assert.deepEqual(await prefixed('foobar/'), []);
      assert.deepEqual(await prefixed('x'), []);
    },
  },
  {
    name: 'lists by prefixes that end within a name of any characters',
    async run(storage, { folder }) {
      const names = ['sp ace', 'plus+', 'ümlaut', '日本', '😀a', '%41', '[a]', 'a*b', 'q?', '..x'];
      await putAll(
        storage,
        names.map((name) => folder + name),
      );
      for (const name of names) {
        const prefix = folder + Array.from(name).slice(0, -1).join('');
        assert.deepEqual(await listKeys(storage, prefix), [folder + name]);
      }
    },
  },
  {
    name: 'takes glob characters in a prefix for themselves',
    async run(storage, { folder }) {
      await putAll(storage, [`${folder}a*`, `${folder}ab`, `${folder}[ab]`, `${folder}?`]);
      assert.deepEqual(await listKeys(storage, `${folder}a*`), [`${folder}a*`]);
      assert.deepEqual(await listKeys(storage, `${folder}[`), [`${folder}[ab]`]);
      assert.deepEqual(await listKeys(storage, `${folder}*`), []);
      assert.deepEqual(await listKeys(storage, `${folder}?`), [`${folder}?`]);
    },
  },
  {
    name: 'gives no more than the limit',
    async run(storage, { folder }) {
      const all = TREE.map((name) => folder + name);
      await putAll(storage, all);
      const sorted = await listKeys(storage, folder);
      for (const limit of [0, 1, 3, 8, 100, 5000]) {
        assert.deepEqual(await listKeys(storage, folder, { limit }), sorted.slice(0, limit));
      }
    },
  },
  {
    name: 'refuses a limit that is none',
    async run(storage, { folder }) {
      for (const limit of [-1, 0.5, Number.NaN]) {
        await rejection(listKeys(storage, folder, { limit }), StorageInvalidArgumentError);
        await rejection(storage.listPage({ prefix: folder, limit }), StorageInvalidArgumentError);
      }
      for (const limit of [0, 1001]) {
        await rejection(storage.listPage({ prefix: folder, limit }), StorageInvalidArgumentError);
      }
    },
  },
  {
    name: 'starts after a key, whether it exists or not',
    async run(storage, { folder }) {
      const all = ['a', 'b', 'b c', 'd', 'ä', '\uFF5E', '😀'].map((name) => folder + name);
      await putAll(storage, all);
      const after = async (name: string): Promise<string[]> =>
        (await listKeys(storage, folder, { startAfter: folder + name })).map((key) =>
          key.slice(folder.length),
        );
      assert.deepEqual(await after('a'), ['b', 'b c', 'd', 'ä', '\uFF5E', '😀']);
      assert.deepEqual(await after('aa'), ['b', 'b c', 'd', 'ä', '\uFF5E', '😀']);
      assert.deepEqual(await after('b'), ['b c', 'd', 'ä', '\uFF5E', '😀']);
      assert.deepEqual(await after('b '), ['b c', 'd', 'ä', '\uFF5E', '😀']);
      assert.deepEqual(await after('z'), ['ä', '\uFF5E', '😀']);
      assert.deepEqual(await after('ä'), ['\uFF5E', '😀']);
      assert.deepEqual(await after('\uFF5E'), ['😀']);
      assert.deepEqual(await after('😀'), []);
    },
  },
  {
    name: 'starts with the first key after one that lies before the prefix',
    async run(storage, { folder }) {
      await putAll(storage, [`${folder}m/a`, `${folder}m/b`]);
      const keys = await listKeys(storage, `${folder}m/`, { startAfter: `${folder}a` });
      assert.deepEqual(keys, [`${folder}m/a`, `${folder}m/b`]);
      const none = await listKeys(storage, `${folder}m/`, { startAfter: `${folder}z` });
      assert.deepEqual(none, []);
    },
  },
  {
    name: 'combines startAfter and limit',
    async run(storage, { folder }) {
      await putAll(
        storage,
        ['a', 'b', 'c', 'd'].map((name) => folder + name),
      );
      const keys = await listKeys(storage, folder, { startAfter: `${folder}a`, limit: 2 });
      assert.deepEqual(keys, [`${folder}b`, `${folder}c`]);
    },
  },
  {
    name: 'lists what lies directly below the prefix when there is a delimiter',
    needs: ({ delimiters }) => delimiters !== 'none',
    async run(storage, { folder }) {
      await putAll(
        storage,
        TREE.map((name) => folder + name),
      );
      const page = await storage.listPage({ prefix: folder, delimiter: '/' });
      const names = page.files.map(({ key }) => key.slice(folder.length));
      assert.deepEqual(names, ['README', 'license']);
      assert.deepEqual(page.prefixes, [`${folder}docs-old/`, `${folder}docs/`, `${folder}images/`]);
      assert.equal(page.cursor, undefined);
      const keys = await listKeys(storage, folder, { delimiter: '/' });
      assert.deepEqual(keys, [`${folder}README`, `${folder}license`]);
    },
  },
  {
    name: 'gathers prefixes below a prefix that ends within a name',
    needs: ({ delimiters }) => delimiters !== 'none',
    async run(storage, { folder }) {
      await putAll(
        storage,
        TREE.map((name) => folder + name),
      );
      const page = await storage.listPage({ prefix: `${folder}do`, delimiter: '/' });
      assert.deepEqual(page.files, []);
      assert.deepEqual(page.prefixes, [`${folder}docs-old/`, `${folder}docs/`]);
      const exact = await storage.listPage({ prefix: `${folder}docs`, delimiter: '/' });
      assert.deepEqual(exact.prefixes, [`${folder}docs-old/`, `${folder}docs/`]);
      const below = await storage.listPage({ prefix: `${folder}docs/`, delimiter: '/' });
      assert.deepEqual(
        below.files.map(({ key }) => key),
        [`${folder}docs/a.md`, `${folder}docs/b.md`],
      );
      assert.deepEqual(below.prefixes, [`${folder}docs/more/`]);
    },
  },
  {
    name: 'reaches each key once by following the prefixes',
    needs: ({ delimiters }) => delimiters !== 'none',
    async run(storage, { folder }) {
      const expected = TREE.map((name) => folder + name);
      await putAll(storage, expected);
      const found: string[] = [];
      const walk = async (prefix: string): Promise<void> => {
        const { files, prefixes } = await storage.listPage({ prefix, delimiter: '/' });
        found.push(...files.map(({ key }) => key));
        for (const each of prefixes) await walk(each);
      };
      await walk(folder);
      assert.deepEqual(found.toSorted(), expected.toSorted());
    },
  },
  {
    name: 'forgets a prefix when the last file below it is deleted',
    needs: ({ delimiters }) => delimiters !== 'none',
    async run(storage, { folder }) {
      await putAll(storage, [`${folder}a/1`, `${folder}a/b/2`, `${folder}c`]);
      await storage.deleteMany([`${folder}a/1`, `${folder}a/b/2`]);
      assert.deepEqual((await storage.listPage({ prefix: folder, delimiter: '/' })).prefixes, []);
    },
  },
  {
    name: 'takes any delimiter, or refuses those other than the slash',
    async run(storage, { folder }) {
      await putAll(
        storage,
        ['a--b', 'a--c', 'd-e', 'f--'].map((name) => folder + name),
      );
      const page = storage.listPage({ prefix: folder, delimiter: '--' });
      if (storage.capabilities.delimiters !== 'any') {
        await rejection(page, StorageUnsupportedError);
        return;
      }
      const { files, prefixes } = await page;
      assert.deepEqual(
        files.map(({ key }) => key),
        [`${folder}d-e`],
      );
      assert.deepEqual(prefixes, [`${folder}a--`, `${folder}f--`]);
    },
  },
  {
    name: 'refuses an empty delimiter',
    async run(storage, { folder }) {
      await rejection(
        storage.listPage({ prefix: folder, delimiter: '' }),
        StorageInvalidArgumentError,
      );
    },
  },
  {
    name: 'can be left after the first file',
    async run(storage, { folder }) {
      await putAll(
        storage,
        TREE.map((name) => folder + name),
      );
      for await (const { key } of storage.list(folder)) {
        assert.equal(key, `${folder}README`);
        break;
      }
      assert.equal((await listKeys(storage, folder)).length, TREE.length);
    },
  },
  {
    name: 'yields every file when each is deleted as it comes',
    async run(storage, { folder }) {
      await putAll(
        storage,
        TREE.map((name) => folder + name),
      );
      let count = 0;
      for await (const { key } of storage.list(folder)) {
        await storage.delete(key);
        count++;
      }
      assert.equal(count, TREE.length);
      assert.deepEqual(await listKeys(storage, folder), []);
    },
  },
];

export const pages: readonly Behaviour[] = [
  ...[1, 2, 3, 4, 5, 6, 7].map((limit): Behaviour => ({
    name: `gives the same files in pages of ${limit} as in one`,
    async run(storage, { folder }) {
      const expected = ORDERED.slice(0, 14).map((name) => folder + name);
      await putAll(storage, expected);
      const all = await listPages(storage, { prefix: folder, limit });
      assert.deepEqual(
        all.flatMap(({ keys }) => keys),
        expected,
      );
      for (const { keys } of all.slice(0, -1)) assert.equal(keys.length, limit);
      assert.ok(all.at(-1)!.keys.length > 0, 'the last page is not empty');
    },
  })),
  {
    name: 'gives the same files and prefixes in pages of any size as in one',
    needs: ({ delimiters }) => delimiters !== 'none',
    async run(storage, { folder }) {
      await putAll(
        storage,
        ORDERED.map((name) => folder + name),
      );
      const options = { prefix: folder, delimiter: '/' };
      const [whole] = await listPages(storage, options);
      for (let limit = 1; limit <= 7; limit++) {
        const all = await listPages(storage, { ...options, limit });
        assert.deepEqual(
          all.flatMap(({ keys }) => keys),
          whole!.keys,
        );
        assert.deepEqual(
          all.flatMap(({ prefixes }) => prefixes),
          whole!.prefixes,
        );
        for (const { keys, prefixes } of all) assert.ok(keys.length + prefixes.length <= limit);
      }
    },
  },
  {
    name: 'gives no cursor on the last page, even when it is full',
    async run(storage, { folder }) {
      await putAll(
        storage,
        ['a', 'b', 'c', 'd'].map((name) => folder + name),
      );
      const all = await listPages(storage, { prefix: folder, limit: 2 });
      assert.equal(all.length, 2);
      const exact = await storage.listPage({ prefix: folder, limit: 4 });
      assert.equal('cursor' in exact, false);
    },
  },
  {
    name: 'gives cursors that travel in URLs and JSON',
    async run(storage, { folder }) {
      await putAll(
        storage,
        ['a +ä', 'b&c', 'd'].map((name) => folder + name),
      );
      const { cursor } = await storage.listPage({ prefix: folder, limit: 1 });
      assert.equal(new URLSearchParams({ cursor: cursor! }).get('cursor'), cursor);
      const next = await storage.listPage({ prefix: folder, limit: 1, cursor: cursor! });
      assert.deepEqual(
        next.files.map(({ key }) => key),
        [`${folder}b&c`],
      );
    },
  },
  {
    name: 'refuses a cursor that is none',
    async run(storage, { folder }) {
      for (const cursor of ['', 'no cursor at all', 5 as unknown as string]) {
        await rejection(storage.listPage({ prefix: folder, cursor }), StorageInvalidArgumentError);
      }
    },
  },
  {
    name: 'neither repeats nor skips a file when others come and go between pages',
    async run(storage, { folder }) {
      await putAll(
        storage,
        ['b', 'd', 'f', 'h'].map((name) => folder + name),
      );
      const first = await storage.listPage({ prefix: folder, limit: 2 });
      assert.equal(first.files.length, 2);
      await storage.delete(`${folder}b`);
      await storage.delete(`${folder}d`);
      await putAll(storage, [`${folder}a`, `${folder}c`, `${folder}g`]);
      const rest = await listPages(storage, { prefix: folder, limit: 2, cursor: first.cursor! });
      assert.deepEqual(
        rest.flatMap(({ keys }) => keys),
        ['f', 'g', 'h'].map((name) => folder + name),
      );
    },
  },
  {
    name: 'starts after a key in pages, too',
    async run(storage, { folder }) {
      await putAll(
        storage,
        ['a', 'b', 'c', 'd', 'e'].map((name) => folder + name),
      );
      const all = await listPages(storage, { prefix: folder, startAfter: `${folder}b`, limit: 2 });
      assert.deepEqual(
        all.map(({ keys }) => keys),
        [[`${folder}c`, `${folder}d`], [`${folder}e`]],
      );
    },
  },
  {
    name: 'lists and deletes 1,100 files, more than any page or batch holds',
    async run(storage, { folder }) {
      const expected = Array.from({ length: 1100 }, (_, index) => `${folder}${1000 + index}`);
      expected.sort();
      await putAll(storage, expected);
      assert.deepEqual(await listKeys(storage, folder), expected);
      assert.deepEqual(await listKeys(storage, folder, { limit: 1050 }), expected.slice(0, 1050));
      const page = await storage.listPage({ prefix: folder });
      assert.equal(page.files.length, 1000);
      await assertHolds(storage, expected[1001]!, expected[1001]!);
      const some = expected.slice(0, 1050);
      const { deleted, failed } = await storage.deleteMany(some);
      assert.deepEqual(failed, []);
      assert.deepEqual(deleted, some);
      assert.deepEqual(await storage.deletePrefix(folder), { deleted: 50, failed: [] });
      assert.deepEqual(await listKeys(storage, folder), []);
    },
  },
];
