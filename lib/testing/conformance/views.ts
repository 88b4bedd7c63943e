import assert from 'node:assert/strict';
import {
  StorageAbortedError,
  StorageClosedError,
  StorageInvalidArgumentError,
  StorageInvalidKeyError,
  StoragePermissionError,
} from '../../core/errors.js';
import type { Storage } from '../../core/storage.js';
import type { Behaviour } from './behaviour.js';
import { stallingSource } from './bodies.js';
import {
  assertHolds,
  assertMissing,
  listKeys,
  listPages,
  putAll,
  rejection,
} from './expectations.js';

export const scopes: readonly Behaviour[] = [
  {
    name: 'gives keys of a scope without its prefix, from every method',
    async run(storage, { folder }) {
      const scoped = storage.scope(`${folder}tenant/`);
      assert.equal((await scoped.put('a.txt', 'hello')).key, 'a.txt');
      const download = await scoped.get('a.txt');
      assert.equal(download.file.key, 'a.txt');
      assert.equal(await download.text(), 'hello');
      assert.equal((await scoped.info('a.txt')).key, 'a.txt');
      assert.equal((await scoped.copy('a.txt', 'b.txt')).key, 'b.txt');
      assert.equal((await scoped.move('b.txt', 'c/d.txt')).key, 'c/d.txt');
      assert.deepEqual(await listKeys(scoped, ''), ['a.txt', 'c/d.txt']);
      assert.deepEqual(await scoped.deleteMany(['a.txt']), { deleted: ['a.txt'], failed: [] });
      await assertHolds(storage, `${folder}tenant/c/d.txt`, 'hello');
    },
  },
  {
    name: 'lists pages and prefixes of a scope without its prefix',
    needs: ({ delimiters }) => delimiters !== 'none',
    async run(storage, { folder }) {
      const scoped = storage.scope(`${folder}tenant/`);
      await putAll(scoped, ['a', 'b/1', 'b/2', 'c']);
      const all = await listPages(scoped, { delimiter: '/', limit: 1 });
      assert.deepEqual(
        all.flatMap(({ keys, prefixes }) => [...keys, ...prefixes]),
        ['a', 'b/', 'c'],
      );
      assert.deepEqual(await listKeys(scoped, '', { startAfter: 'a' }), ['b/1', 'b/2', 'c']);
    },
  },
  {
    name: 'keeps scopes apart',
    async run(storage, { folder }) {
      const [one, two] = [storage.scope(`${folder}one/`), storage.scope(`${folder}one-more/`)];
      await one.put('a', 'one');
      await two.put('a', 'two');
      await assertHolds(one, 'a', 'one');
      await assertHolds(two, 'a', 'two');
      await one.deletePrefix('', { all: true });
      await assertMissing(one, 'a');
      await assertHolds(two, 'a', 'two');
    },
  },
  {
    name: 'lets no key leave its scope',
    async run(storage, { folder }) {
      await storage.put(`${folder}secret`, 'secret');
      const scoped = storage.scope(`${folder}tenant/`);
      for (const key of ['../secret', '/secret', '..', 'a/../../secret', '..\\secret']) {
        await rejection(scoped.get(key), StorageInvalidKeyError);
        await rejection(scoped.put(key, 'a'), StorageInvalidKeyError);
        await rejection(scoped.delete(key), StorageInvalidKeyError);
        await rejection(scoped.copy('a', key), StorageInvalidKeyError);
      }
      assert.equal(await scoped.exists('secret'), false);
      await assertHolds(storage, `${folder}secret`, 'secret');
    },
  },
  {
    name: 'puts scopes into scopes',
    async run(storage, { folder }) {
      const inner = storage.scope(`${folder}a/`).scope('b/');
      await inner.put('c', 'hello');
      await assertHolds(storage, `${folder}a/b/c`, 'hello');
    },
  },
  {
    name: 'takes the prefix of a scope as a plain string',
    async run(storage, { folder }) {
      const scoped = storage.scope(`${folder}img-`);
      await scoped.put('1.png', 'hello');
      await assertHolds(storage, `${folder}img-1.png`, 'hello');
      assert.deepEqual(await listKeys(scoped, ''), ['1.png']);
    },
  },
  {
    name: 'refuses keys that break a rule only together with the prefix',
    async run(storage, { folder }) {
      const long = storage.scope(`${folder}${'a'.repeat(200)}`);
      await rejection(long.put('b'.repeat(56), 'a'), StorageInvalidKeyError);
      await rejection(long.get('b'.repeat(56)), StorageInvalidKeyError);
      await rejection(storage.scope(`${folder}a`).put('\u0308', 'a'), StorageInvalidKeyError);
    },
  },
  {
    name: 'refuses an empty scope',
    async run(storage) {
      assert.throws(() => storage.scope(''), StorageInvalidArgumentError);
    },
  },
];

const WRITES: Readonly<Record<string, (storage: Storage, folder: string) => Promise<unknown>>> = {
  put: (storage, folder) => storage.put(`${folder}a`, 'changed'),
  delete: (storage, folder) => storage.delete(`${folder}a`),
  deleteMany: (storage, folder) => storage.deleteMany([`${folder}a`]),
  deletePrefix: (storage, folder) => storage.deletePrefix(folder),
  copy: (storage, folder) => storage.copy(`${folder}a`, `${folder}b`),
  move: (storage, folder) => storage.move(`${folder}a`, `${folder}b`),
  uploadUrl: (storage, folder) => storage.uploadUrl(`${folder}a`),
  startMultipartUpload: (storage, folder) => storage.startMultipartUpload(`${folder}a`),
  uploadPart: (storage, folder) => storage.uploadPart(anUpload(folder), 1, 'a'),
  uploadPartUrl: (storage, folder) => storage.uploadPartUrl(anUpload(folder), 1),
  completeMultipartUpload: (storage, folder) => storage.completeMultipartUpload(anUpload(folder)),
  abortMultipartUpload: (storage, folder) => storage.abortMultipartUpload(anUpload(folder)),
  resumeMultipartUpload: (storage, folder) =>
    storage.resumeMultipartUpload(anUpload(folder), new Blob(['a'])),
  sweep: (storage) => storage.sweep(),
};

export const readonlyViews: readonly Behaviour[] = [
  ...Object.entries(WRITES).map(([name, write]): Behaviour => ({
    name: `refuses ${name} on a read-only view`,
    async run(storage, { folder }) {
      await storage.put(`${folder}a`, 'hello');
      await rejection(write(storage.readonly(), folder), StoragePermissionError);
      await rejection(write(storage.readonly().readonly(), folder), StoragePermissionError);
      assert.deepEqual(await listKeys(storage, folder), [`${folder}a`]);
      await assertHolds(storage, `${folder}a`, 'hello');
    },
  })),
  {
    name: 'reads through a read-only view',
    async run(storage, { folder }) {
      await storage.put(`${folder}a`, 'hello');
      const view = storage.readonly();
      await assertHolds(view, `${folder}a`, 'hello');
      assert.equal((await view.info(`${folder}a`)).size, 5);
      assert.deepEqual(await listKeys(view, folder), [`${folder}a`]);
    },
  },
  {
    name: 'stays read-only in a scope of a read-only view',
    async run(storage, { folder }) {
      const scoped = storage.readonly().scope(folder);
      await rejection(scoped.put('a', 'hello'), StoragePermissionError);
      await assertMissing(storage, `${folder}a`);
    },
  },
];

const CALLS: Readonly<Record<string, (storage: Storage) => Promise<unknown>>> = {
  put: (storage) => storage.put('a', 'hello'),
  get: (storage) => storage.get('a'),
  getBytes: (storage) => storage.getBytes('a'),
  info: (storage) => storage.info('a'),
  exists: (storage) => storage.exists('a'),
  list: (storage) => listKeys(storage, ''),
  listPage: (storage) => storage.listPage(),
  delete: (storage) => storage.delete('a'),
  deleteMany: (storage) => storage.deleteMany(['a']),
  deletePrefix: (storage) => storage.deletePrefix('a'),
  copy: (storage) => storage.copy('a', 'b'),
  move: (storage) => storage.move('a', 'b'),
  url: (storage) => storage.url('a'),
  uploadUrl: (storage) => storage.uploadUrl('a'),
  startMultipartUpload: (storage) => storage.startMultipartUpload('a'),
  uploadPart: (storage) => storage.uploadPart(anUpload(''), 1, 'a'),
  uploadPartUrl: (storage) => storage.uploadPartUrl(anUpload(''), 1),
  listParts: (storage) => storage.listParts(anUpload('')),
  completeMultipartUpload: (storage) => storage.completeMultipartUpload(anUpload('')),
  abortMultipartUpload: (storage) => storage.abortMultipartUpload(anUpload('')),
  resumeMultipartUpload: (storage) => storage.resumeMultipartUpload(anUpload(''), new Blob(['a'])),
  listMultipartUploads: (storage) => storage.listMultipartUploads().next(),
  sweep: (storage) => storage.sweep(),
};

export const closing: readonly Behaviour[] = [
  {
    name: 'refuses every call after close()',
    async run(_storage, { open }) {
      const storage = await open();
      await storage.put('a', 'hello');
      await storage.close();
      for (const [operation, call] of Object.entries(CALLS)) {
        const error = await rejection(call(storage), StorageClosedError);
        assert.equal(error.storage, storage.name);
        assert.equal(error.operation, operation === 'getBytes' ? 'get' : operation);
      }
      await rejection(storage.scope('b/').put('a', 'hello'), StorageClosedError);
      await rejection(storage.readonly().get('a'), StorageClosedError);
    },
  },
  {
    name: 'can be closed more than once',
    async run(_storage, { open }) {
      const storage = await open();
      await Promise.all([storage.close(), storage.close()]);
      await storage.close();
      await storage[Symbol.asyncDispose]();
    },
  },
  {
    name: 'closes only the view when a view is closed',
    async run(storage, { folder }) {
      await storage.put(`${folder}a`, 'hello');
      const view = storage.scope(folder);
      await view.close();
      await rejection(view.get('a'), StorageClosedError);
      await assertHolds(storage, `${folder}a`, 'hello');
    },
  },
];

/** What closing means for calls under way; closing a view means nothing for them. */
export const shutdown: readonly Behaviour[] = [
  {
    name: 'lets the calls under way end when it is closed',
    async run(_storage, { open }) {
      const storage = await open();
      let closed: Promise<void> | undefined;
      async function* body(): AsyncGenerator<string> {
        yield 'hel';
        closed = storage.close();
        yield 'lo';
      }
      assert.equal((await storage.put('a', body())).size, 5);
      await closed;
    },
  },
  {
    name: 'ends calls that take longer than it may when it is closed',
    async run(_storage, { open }) {
      const storage = await open();
      await storage.put('a', 'hello');
      const { body, waiting } = stallingSource(Buffer.from('hel'));
      const put = rejection(storage.put('b', body), StorageAbortedError);
      await waiting;
      await storage.close({ timeout: 1 });
      await put;
    },
  },
  {
    name: 'does not wait for a listing or a download that nobody goes on with',
    async run(_storage, { open }) {
      const storage = await open();
      await putAll(storage, ['a', 'b']);
      const listing = storage.list();
      assert.equal((await listing.next()).done, false);
      const download = await storage.get('a');
      await storage.close({ timeout: 1 });
      download.destroy();
      await assert.rejects(async () => {
        for await (const _ of listing);
      });
    },
  },
];

function anUpload(folder: string): { key: string; uploadId: string; partSize: number } {
  return { key: `${folder}a`, uploadId: 'an-upload', partSize: 1 };
}
