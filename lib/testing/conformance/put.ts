import assert from 'node:assert/strict';
import { createReadStream } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { StorageInvalidArgumentError } from '../../core/errors.js';
import type { Behaviour } from './behaviour.js';
import { chunked, MiB, nodeStream, partSizeOf, someBytes, webStream } from './bodies.js';
import { assertHolds, listKeys, rejection } from './expectations.js';

const TEXT = 'Grüße, 世界 🌍\r\n';

export const bodyKinds: readonly Behaviour[] = [
  {
    name: 'stores a string as UTF-8',
    async run(storage, { folder }) {
      const file = await storage.put(`${folder}a`, TEXT);
      assert.equal(file.size, Buffer.byteLength(TEXT));
      await assertHolds(storage, `${folder}a`, TEXT);
    },
  },
  {
    name: 'stores an empty string as a file without bytes',
    async run(storage, { folder }) {
      assert.equal((await storage.put(`${folder}a`, '')).size, 0);
      await assertHolds(storage, `${folder}a`, '');
      assert.equal((await storage.info(`${folder}a`)).size, 0);
    },
  },
  {
    name: 'stores the bytes of a view, not those of the buffer behind it',
    async run(storage, { folder }) {
      const whole = someBytes(100);
      const view = new Uint8Array(whole.buffer, whole.byteOffset + 10, 20);
      await storage.put(`${folder}a`, view);
      await assertHolds(storage, `${folder}a`, whole.subarray(10, 30));
    },
  },
  {
    name: 'stores a Buffer',
    async run(storage, { folder }) {
      await storage.put(`${folder}a`, someBytes(300));
      await assertHolds(storage, `${folder}a`, someBytes(300));
    },
  },
  {
    name: 'stores an ArrayBuffer',
    async run(storage, { folder }) {
      const bytes = Uint8Array.from(someBytes(300));
      await storage.put(`${folder}a`, bytes.buffer);
      await assertHolds(storage, `${folder}a`, bytes);
    },
  },
  {
    name: 'stores a Blob',
    async run(storage, { folder }) {
      const bytes = someBytes(70_000);
      await storage.put(`${folder}a`, new Blob([bytes]));
      await assertHolds(storage, `${folder}a`, bytes);
    },
  },
  {
    name: 'stores an empty Blob',
    async run(storage, { folder }) {
      assert.equal((await storage.put(`${folder}a`, new Blob([]))).size, 0);
      await assertHolds(storage, `${folder}a`, '');
    },
  },
  {
    name: 'stores a Node stream of unknown length',
    async run(storage, { folder }) {
      const bytes = someBytes(300_000);
      const file = await storage.put(`${folder}a`, nodeStream(bytes));
      assert.equal(file.size, bytes.byteLength);
      await assertHolds(storage, `${folder}a`, bytes);
    },
  },
  {
    name: 'stores an empty Node stream',
    async run(storage, { folder }) {
      assert.equal((await storage.put(`${folder}a`, Readable.from([]))).size, 0);
      await assertHolds(storage, `${folder}a`, '');
    },
  },
  {
    name: 'stores a Node stream of strings as UTF-8',
    async run(storage, { folder }) {
      await storage.put(`${folder}a`, Readable.from([TEXT, '', TEXT]));
      await assertHolds(storage, `${folder}a`, TEXT + TEXT);
    },
  },
  {
    name: 'stores the stream of a file on disk',
    async run(storage, { folder }) {
      const bytes = someBytes(200_000);
      const temporary = await mkdtemp(join(tmpdir(), 'conformance-body-'));
      try {
        await writeFile(join(temporary, 'body'), bytes);
        await storage.put(`${folder}a`, createReadStream(join(temporary, 'body'), { start: 10 }));
      } finally {
        await rm(temporary, { recursive: true, force: true });
      }
      await assertHolds(storage, `${folder}a`, bytes.subarray(10));
    },
  },
  {
    name: 'keeps characters whole that a stream with setEncoding() gets in pieces',
    async run(storage, { folder }) {
      await storage.put(`${folder}a`, nodeStream(Buffer.from(TEXT), 1).setEncoding('utf8'));
      await assertHolds(storage, `${folder}a`, TEXT);
    },
  },
  {
    name: 'stores a web stream',
    async run(storage, { folder }) {
      const bytes = someBytes(200_000);
      await storage.put(`${folder}a`, webStream([bytes.subarray(0, 7), bytes.subarray(7)]));
      await assertHolds(storage, `${folder}a`, bytes);
    },
  },
  {
    name: 'stores an empty web stream',
    async run(storage, { folder }) {
      assert.equal((await storage.put(`${folder}a`, webStream([]))).size, 0);
      await assertHolds(storage, `${folder}a`, '');
    },
  },
  {
    name: 'stores an async generator',
    async run(storage, { folder }) {
      const bytes = someBytes(100_000);
      await storage.put(`${folder}a`, chunked(bytes, 999));
      await assertHolds(storage, `${folder}a`, bytes);
    },
  },
  {
    name: 'stores an array of chunks in their order',
    async run(storage, { folder }) {
      const bytes = someBytes(50);
      await storage.put(`${folder}a`, [bytes.subarray(0, 1), TEXT, bytes.subarray(1)]);
      const expected = Buffer.concat([bytes.subarray(0, 1), Buffer.from(TEXT), bytes.subarray(1)]);
      await assertHolds(storage, `${folder}a`, expected);
    },
  },
  {
    name: 'stores an empty array as a file without bytes',
    async run(storage, { folder }) {
      assert.equal((await storage.put(`${folder}a`, [])).size, 0);
      await assertHolds(storage, `${folder}a`, '');
    },
  },
  {
    name: 'skips empty chunks between others',
    async run(storage, { folder }) {
      const empty = new Uint8Array();
      await storage.put(`${folder}a`, [empty, 'a', empty, '', 'b', empty]);
      await assertHolds(storage, `${folder}a`, 'ab');
    },
  },
];

export const put: readonly Behaviour[] = [
  ...[1, 4096, 65_535, 65_536, 65_537].map((size): Behaviour => ({
    name: `stores ${size} bytes, from memory and as a stream`,
    async run(storage, { folder }) {
      const bytes = someBytes(size);
      await storage.put(`${folder}memory`, bytes);
      await storage.put(`${folder}stream`, nodeStream(bytes));
      await assertHolds(storage, `${folder}memory`, bytes);
      await assertHolds(storage, `${folder}stream`, bytes);
    },
  })),
  {
    name: 'stores streams of a byte less than a part, of a part, and of a byte more',
    async run(storage, { folder }) {
      const partSize = partSizeOf(storage);
      const bytes = someBytes(partSize + 1);
      for (const size of [partSize - 1, partSize, partSize + 1]) {
        const part = bytes.subarray(0, size);
        const file = await storage.put(`${folder}a`, chunked(part), { partSize });
        assert.equal(file.size, size);
        await assertHolds(storage, `${folder}a`, part);
      }
    },
  },
  {
    name: 'stores a stream of unknown length in several parts',
    async run(storage, { folder }) {
      const bytes = someBytes(11 * MiB + 3);
      const partSize = Math.max(storage.capabilities.limits.minPartSize, 5 * MiB);
      const file = await storage.put(`${folder}a`, chunked(bytes, 100_003), {
        partSize,
        concurrency: 2,
      });
      assert.equal(file.size, bytes.byteLength);
      await assertHolds(storage, `${folder}a`, bytes);
    },
  },
  {
    name: 'refuses a part size that the backend does not take',
    async run(storage, { folder }) {
      const { minPartSize, maxPartSize } = storage.capabilities.limits;
      for (const partSize of [Math.max(0, minPartSize - 1), maxPartSize + 1, -1, 1.5, 'much']) {
        await rejection(storage.put(`${folder}a`, 'a', { partSize }), StorageInvalidArgumentError);
      }
    },
  },
  {
    name: 'replaces a longer file completely',
    async run(storage, { folder }) {
      await storage.put(`${folder}a`, someBytes(100_000));
      await storage.put(`${folder}a`, 'short');
      await assertHolds(storage, `${folder}a`, 'short');
    },
  },
  {
    name: 'replaces a file by an empty one',
    async run(storage, { folder }) {
      await storage.put(`${folder}a`, 'before');
      await storage.put(`${folder}a`, Readable.from([]));
      await assertHolds(storage, `${folder}a`, '');
      assert.equal((await storage.info(`${folder}a`)).size, 0);
    },
  },
  {
    name: 'stores below folders that nobody made',
    async run(storage, { folder }) {
      const key = `${folder}one/two/three/four.txt`;
      await storage.put(key, 'deep');
      await assertHolds(storage, key, 'deep');
    },
  },
  {
    name: 'returns the file as info() has it',
    async run(storage, { folder }) {
      const returned = await storage.put(`${folder}a.txt`, 'hello');
      const { lastModified, ...info } = await storage.info(`${folder}a.txt`);
      assert.equal(returned.key, `${folder}a.txt`);
      assert.equal(returned.size, 5);
      assert.equal(returned.contentType, info.contentType);
      assert.equal(returned.etag, info.etag);
      assert.deepEqual(returned.metadata, info.metadata);
      // A backend may tell the time of a write only in whole seconds, and only when asked; its answer to the write may
      // tell that of the answer, however long it took.
      if (returned.lastModified && lastModified) {
        const apart = Math.abs(returned.lastModified.getTime() - lastModified.getTime());
        assert.ok(apart <= 30_000, `lastModified is ${apart} ms apart`);
      }
    },
  },
  {
    name: 'returns a frozen file with frozen metadata',
    async run(storage, { folder }) {
      const file = await storage.put(`${folder}a`, 'hello');
      assert.ok(Object.isFrozen(file));
      assert.ok(Object.isFrozen(file.metadata));
      assert.deepEqual(file.metadata, {});
    },
  },
  {
    name: 'gives each file a strong etag in quotes',
    async run(storage, { folder }) {
      const { etag } = await storage.put(`${folder}a`, 'hello');
      assert.match(etag!, /^"[\x21\x23-\x7E]+"$/);
    },
  },
  {
    name: 'changes the etag when bytes change and the length does not',
    async run(storage, { folder }) {
      const first = await storage.put(`${folder}a`, 'first');
      const other = await storage.put(`${folder}a`, 'other');
      assert.notEqual(first.etag, other.etag);
      assert.equal((await storage.info(`${folder}a`)).etag, other.etag);
    },
  },
  {
    name: 'never dates a file before the one that it replaces',
    async run(storage, { folder }) {
      await storage.put(`${folder}a`, 'first');
      const first = await storage.info(`${folder}a`);
      await storage.put(`${folder}a`, 'second');
      const second = await storage.info(`${folder}a`);
      assert.ok(second.lastModified!.getTime() >= first.lastModified!.getTime());
    },
  },
  {
    name: 'leaves the options that it is given as they are',
    async run(storage, { folder }) {
      const options = Object.freeze({ contentType: 'text/css', size: 5, concurrency: 2 });
      await storage.put(`${folder}a`, 'hello', options);
      await storage.put(`${folder}b`, chunked(Buffer.from('hello')), options);
      assert.deepEqual(options, { contentType: 'text/css', size: 5, concurrency: 2 });
    },
  },
  {
    name: 'does not keep the bytes of the caller, who may change them',
    async run(storage, { folder }) {
      const bytes = Buffer.from('before');
      await storage.put(`${folder}a`, bytes);
      bytes.fill('x');
      await assertHolds(storage, `${folder}a`, 'before');
    },
  },
  {
    name: 'shows the old file until the new one is complete',
    async run(storage, { folder }) {
      await storage.put(`${folder}a`, 'before');
      async function* body(): AsyncGenerator<Uint8Array> {
        yield someBytes(100_000);
        await assertHolds(storage, `${folder}a`, 'before');
        assert.deepEqual(await listKeys(storage, folder), [`${folder}a`]);
        yield someBytes(100_000);
      }
      await storage.put(`${folder}a`, body());
      assert.equal((await storage.info(`${folder}a`)).size, 200_000);
    },
  },
  {
    name: 'shows nothing of a new file until it is complete',
    async run(storage, { folder }) {
      async function* body(): AsyncGenerator<Uint8Array> {
        yield someBytes(100_000);
        assert.equal(await storage.exists(`${folder}a`), false);
        assert.deepEqual(await listKeys(storage, folder), []);
        yield someBytes(100_000);
      }
      await storage.put(`${folder}a`, body());
      assert.deepEqual(await listKeys(storage, folder), [`${folder}a`]);
    },
  },
];
