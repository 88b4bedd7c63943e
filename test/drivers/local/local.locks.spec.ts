import { jest } from '@jest/globals';
import { getEventListeners } from 'node:events';
import { chmod, mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { KeyLocks, LockFiles } from '../../../lib/drivers/local/local.locks.js';
import { hashOf, MetadataFolder } from '../../../lib/drivers/local/local.metadata.js';
import { LocalRoot } from '../../../lib/drivers/local/local.paths.js';
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
      const ended = locks.hold(['k'], until, async () => {
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
  const held = locks.hold('k', signal, async () => {});
  await expect(held).rejects.toMatchObject({ code: 'TIMEOUT', retryable: true });
  await rm(lock);
  expect(await locks.hold('k', signal, async () => 'held')).toBe('held');
  await temporary.close();
});

it('does not wait as long again for a lock that stands as it did when it was given up', async () => {
  const { temporary, locks, lock } = await besideLockElsewhere('k');
  const { signal } = new AbortController();
  // Each look at the lock waits once, and listens meanwhile.
  const waits = jest.spyOn(signal, 'addEventListener');
  const looks = async (): Promise<number> => {
    waits.mockClear();
    await expect(locks.hold('k', signal, async () => {})).rejects.toMatchObject({
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
  expect(await locks.hold('k', signal, async () => 'held')).toBe('held');
  await temporary.close();
});

it('ends at once, and leaves nothing, when it is aborted behind writers that wait for a lock', async () => {
  const { root, driver } = await openDriver();
  const { etag } = await put(driver, 'k', 'old');
  await lockElsewhere(root, 'k');
  const writers = new AbortController();
  const options = { ifMatch: etag!, signal: writers.signal };
  // As many as may write at once.
  const waiting = Array.from({ length: 16 }, () => failure(put(driver, 'k', 'new', options)));
  const late = new AbortController();
  const streamed = failure(put(driver, 'other', chunks('a', 'b'), { signal: late.signal }));
  const staged = async (key: string): Promise<number> => {
    const files = await temporaryFiles(root);
    return files.filter((file) => file.includes(hashOf(key))).length;
  };
  while ((await staged('k')) < 16 || (await staged('other')) < 1) await setImmediate();
  late.abort();
  expect((await streamed).code).toBe('ABORTED');
  expect([await staged('k'), await staged('other')]).toEqual([16, 0]);
  writers.abort();
  for (const each of waiting) expect((await each).code).toBe('ABORTED');
  expect(await temporaryFiles(root)).toEqual([]);
  expect(await text(driver, 'k')).toBe('old');
});

it('ends a deletion that is aborted behind such writers before it comes to the empty folder', async () => {
  const { root, driver } = await openDriver();
  const { etag } = await put(driver, 'k', 'old');
  await put(driver, 'folder/file');
  await lockElsewhere(root, 'k');
  const writers = new AbortController();
  const options = { ifMatch: etag!, signal: writers.signal };
  const write = (): Promise<unknown> => failure(put(driver, 'k', 'new', options));
  const waiting = Array.from({ length: 15 }, write);
  const late = new AbortController();
  const deleted = failure(driver.deleteMany(['folder/file'], { signal: late.signal }));
  // It has the place of the deletion when the file is gone.
  waiting.push(write());
  const staged = async (): Promise<number> => (await temporaryFiles(root)).length;
  while ((await staged()) < 16) await setImmediate();
  expect(await listAll(driver)).toEqual(['k']);
  late.abort();
  // One of those gives up in the end, by itself.
  const first = await Promise.race([deleted, ...waiting]);
  expect(first).toBe(await deleted);
  expect(first).toMatchObject({ code: 'ABORTED' });
  writers.abort();
  await Promise.all(waiting);
});
