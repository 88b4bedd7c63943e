import assert from 'node:assert/strict';
import { StorageInvalidKeyError } from '../../core/errors.js';
import type { Storage } from '../../core/storage.js';
import type { Behaviour } from './behaviour.js';
import { assertHolds, listKeys, putAll } from './expectations.js';

/**
 * `a` and `a/b` are two keys. A file system cannot hold both, since the one is a file there and the other needs a folder:
 * it refuses the second by `StorageInvalidKeyError`, and what was there first stays as it was.
 */
export const folders: readonly Behaviour[] = [
  {
    name: 'holds a file below a file, or refuses it as a key and keeps the first',
    async run(storage, { folder }) {
      await storage.put(`${folder}a`, 'first');
      const both = await heldOrRefused(storage.put(`${folder}a/b`, 'second'));
      await assertHolds(storage, `${folder}a`, 'first');
      await assertBoth(storage, folder, both, [`${folder}a`, `${folder}a/b`]);
    },
  },
  {
    name: 'holds a file where others lie below, or refuses it as a key and keeps them',
    async run(storage, { folder }) {
      await putAll(storage, [`${folder}a/b`, `${folder}a/c/d`]);
      const both = await heldOrRefused(storage.put(`${folder}a`, 'third'));
      await assertHolds(storage, `${folder}a/b`, `${folder}a/b`);
      assert.equal(await storage.exists(`${folder}a`), both);
      assert.equal((await listKeys(storage, folder)).length, both ? 3 : 2);
    },
  },
  ...(['copy', 'move'] as const).map((verb): Behaviour => ({
    name: `${verb}: onto a key with files below, it takes its place beside them or is refused as a key`,
    async run(storage, { folder }) {
      await putAll(storage, [`${folder}from`, `${folder}to/a`]);
      const both = await heldOrRefused(storage[verb](`${folder}from`, `${folder}to`));
      await assertHolds(storage, both ? `${folder}to` : `${folder}from`, `${folder}from`);
      await assertHolds(storage, `${folder}to/a`, `${folder}to/a`);
      assert.equal(await storage.exists(`${folder}to`), both);
    },
  })),
  {
    name: 'deletes a file and keeps those below it, where it holds both',
    async run(storage, { folder }) {
      await storage.put(`${folder}a/b`, 'below');
      await heldOrRefused(storage.put(`${folder}a`, 'above'));
      await storage.delete(`${folder}a`);
      assert.deepEqual(await listKeys(storage, folder), [`${folder}a/b`]);
    },
  },
];

async function heldOrRefused(call: Promise<unknown>): Promise<boolean> {
  try {
    await call;
    return true;
  } catch (error) {
    assert.ok(error instanceof StorageInvalidKeyError, String(error));
    return false;
  }
}

/** A file and one below it are two: in a flat listing, and beside the prefix that the second lies under. */
async function assertBoth(
  storage: Storage,
  folder: string,
  both: boolean,
  [file, below]: [string, string],
): Promise<void> {
  assert.equal(await storage.exists(below), both);
  assert.deepEqual(await listKeys(storage, folder), both ? [file, below] : [file]);
  if (!both || storage.capabilities.delimiters === 'none') return;
  const page = await storage.listPage({ prefix: folder, delimiter: '/' });
  assert.deepEqual(
    page.files.map(({ key }) => key),
    [file],
  );
  assert.deepEqual(page.prefixes, [`${file}/`]);
}
