import assert from 'node:assert/strict';
import {
  StorageError,
  StorageFileExistsError,
  StorageFileNotFoundError,
  StorageInvalidArgumentError,
  StorageInvalidKeyError,
  StoragePermissionError,
} from '../../core/errors.js';
import type { Behaviour } from './behaviour.js';
import { someBytes } from './bodies.js';
import { assertHolds, assertMissing, assertOneWins, listKeys, rejection } from './expectations.js';

export const staging: readonly Behaviour[] = [
  {
    name: 'stage: what is staged shows in no listing, and is published by commit',
    needs: ({ metadata }) => metadata,
    async run(storage, { folder }) {
      const bytes = someBytes(100_000);
      const before = await listKeys(storage, '');
      const staged = await storage.stage(bytes, { metadata: { title: 'Grüße' } });
      assert.equal(staged.size, bytes.byteLength);
      assert.deepEqual(await listKeys(storage, ''), before);
      const file = await staged.commit(`${folder}published.png`);
      assert.equal(file.key, `${folder}published.png`);
      assert.equal(file.contentType, 'image/png');
      assert.deepEqual({ ...file.metadata }, { title: 'Grüße' });
      assert.deepEqual(await storage.info(file.key), file);
      await assertHolds(storage, file.key, bytes);
    },
  },
  {
    name: 'stage: the content type that was given is kept, whatever the key says',
    async run(storage, { folder }) {
      const staged = await storage.stage('{}', { contentType: 'application/json' });
      await staged.commit(`${folder}file.png`);
      assert.equal((await storage.info(`${folder}file.png`)).contentType, 'application/json');
    },
  },
  {
    name: 'stage: a body that fails leaves nothing, staged or not',
    async run(storage) {
      const before = await listKeys(storage, '');
      const staged = await listKeys(storage.staging(), '');
      async function* failing(): AsyncGenerator<Uint8Array, void> {
        yield someBytes(1000);
        throw new Error('the source broke');
      }
      await assert.rejects(storage.stage(failing()));
      assert.deepEqual(await listKeys(storage, ''), before);
      assert.deepEqual(await listKeys(storage.staging(), ''), staged);
    },
  },
  {
    name: 'stage: commit replaces what was there',
    async run(storage, { folder }) {
      await storage.put(`${folder}file`, 'old');
      await (await storage.stage('new')).commit(`${folder}file`);
      await assertHolds(storage, `${folder}file`, 'new');
    },
  },
  {
    name: "stage: commit with ifNoneMatch: '*' never overwrites, and the file can still be committed elsewhere",
    needs: ({ createOnlyCopy }) => createOnlyCopy,
    async run(storage, { folder }) {
      await storage.put(`${folder}taken`, 'old');
      await using staged = await storage.stage('new');
      await rejection(
        staged.commit(`${folder}taken`, { ifNoneMatch: '*' }),
        StorageFileExistsError,
      );
      await assertHolds(storage, `${folder}taken`, 'old');
      await staged.commit(`${folder}free`, { ifNoneMatch: '*' });
      await assertHolds(storage, `${folder}free`, 'new');
    },
  },
  {
    name: 'stage: what is discarded is gone, and cannot be committed',
    async run(storage, { folder }) {
      const staged = await storage.stage('text');
      await staged.discard();
      await staged.discard();
      await rejection(staged.commit(`${folder}file`), StorageInvalidArgumentError);
      await assertMissing(storage, `${folder}file`);
      assert.deepEqual(await listKeys(storage.staging(), staged.name), []);
    },
  },
  {
    name: 'stage: what is committed cannot be committed again, and discard leaves it',
    async run(storage, { folder }) {
      const staged = await storage.stage('text');
      await staged.commit(`${folder}file`);
      await rejection(staged.commit(`${folder}other`), StorageInvalidArgumentError);
      await staged.discard();
      await assertHolds(storage, `${folder}file`, 'text');
      await assertMissing(storage, `${folder}other`);
    },
  },
  {
    name: 'stage: of two commits at once, one publishes and one is refused',
    async run(storage, { folder }) {
      const staged = await storage.stage('text');
      const keys = [`${folder}one`, `${folder}two`];
      const winner = await assertOneWins(
        keys.map((key) => staged.commit(key)),
        StorageInvalidArgumentError,
      );
      await assertHolds(storage, keys[winner]!, 'text');
      await assertMissing(storage, keys[1 - winner]!);
    },
  },
  {
    name: 'stage: no scope reaches what is staged',
    async run(storage) {
      await using _ = await storage.stage('secret');
      assert.deepEqual(await listKeys(storage.scope('.n'), ''), []);
      assert.deepEqual(await listKeys(storage.scope('.nestjs-stor'), ''), []);
      await assert.rejects(storage.scope('.nestjs-stor').info('ages/staged/x'), StorageError);
      await rejection(storage.info('.nestjs-storages/staged/x'), StorageInvalidKeyError);
    },
  },
  {
    name: 'stage: a scope commits below its prefix, and sweeps nothing of the others',
    async run(storage, { folder }) {
      const scope = storage.scope(`${folder}scope/`);
      const file = await (await scope.stage('text')).commit('file');
      assert.equal(file.key, 'file');
      await assertHolds(storage, `${folder}scope/file`, 'text');
      await using _ = await storage.stage('of another');
      assert.deepEqual(await scope.sweepStaged({ olderThan: 1 }), { deleted: 0, failed: [] });
    },
  },
  {
    name: 'staged: a file that was put into the staging area by its name is found and published, elsewhere, too',
    async run(storage, { folder, reopen }) {
      const before = await listKeys(storage, '');
      const name = `${folder}by-name`;
      await storage.staging().put(name, 'text', { contentType: 'text/csv' });
      assert.deepEqual(await listKeys(storage, ''), before);
      const staged = await (await reopen()).staged(name);
      assert.deepEqual([staged.name, staged.size], [name, 4]);
      const file = await staged.commit(`${folder}found`);
      assert.deepEqual([file.key, file.contentType], [`${folder}found`, 'text/csv']);
      await assertHolds(storage, `${folder}found`, 'text');
      await rejection(storage.staged(name), StorageFileNotFoundError);
    },
  },
  {
    name: 'staged: a scope finds what was staged through it, and nothing else',
    async run(storage, { folder }) {
      await using staged = await storage.stage('text');
      assert.equal((await storage.staged(staged.name)).size, 4);
      await rejection(storage.scope(folder).staged(staged.name), StorageFileNotFoundError);
    },
  },
  {
    name: 'stage: a read-only view stages nothing and sweeps nothing',
    async run(storage) {
      await rejection(storage.readonly().stage('text'), StoragePermissionError);
      await rejection(storage.readonly().sweepStaged(), StoragePermissionError);
    },
  },
  {
    name: 'staged: a read-only view finds a file, and neither commits nor discards it',
    async run(storage, { folder }) {
      await using staged = await storage.stage('text');
      {
        await using found = await storage.readonly().staged(staged.name);
        assert.equal(found.size, 4);
        await rejection(found.commit(`${folder}file`), StoragePermissionError);
        await rejection(found.discard(), StoragePermissionError);
      }
      await staged.commit(`${folder}file`);
      await assertHolds(storage, `${folder}file`, 'text');
    },
  },
  {
    name: 'sweepStaged: removes what was staged before, and neither younger files nor published ones',
    async run(storage, { folder }) {
      const abandoned = await storage.stage('abandoned');
      await storage.put(`${folder}published`, 'text');
      assert.deepEqual(await storage.sweepStaged(), { deleted: 0, failed: [] });
      // Backends that tell whole seconds call a file older than it is, none calls it younger.
      await untilSwept(() => storage.sweepStaged({ olderThan: 1 }));
      await assert.rejects(abandoned.commit(`${folder}late`));
      await assertMissing(storage, `${folder}late`);
      await assertHolds(storage, `${folder}published`, 'text');
    },
  },
];

/** Sweeps until one file went: its time is the backend's, whose clock may be some milliseconds ahead of ours. */
async function untilSwept(sweep: () => Promise<{ deleted: number }>): Promise<void> {
  const end = Date.now() + 5000;
  for (;;) {
    const begun = Date.now();
    const { deleted } = await sweep();
    if (deleted === 1) return;
    assert.equal(deleted, 0);
    assert.ok(begun < end, 'the abandoned file must be swept');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
