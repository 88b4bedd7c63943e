import { getEventListeners } from 'node:events';
import { setImmediate } from 'node:timers/promises';
import { KeyLocks } from '../../../lib/drivers/local/local.locks.js';

const { signal } = new AbortController();

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
