import type { TusLocker } from './tus-module-options.interface.js';

/** The same locks, each given back only when what was begun under it has ended. */
export function lockedUntil(settled: () => Promise<void>, locker: TusLocker): TusLocker {
  return {
    newLock(id) {
      const lock = locker.newLock(id);
      return {
        lock: (signal, requestRelease) => lock.lock(signal, requestRelease),
        async unlock() {
          await settled();
          await lock.unlock();
        },
      };
    },
  };
}
