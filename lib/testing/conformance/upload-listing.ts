import assert from 'node:assert/strict';
import type { Capabilities } from '../../core/capabilities.js';
import { StorageInvalidKeyError, StoragePermissionError } from '../../core/errors.js';
import type { MultipartUploadInfo } from '../../core/multipart.js';
import type { Storage } from '../../core/storage.js';
import type { Behaviour } from './behaviour.js';
import { assertHolds, rejection } from './expectations.js';

const needs = ({ multipart, multipartListing }: Capabilities): boolean =>
  multipart && multipartListing;

/** Clocks of backends may differ from ours. */
const CLOCK_SKEW = 15 * 60_000;

export async function uploadsUnderWay(
  storage: Storage,
  prefix?: string,
): Promise<MultipartUploadInfo[]> {
  const uploads: MultipartUploadInfo[] = [];
  for await (const upload of storage.listMultipartUploads(prefix)) uploads.push(upload);
  return uploads.sort((left, right) => (left.key < right.key ? -1 : 1));
}

export const uploadListing: readonly Behaviour[] = [
  {
    name: 'lists the uploads to keys with a prefix, since when they are under way, until they end',
    needs,
    async run(storage, { folder }) {
      assert.deepEqual(await uploadsUnderWay(storage, folder), []);
      const completed = await storage.startMultipartUpload(`${folder}a/ü +%&`);
      const aborted = await storage.startMultipartUpload(`${folder}ab`);
      const other = await storage.startMultipartUpload(`${folder}b`);
      await storage.put(`${folder}abc`, 'a file is no upload');
      const listed = await uploadsUnderWay(storage, `${folder}a`);
      assert.deepEqual(
        listed.map(({ key, uploadId, partSize }) => ({ key, uploadId, partSize })),
        [completed, aborted],
      );
      for (const { startedAt } of listed) {
        assert.ok(startedAt instanceof Date);
        assert.ok(Math.abs(startedAt.getTime() - Date.now()) < CLOCK_SKEW, String(startedAt));
      }
      await storage.uploadPart(completed, 1, 'hello');
      await storage.completeMultipartUpload(completed);
      await storage.abortMultipartUpload(aborted);
      const [left, ...more] = await uploadsUnderWay(storage, folder);
      assert.equal(left?.uploadId, other.uploadId);
      assert.deepEqual(more, []);
      await storage.abortMultipartUpload(other);
    },
  },
  {
    name: 'lists every upload to one key, and goes on when those that it yields are aborted',
    needs,
    async run(storage, { folder }) {
      assert.deepEqual(await uploadsUnderWay(storage, folder), []);
      const started = new Set<string>();
      for (let index = 0; index < 5; index++) {
        started.add((await storage.startMultipartUpload(`${folder}a`)).uploadId);
      }
      for await (const upload of storage.listMultipartUploads(folder)) {
        await storage.abortMultipartUpload(upload);
        assert.ok(started.delete(upload.uploadId), 'each of them once');
      }
      assert.equal(started.size, 0);
      assert.deepEqual(await uploadsUnderWay(storage, folder), []);
    },
  },
  {
    name: 'lists for a second storage what can be completed there',
    needs,
    async run(storage, { folder, reopen }) {
      const second = await reopen();
      assert.deepEqual(await uploadsUnderWay(second, folder), []);
      const upload = await storage.startMultipartUpload(`${folder}a.csv`);
      await storage.uploadPart(upload, 1, 'hello');
      const [listed] = await uploadsUnderWay(second, folder);
      const file = await second.completeMultipartUpload(listed!);
      assert.equal(file.contentType, 'text/csv');
      await assertHolds(storage, `${folder}a.csv`, 'hello');
    },
  },
  {
    name: 'lists in a scope its own uploads, without its prefix, and in the staging area only those to it',
    needs,
    async run(storage, { folder }) {
      const scoped = storage.scope(`${folder}a/`);
      const staging = scoped.staging();
      assert.deepEqual(await uploadsUnderWay(storage, folder), []);
      const outside = await storage.startMultipartUpload(`${folder}ab`);
      const inside = await scoped.startMultipartUpload('b');
      const staged = await staging.startMultipartUpload('c');
      const idsIn = async (view: Storage, prefix = ''): Promise<string[]> =>
        (await uploadsUnderWay(view, prefix)).map(({ key, uploadId }) => `${key} ${uploadId}`);
      try {
        assert.deepEqual(await idsIn(scoped), [`b ${inside.uploadId}`]);
        assert.deepEqual(await idsIn(staging), [`c ${staged.uploadId}`]);
        assert.deepEqual(await idsIn(storage, '.'), []);
        assert.equal((await idsIn(storage, folder)).length, 2);
      } finally {
        await storage.abortMultipartUpload(outside);
        await scoped.abortMultipartUpload(inside);
        await staging.abortMultipartUpload(staged);
      }
    },
  },
  {
    name: 'refuses to list uploads of a prefix that is none, and in a read-only view',
    needs,
    async run(storage) {
      await uploadsUnderWay(storage);
      await rejection(uploadsUnderWay(storage.readonly()), StoragePermissionError);
      await rejection(uploadsUnderWay(storage, '/a'), StorageInvalidKeyError);
    },
  },
];
