import { jest } from '@jest/globals';
import { getEventListeners, setMaxListeners } from 'node:events';
import { chmod, mkdir, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { contentTypeOf } from '../../../lib/core/attributes.js';
import type { MultipartPart } from '../../../lib/core/multipart.js';
import type { DriverUpload, StorageDriver } from '../../../lib/core/storage-driver.js';
import { KeyLocks, LockFiles } from '../../../lib/drivers/local/local.locks.js';
import { hashOf, MetadataFolder } from '../../../lib/drivers/local/local.metadata.js';
import { LocalRoot } from '../../../lib/drivers/local/local.paths.js';
import { type Slot, slotsOn } from '../../../lib/drivers/local/local.slots.js';
import { TemporaryFiles } from '../../../lib/drivers/local/local.temporary-files.js';
import {
  chunks,
  cleanUp,
  failure,
  listAll,
  openDriver,
  put,
  RESERVED,
  signal,
  temporaryFiles,
  temporaryFolder,
  text,
} from './local-fixture.js';

afterEach(cleanUp);

/** Of a task that has no others beside it. */
const slot: Slot = { lend: (wait) => wait() };

/** Holders of one key, of which each holds it until it is told to let go. */
function holders(locks: KeyLocks): {
  order: string[];
  hold: (name: string, until?: AbortSignal) => { ended: Promise<unknown>; letGo: () => void };
} {
  const order: string[] = [];
  return {
    order,
    hold(name, until = signal) {
      let letGo!: () => void;
      const told = new Promise<void>((resolve) => (letGo = resolve));
      const ended = locks.hold(['k'], slot, until, async () => {
        order.push(`${name} holds`);
        await told;
        order.push(`${name} lets go`);
      });
      return { ended, letGo };
    },
  };
}

const IN_TURN = ['first', 'second', 'third'].flatMap((name) => [
  `${name} holds`,
  `${name} lets go`,
]);

it('lets nobody overtake those who wait for a key', async () => {
  const { order, hold } = holders(new KeyLocks());
  const first = hold('first');
  const second = hold('second');
  first.letGo();
  await first.ended;
  const third = hold('third');
  third.letGo();
  second.letGo();
  await Promise.all([second.ended, third.ended]);
  expect(order).toEqual(IN_TURN);
});

it('lets nobody in early because somebody before gave up', async () => {
  const { order, hold } = holders(new KeyLocks());
  const controller = new AbortController();
  const first = hold('first');
  const impatient = hold('impatient', controller.signal);
  const second = hold('second');
  controller.abort();
  await expect(impatient.ended).rejects.toMatchObject({ code: 'ABORTED' });
  first.letGo();
  await first.ended;
  await setImmediate();
  const third = hold('third');
  third.letGo();
  second.letGo();
  await Promise.all([second.ended, third.ended]);
  expect(order).toEqual(IN_TURN);
});

it('leaves nothing on the signals of those who waited', async () => {
  const { hold } = holders(new KeyLocks());
  const controller = new AbortController();
  const first = hold('first');
  const second = hold('second', controller.signal);
  expect(getEventListeners(controller.signal, 'abort')).toHaveLength(1);
  first.letGo();
  second.letGo();
  await Promise.all([first.ended, second.ended]);
  expect(getEventListeners(controller.signal, 'abort')).toEqual([]);
});

/** The lock of a process on another machine, of which nobody here can tell whether it goes on. */
async function lockElsewhere(root: string, key: string): Promise<string> {
  const owner = 'elsewhere,,,1,,0123456789abcdef';
  const lock = join(root, RESERVED, 'locks', hashOf(key));
  await mkdir(join(root, RESERVED, 'tmp', owner), { recursive: true });
  await mkdir(join(root, RESERVED, 'locks'), { recursive: true });
  await writeFile(lock, owner);
  return lock;
}

/** Locks that wait 20 ms for such a process, which holds that of the key. */
async function besideLockElsewhere(
  key: string,
): Promise<{ temporary: TemporaryFiles; locks: LockFiles; lock: string }> {
  const path = await temporaryFolder();
  const root = await LocalRoot.open(path, { symlinks: 'deny', directoryPermissions: 0o700 });
  const metadata = new MetadataFolder(join(root.reserved, 'meta'), 0o600, 0o700, false);
  const temporary = await TemporaryFiles.open(root, metadata, 0o700);
  return { temporary, locks: new LockFiles(temporary, 20), lock: await lockElsewhere(path, key) };
}

it('does not wait for ever for a process that holds a lock and stands still', async () => {
  const { temporary, locks, lock } = await besideLockElsewhere('k');
  const held = locks.hold('k', slot, signal, async () => {});
  await expect(held).rejects.toMatchObject({ code: 'TIMEOUT', retryable: true });
  await rm(lock);
  expect(await locks.hold('k', slot, signal, async () => 'held')).toBe('held');
  await temporary.close();
});

it('does not wait as long again for a lock that stands as it did when it was given up', async () => {
  const { temporary, locks, lock } = await besideLockElsewhere('k');
  const { signal } = new AbortController();
  // Each look at the lock waits once, and listens meanwhile.
  const waits = jest.spyOn(signal, 'addEventListener');
  const looks = async (): Promise<number> => {
    waits.mockClear();
    await expect(locks.hold('k', slot, signal, async () => {})).rejects.toMatchObject({
      code: 'TIMEOUT',
    });
    return waits.mock.calls.length;
  };
  expect(await looks()).toBeGreaterThan(2);
  expect(await looks()).toBe(1);
  // Its holder goes on.
  await chmod(lock, 0o640);
  expect(await looks()).toBeGreaterThan(2);
  await rm(lock);
  expect(await locks.hold('k', slot, signal, async () => 'held')).toBe('held');
  await temporary.close();
});

/** Takes places among the writers of the root's disk, of which there are 16, until it is disposed of. */
async function writersOn(root: string): Promise<AsyncDisposable & { add: () => Promise<void> }> {
  const { writes } = slotsOn((await stat(root, { bigint: true })).dev);
  let letGo!: () => void;
  const told = new Promise<void>((resolve) => (letGo = resolve));
  const ended: Promise<void>[] = [];
  return {
    /** Resolves when it has one. */
    add: () =>
      new Promise<void>((resolve) => {
        const task = (): Promise<void> => {
          resolve();
          return told;
        };
        ended.push(writes.use(task));
      }),
    async [Symbol.asyncDispose]() {
      letGo();
      await Promise.all(ended);
    },
  };
}

/** Everything that writes, to keys beside `k` that nobody else has. */
async function writeOthers(driver: StorageDriver, aside: StorageDriver): Promise<void> {
  await put(driver, 'a', 'old');
  await put(driver, 'b', chunks('a', 'b'));
  await driver.copy('a', 'c', { signal, move: false });
  await driver.copy('c', 'd', { signal, move: true });
  const { failed } = await driver.deleteMany(['a', 'b'], { signal });
  expect(failed).toEqual([]);
  const upload = await begin(driver, 'e');
  await driver.completeMultipartUpload(upload.upload, upload.parts, { signal });
  await put(aside, 'k', 'of another storage');
}

async function begin(
  driver: StorageDriver,
  key: string,
): Promise<{ upload: DriverUpload; parts: MultipartPart[] }> {
  const options = { signal, contentType: contentTypeOf(key), metadata: {} };
  const upload = { key, uploadId: await driver.startMultipartUpload(key, options) };
  return { upload, parts: [await driver.uploadPart(upload, 1, Buffer.from('x'), { signal })] };
}

it('holds up no write of another key, or in another storage, while many wait for the lock of a key', async () => {
  const { root, driver } = await openDriver();
  const { driver: aside } = await openDriver();
  const { etag } = await put(driver, 'k', 'old');
  await put(driver, 'x', 'x');
  const { upload, parts } = await begin(driver, 'k');
  await lockElsewhere(root, 'k');
  const writers = new AbortController();
  setMaxListeners(0, writers.signal);
  const options = { signal: writers.signal };
  const deleteOne = async (): Promise<void> => {
    const { failed } = await driver.deleteMany(['k'], options);
    throw failed[0]!.error;
  };
  // Each kind as many times as may write at once.
  const kinds: (() => Promise<unknown>)[] = [
    () => put(driver, 'k', 'new', { ...options, ifMatch: etag! }),
    () => put(driver, 'k', 'new', options),
    () => put(driver, 'k', chunks('new'), options),
    () => driver.copy('x', 'k', { ...options, move: false }),
    () => driver.copy('k', 'y', { ...options, move: true }),
    () => driver.completeMultipartUpload(upload, parts, options),
    deleteOne,
  ];
  const waiting = kinds.flatMap((write) => Array.from({ length: 16 }, () => failure(write())));
  // They give up in the end, by themselves.
  const first = await Promise.race([writeOthers(driver, aside), ...waiting]);
  expect(first).toBeUndefined();
  expect(await listAll(driver)).toEqual(['d', 'e', 'k', 'x']);
  writers.abort();
  for (const each of waiting) expect((await each).code).toBe('ABORTED');
  expect(await temporaryFiles(root)).toEqual([]);
  expect(await text(driver, 'k')).toBe('old');
});

it('holds up no write of another key while one waits for each of as many locks as may write at once', async () => {
  const { root, driver } = await openDriver();
  const { driver: aside } = await openDriver();
  const writers = new AbortController();
  setMaxListeners(0, writers.signal);
  const keys = Array.from({ length: 16 }, (_, index) => `locked-${index}`);
  const waiting: Promise<unknown>[] = [];
  for (const key of keys) await lockElsewhere(root, key);
  const etags = await Promise.all(keys.map(async (key) => (await put(driver, key, 'old')).etag!));
  for (const [index, key] of keys.entries()) {
    const options = { ifMatch: etags[index]!, signal: writers.signal };
    waiting.push(failure(put(driver, key, 'new', options)));
  }
  expect(await Promise.race([writeOthers(driver, aside), ...waiting])).toBeUndefined();
  writers.abort();
  for (const each of waiting) expect(await each).toMatchObject({ code: 'ABORTED' });
  expect(await temporaryFiles(root)).toEqual([]);
});

it('ends at once, and leaves nothing, when it is aborted behind as many as may write at once', async () => {
  const { root, driver } = await openDriver();
  await put(driver, 'k');
  await using writers = await writersOn(root);
  for (let count = 0; count < 16; count++) await writers.add();
  const late = new AbortController();
  const streamed = failure(put(driver, 'other', chunks('a', 'b'), { signal: late.signal }));
  while ((await temporaryFiles(root)).length < 1) await setImmediate();
  late.abort();
  expect((await streamed).code).toBe('ABORTED');
  expect(await temporaryFiles(root)).toEqual([]);
  expect(await listAll(driver)).toEqual(['k']);
});

it('ends a deletion that is aborted behind such writers before it comes to the empty folder', async () => {
  const { root, driver } = await openDriver();
  await put(driver, 'folder/file');
  await using writers = await writersOn(root);
  for (let count = 0; count < 15; count++) await writers.add();
  const late = new AbortController();
  const deleted = failure(driver.deleteMany(['folder/file'], { signal: late.signal }));
  // It has the place of the deletion when the file is gone.
  await writers.add();
  expect(await listAll(driver)).toEqual([]);
  late.abort();
  expect((await deleted).code).toBe('ABORTED');
});
