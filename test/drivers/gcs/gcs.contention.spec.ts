import { setTimeout as sleep } from 'node:timers/promises';
import { jest } from '@jest/globals';
import { pauseAfter } from '../../../lib/drivers/gcs/gcs.contention.js';
import { rejection, signal } from './open-gcs.js';

afterEach(() => jest.restoreAllMocks());

// Timers that begin at once end in the order of their times, however slow the machine is.
test.each([
  [1, 1, 20],
  [0.5, 1, 10],
  [1, 3, 80],
  [1, 9, 500],
  [0, 9, 0],
])('with the random number %d the pause after round %i is %i ms', async (random, round, pause) => {
  jest.spyOn(Math, 'random').mockReturnValue(random);
  const order: string[] = [];
  const then = (name: string, timer: Promise<unknown>): Promise<unknown> =>
    timer.then(() => order.push(name));
  await Promise.all([
    ...(pause === 0 ? [] : [then('before', sleep(pause - 5))]),
    then('pause', pauseAfter(round, signal)),
    then('after', sleep(pause + 5)),
  ]);
  expect(order).toEqual(pause === 0 ? ['pause', 'after'] : ['before', 'pause', 'after']);
});

test('a pause ends with its signal', async () => {
  jest.spyOn(Math, 'random').mockReturnValue(1);
  const abort = new AbortController();
  const pausing = rejection(pauseAfter(9, abort.signal));
  abort.abort();
  expect(await pausing).toMatchObject({ name: 'AbortError' });
});
