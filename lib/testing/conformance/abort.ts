import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { setImmediate, setTimeout as sleep } from 'node:timers/promises';
import { inspect } from 'node:util';
import { StorageAbortedError } from '../../core/errors.js';
import type { Storage } from '../../core/storage.js';
import type { Behaviour } from './behaviour.js';
import { MiB, partSizeOf, someBytes, stallingSource } from './bodies.js';
import {
  assertBytes,
  assertHolds,
  assertMissing,
  listKeys,
  putAll,
  rejection,
} from './expectations.js';

/**
 * Milliseconds that what goes on after its call was rejected has to show itself. A storage in which nothing does passes at any
 * speed; one that does is noticed if it takes no longer.
 */
const AFTERWARDS = 60;

/** Turns of the event loop after its start at which a call of one request is aborted. */
const ONE_REQUEST = [0, 1, 2, 4, 8, 12, 20, 30];

export const abort: readonly Behaviour[] = [
  {
    name: 'does nothing at all for a signal that is already aborted',
    async run(storage, { folder }) {
      await storage.put(`${folder}a`, 'hello');
      const reason = new Error('changed my mind');
      const signal = AbortSignal.abort(reason);
      const upload = { key: `${folder}a`, uploadId: 'an-upload', partSize: 1 };
      for (const call of [
        storage.put(`${folder}b`, 'hello', { signal }),
        storage.get(`${folder}a`, { signal }),
        storage.getBytes(`${folder}a`, { signal }),
        storage.info(`${folder}a`, { signal }),
        storage.exists(`${folder}a`, { signal }),
        storage.delete(`${folder}a`, { signal }),
        storage.deleteMany([`${folder}a`], { signal }),
        storage.deletePrefix(folder, { signal }),
        storage.copy(`${folder}a`, `${folder}b`, { signal }),
        storage.move(`${folder}a`, `${folder}b`, { signal }),
        storage.listPage({ prefix: folder, signal }),
        listKeys(storage, folder, { signal }),
        storage.startMultipartUpload(`${folder}b`, { signal }),
        storage.uploadPart(upload, 1, 'a', { signal }),
        storage.listParts(upload, { signal }),
        storage.completeMultipartUpload(upload, undefined, { signal }),
        storage.abortMultipartUpload(upload, { signal }),
        storage.resumeMultipartUpload(upload, new Blob(['a']), { signal }),
        storage.listMultipartUploads('', { signal }).next(),
        storage.sweep({ signal }),
      ]) {
        const error = await rejection(call, StorageAbortedError);
        assert.equal(error.cause, reason);
      }
      assert.deepEqual(await listKeys(storage, folder), [`${folder}a`]);
    },
  },
  {
    name: 'does not read the body of a put that is aborted before',
    async run(storage, { folder }) {
      let read = false;
      async function* body(): AsyncGenerator<string> {
        read = true;
        yield 'hello';
      }
      const signal = AbortSignal.abort();
      await rejection(storage.put(`${folder}a`, body(), { signal }), StorageAbortedError);
      assert.equal(read, false);
    },
  },
  ...[
    { what: 'after some bytes', size: () => 100_000 },
    { what: 'after more than a part', size: (part: number) => part + 65_536 },
  ].map(({ what, size }): Behaviour => ({
    name: `ends a put ${what} although the source hangs, and keeps what was there`,
    async run(storage, { folder }) {
      const partSize = partSizeOf(storage);
      await storage.put(`${folder}old`, 'before');
      for (const name of ['old', 'new']) {
        const controller = new AbortController();
        const { body, waiting } = stallingSource(someBytes(size(partSize)));
        const { signal } = controller;
        const put = storage.put(folder + name, body, { signal, partSize });
        const settled = rejection(put, StorageAbortedError);
        await Promise.race([waiting, settled]);
        const reason = new Error('enough');
        controller.abort(reason);
        assert.equal((await settled).cause, reason);
      }
      await assertHolds(storage, `${folder}old`, 'before');
      await assertMissing(storage, `${folder}new`);
    },
  })),
  {
    name: 'stores a put that is aborted at any moment or rejects it, and never both',
    async run(storage, { folder }) {
      const rounds = Array.from({ length: 40 }, (_, turns) => turns);
      await abortAfterTurns(rounds, (turns) =>
        replacement(storage, `${folder}${turns}`, someBytes(100_000, turns + 1)),
      );
    },
  },
  {
    name: 'stores a put of several parts that is aborted on its way or rejects it, and never both',
    async run(storage, { folder }) {
      const partSize = partSizeOf(storage);
      const bytes = someBytes(Math.max(partSize + 10, MiB));
      const rounds = [0, 4, 12, 30, 50, 70, 100, 150, 220];
      await abortAfterTurns(rounds, (turns) =>
        replacement(storage, `${folder}${turns}`, bytes, partSize),
      );
    },
  },
  {
    name: 'makes a copy that is aborted at any moment or rejects it, and never both',
    async run(storage, { folder }) {
      await storage.put(`${folder}from`, 'after');
      await abortAfterTurns(ONE_REQUEST, async (turns) => {
        const key = `${folder}to/${turns}`;
        await storage.put(key, 'before');
        return {
          call: (signal) => storage.copy(`${folder}from`, key, { signal }),
          assertDone: () => assertHolds(storage, key, 'after'),
          assertUndone: () => assertHolds(storage, key, 'before'),
        };
      });
    },
  },
  {
    name: 'completes a multipart upload whose completion is aborted at any moment or rejects it, and never both',
    needs: ({ multipart }) => multipart,
    async run(storage, { folder }) {
      await abortAfterTurns(ONE_REQUEST, async (turns) => {
        const key = `${folder}${turns}`;
        await storage.put(key, 'before');
        const upload = await storage.startMultipartUpload(key);
        const part = await storage.uploadPart(upload, 1, 'after');
        return {
          call: (signal) => storage.completeMultipartUpload(upload, [part], { signal }),
          assertDone: () => assertHolds(storage, key, 'after'),
          async assertUndone() {
            await assertHolds(storage, key, 'before');
            await storage.abortMultipartUpload(upload);
          },
        };
      });
    },
  },
  {
    name: 'deletes nothing any more when a deletion of many was aborted and has rejected',
    async run(storage, { folder }) {
      await abortAfterTurns(ONE_REQUEST, async (turns) => {
        const keys = ['a', 'b', 'c'].map((name) => `${folder}${turns}/${name}`);
        await putAll(storage, keys);
        let left: string[] = [];
        return {
          async call(signal) {
            try {
              await storage.deleteMany(keys, { signal });
            } catch (error) {
              // Some may be gone: a backend may take them one by one.
              left = await listKeys(storage, `${folder}${turns}/`);
              throw error;
            }
          },
          async assertDone() {
            assert.deepEqual(await listKeys(storage, `${folder}${turns}/`), []);
          },
          async assertUndone() {
            assert.deepEqual(await listKeys(storage, `${folder}${turns}/`), left);
          },
        };
      });
    },
  },
  {
    name: 'ends a part whose source hangs, and can send it again',
    needs: ({ multipart }) => multipart,
    async run(storage, { folder }) {
      const upload = await storage.startMultipartUpload(`${folder}a`);
      const controller = new AbortController();
      const { body, waiting } = stallingSource(someBytes(1000));
      const part = storage.uploadPart(upload, 1, body, { signal: controller.signal });
      const settled = rejection(part, StorageAbortedError);
      await Promise.race([waiting, settled]);
      controller.abort();
      await settled;
      assert.deepEqual(await storage.listParts(upload), []);
      await storage.uploadPart(upload, 1, 'hello');
      await storage.completeMultipartUpload(upload);
      await assertHolds(storage, `${folder}a`, 'hello');
    },
  },
  {
    name: 'never ends a download early as if it were complete when it is aborted',
    async run(storage, { folder }) {
      const bytes = someBytes(3_000_000);
      await storage.put(`${folder}a`, bytes);
      const controller = new AbortController();
      const download = await storage.get(`${folder}a`, { signal: controller.signal });
      const chunks: Uint8Array[] = [];
      const read = async (): Promise<void> => {
        for await (const chunk of download) {
          chunks.push(chunk);
          controller.abort();
        }
      };
      try {
        await read();
      } catch (error) {
        // A backend that had everything in memory is done by now; any other must say what happened.
        assert.ok(error instanceof StorageAbortedError, String(error));
        return;
      }
      assertBytes(Buffer.concat(chunks), bytes);
    },
  },
  {
    name: 'ends a listing that is aborted on the way',
    async run(storage, { folder }) {
      await putAll(
        storage,
        ['a', 'b', 'c'].map((name) => folder + name),
      );
      const controller = new AbortController();
      const seen: string[] = [];
      const iterate = async (): Promise<void> => {
        for await (const { key } of storage.list(folder, { signal: controller.signal })) {
          seen.push(key);
          controller.abort();
        }
      };
      await rejection(iterate(), StorageAbortedError);
      assert.deepEqual(seen, [`${folder}a`]);
    },
  },
  {
    name: 'leaves no listener on a signal that 120 calls were given',
    async run(storage, { folder }) {
      const { signal } = new AbortController();
      const from = `${folder}a`;
      for (let round = 0; round < 12; round++) {
        await storage.put(from, 'hello', { signal });
        await storage.put(`${folder}b`, [Buffer.from('hello')], { signal });
        await storage.getBytes(from, { signal });
        for await (const _ of await storage.get(from, { signal }));
        (await storage.get(from, { signal })).destroy();
        await storage.info(from, { signal });
        await storage.exists(`${folder}missing`, { signal });
        await listKeys(storage, folder, { signal });
        await storage.copy(from, `${folder}c`, { signal });
        await storage.deleteMany([`${folder}c`], { signal });
      }
      // A destroyed stream closes in its own time.
      for (let turn = 0; turn < 1000 && listeners(signal) > 0; turn++) {
        await setImmediate();
      }
      assert.equal(listeners(signal), 0);
    },
  },
];

/** A call that is to be aborted on its way, and what shows that it has taken place or has not. */
interface Attempt {
  readonly call: (signal: AbortSignal) => Promise<unknown>;
  readonly assertDone: () => Promise<void>;
  readonly assertUndone: () => Promise<void>;
}

async function replacement(
  storage: Storage,
  key: string,
  bytes: Uint8Array,
  partSize?: number,
): Promise<Attempt> {
  await storage.put(key, 'before');
  const options = partSize === undefined ? {} : { partSize };
  return {
    call: (signal) => storage.put(key, bytes, { ...options, signal }),
    assertDone: () => assertHolds(storage, key, bytes),
    assertUndone: () => assertHolds(storage, key, 'before'),
  };
}

/** Aborts a call for each number of turns of the event loop, so many after its start. */
async function abortAfterTurns(
  rounds: readonly number[],
  prepare: (turns: number) => Promise<Attempt>,
): Promise<void> {
  const rejected: Attempt[] = [];
  for (const turns of rounds) {
    const attempt = await prepare(turns);
    const controller = new AbortController();
    const outcome = attempt.call(controller.signal).then(
      () => undefined,
      (error: unknown) => error,
    );
    for (let turn = 0; turn < turns; turn++) await setImmediate();
    controller.abort();
    const error = await outcome;
    if (error === undefined) {
      await attempt.assertDone();
    } else {
      assert.ok(error instanceof StorageAbortedError, inspect(error));
      rejected.push(attempt);
    }
  }
  if (rejected.length > 0) await sleep(AFTERWARDS);
  for (const attempt of rejected) await attempt.assertUndone();
}

function listeners(signal: AbortSignal): number {
  return getEventListeners(signal, 'abort').length;
}
