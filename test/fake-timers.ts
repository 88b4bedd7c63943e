import { jest } from '@jest/globals';

const FAKEABLE = [
  'Date',
  'hrtime',
  'nextTick',
  'performance',
  'queueMicrotask',
  'setImmediate',
  'clearImmediate',
  'setInterval',
  'clearInterval',
  'setTimeout',
  'clearTimeout',
] as const;

/** Jest's fake timers, of these alone: all else takes its time. Until `jest.useRealTimers()`. */
export function fakeOnly(names: readonly (typeof FAKEABLE)[number][], now?: Date): void {
  jest.useFakeTimers({
    doNotFake: FAKEABLE.filter((name) => !names.includes(name)),
    ...(now && { now }),
  });
}
