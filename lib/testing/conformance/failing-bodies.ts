import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Readable } from 'node:stream';
import { ReadableStream } from 'node:stream/web';
import {
  StorageError,
  StorageIntegrityError,
  StorageInvalidArgumentError,
  StorageInvalidKeyError,
} from '../../core/errors.js';
import type { StorageBody } from '../../core/body.js';
import type { Behaviour } from './behaviour.js';
import {
  breakingStream,
  nodeStream,
  partSizeOf,
  someBytes,
  stallingStream,
  webStream,
} from './bodies.js';
import { assertHolds, assertMissing, listKeys, rejection } from './expectations.js';
import { uploadsUnderWay } from './upload-listing.js';

const BROKEN = 'the source broke';

/** Bodies that fail after some bytes, and the name of each. */
const FAILING: Readonly<Record<string, (bytes: Uint8Array) => StorageBody>> = {
  'a Node stream that fails': (bytes) => breakingStream(bytes, new Error(BROKEN)),
  'a Node stream that is destroyed without an error': (bytes) => breakingStream(bytes),
  'a generator that throws': (bytes) => throwing(bytes),
  'a web stream that fails': (bytes) =>
    new ReadableStream<Uint8Array>({
      start(controller) {
        controller.enqueue(bytes);
      },
      pull(controller) {
        controller.error(new Error(BROKEN));
      },
    }),
  'a stream of objects': (bytes) => Readable.from([bytes, { not: 'bytes' }]),
  'an array with a number in it': (bytes) => [bytes, 5 as unknown as Uint8Array],
};

export const failingBodies: readonly Behaviour[] = [
  ...Object.entries(FAILING).flatMap(([name, open]): Behaviour[] => [
    {
      name: `stores nothing of ${name}`,
      async run(storage, { folder }) {
        await rejection(storage.put(`${folder}a`, open(someBytes(100_000))), StorageError);
        await rejection(storage.put(`${folder}b`, open(someBytes(1))), StorageError);
        await assertMissing(storage, folder + 'a');
        await assertMissing(storage, folder + 'b');
      },
    },
    {
      name: `keeps the old file when it is replaced by ${name}`,
      async run(storage, { folder }) {
        const before = await storage.put(`${folder}a.txt`, 'before', { contentType: 'text/css' });
        await rejection(storage.put(`${folder}a.txt`, open(someBytes(100_000))), StorageError);
        await assertHolds(storage, `${folder}a.txt`, 'before');
        const after = await storage.info(`${folder}a.txt`);
        assert.equal(after.etag, before.etag);
        assert.equal(after.contentType, 'text/css');
      },
    },
  ]),
  {
    name: 'stores nothing of a stream that fails after more than a part',
    async run(storage, { folder }) {
      const partSize = partSizeOf(storage);
      const bytes = someBytes(partSize + 65_536);
      await storage.put(`${folder}old`, 'before');
      for (const name of ['old', 'new']) {
        const body = breakingStream(bytes, new Error(BROKEN));
        await rejection(storage.put(folder + name, body, { partSize }), StorageError);
      }
      await assertHolds(storage, `${folder}old`, 'before');
      await assertMissing(storage, `${folder}new`);
    },
  },
  ...[
    { what: 'some bytes', size: () => 1000 },
    { what: 'more than a part', size: (part: number) => part + 65_536 },
  ].map(({ what, size }): Behaviour => ({
    name: `rejects a put whose source, awaited after ${what}, is destroyed without an error`,
    async run(storage, { folder }) {
      const partSize = partSizeOf(storage);
      const bytes = someBytes(size(partSize));
      await storage.put(`${folder}old`, 'before');
      for (const name of ['old', 'new']) {
        await destroyWhileAwaited(bytes, (body) => storage.put(folder + name, body, { partSize }));
      }
      await assertHolds(storage, `${folder}old`, 'before');
      await assertMissing(storage, `${folder}new`);
      if (storage.capabilities.multipartListing) {
        assert.deepEqual(await uploadsUnderWay(storage, folder), []);
      }
    },
  })),
  {
    name: 'rejects a staged file whose source, awaited, is destroyed without an error',
    async run(storage, { folder }) {
      const scoped = storage.scope(folder);
      await destroyWhileAwaited(someBytes(1000), (body) => scoped.stage(body));
      assert.deepEqual(await listKeys(scoped.staging(), ''), []);
    },
  },
  {
    name: 'rejects a part whose source, awaited, is destroyed without an error, and can send it again',
    needs: ({ multipart }) => multipart,
    async run(storage, { folder }) {
      const upload = await storage.startMultipartUpload(`${folder}a`);
      await destroyWhileAwaited(someBytes(1000), (body) => storage.uploadPart(upload, 1, body));
      assert.deepEqual(await storage.listParts(upload), []);
      await storage.uploadPart(upload, 1, 'hello');
      await storage.completeMultipartUpload(upload);
      await assertHolds(storage, `${folder}a`, 'hello');
    },
  },
  {
    name: 'gives the error of the source as the cause',
    async run(storage, { folder }) {
      const broken = new Error(BROKEN);
      const error = await rejection(
        storage.put(`${folder}a`, breakingStream(someBytes(10), broken)),
        StorageError,
      );
      assert.equal(error.cause, broken);
      assert.ok(error.message.includes(BROKEN));
    },
  },
  {
    name: 'refuses a stream that was read before',
    async run(storage, { folder }) {
      const stream = Readable.from(['a']);
      for await (const _ of stream);
      await rejection(storage.put(`${folder}a`, stream), StorageInvalidArgumentError);
      await assertMissing(storage, `${folder}a`);
    },
  },
  {
    name: 'refuses the stream of a put that succeeded',
    async run(storage, { folder }) {
      const stream = nodeStream(someBytes(10));
      await storage.put(`${folder}a`, stream);
      await rejection(storage.put(`${folder}b`, stream), StorageInvalidArgumentError);
      await assertMissing(storage, `${folder}b`);
    },
  },
  {
    name: 'refuses a stream that was destroyed',
    async run(storage, { folder }) {
      const stream = nodeStream(someBytes(10));
      stream.destroy();
      await rejection(storage.put(`${folder}a`, stream), StorageInvalidArgumentError);
    },
  },
  {
    name: 'refuses a web stream that somebody else reads',
    async run(storage, { folder }) {
      const stream = webStream([someBytes(10)]);
      stream.getReader();
      await rejection(storage.put(`${folder}a`, stream), StorageInvalidArgumentError);
    },
  },
  {
    name: 'refuses a web stream that was read before',
    async run(storage, { folder }) {
      const stream = webStream([someBytes(10)]);
      for await (const _ of stream.values({ preventCancel: true }));
      await rejection(storage.put(`${folder}a`, stream), StorageInvalidArgumentError);
      await assertMissing(storage, `${folder}a`);
    },
  },
  {
    name: 'refuses what is no body',
    async run(storage, { folder }) {
      for (const body of [undefined, null, 5, true, {}, () => 'a', Symbol('a')]) {
        await rejection(
          storage.put(`${folder}a`, body as unknown as string),
          StorageInvalidArgumentError,
        );
      }
      await assertMissing(storage, `${folder}a`);
    },
  },
  {
    name: 'destroys the stream when the key is refused',
    async run(storage) {
      const stream = nodeStream(someBytes(10));
      const closed = once(stream, 'close').catch(() => {});
      await rejection(storage.put('not//a/key', stream), StorageInvalidKeyError);
      await closed;
      assert.ok(stream.destroyed);
    },
  },
  {
    name: 'destroys the stream when it is longer than announced',
    async run(storage, { folder }) {
      const stream = nodeStream(someBytes(1_000_000));
      const closed = once(stream, 'close').catch(() => {});
      await rejection(storage.put(`${folder}a`, stream, { size: 10 }), StorageIntegrityError);
      await closed;
      assert.ok(stream.destroyed);
    },
  },
  {
    name: 'leaves a generator that it stops reading',
    async run(storage, { folder }) {
      let tell: () => void;
      const left = new Promise<void>((resolve) => (tell = resolve));
      async function* body(): AsyncGenerator<Uint8Array> {
        try {
          for (;;) yield someBytes(1000);
        } finally {
          tell();
        }
      }
      await rejection(storage.put(`${folder}a`, body(), { size: 10 }), StorageIntegrityError);
      await left;
    },
  },
];

/** Destroys a source without an error while more of it is awaited: the call rejects by that, not by a timeout. */
async function destroyWhileAwaited(
  bytes: Uint8Array,
  call: (body: Readable) => Promise<unknown>,
): Promise<void> {
  const { body, waiting } = stallingStream(bytes);
  const settled = rejection(call(body), StorageError);
  await Promise.race([waiting, settled]);
  body.destroy();
  const { code } = await settled;
  assert.notEqual(code, 'TIMEOUT');
}

async function* throwing(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
  throw new Error(BROKEN);
}
