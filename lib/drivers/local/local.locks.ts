import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { StorageTimeoutError } from '../../core/errors.js';
import { throwIfAborted } from './local.errors.js';
import { hashOf } from './local.metadata.js';
import { breakLock, isHolderGone, takeLock } from './local.lock-files.js';
import type { Slot } from './local.slots.js';
import { hasCode, lstat, readText, unlinkIfThere } from './local.system-calls.js';
import type { TemporaryFiles } from './local.temporary-files.js';

/** Milliseconds: locks are held for a few of them. */
const PATIENCE = 10_000;

type Release = () => void;

/** Lets the writers of a key in one by one, in the order in which they came. Within one process. */
export class KeyLocks {
  readonly #last = new Map<string, Promise<void>>();

  /** Several keys are taken in one order by everybody, so that nobody waits in a circle. */
  async hold<T>(
    keys: readonly string[],
    slot: Slot,
    signal: AbortSignal,
    task: () => Promise<T>,
  ): Promise<T> {
    const held: Release[] = [];
    try {
      for (const key of [...new Set(keys)].sort()) {
        held.push(await this.#acquire(key, slot, signal));
      }
      return await task();
    } finally {
      for (const release of held) release();
    }
  }

  async #acquire(key: string, slot: Slot, signal: AbortSignal): Promise<Release> {
    const before = this.#last.get(key);
    let open!: () => void;
    const opened = new Promise<void>((resolve) => (open = resolve));
    const turn = before === undefined ? opened : before.then(() => opened);
    this.#last.set(key, turn);
    const release = (): void => {
      open();
      if (this.#last.get(key) === turn) this.#last.delete(key);
    };
    if (before !== undefined) {
      try {
        await slot.lend(() => orAborted(before, signal));
      } catch (error) {
        open();
        // Those behind wait for the one before, too; the last one of them tidies up.
        void turn.then(() => {
          if (this.#last.get(key) === turn) this.#last.delete(key);
        });
        throw error;
      }
    }
    return release;
  }
}

/** Lets one process in at a time, for a key. The lock of a process that is gone is broken by whoever waits for it. */
export class LockFiles {
  /** Locks that were given up, by their paths: whoever comes next to one that still stands as it did does not wait as long again. */
  readonly #standing = new Map<string, Standing>();

  /** @param patience milliseconds that whoever holds a lock may stand still */
  constructor(
    private readonly temporary: TemporaryFiles,
    private readonly patience = PATIENCE,
  ) {}

  /**
   * Waits until the signal is aborted, but not for a process that was stopped, or for one of another machine that has ended: it would
   * keep those behind it waiting, too.
   *
   * @throws StorageTimeoutError
   */
  async hold<T>(key: string, slot: Slot, signal: AbortSignal, task: () => Promise<T>): Promise<T> {
    const path = join(this.temporary.locks, hashOf(key));
    let seen = this.#standing.get(path);
    for (let wait = 1; !(await takeLock(path, this.temporary)); wait = Math.min(2 * wait, 64)) {
      throwIfAborted(signal);
      const holder = await readText(path);
      if (holder !== undefined && (await isHolderGone(holder, path, this.temporary))) {
        await this.temporary.sweep();
        // Still there when nothing else of its holder is.
        await breakLock(path, holder, this.temporary);
      }
      // In random steps, so that those who wait do not come back together.
      const delay = wait * (0.5 + Math.random());
      await slot.lend(() => orAborted(sleep(delay), signal));
      const state = await stateOf(path);
      const isSame = state !== undefined && state === seen?.state;
      seen = { state, standstill: isSame ? seen!.standstill + delay : 0 };
      if (seen.standstill <= this.patience) continue;
      this.#standing.set(path, seen);
      throw standsStill();
    }
    this.#standing.delete(path);
    try {
      return await task();
    } finally {
      await unlinkIfThere(path).catch(() => {});
    }
  }
}

/** A lock as it was seen last, and the milliseconds for which it had been so. */
interface Standing {
  readonly state: string | undefined;
  readonly standstill: number;
}

/** Another text each time that a lock is taken or let go by the same holder, whose record has as many names as locks. */
async function stateOf(path: string): Promise<string | undefined> {
  try {
    const { ino, ctimeNs } = await lstat(path);
    return `${ino} ${ctimeNs}`;
  } catch (error) {
    if (!hasCode(error, 'ENOENT')) throw error;
    return undefined;
  }
}

function standsStill(): StorageTimeoutError {
  return new StorageTimeoutError(
    'Another process holds the lock of the file and does not go on: it may be stopped, or have ended on another machine',
  );
}

/** Settles as the promise does, but no later than the signal is aborted. */
async function orAborted(promise: Promise<void>, signal: AbortSignal): Promise<void> {
  let onAbort: (() => void) | undefined;
  const aborted = new Promise<void>((resolve) => {
    onAbort = resolve;
    signal.addEventListener('abort', onAbort);
  });
  try {
    if (!signal.aborted) await Promise.race([promise, aborted]);
  } finally {
    if (onAbort) signal.removeEventListener('abort', onAbort);
  }
  throwIfAborted(signal);
}
