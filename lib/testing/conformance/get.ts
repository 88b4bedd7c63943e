import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import type { Download } from '../../core/download.js';
import {
  StorageFileNotFoundError,
  StorageInvalidArgumentError,
  StoragePreconditionFailedError,
} from '../../core/errors.js';
import type { Behaviour } from './behaviour.js';
import { nodeStream, someBytes } from './bodies.js';
import { assertBytes, assertHolds, rejection } from './expectations.js';

const READERS: Readonly<Record<string, (download: Download) => Promise<Uint8Array>>> = {
  'bytes()': (download) => download.bytes(),
  'text()': async (download) => Buffer.from(await download.text()),
  stream: (download) => buffer(download.stream),
  'web()': (download) => buffer(download.web()),
  'for await': async (download) => {
    const chunks: Uint8Array[] = [];
    for await (const chunk of download) chunks.push(chunk);
    return Buffer.concat(chunks);
  },
};

export const get: readonly Behaviour[] = [
  ...Object.entries(READERS).flatMap(([name, read]): Behaviour[] => [
    {
      name: `gives the whole file by ${name}`,
      async run(storage, { folder }) {
        const text = 'Grüße 🌍 '.repeat(20_000);
        await storage.put(`${folder}a`, text);
        assertBytes(await read(await storage.get(`${folder}a`)), text);
      },
    },
    {
      name: `gives an empty file by ${name}`,
      async run(storage, { folder }) {
        await storage.put(`${folder}a`, '');
        assertBytes(await read(await storage.get(`${folder}a`)), '');
      },
    },
    {
      name: `refuses to give a body by ${name} that was already taken`,
      async run(storage, { folder }) {
        await storage.put(`${folder}a`, nodeStream(someBytes(100_000)));
        for (const first of Object.values(READERS)) {
          const download = await storage.get(`${folder}a`);
          await first(download);
          // `stream` itself is the one thing that may be asked for twice: it is the same stream.
          if (name === 'stream' && first === read) continue;
          await rejection(
            Promise.resolve().then(() => read(download)),
            StorageInvalidArgumentError,
          );
        }
      },
    },
  ]),
  {
    name: 'tells what the file is before its body is read',
    async run(storage, { folder }) {
      const stored = await storage.put(`${folder}a.txt`, 'hello');
      const download = await storage.get(`${folder}a.txt`);
      assert.equal(download.file.key, `${folder}a.txt`);
      assert.equal(download.file.size, 5);
      assert.equal(download.size, 5);
      assert.equal(download.range, undefined);
      assert.equal(download.file.etag, stored.etag);
      assert.equal(download.file.contentType, 'text/plain');
      assert.deepEqual(download.file.metadata, {});
      assert.ok(download.file.lastModified instanceof Date);
      assert.ok(Object.isFrozen(download.file));
      assert.equal(await download.text(), 'hello');
    },
  },
  {
    name: 'gives a Node stream of bytes',
    async run(storage, { folder }) {
      await storage.put(`${folder}a`, 'hello');
      const { stream } = await storage.get(`${folder}a`);
      assert.ok(stream instanceof Readable);
      for await (const chunk of stream) assert.ok(chunk instanceof Uint8Array);
    },
  },
  {
    name: 'rejects for a file that is not there before there is a stream',
    async run(storage, { folder }) {
      await rejection(storage.get(`${folder}missing`), StorageFileNotFoundError);
      await rejection(storage.getBytes(`${folder}missing`), StorageFileNotFoundError);
      await rejection(storage.info(`${folder}missing`), StorageFileNotFoundError);
    },
  },
  {
    name: 'takes the beginning of keys for no file',
    async run(storage, { folder }) {
      await storage.put(`${folder}one/two`, 'deep');
      await rejection(storage.get(`${folder}one`), StorageFileNotFoundError);
      await rejection(storage.info(`${folder}one`), StorageFileNotFoundError);
      assert.equal(await storage.exists(`${folder}one`), false);
    },
  },
  {
    name: 'finds no file below a file',
    async run(storage, { folder }) {
      await storage.put(`${folder}one`, 'a file');
      await rejection(storage.get(`${folder}one/two`), StorageFileNotFoundError);
      await rejection(storage.info(`${folder}one/two`), StorageFileNotFoundError);
      assert.equal(await storage.exists(`${folder}one/two`), false);
    },
  },
  {
    name: 'knows what exists: nothing before, the file after put(), nothing after delete()',
    async run(storage, { folder }) {
      assert.equal(await storage.exists(`${folder}a`), false);
      await storage.put(`${folder}a`, '');
      assert.equal(await storage.exists(`${folder}a`), true);
      await storage.delete(`${folder}a`);
      assert.equal(await storage.exists(`${folder}a`), false);
    },
  },
  {
    name: 'tells the time of the last write',
    async run(storage, { folder }) {
      const before = Date.now();
      await storage.put(`${folder}a`, 'hello');
      const { lastModified } = await storage.info(`${folder}a`);
      const after = Date.now();
      assert.ok(lastModified instanceof Date);
      const time = lastModified.getTime();
      // Clocks of a backend may differ from ours, and it may count in seconds.
      assert.ok(time > before - 30_000 && time < after + 30_000, String(lastModified));
    },
  },
  {
    name: 'is not harmed by downloads that nobody reads',
    async run(storage, { folder }) {
      const bytes = someBytes(300_000);
      await storage.put(`${folder}a`, bytes);
      for (let round = 0; round < 60; round++) {
        const download = await storage.get(`${folder}a`);
        download.destroy();
        download.destroy();
      }
      await assertHolds(storage, `${folder}a`, bytes);
    },
  },
  {
    name: 'is not harmed by downloads that are left in the middle',
    async run(storage, { folder }) {
      const bytes = someBytes(300_000);
      await storage.put(`${folder}a`, bytes);
      for (let round = 0; round < 60; round++) {
        for await (const chunk of await storage.get(`${folder}a`)) {
          assert.ok(chunk.byteLength > 0);
          break;
        }
      }
      await assertHolds(storage, `${folder}a`, bytes);
    },
  },
  {
    name: 'gives a file to two readers at once',
    async run(storage, { folder }) {
      const bytes = someBytes(300_000);
      await storage.put(`${folder}a`, bytes);
      const [first, second] = [await storage.get(`${folder}a`), await storage.get(`${folder}a`)];
      const [one, two] = await Promise.all([buffer(first.stream), second.bytes()]);
      assertBytes(one, bytes);
      assertBytes(two, bytes);
    },
  },
  {
    name: 'goes on with the version that it began with when the file is replaced',
    async run(storage, { folder }) {
      const before = someBytes(500_000, 1);
      await storage.put(`${folder}a`, before);
      const download = await storage.get(`${folder}a`);
      await storage.put(`${folder}a`, someBytes(500_000, 2));
      assertBytes(await download.bytes(), before);
    },
  },
  {
    name: 'keeps its bytes when a reader changes those that it was given',
    async run(storage, { folder }) {
      await storage.put(`${folder}memory`, 'hello');
      await storage.put(`${folder}stream`, nodeStream(Buffer.from('hello')));
      for (const key of [`${folder}memory`, `${folder}stream`]) {
        (await storage.getBytes(key)).fill('x');
        for await (const chunk of await storage.get(key)) chunk.fill(120);
        await assertHolds(storage, key, 'hello');
      }
    },
  },
  {
    name: 'keeps its metadata when a reader changes the file that it was given',
    needs: (capabilities) => capabilities.metadata,
    async run(storage, { folder }) {
      await storage.put(`${folder}a`, 'hello', { metadata: { a: 'b' } });
      const { metadata } = await storage.info(`${folder}a`);
      assert.throws(() => Object.assign(metadata, { a: 'c' }), TypeError);
      assert.deepEqual((await storage.info(`${folder}a`)).metadata, { a: 'b' });
    },
  },
];

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
