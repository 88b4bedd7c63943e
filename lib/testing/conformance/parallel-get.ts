import assert from 'node:assert/strict';
import {
  StorageAbortedError,
  StorageFileNotFoundError,
  StorageInvalidArgumentError,
  StoragePreconditionFailedError,
} from '../../core/errors.js';
import type { Behaviour } from './behaviour.js';
import { someBytes } from './bodies.js';
import { assertBytes, assertHolds, rejection } from './expectations.js';

export const parallelGet: readonly Behaviour[] = [
  {
    name: 'reads in several ranges at once what it reads in one',
    needs: ({ ranges, conditionalGet }) => ranges && conditionalGet,
    async run(storage, { folder }) {
      const bytes = someBytes(1_000_003);
      await storage.put(`${folder}a`, bytes);
      const options = { concurrency: 4, partSize: 65_536 };
      const download = await storage.get(`${folder}a`, options);
      assert.equal(download.file.size, bytes.byteLength);
      assert.equal(download.range, undefined);
      assertBytes(await download.bytes(), bytes);
    },
  },
  {
    name: 'reads a range in several ranges at once',
    needs: ({ ranges, conditionalGet }) => ranges && conditionalGet,
    async run(storage, { folder }) {
      const bytes = someBytes(500_000);
      await storage.put(`${folder}a`, bytes);
      const options = { concurrency: 3, partSize: '64kb', range: { start: 1000, end: 400_000 } };
      const download = await storage.get(`${folder}a`, options);
      assert.deepEqual(download.range, { start: 1000, end: 400_000, size: 500_000 });
      assertBytes(await download.bytes(), bytes.subarray(1000, 400_001));
    },
  },
  {
    name: 'reads the last bytes in several ranges at once',
    needs: ({ ranges, conditionalGet }) => ranges && conditionalGet,
    async run(storage, { folder }) {
      const bytes = someBytes(10_000);
      await storage.put(`${folder}a`, bytes);
      const options = { concurrency: 3, partSize: 1000, range: { suffix: 4321 } };
      const download = await storage.get(`${folder}a`, options);
      assert.deepEqual(download.range, { start: 5679, end: 9999, size: 10_000 });
      assertBytes(await download.bytes(), bytes.subarray(5679));
    },
  },
  {
    name: 'gives an asynchronous reader of several ranges its chunks in order',
    needs: ({ ranges, conditionalGet }) => ranges && conditionalGet,
    async run(storage, { folder }) {
      const bytes = someBytes(15_000);
      await storage.put(`${folder}a`, bytes);
      const chunks: Uint8Array[] = [];
      for await (const chunk of await storage.get(`${folder}a`, {
        concurrency: 5,
        partSize: 999,
      })) {
        chunks.push(chunk);
        await new Promise((resolve) => setImmediate(resolve));
      }
      assertBytes(Buffer.concat(chunks), bytes);
    },
  },
  {
    name: 'can be left while several ranges are under way',
    needs: ({ ranges, conditionalGet }) => ranges && conditionalGet,
    async run(storage, { folder }) {
      const bytes = someBytes(500_000);
      await storage.put(`${folder}a`, bytes);
      for (let round = 0; round < 4; round++) {
        const options = { concurrency: 4, partSize: 50_000 };
        for await (const chunk of await storage.get(`${folder}a`, options)) {
          assert.ok(chunk.byteLength > 0);
          break;
        }
      }
      await assertHolds(storage, `${folder}a`, bytes);
    },
  },
  {
    name: 'ends a download of several ranges that is aborted',
    needs: ({ ranges, conditionalGet }) => ranges && conditionalGet,
    async run(storage, { folder }) {
      await storage.put(`${folder}a`, someBytes(500_000));
      const controller = new AbortController();
      const { signal } = controller;
      const options = { concurrency: 2, partSize: 50_000, signal };
      const download = await storage.get(`${folder}a`, options);
      const read = async (): Promise<void> => {
        for await (const _ of download) controller.abort();
      };
      await rejection(read(), StorageAbortedError);
    },
  },
  {
    name: 'reads small and empty files with any concurrency',
    needs: ({ ranges, conditionalGet }) => ranges && conditionalGet,
    async run(storage, { folder }) {
      await storage.put(`${folder}small`, 'hello');
      await storage.put(`${folder}empty`, '');
      for (const partSize of [1, 4, 5, 6]) {
        const options = { concurrency: 8, partSize };
        assertBytes(await storage.getBytes(`${folder}small`, options), 'hello');
        assertBytes(await storage.getBytes(`${folder}empty`, options), '');
      }
    },
  },
  {
    name: 'rejects for a missing file before there is a stream, with any concurrency',
    needs: ({ ranges, conditionalGet }) => ranges && conditionalGet,
    async run(storage, { folder }) {
      await rejection(
        storage.get(`${folder}missing`, { concurrency: 2 }),
        StorageFileNotFoundError,
      );
    },
  },
  {
    name: 'never mixes two versions in a download of several ranges',
    needs: ({ ranges, conditionalGet }) => ranges && conditionalGet,
    async run(storage, { folder }) {
      await storage.put(`${folder}a`, someBytes(600_000, 1));
      const options = { concurrency: 2, partSize: 65_536 };
      const download = await storage.get(`${folder}a`, options);
      // No range has been asked for yet, or only the first ones: the rest must not come from the new version.
      await storage.put(`${folder}a`, someBytes(600_000, 2));
      await rejection(download.bytes(), StoragePreconditionFailedError);
    },
  },
  {
    name: 'refuses a concurrency that is none',
    async run(storage, { folder }) {
      await storage.put(`${folder}a`, 'hello');
      for (const concurrency of [0, -1, 1.5, Number.NaN]) {
        await rejection(storage.get(`${folder}a`, { concurrency }), StorageInvalidArgumentError);
        await rejection(
          storage.put(`${folder}a`, 'b', { concurrency }),
          StorageInvalidArgumentError,
        );
      }
    },
  },
];
