import assert from 'node:assert/strict';
import { setImmediate } from 'node:timers/promises';
import {
  StorageFileExistsError,
  StorageFileNotFoundError,
  StorageInvalidArgumentError,
} from '../../core/errors.js';
import type { CopyOptions } from '../../core/storage-methods.js';
import type { Storage } from '../../core/storage.js';
import type { StoredFile } from '../../core/stored-file.js';
import type { Behaviour } from './behaviour.js';
import { someBytes } from './bodies.js';
import { assertHolds, assertMissing, assertOneWins, listKeys, rejection } from './expectations.js';

type Transfer = (
  storage: Storage,
  from: string,
  to: string,
  options?: CopyOptions,
) => Promise<StoredFile>;

const ATTRIBUTES = {
  contentType: 'image/png',
  cacheControl: 'no-cache',
  contentDisposition: 'attachment',
  contentEncoding: 'br',
  contentLanguage: 'de',
  metadata: { title: 'Grüße  🌍', empty: '' },
};

/** What holds for copy and for move. */
function both(verb: 'copy' | 'move', transfer: Transfer): Behaviour[] {
  const moves = verb === 'move';
  const assertSource = async (storage: Storage, key: string, bytes: Uint8Array | string) =>
    moves ? assertMissing(storage, key) : assertHolds(storage, key, bytes);
  return [
    {
      name: `${verb}: the destination has the bytes, the source ${moves ? 'is gone' : 'stays'}`,
      async run(storage, { folder }) {
        const bytes = someBytes(200_000);
        await storage.put(`${folder}from`, bytes);
        const file = await transfer(storage, `${folder}from`, `${folder}to`);
        assert.equal(file.key, `${folder}to`);
        assert.equal(file.size, bytes.byteLength);
        assert.equal(file.etag, (await storage.info(`${folder}to`)).etag);
        assert.ok(Object.isFrozen(file));
        await assertHolds(storage, `${folder}to`, bytes);
        await assertSource(storage, `${folder}from`, bytes);
      },
    },
    {
      name: `${verb}: an empty file arrives as one`,
      async run(storage, { folder }) {
        await storage.put(`${folder}from`, '');
        await transfer(storage, `${folder}from`, `${folder}to`);
        await assertHolds(storage, `${folder}to`, '');
      },
    },
    {
      name: `${verb}: a name of any characters is left and arrives`,
      needsNames: 'not-of-windows',
      async run(storage, { folder }) {
        const name = `100% #?&+='"ä 😀[]{}~$@!();,%2F`;
        await storage.put(folder + name, 'hello');
        await transfer(storage, folder + name, `${folder}to/${name}`);
        await assertHolds(storage, `${folder}to/${name}`, 'hello');
        await assertSource(storage, folder + name, 'hello');
      },
    },
    {
      name: `${verb}: folders of the destination need not be there`,
      async run(storage, { folder }) {
        await storage.put(`${folder}a/from`, 'hello');
        await transfer(storage, `${folder}a/from`, `${folder}b/c/to`);
        await assertHolds(storage, `${folder}b/c/to`, 'hello');
        await assertSource(storage, `${folder}a/from`, 'hello');
      },
    },
    {
      name: `${verb}: an existing destination is replaced, bytes and attributes`,
      async run(storage, { folder }) {
        await storage.put(`${folder}from.txt`, 'new');
        await storage.put(`${folder}to`, 'old and longer', { contentType: 'image/png' });
        await transfer(storage, `${folder}from.txt`, `${folder}to`);
        await assertHolds(storage, `${folder}to`, 'new');
        assert.equal((await storage.info(`${folder}to`)).contentType, 'text/plain');
      },
    },
    {
      name: `${verb}: all attributes are kept`,
      needs: (capabilities) => capabilities.headers && capabilities.metadata,
      async run(storage, { folder }) {
        await storage.put(`${folder}from`, 'hello', ATTRIBUTES);
        await transfer(storage, `${folder}from`, `${folder}to.html`);
        assertAttributes(await storage.info(`${folder}to.html`), ATTRIBUTES);
      },
    },
    {
      name: `${verb}: attributes that are given replace those of the source, the others stay`,
      needs: (capabilities) => capabilities.headers && capabilities.metadata,
      async run(storage, { folder }) {
        const partsOfThem = [
          { contentType: 'text/css', metadata: { other: 'x' } },
          { cacheControl: 'no-store', contentDisposition: 'inline' },
          { contentEncoding: 'gzip', contentLanguage: 'en' },
        ];
        for (const given of partsOfThem) {
          await storage.put(`${folder}from`, 'hello', ATTRIBUTES);
          const file = await transfer(storage, `${folder}from`, `${folder}to`, given);
          assert.equal(file.key, `${folder}to`);
          assertAttributes(await storage.info(`${folder}to`), { ...ATTRIBUTES, ...given });
        }
        await assertHolds(storage, `${folder}to`, 'hello');
      },
    },
    {
      name: `${verb}: every header that is given replaces that of the source`,
      needs: (capabilities) => capabilities.headers && capabilities.metadata,
      async run(storage, { folder }) {
        await storage.put(`${folder}from`, 'hello', ATTRIBUTES);
        const given = {
          cacheControl: 'max-age=60',
          contentDisposition: 'inline',
          contentEncoding: 'zstd',
          contentLanguage: 'en',
        };
        await transfer(storage, `${folder}from`, `${folder}to`, given);
        assertAttributes(await storage.info(`${folder}to`), { ...ATTRIBUTES, ...given });
        await assertHolds(storage, `${folder}to`, 'hello');
      },
    },
    {
      name: `${verb}: empty metadata that is given takes the metadata away`,
      needs: (capabilities) => capabilities.headers && capabilities.metadata,
      async run(storage, { folder }) {
        await storage.put(`${folder}from`, 'hello', ATTRIBUTES);
        await transfer(storage, `${folder}from`, `${folder}to`, { metadata: {} });
        assertAttributes(await storage.info(`${folder}to`), { ...ATTRIBUTES, metadata: {} });
      },
    },
    {
      name: `${verb}: a missing source is named, and the destination is untouched`,
      async run(storage, { folder }) {
        await storage.put(`${folder}to`, 'before');
        for (const to of [`${folder}to`, `${folder}new`]) {
          const error = await rejection(
            transfer(storage, `${folder}missing`, to),
            StorageFileNotFoundError,
          );
          assert.equal(error.key, `${folder}missing`);
        }
        await assertHolds(storage, `${folder}to`, 'before');
        await assertMissing(storage, `${folder}new`);
      },
    },
    {
      name: `${verb}: onto itself it is refused, and the file is intact`,
      async run(storage, { folder }) {
        const { etag } = await storage.put(`${folder}a.txt`, 'hello');
        await rejection(
          transfer(storage, `${folder}a.txt`, `${folder}a.txt`),
          StorageInvalidArgumentError,
        );
        await rejection(
          transfer(storage, `${folder}a.txt`, `${folder}a.txt`, { contentType: 'text/css' }),
          StorageInvalidArgumentError,
        );
        await assertHolds(storage, `${folder}a.txt`, 'hello');
        assert.equal((await storage.info(`${folder}a.txt`)).etag, etag);
      },
    },
    {
      name: `${verb}: with ifNoneMatch '*' a new destination is created`,
      needs: (capabilities) => capabilities.createOnlyCopy,
      async run(storage, { folder }) {
        await storage.put(`${folder}from`, 'hello');
        await transfer(storage, `${folder}from`, `${folder}to`, { ifNoneMatch: '*' });
        await assertHolds(storage, `${folder}to`, 'hello');
        await assertSource(storage, `${folder}from`, 'hello');
      },
    },
    {
      name: `${verb}: with ifNoneMatch '*' an existing destination is refused, and both files stay`,
      needs: (capabilities) => capabilities.createOnlyCopy,
      async run(storage, { folder }) {
        await storage.put(`${folder}from`, 'from');
        await storage.put(`${folder}to`, 'to');
        await rejection(
          transfer(storage, `${folder}from`, `${folder}to`, { ifNoneMatch: '*' }),
          StorageFileExistsError,
        );
        await assertHolds(storage, `${folder}from`, 'from');
        await assertHolds(storage, `${folder}to`, 'to');
      },
    },
    {
      name: `${verb}: with ifNoneMatch '*' exactly one of ten wins the destination`,
      needs: (capabilities) => capabilities.createOnlyCopy,
      async run(storage, { folder }) {
        const sources = Array.from({ length: 10 }, (_, index) => `${folder}from-${index}`);
        await Promise.all(sources.map((key) => storage.put(key, key)));
        const winner = await assertOneWins(
          sources.map((key) => transfer(storage, key, `${folder}to`, { ifNoneMatch: '*' })),
          StorageFileExistsError,
        );
        await assertHolds(storage, `${folder}to`, sources[winner]!);
        const kept = sources.filter((key) => !moves || key !== sources[winner]);
        assert.deepEqual(await listKeys(storage, `${folder}from-`), kept);
      },
    },
  ];
}

export const copy: readonly Behaviour[] = [
  ...both('copy', (storage, ...call) => storage.copy(...call)),
  {
    name: 'copy: neither file changes with the other',
    async run(storage, { folder }) {
      await storage.put(`${folder}from`, 'hello');
      await storage.copy(`${folder}from`, `${folder}to`);
      await storage.put(`${folder}from`, 'changed');
      await assertHolds(storage, `${folder}to`, 'hello');
      await storage.put(`${folder}to`, 'also changed');
      await assertHolds(storage, `${folder}from`, 'changed');
      await storage.delete(`${folder}from`);
      await assertHolds(storage, `${folder}to`, 'also changed');
    },
  },
];

export const move: readonly Behaviour[] = [
  ...both('move', (storage, ...call) => storage.move(...call)),
  {
    name: 'move: a file goes there and back',
    async run(storage, { folder }) {
      await storage.put(`${folder}a`, 'hello', {});
      await storage.move(`${folder}a`, `${folder}b`);
      await storage.move(`${folder}b`, `${folder}a`);
      assert.deepEqual(await listKeys(storage, folder), [`${folder}a`]);
      await assertHolds(storage, `${folder}a`, 'hello');
    },
  },
  {
    name: 'move: whoever looks meanwhile finds the file, and where it is one step, never twice',
    async run(storage, { folder }) {
      const rounds = storage.capabilities.atomicMove ? 10 : 2;
      for (let round = 0; round < rounds; round++) {
        const [from, to] = [`${folder}from/${round}`, `${folder}to/${round}`];
        await storage.put(from, 'hello');
        let isUnderWay = true;
        // One looks before it waits for a turn, the other after: between two steps of a move, one of them has its turn.
        const watch = async (waits: boolean): Promise<void> => {
          if (waits) await setImmediate();
          do {
            await assertUnderOneName(storage, from, to);
            await setImmediate();
          } while (isUnderWay);
        };
        const watching = [watch(true), watch(false)];
        const moving = storage.move(from, to).finally(() => (isUnderWay = false));
        const [moved, ...watched] = await Promise.allSettled([moving, ...watching]);
        for (const each of [moved, ...watched]) {
          if (each.status === 'rejected') throw each.reason;
        }
        await assertHolds(storage, to, 'hello');
      }
    },
  },
];

/**
 * A file that moves once is at its destination when it was not at its source before; and no longer at its source when it was
 * at its destination before. Each of two looks sees what is there at its moment: what lies between them excuses nothing.
 */
async function assertUnderOneName(storage: Storage, from: string, to: string): Promise<void> {
  const isThere = [
    (key: string): Promise<boolean> => storage.exists(key),
    async (key: string): Promise<boolean> => (await listKeys(storage, key)).includes(key),
  ];
  for (const look of isThere) {
    if (!(await look(from))) {
      assert.ok(await look(to), 'a file on its way must not be under neither name');
    }
    if (storage.capabilities.atomicMove && (await look(to))) {
      assert.ok(
        !(await look(from)),
        'a file must not be under both names where a move is one step',
      );
    }
  }
}

function assertAttributes(file: StoredFile, expected: object): void {
  const { contentType, cacheControl, contentDisposition, contentEncoding, contentLanguage } = file;
  const headers = {
    contentType,
    cacheControl,
    contentDisposition,
    contentEncoding,
    contentLanguage,
  };
  assert.deepEqual({ ...headers, metadata: { ...file.metadata } }, expected);
}
