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
