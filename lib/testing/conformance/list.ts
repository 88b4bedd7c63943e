import assert from 'node:assert/strict';
import { StorageInvalidArgumentError, StorageUnsupportedError } from '../../core/errors.js';
import type { Behaviour } from './behaviour.js';
import { listKeys, putAll, rejection } from './expectations.js';
import { orderedNames } from './key-names.js';

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
    async run(storage, { folder, names }) {
      const expected = orderedNames(names).map((name) => folder + name);
      await putAll(storage, expected.toReversed());
      assert.deepEqual(await listKeys(storage, folder), expected);
    },
  },
  {
    name: 'lists every file of the storage by no prefix, and from a key on',
    async run(_storage, { open }) {
      const storage = await open();
      assert.deepEqual(await listKeys(storage, ''), []);
      await putAll(storage, ['b/1', 'a', 'c d', 'ä']);
      assert.deepEqual(await listKeys(storage, ''), ['a', 'b/1', 'c d', 'ä']);
      assert.deepEqual(await listKeys(storage, '', { startAfter: 'b/0' }), ['b/1', 'c d', 'ä']);
      assert.equal((await storage.listPage()).files.length, 4);
    },
  },
  {
    name: 'tells key, size, etag and time of each file',
    async run(storage, { folder }) {
      await storage.put(`${folder}a.txt`, 'hello');
      const { etag, lastModified } = await storage.info(`${folder}a.txt`);
      const { files } = await storage.listPage({ prefix: folder });
      assert.equal(files.length, 1);
      for await (const file of storage.list(folder)) {
        assert.equal(file.key, `${folder}a.txt`);
        assert.equal(file.size, 5);
        assert.equal(file.etag, etag);
        assert.ok(Math.abs(file.lastModified!.getTime() - lastModified!.getTime()) < 1000);
        assert.ok(Object.isFrozen(file));
        assert.deepEqual(files, [file]);
      }
    },
  },
  {
    name: 'takes the prefix as a plain string',
    async run(storage, { folder }) {
      await putAll(
        storage,
        ['fo', 'foo/a', 'foobar', 'fob', 'f', 'g'].map((name) => folder + name),
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
    needsNames: 'not-of-windows',
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
    needsNames: 'not-of-windows',
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
      await putAll(storage, [`${folder}b`, `${folder}m/a`, `${folder}m/b`]);
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
        for (const each of prefixes) {
          assert.ok(each.startsWith(prefix) && each !== prefix, `${each} lies below ${prefix}`);
          await walk(each);
        }
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
