import type { TusLock, TusLocker } from './tus-module-options.interface.js';
import { uploadLocked } from './tus.exceptions.js';

/** Milliseconds that a request waits for another one to let go of the upload. */
const LONGEST_WAIT = 30_000;

interface Waiter {
  readonly requestRelease: () => Promise<void> | void;
  readonly enter: () => void;
}

/** One upload that somebody has: who waits for it, the first come first. */
interface Held {
  requestRelease: Waiter['requestRelease'];
  readonly waiters: Waiter[];
}

/** Locks in the memory of one process. */
export class UploadLocker implements TusLocker {
  readonly #held = new Map<string, Held>();

  constructor(private readonly longestWait = LONGEST_WAIT) {}

  newLock(id: string): TusLock {
    return {
      lock: (signal, requestRelease) => this.#lock(id, signal, requestRelease),
      unlock: async () => this.#unlock(id),
    };
  }

  /** @throws UploadException 423 when the others do not let go in time, or nobody wants it any more */
  async #lock(
    id: string,
    signal: AbortSignal,
    requestRelease: Waiter['requestRelease'],
  ): Promise<void> {
    if (signal.aborted) throw uploadLocked();
    const held = this.#held.get(id);
    if (!held) {
      this.#held.set(id, { requestRelease, waiters: [] });
      return;
    }
    await new Promise<void>((resolve, reject) => {
      const leave = (): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', giveUp);
      };
      const giveUp = (): void => {
        leave();
        held.waiters.splice(held.waiters.indexOf(waiter), 1);
        reject(uploadLocked());
      };
      const enter = (): void => {
        leave();
        resolve();
      };
      const waiter = { requestRelease, enter };
      const timer = setTimeout(giveUp, this.longestWait);
      signal.addEventListener('abort', giveUp);
      held.waiters.push(waiter);
      void held.requestRelease();
    });
  }

  #unlock(id: string): void {
    const held = this.#held.get(id);
    const next = held?.waiters.shift();
    if (!held || !next) {
      this.#held.delete(id);
      return;
    }
    held.requestRelease = next.requestRelease;
    next.enter();
    if (held.waiters.length > 0) void next.requestRelease();
  }
}
