import assert from 'node:assert/strict';
import { StorageFileExistsError, StoragePreconditionFailedError } from '../../core/errors.js';
import type { Behaviour } from './behaviour.js';
import { chunked, someBytes } from './bodies.js';
import { assertBytes, assertHolds, assertOneWins, listKeys } from './expectations.js';

/** What many callers at once see and leave. */
export const races: readonly Behaviour[] = [
  {
    name: 'stores twenty files at once, in folders that are new',
    async run(storage, { folder }) {
      const keys = Array.from({ length: 20 }, (_, index) => `${folder}new/${index % 3}/${index}`);
      await Promise.all(keys.map((key) => storage.put(key, key)));
      await Promise.all(keys.map((key) => assertHolds(storage, key, key)));
      assert.equal((await listKeys(storage, folder)).length, 20);
    },
  },
  {
    name: 'holds one whole body when several are stored under a key at once',
    async run(storage, { folder }) {
      const bodies = [1, 2, 3, 4, 5, 6].map((seed) => someBytes(50_000 + seed, seed));
      await Promise.all(bodies.map((body) => storage.put(`${folder}a`, chunked(body, 5000))));
      const stored = await storage.getBytes(`${folder}a`);
      assertBytes(stored, bodies[stored.byteLength - 50_001]!);
    },
  },
  {
    name: 'gives readers one whole version, and never nothing, while a file is replaced',
    async run(storage, { folder }) {
      const versions = [1, 2, 3, 4].map((seed) => someBytes(20_000 + seed, seed));
      await storage.put(`${folder}a`, versions[0]!);
      const write = async (): Promise<void> => {
        for (const version of versions) await storage.put(`${folder}a`, version);
      };
      const read = async (): Promise<void> => {
        for (let times = 0; times < 4; times++) {
          const download = await storage.get(`${folder}a`);
          const bytes = await download.bytes();
          assert.equal(download.file.size, bytes.byteLength);
          assertBytes(bytes, versions[bytes.byteLength - 20_001]!);
        }
      };
      await Promise.all([write(), write(), read(), read(), read()]);
    },
  },
  {
    name: 'copies one whole version while the source is replaced',
    async run(storage, { folder }) {
      const versions = [1, 2].map((seed) => someBytes(20_000 + seed, seed));
      await storage.put(`${folder}from`, versions[0]!);
      await Promise.all([
        storage.put(`${folder}from`, versions[1]!),
        ...[1, 2, 3].map((copy) => storage.copy(`${folder}from`, `${folder}to-${copy}`)),
      ]);
      for (const copy of [1, 2, 3]) {
        const bytes = await storage.getBytes(`${folder}to-${copy}`);
        assertBytes(bytes, versions[bytes.byteLength - 20_001]!);
      }
    },
  },
  {
    name: 'stores files in a folder while the last of its others are deleted',
    async run(storage, { folder }) {
      for (let round = 0; round < 10; round++) {
        await storage.put(`${folder}a/b/old`, 'old');
        await Promise.all([
          storage.delete(`${folder}a/b/old`),
          storage.put(`${folder}a/b/new`, 'new'),
        ]);
        assert.deepEqual(await listKeys(storage, folder), [`${folder}a/b/new`]);
        await storage.delete(`${folder}a/b/new`);
      }
    },
  },
  {
    name: 'holds a whole file or none when one is stored and deleted at once',
    async run(storage, { folder }) {
      for (let round = 0; round < 5; round++) {
        await storage.put(`${folder}a`, 'before');
        await Promise.all([storage.put(`${folder}a`, 'after'), storage.delete(`${folder}a`)]);
        const listed = await listKeys(storage, folder);
        assert.deepEqual(listed, (await storage.exists(`${folder}a`)) ? [`${folder}a`] : []);
        if (listed.length > 0) await assertHolds(storage, `${folder}a`, 'after');
      }
    },
  },
  {
    name: 'lets exactly one of fifty writers create a file',
    needs: ({ createOnly }) => createOnly,
    async run(storage, { folder }) {
      const puts = Array.from({ length: 50 }, (_, index) => {
        const text = `writer ${index}`;
        const body = index % 2 ? text : chunked(Buffer.from(text));
        return storage.put(`${folder}a`, body, { ifNoneMatch: '*' });
      });
      const winner = await assertOneWins(puts, StorageFileExistsError);
      await assertHolds(storage, `${folder}a`, `writer ${winner}`);
    },
  },
  {
    name: 'lets exactly one of ten writers replace the version that all of them read',
    needs: ({ compareAndSet }) => compareAndSet,
    async run(storage, { folder }) {
      const { etag } = await storage.put(`${folder}a`, 'before');
      const puts = Array.from({ length: 10 }, (_, index) =>
        storage.put(`${folder}a`, `writer ${index}`, { ifMatch: etag! }),
      );
      const winner = await assertOneWins(puts, StoragePreconditionFailedError);
      await assertHolds(storage, `${folder}a`, `writer ${winner}`);
    },
  },
  {
    name: 'counts right when each of twenty writers replaces only what it has read',
    needs: ({ compareAndSet }) => compareAndSet,
    async run(storage, { folder }) {
      await storage.put(`${folder}a`, '0');
      const increment = async (): Promise<void> => {
        // Of any writers that wait for each other one succeeds, so each comes to its turn.
        for (let attempt = 0; attempt < 500; attempt++) {
          const download = await storage.get(`${folder}a`);
          const next = String(Number(await download.text()) + 1);
          try {
            await storage.put(`${folder}a`, next, { ifMatch: download.file.etag! });
            return;
          } catch (error) {
            if (!(error instanceof StoragePreconditionFailedError)) throw error;
          }
        }
        assert.fail('none of 500 attempts succeeded');
      };
      await Promise.all(Array.from({ length: 20 }, increment));
      await assertHolds(storage, `${folder}a`, '20');
    },
  },
  {
    name: 'lets exactly one of five multipart uploads create a file',
    needs: ({ multipart, createOnly }) => multipart && createOnly,
    async run(storage, { folder }) {
      const uploads = await Promise.all(
        Array.from({ length: 5 }, async (_, index) => {
          const upload = await storage.startMultipartUpload(`${folder}a`);
          await storage.uploadPart(upload, 1, `upload ${index}`);
          return upload;
        }),
      );
      const completions = uploads.map((upload) =>
        storage.completeMultipartUpload(upload, undefined, { ifNoneMatch: '*' }),
      );
      let winner: number;
      try {
        winner = await assertOneWins(completions, StorageFileExistsError);
        await assertHolds(storage, `${folder}a`, `upload ${winner}`);
      } finally {
        // Those that did not win are still there, and all of them where the storage refuses the condition.
        await Promise.all(uploads.map((upload) => storage.abortMultipartUpload(upload)));
      }
      await assertHolds(storage, `${folder}a`, `upload ${winner}`);
    },
  },
];
