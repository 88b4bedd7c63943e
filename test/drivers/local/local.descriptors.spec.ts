import { jest } from '@jest/globals';
import { DescriptorLine } from '../../../lib/drivers/local/local.descriptors.js';

const exhausted = Object.assign(new Error('none left'), { code: 'EMFILE' });
const line = (): DescriptorLine => new DescriptorLine((error) => error === exhausted);

beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());

it('lets a call wait for a descriptor that somebody gives back without saying so', async () => {
  let left = 0;
  const call = line().use(async () => {
    if (left === 0) throw exhausted;
    return 'opened';
  });
  await jest.advanceTimersByTimeAsync(4900);
  left = 1;
  await jest.advanceTimersByTimeAsync(100);
  expect(await call).toBe('opened');
});

it('lets calls have descriptors in the order of asking, as soon as one is said to be given back', async () => {
  const [calls, got] = [line(), [] as string[]];
  let left = 0;
  const open = (name: string): Promise<unknown> =>
    calls.use(async () => {
      if (left === 0) throw exhausted;
      left--;
      got.push(name);
    });
  const first = open('first');
  await jest.advanceTimersByTimeAsync(1);
  left = 1;
  const second = open('second');
  calls.givenBack();
  await first;
  expect(got).toEqual(['first']);
  await jest.advanceTimersByTimeAsync(1);
  left = 1;
  calls.givenBack();
  await second;
  expect(got).toEqual(['first', 'second']);
});

it('fails no call while others get descriptors', async () => {
  const calls = line();
  let left = 0;
  const open = (): Promise<string> =>
    calls.use(async () => {
      if (left === 0) throw exhausted;
      left--;
      return 'opened';
    });
  const all = [open(), open(), open()];
  for (let index = 0; index < all.length; index++) {
    await jest.advanceTimersByTimeAsync(4000);
    left = 1;
  }
  await jest.advanceTimersByTimeAsync(100);
  expect(await Promise.all(all)).toEqual(['opened', 'opened', 'opened']);
});

it('fails a call at once, and makes it once, when it does not want for a descriptor', async () => {
  const missing = new Error('not there');
  let made = 0;
  const call = line().use(() => {
    made++;
    return Promise.reject(missing);
  });
  await expect(call).rejects.toBe(missing);
  expect(made).toBe(1);
});

it('fails a call that waited for a descriptor with what was wrong when it got one', async () => {
  const missing = new Error('not there');
  const outcomes = [exhausted, exhausted, missing];
  const call = line().use(() => Promise.reject(outcomes.shift()));
  const failed = call.catch((error: unknown) => error);
  await jest.advanceTimersByTimeAsync(100);
  expect(await failed).toBe(missing);
  expect(outcomes).toEqual([]);
});

it('does not count the time in which the disk or the machine stands still', async () => {
  let attempts = 0;
  const call = line().use(async () => {
    if (++attempts === 2) await new Promise((resolve) => setTimeout(resolve, 6000));
    if (attempts < 4) throw exhausted;
    return 'opened';
  });
  await jest.advanceTimersByTimeAsync(7000);
  expect(await call).toBe('opened');
});

it('fails a call when for five seconds nobody got a descriptor, and not before', async () => {
  let outcome: unknown;
  void line()
    .use(() => Promise.reject(exhausted))
    .catch((error: unknown) => (outcome = error));
  await jest.advanceTimersByTimeAsync(4900);
  expect(outcome).toBeUndefined();
  await jest.advanceTimersByTimeAsync(200);
  expect(outcome).toBe(exhausted);
});
