import { getEventListeners } from 'node:events';
import { setImmediate } from 'node:timers/promises';
import { Slots, slotsOn } from '../../../lib/drivers/local/local.slots.js';

/** A task that runs until it is told to end. */
function held(): { task: () => Promise<void>; end: () => void } {
  let end!: () => void;
  const ended = new Promise<void>((resolve) => (end = resolve));
  return { task: () => ended, end };
}

it('lets so many in at once, one line after the other, each in the order of asking', async () => {
  const slots = new Slots(1);
  const [long, short] = [slots.line(), slots.line()];
  const order: string[] = [];
  const { task, end } = held();
  const first = long.use(task);
  const waiting = [
    ...['a', 'b', 'c'].map((name) => long.use(async () => order.push(name))),
    ...['x', 'y'].map((name) => short.use(async () => order.push(name))),
  ];
  end();
  await Promise.all([first, ...waiting]);
  expect(order).toEqual(['a', 'x', 'b', 'y', 'c']);
});

it('lets others have a slot that is lent, and gives it back in turn', async () => {
  const line = new Slots(1).line();
  const order: string[] = [];
  const wait = held();
  const lender = line.use(async (slot) => {
    await slot.lend(wait.task);
    order.push('lender');
  });
  await line.use(async () => order.push('during'));
  const next = held();
  const during = line.use(next.task);
  const behind = line.use(async () => order.push('behind'));
  wait.end();
  await setImmediate();
  const last = line.use(async () => order.push('last'));
  next.end();
  await Promise.all([lender, during, behind, last]);
  expect(order).toEqual(['during', 'behind', 'lender', 'last']);
});

it('gives a slot on once that was lent when the wait fails, or the one for it is aborted', async () => {
  const line = new Slots(1).line();
  const failed = line.use((slot) => slot.lend(() => Promise.reject(new Error('failed'))));
  await expect(failed).rejects.toThrow('failed');
  const controller = new AbortController();
  const wait = held();
  const aborted = line.use((slot) => slot.lend(wait.task), controller.signal);
  const { task, end } = held();
  const first = line.use(task);
  wait.end();
  await setImmediate();
  controller.abort('enough');
  await expect(aborted).rejects.toMatchObject({ code: 'ABORTED', cause: 'enough' });
  let isOver = false;
  const second = line.use(async () => (isOver = true));
  await setImmediate();
  expect(isOver).toBe(false);
  end();
  await Promise.all([first, second]);
});

it('gives a slot on when a task fails', async () => {
  const line = new Slots(1).line();
  await expect(line.use(() => Promise.reject(new Error('failed')))).rejects.toThrow('failed');
  expect(await line.use(async () => 'done')).toBe('done');
});

it('takes whoever is aborted out of the line at once', async () => {
  const slots = new Slots(1);
  const [line, other] = [slots.line(), slots.line()];
  const { task, end } = held();
  const first = line.use(task);
  const controller = new AbortController();
  const { signal } = controller;
  const aborted = line.use(async () => 'never', signal);
  const behind = [line, other].map((each) => each.use(async () => 'behind', signal));
  const waiting = other.use(async () => 'in turn');
  controller.abort('enough');
  for (const each of [aborted, ...behind, line.use(async () => 'never', signal)]) {
    await expect(each).rejects.toMatchObject({ code: 'ABORTED', cause: 'enough' });
  }
  end();
  await first;
  expect(await waiting).toBe('in turn');
  expect(await line.use(async () => 'free')).toBe('free');
});

it('leaves nothing on the signals of those who waited', async () => {
  const line = new Slots(1).line();
  const { task, end } = held();
  const { signal } = new AbortController();
  const first = line.use(task);
  const second = line.use(async () => {}, signal);
  expect(getEventListeners(signal, 'abort')).toHaveLength(1);
  end();
  await Promise.all([first, second]);
  expect(getEventListeners(signal, 'abort')).toEqual([]);
});

it('shares the slots of a disk among its storages, and those of another disk with none of them', async () => {
  // Numbers of no device.
  const [one, other, elsewhere] = [slotsOn(-1n), slotsOn(-1n), slotsOn(-2n)];
  const { task, end } = held();
  const running = Array.from({ length: 8 }, () => one.reads.use(task));
  let isOver = false;
  const waiting = other.reads.use(async () => (isOver = true));
  expect(await elsewhere.reads.use(async () => 'at once')).toBe('at once');
  expect(isOver).toBe(false);
  end();
  await Promise.all([...running, waiting]);
  expect(isOver).toBe(true);
});
