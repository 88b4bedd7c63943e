import assert from 'node:assert/strict';
import {
  StorageFileNotFoundError,
  StorageInvalidArgumentError,
  StorageInvalidKeyError,
  StoragePreconditionFailedError,
} from '../../core/errors.js';
import type { Behaviour } from './behaviour.js';
import { assertHolds, assertMissing, listKeys, putAll, rejection } from './expectations.js';

export const deletion: readonly Behaviour[] = [
  {
    name: 'deletes a file: nothing reads or lists it any more',
    async run(storage, { folder }) {
      await storage.put(`${folder}a`, 'hello');
      await storage.delete(`${folder}a`);
      await rejection(storage.get(`${folder}a`), StorageFileNotFoundError);
      assert.deepEqual(await listKeys(storage, folder), []);
    },
  },
  {
    name: 'succeeds in deleting what is not there, as often as it is asked',
    async run(storage, { folder }) {
      await storage.delete(`${folder}missing`);
      await storage.delete(`${folder}missing/deep/down`);
      await storage.put(`${folder}a`, 'hello');
      await storage.delete(`${folder}a`);
      await storage.delete(`${folder}a`);
    },
  },
  {
    name: 'deletes one file and none below or beside it',
    async run(storage, { folder }) {
      const beside = [`${folder}a.txt`, `${folder}ab`];
      await putAll(storage, [`${folder}a`, ...beside]);
      await storage.delete(`${folder}a`);
      assert.deepEqual(await listKeys(storage, folder), beside);
      // Where the file was, others may lie now, of which it is only the beginning.
      await putAll(storage, [`${folder}a/b`]);
      await storage.delete(`${folder}a`);
      assert.deepEqual(await listKeys(storage, folder), [beside[0], `${folder}a/b`, beside[1]]);
    },
  },
  {
    name: 'deletes with ifMatch that version and no other, and takes what is not there for deleted',
    needs: ({ conditionalDelete }) => conditionalDelete,
    async run(storage, { folder }) {
      const { etag: ifMatch } = await storage.put(`${folder}a`, 'hello');
      const { etag } = await storage.put(`${folder}a`, 'other');
      await rejection(
        storage.delete(`${folder}a`, { ifMatch: ifMatch! }),
        StoragePreconditionFailedError,
      );
      await assertHolds(storage, `${folder}a`, 'other');
      await storage.delete(`${folder}a`, { ifMatch: etag! });
      await assertMissing(storage, `${folder}a`);
      await storage.delete(`${folder}a`, { ifMatch: etag! });
    },
  },
  {
    name: 'deletes nothing by the key of a file with more behind it',
    async run(storage, { folder }) {
      await storage.put(`${folder}a`, 'hello');
      await storage.delete(`${folder}a/b`);
      await assertHolds(storage, `${folder}a`, 'hello');
    },
  },
  {
    name: 'stores a file where folders were before',
    async run(storage, { folder }) {
      await storage.put(`${folder}a/b/c`, 'deep');
      await storage.delete(`${folder}a/b/c`);
      await storage.put(`${folder}a`, 'a file now');
      await assertHolds(storage, `${folder}a`, 'a file now');
      await storage.delete(`${folder}a`);
      await storage.put(`${folder}a/b`, 'a folder again');
      await assertHolds(storage, `${folder}a/b`, 'a folder again');
    },
  },
  {
    name: 'deletes many files, and counts those that are missing as deleted',
    async run(storage, { folder }) {
      await putAll(
        storage,
        ['a', 'b', 'c'].map((name) => folder + name),
      );
      const given = ['c', 'missing', 'a'].map((name) => folder + name);
      assert.deepEqual(await storage.deleteMany(given), { deleted: given, failed: [] });
      assert.deepEqual(await listKeys(storage, folder), [`${folder}b`]);
    },
  },
  {
    name: 'deletes a key once that is named twice',
    async run(storage, { folder }) {
      await storage.put(`${folder}a`, 'hello');
      const result = await storage.deleteMany([`${folder}a`, `${folder}b`, `${folder}a`]);
      assert.deepEqual(result, { deleted: [`${folder}a`, `${folder}b`], failed: [] });
    },
  },
  {
    name: 'deletes nothing for an empty list',
    async run(storage) {
      assert.deepEqual(await storage.deleteMany([]), { deleted: [], failed: [] });
    },
  },
  {
    name: 'takes any iterable of keys',
    async run(storage, { folder }) {
      await putAll(storage, [`${folder}a`, `${folder}b`]);
      await storage.deleteMany(new Set([`${folder}a`, `${folder}b`]));
      assert.deepEqual(await listKeys(storage, folder), []);
    },
  },
  {
    name: 'refuses one string for many keys, instead of deleting by its characters',
    async run(storage, { folder }) {
      const scoped = storage.scope(folder);
      await scoped.put('a', 'hello');
      await rejection(scoped.deleteMany('abc'), StorageInvalidArgumentError);
      await assertHolds(scoped, 'a', 'hello');
    },
  },
  {
    name: 'deletes many keys of special characters',
    needsNames: 'not-of-windows',
    async run(storage, { folder }) {
      const given = ["I'm a < & weird > path", 'a"b', '%41', 'a+b c', 'ä', '😀', ']]>'].map(
        (name) => folder + name,
      );
      await putAll(storage, given);
      assert.deepEqual(await storage.deleteMany(given), { deleted: given, failed: [] });
      assert.deepEqual(await listKeys(storage, folder), []);
    },
  },
  {
    name: 'deletes none of many when one of the keys is refused',
    async run(storage, { folder }) {
      await storage.put(`${folder}a`, 'hello');
      await rejection(storage.deleteMany([`${folder}a`, '../b']), StorageInvalidKeyError);
      await assertHolds(storage, `${folder}a`, 'hello');
    },
  },
  {
    name: 'deletes by prefix as a plain string',
    async run(storage, { folder }) {
      await putAll(
        storage,
        ['a/a/1', 'a/a/2', 'a/aaa', 'a/b', 'b'].map((name) => folder + name),
      );
      assert.deepEqual(await storage.deletePrefix(`${folder}a/a/`), { deleted: 2, failed: [] });
      assert.deepEqual(
        await listKeys(storage, folder),
        ['a/aaa', 'a/b', 'b'].map((name) => folder + name),
      );
      assert.deepEqual(await storage.deletePrefix(`${folder}a/a`), { deleted: 1, failed: [] });
      assert.deepEqual(await listKeys(storage, folder), [`${folder}a/b`, `${folder}b`]);
    },
  },
  {
    name: 'deletes nothing by a prefix that begins no key',
    async run(storage, { folder }) {
      await storage.put(`${folder}a`, 'hello');
      assert.deepEqual(await storage.deletePrefix(`${folder}b`), { deleted: 0, failed: [] });
      assert.deepEqual(await storage.deletePrefix(`${folder}*`), { deleted: 0, failed: [] });
      assert.deepEqual(await storage.deletePrefix(`${folder}[a]`), { deleted: 0, failed: [] });
      await assertHolds(storage, `${folder}a`, 'hello');
    },
  },
  {
    name: 'takes glob characters in a prefix to delete for themselves',
    needsNames: 'not-of-windows',
    async run(storage, { folder }) {
      await putAll(storage, [`${folder}a*b`, `${folder}axb`]);
      assert.deepEqual(await storage.deletePrefix(`${folder}a*`), { deleted: 1, failed: [] });
      assert.deepEqual(await listKeys(storage, folder), [`${folder}axb`]);
    },
  },
  {
    name: 'deletes everything only when that is said in so many words',
    async run(storage, { folder }) {
      const scoped = storage.scope(folder);
      await putAll(scoped, ['a', 'b/c']);
      await rejection(scoped.deletePrefix(''), StorageInvalidArgumentError);
      await rejection(scoped.deletePrefix('', { all: false }), StorageInvalidArgumentError);
      await rejection(
        scoped.deletePrefix(undefined as unknown as string),
        StorageInvalidArgumentError,
      );
      assert.equal((await listKeys(scoped, '')).length, 2);
      assert.deepEqual(await scoped.deletePrefix('', { all: true }), { deleted: 2, failed: [] });
      assert.deepEqual(await listKeys(scoped, ''), []);
    },
  },
];
