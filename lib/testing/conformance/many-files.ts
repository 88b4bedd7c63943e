import assert from 'node:assert/strict';
import { StorageFileNotFoundError } from '../../core/errors.js';
import type { Storage } from '../../core/storage.js';
import type { Behaviour, BehaviourContext } from './behaviour.js';
import { assertHolds, listKeys, listPages, rejection } from './expectations.js';

interface ManyFiles {
  /** The folder around it all. */
  readonly parent: string;
  /** 50 files in each of 50 folders, all below `prefix`, in order. */
  readonly keys: readonly string[];
  readonly prefix: string;
  /** Their names begin as the prefix does, but for its slash; some lie before it in order, some behind. */
  readonly siblings: readonly string[];
}

// 2,500 files take a while on some backends: whoever asks first stores them, in its folder, and the others only read.
const stored = new WeakMap<Storage, Promise<ManyFiles>>();

function manyFiles(storage: Storage, context: BehaviourContext): Promise<ManyFiles> {
  const there = stored.get(storage);
  if (there) return there;
  const files = putManyFiles(context);
  stored.set(storage, files);
  return files;
}

async function putManyFiles({ fill, folder: parent }: BehaviourContext): Promise<ManyFiles> {
  const prefix = `${parent}many/`;
  const numbers = Array.from({ length: 50 }, (_, index) => String(10 + index));
  const keys = numbers.flatMap((outer) => numbers.map((inner) => `${prefix}${outer}/${inner}`));
  const siblings = ['man', 'many-', 'many.txt', 'many0', 'many~'].map((name) => parent + name);
  await fill([...keys, ...siblings]);
  return { parent, keys, prefix, siblings };
}

export const manyFileBehaviours: readonly Behaviour[] = [
  {
    name: 'lists 2,500 files in order, each once, and nothing from beside their folder',
    async run(storage, context) {
      const { prefix, keys } = await manyFiles(storage, context);
      assert.deepEqual(await listKeys(storage, prefix), keys);
      await assertHolds(storage, keys[1001]!, keys[1001]!);
    },
  },
  {
    name: 'gives 2,500 files in pages of 1,000, of which only the last has no cursor',
    async run(storage, context) {
      const { prefix, keys } = await manyFiles(storage, context);
      const pages = await listPages(storage, { prefix });
      assert.deepEqual(
        pages.map((page) => page.keys.length),
        [1000, 1000, 500],
      );
      assert.deepEqual(
        pages.flatMap((page) => page.keys),
        keys,
      );
    },
  },
  {
    name: 'lists up to a limit, and from a key on, across pages',
    async run(storage, context) {
      const { prefix, keys } = await manyFiles(storage, context);
      const startAfter = keys[299]!;
      assert.deepEqual(
        await listKeys(storage, prefix, { startAfter, limit: 1050 }),
        keys.slice(300, 1350),
      );
    },
  },
  {
    name: 'gathers more files than a page holds into one prefix',
    needs: ({ delimiters }) => delimiters !== 'none',
    async run(storage, context) {
      const { parent, prefix, siblings } = await manyFiles(storage, context);
      const [page, ...more] = await listPages(storage, { prefix: parent, delimiter: '/' });
      assert.deepEqual(page, { keys: siblings, prefixes: [prefix] });
      assert.deepEqual(more, []);
      const folders = await listPages(storage, { prefix, delimiter: '/', limit: 20 });
      assert.deepEqual(
        folders.map(({ prefixes }) => prefixes.length),
        [20, 20, 10],
      );
    },
  },
  {
    name: 'deletes 1,100 files at once, and the others by their prefix, and nothing beside it',
    async run(storage, context) {
      const { parent, prefix, keys, siblings } = await manyFiles(storage, context);
      stored.delete(storage);
      const given = [...keys.slice(0, 500), `${prefix}missing`, ...keys.slice(500, 1100)];
      assert.deepEqual(await storage.deleteMany(given), { deleted: given, failed: [] });
      await rejection(storage.info(keys[1099]!), StorageFileNotFoundError);
      assert.deepEqual(await storage.deletePrefix(prefix), { deleted: 1400, failed: [] });
      assert.deepEqual(await listKeys(storage, parent), siblings);
    },
  },
];
