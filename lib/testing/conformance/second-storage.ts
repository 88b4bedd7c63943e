import assert from 'node:assert/strict';
import {
  StorageFileExistsError,
  StorageFileNotFoundError,
  StoragePreconditionFailedError,
} from '../../core/errors.js';
import type { MultipartPart, MultipartUpload } from '../../core/multipart.js';
import type { Behaviour } from './behaviour.js';
import { someBytes } from './bodies.js';
import { assertHolds, assertMissing, assertOneWins, putAll, rejection } from './expectations.js';

const asJson = <T>(value: T): T => JSON.parse(JSON.stringify(value)) as T;

/** What another storage on the same place sees, in another process for example. */
export const secondStorage: readonly Behaviour[] = [
  {
    name: 'shows a second storage at once what the first has stored, replaced, moved and deleted',
    async run(storage, { folder, reopen }) {
      const second = await reopen();
      await storage.put(`${folder}a`, 'first');
      await assertHolds(second, `${folder}a`, 'first');
      const { etag, size } = await storage.put(`${folder}a`, 'replaced');
      const seen = await second.info(`${folder}a`);
      assert.deepEqual([seen.etag, seen.size], [etag, size]);
      await storage.move(`${folder}a`, `${folder}b`);
      await assertMissing(second, `${folder}a`);
      await assertHolds(second, `${folder}b`, 'replaced');
      await second.delete(`${folder}b`);
      await assertMissing(storage, `${folder}b`);
    },
  },
  {
    name: 'tells a second storage the same attributes',
    needs: ({ headers, metadata }) => headers && metadata,
    async run(storage, { folder, reopen }) {
      const second = await reopen();
      const attributes = { cacheControl: 'no-cache', metadata: { title: 'Grüße  🌍' } };
      await storage.put(`${folder}a.html`, 'hello', attributes);
      assert.deepEqual(await second.info(`${folder}a.html`), await storage.info(`${folder}a.html`));
    },
  },
  {
    name: 'goes on with a listing in a second storage, by a cursor of the first',
    async run(storage, { folder, reopen }) {
      const all = ['a', 'b', 'c', 'd'].map((name) => folder + name);
      await putAll(storage, all);
      const { cursor } = await storage.listPage({ prefix: folder, limit: 2 });
      const second = await reopen();
      const page = await second.listPage({ prefix: folder, limit: 2, cursor: asJson(cursor!) });
      assert.deepEqual(
        page.files.map(({ key }) => key),
        all.slice(2),
      );
    },
  },
  {
    name: 'goes on with a multipart upload in a second storage, by its JSON',
    needs: ({ multipart }) => multipart,
    async run(storage, { folder, reopen }) {
      const second = await reopen();
      const one = someBytes(Math.max(storage.capabilities.limits.minPartSize, 1000));
      const upload = await storage.startMultipartUpload(`${folder}a.txt`);
      const first = asJson<MultipartPart>(await storage.uploadPart(upload, 1, one));
      const resumed = asJson<MultipartUpload>(upload);
      assert.deepEqual(await second.listParts(resumed), [first]);
      const last = await second.uploadPart(resumed, 2, 'the last part');
      const file = await second.completeMultipartUpload(resumed, [first, last]);
      assert.equal(file.contentType, 'text/plain');
      await assertHolds(
        storage,
        `${folder}a.txt`,
        Buffer.concat([one, Buffer.from('the last part')]),
      );
      await rejection(storage.listParts(upload), StorageFileNotFoundError);
    },
  },
  {
    name: 'aborts a multipart upload of the first in a second storage, by its JSON',
    needs: ({ multipart }) => multipart,
    async run(storage, { folder, reopen }) {
      const second = await reopen();
      const upload = await storage.startMultipartUpload(`${folder}a`);
      await storage.uploadPart(upload, 1, 'one');
      await second.abortMultipartUpload(asJson(upload));
      await rejection(storage.completeMultipartUpload(upload), StorageFileNotFoundError);
      await assertMissing(storage, `${folder}a`);
    },
  },
  {
    name: 'lets exactly one of ten writers on two storages create a file',
    needs: ({ createOnly }) => createOnly,
    async run(storage, { folder, reopen }) {
      const both = [storage, await reopen()];
      const puts = Array.from({ length: 10 }, (_, index) =>
        both[index % 2]!.put(`${folder}a`, `writer ${index}`, { ifNoneMatch: '*' }),
      );
      const winner = await assertOneWins(puts, StorageFileExistsError);
      await assertHolds(storage, `${folder}a`, `writer ${winner}`);
    },
  },
  {
    name: 'replaces in a second storage only the version that the first told of',
    needs: ({ compareAndSet }) => compareAndSet,
    async run(storage, { folder, reopen }) {
      const second = await reopen();
      const { etag } = await storage.put(`${folder}a`, 'first');
      await second.put(`${folder}a`, 'second', { ifMatch: etag! });
      await rejection(
        storage.put(`${folder}a`, 'stale', { ifMatch: etag! }),
        StoragePreconditionFailedError,
      );
      await assertHolds(storage, `${folder}a`, 'second');
    },
  },
];
