import { inParallel } from '../../lib/core/in-parallel.js';

const { signal } = new AbortController();
/** Lets everything happen that waits for nothing. */
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

async function aborted(stopped: AbortSignal): Promise<void> {
  if (!stopped.aborted) await new Promise((resolve) => stopped.addEventListener('abort', resolve));
}

test('so many are under way at once, and the results are in the order of the items', async () => {
  let underWay = 0;
  let most = 0;
  const results = await inParallel([30, 10, 20, 0], 2, signal, async (item) => {
    most = Math.max(most, ++underWay);
    for (let turn = 0; turn < item; turn++) await Promise.resolve();
    underWay--;
    return item + 1;
  });
  expect(results).toEqual([31, 11, 21, 1]);
  expect(most).toBe(2);
});

test('the first failure ends the others, and none is begun behind it', async () => {
  const begun: number[] = [];
  const ended: number[] = [];
  const all = inParallel([0, 1, 2, 3], 2, signal, async (item, stopped) => {
    begun.push(item);
    if (item === 0) {
      await settle();
      throw new Error('first');
    }
    await aborted(stopped);
    await settle();
    ended.push(item);
    if (item === 1) throw new Error('second');
  });
  await expect(all).rejects.toThrow('first');
  expect([begun, ended]).toEqual([[0, 1], [1]]);
});

test('none is begun behind a failure, also where the other one succeeds', async () => {
  const begun: number[] = [];
  const all = inParallel([0, 1, 2], 2, signal, async (item, stopped) => {
    begun.push(item);
    if (item === 0) throw new Error('first');
    await aborted(stopped);
  });
  await expect(all).rejects.toThrow('first');
  expect(begun).toEqual([0, 1]);
});

test('what failed by an abort is told by the reason of that', async () => {
  const stop = new AbortController();
  const reason = new Error('enough');
  const all = inParallel([0], 1, stop.signal, async () => {
    stop.abort(reason);
    throw new Error('cut');
  });
  await expect(all).rejects.toBe(reason);
});
