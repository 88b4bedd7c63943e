import { jest } from '@jest/globals';

export interface HeldTimeouts extends Disposable {
  /** Lets the time pass, and what is due by it happen. */
  pass(milliseconds: number): Promise<void>;
}

/**
 * Holds `setTimeout()`, by which the library gives up what is silent, until the test lets the time pass: so the one that is to
 * run out does, and the others cannot, however slow the machine is. All else takes its time.
 */
export function holdTimeouts(): HeldTimeouts {
  jest.useFakeTimers({
    doNotFake: [
      'Date',
      'hrtime',
      'nextTick',
      'performance',
      'queueMicrotask',
      'setImmediate',
      'clearImmediate',
      'setInterval',
      'clearInterval',
    ],
  });
  return {
    pass: (milliseconds) => jest.advanceTimersByTimeAsync(milliseconds),
    [Symbol.dispose]: () => void jest.useRealTimers(),
  };
}
