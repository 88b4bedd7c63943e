import assert from 'node:assert/strict';
import type { Capabilities } from '../../core/capabilities.js';
import {
  StorageFileNotFoundError,
  StorageInvalidArgumentError,
  StoragePermissionError,
} from '../../core/errors.js';
import type { SweepResult } from '../../core/storage-methods.js';
import type { Behaviour } from './behaviour.js';
import { assertHolds, rejection } from './expectations.js';

const needs = ({ multipart, multipartListing }: Capabilities): boolean =>
  multipart && multipartListing;

const NOTHING: SweepResult = { staged: [], multipartUploads: [], failed: [] };

export const sweeps: readonly Behaviour[] = [
  {
    name: 'tells what a sweep would remove, then removes it: staged files, and uploads to keys and to the staging area',
    needs,
    async run(storage, { folder, reopen }) {
      assert.deepEqual(await storage.sweep(), NOTHING);
      const published = await storage.put(`${folder}published`, 'text');
      const staged = await storage.stage('abandoned');
      const upload = await storage.startMultipartUpload(`${folder}published`);
      await storage.uploadPart(upload, 1, 'part');
      const inStaging = await storage.staging().startMultipartUpload('name');
      // All of them are younger.
      assert.deepEqual(await storage.sweep(), NOTHING);
      const second = await reopen();
      const found = await untilOld(() => second.sweep({ olderThan: 1, dryRun: true }));
      const { name, size, stagedAt } = found.staged[0]!;
      assert.deepEqual([name, size, stagedAt instanceof Date], [staged.name, 9, true]);
      assert.deepEqual(
        found.multipartUploads.map((each) => [each.key, each.uploadId, each.staged]),
        [
          [`${folder}published`, upload.uploadId, false],
          ['name', inStaging.uploadId, true],
        ],
      );
      assert.equal((await storage.listParts(upload)).length, 1);
      assert.deepEqual(await second.sweep({ olderThan: 1 }), found);
      await rejection(storage.staged(staged.name), StorageFileNotFoundError);
      await rejection(storage.listParts(upload), StorageFileNotFoundError);
      await rejection(storage.staging().listParts(inStaging), StorageFileNotFoundError);
      assert.equal((await storage.info(`${folder}published`)).etag, published.etag);
      await assertHolds(storage, `${folder}published`, 'text');
      assert.deepEqual(await storage.sweep({ olderThan: 1 }), NOTHING);
    },
  },
  {
    name: 'sweeps in a scope what was begun through it, and nothing from beside it',
    needs,
    async run(storage, { folder }) {
      const scoped = storage.scope(`${folder}a/`);
      assert.deepEqual(await scoped.sweep(), NOTHING);
      const outside = await storage.startMultipartUpload(`${folder}ab`);
      await using staged = await storage.stage('outside');
      const inside = await scoped.startMultipartUpload('b');
      const abandoned = await scoped.stage('inside');
      const found = await untilOld(() => scoped.sweep({ olderThan: 1, dryRun: true }), 2);
      assert.deepEqual(found.staged[0]?.name, abandoned.name);
      assert.deepEqual(found.multipartUploads[0]?.key, 'b');
      assert.deepEqual(await scoped.sweep({ olderThan: 1 }), found);
      await rejection(scoped.listParts(inside), StorageFileNotFoundError);
      assert.deepEqual(await storage.listParts(outside), []);
      assert.equal((await storage.staged(staged.name)).size, 7);
      await storage.abortMultipartUpload(outside);
    },
  },
  {
    name: 'refuses to sweep in a read-only view, and by options that are none',
    // Where there are no uploads, there are still files to sweep.
    needs: ({ multipart, multipartListing }) => !multipart || multipartListing,
    async run(storage) {
      await storage.sweep();
      await rejection(storage.readonly().sweep({ dryRun: true }), StoragePermissionError);
      for (const options of [{ olderThan: 'soon' }, { olderThan: 0 }, { dryRun: 'false' }]) {
        await rejection(
          storage.sweep(options as { olderThan: string }),
          StorageInvalidArgumentError,
        );
      }
    },
  },
];

/** Looks until all of them are old enough: their times are the backend's, whose clock may be ahead of ours. */
async function untilOld(look: () => Promise<SweepResult>, count = 3): Promise<SweepResult> {
  const end = Date.now() + 5000;
  for (;;) {
    const begun = Date.now();
    const result = await look();
    if (result.staged.length + result.multipartUploads.length === count) return result;
    assert.ok(begun < end, 'what is old must be found');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
