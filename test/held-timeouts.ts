import { jest } from '@jest/globals';
import { fakeOnly } from './fake-timers.js';

interface HeldTimeouts extends Disposable {
  /** Lets second after second pass, and what is due by then happen, until the promise is settled. */
  passUntil(settled: Promise<unknown>): Promise<void>;
}

/**
 * Holds `setTimeout()`, by which the library gives up what is silent, until the test lets the time pass: so the one that is to
 * run out does, and the others cannot, however slow the machine is. All else takes its time.
 */
export function holdTimeouts(): HeldTimeouts {
  fakeOnly(['setTimeout', 'clearTimeout']);
  return {
    async passUntil(settled) {
      let isSettled = false;
      const settle = (): void => void (isSettled = true);
      settled.then(settle, settle);
      while (!isSettled) await jest.advanceTimersByTimeAsync(1000);
    },
    [Symbol.dispose]: () => void jest.useRealTimers(),
  };
}
