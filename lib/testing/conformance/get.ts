import assert from 'node:assert/strict';
import { Readable, Writable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { finished, pipeline } from 'node:stream/promises';
import { gzipSync } from 'node:zlib';
import type { Download } from '../../core/download.js';
import {
  StorageError,
  StorageFileNotFoundError,
  StorageInvalidArgumentError,
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

const ABANDON: Readonly<Record<string, (download: Download) => Promise<void>>> = {
  'destroyed unread': async (download) => {
    download.destroy();
    download.destroy();
  },
  'left after the first chunk': async (download) => {
    for await (const chunk of download) {
      assert.ok(chunk.byteLength > 0);
      break;
    }
  },
  'cancelled as a web stream': (download) => download.web().cancel(),
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
    name: 'tells by get() of a file what it tells by info()',
    async run(storage, { folder }) {
      await storage.put(`${folder}a.txt`, 'hello');
      const download = await storage.get(`${folder}a.txt`);
      download.destroy();
      assert.deepEqual(download.file, await storage.info(`${folder}a.txt`));
    },
  },
  {
    name: 'gives the bytes of a gzipped file as they were stored, and its stored size',
    needs: (capabilities) => capabilities.headers,
    async run(storage, { folder }) {
      const bytes = gzipSync('hello '.repeat(1000));
      await storage.put(`${folder}a.txt`, bytes, { contentEncoding: 'gzip' });
      const download = await storage.get(`${folder}a.txt`);
      assert.equal(download.file.size, bytes.byteLength);
      assertBytes(await download.bytes(), bytes);
      assert.equal((await storage.info(`${folder}a.txt`)).size, bytes.byteLength);
    },
  },
  ...Object.entries(ABANDON).map(([how, abandon]): Behaviour => ({
    name: `has connections for sixty readers at once after twenty downloads that were ${how}`,
    async run(storage, { folder }) {
      const [large, small] = [someBytes(300_000), someBytes(5000, 2)];
      await storage.put(`${folder}large`, large);
      await storage.put(`${folder}small`, small);
      const downloads = Array.from({ length: 20 }, () => storage.get(`${folder}large`));
      await Promise.all((await Promise.all(downloads)).map(abandon));
      const reads = Array.from({ length: 60 }, () => storage.getBytes(`${folder}small`));
      for (const bytes of await Promise.all(reads)) assertBytes(bytes, small);
      await assertHolds(storage, `${folder}large`, large);
    },
  })),
  {
    name: 'frees a download whose reader fails, and tells the error of the reader',
    async run(storage, { folder }) {
      await storage.put(`${folder}a`, someBytes(300_000));
      const broken = new Error('the reader broke');
      const { stream } = await storage.get(`${folder}a`);
      const reader = new Writable({ write: (_chunk, _encoding, callback) => callback(broken) });
      await assert.rejects(pipeline(stream, reader), (error) => error === broken);
      // That of a connection closes in its own time.
      await finished(stream).catch(() => {});
      assert.ok(stream.destroyed);
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
    name: 'gives one version or fails when a file is replaced while it is read',
    async run(storage, { folder }) {
      const before = someBytes(500_000, 1);
      await storage.put(`${folder}a`, before);
      const download = await storage.get(`${folder}a`);
      await storage.put(`${folder}a`, someBytes(500_000, 2));
      let bytes;
      try {
        bytes = await download.bytes();
      } catch (error) {
        // A backend that sends a file in several answers may have no old version to go on with.
        assert.ok(error instanceof StorageError, String(error));
        return;
      }
      assertBytes(bytes, before);
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
