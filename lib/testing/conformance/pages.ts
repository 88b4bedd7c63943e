import assert from 'node:assert/strict';
import { StorageInvalidArgumentError } from '../../core/errors.js';
import type { Behaviour } from './behaviour.js';
import { listPages, putAll, rejection } from './expectations.js';
import { orderedNames } from './key-names.js';

/** Among them the whole, a divisor and no divisor of what the listings below hold. */
const PAGE_SIZES = [1, 2, 3, 5, 7, 14];

export const pages: readonly Behaviour[] = [
  {
    name: 'gives the same files in pages of any size as in one',
    async run(storage, { folder, names }) {
      const expected = orderedNames(names)
        .slice(0, 14)
        .map((name) => folder + name);
      await putAll(storage, expected);
      for (const limit of PAGE_SIZES) {
        const all = await listPages(storage, { prefix: folder, limit });
        assert.deepEqual(
          all.flatMap(({ keys }) => keys),
          expected,
        );
        for (const { keys } of all.slice(0, -1)) assert.equal(keys.length, limit);
        assert.ok(all.at(-1)!.keys.length > 0, 'the last page is not empty');
      }
    },
  },
  {
    name: 'gives the same files and prefixes in pages of any size as in one',
    needs: ({ delimiters }) => delimiters !== 'none',
    async run(storage, { folder, names }) {
      const stored = orderedNames(names).map((name) => folder + name);
      await putAll(storage, stored);
      const behindFolder = (key: string): number => key.indexOf('/', folder.length) + 1;
      const directly = stored.filter((key) => behindFolder(key) === 0);
      const below = stored
        .filter((key) => behindFolder(key) > 0)
        .map((key) => key.slice(0, behindFolder(key)));
      const options = { prefix: folder, delimiter: '/' };
      assert.deepEqual(await listPages(storage, options), [{ keys: directly, prefixes: below }]);
      for (const limit of PAGE_SIZES) {
        const all = await listPages(storage, { ...options, limit });
        assert.deepEqual(
          all.flatMap(({ keys }) => keys),
          directly,
        );
        assert.deepEqual(
          all.flatMap(({ prefixes }) => prefixes),
          below,
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
];
