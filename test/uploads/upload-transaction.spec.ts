import { jest } from '@jest/globals';
import { setImmediate } from 'node:timers/promises';
import { UploadTransaction } from '../../lib/uploads/upload-transaction.js';

afterEach(() => jest.useRealTimers());

test('answers wait for a removal that hangs once, however many of them there are', async () => {
  jest.useFakeTimers({ doNotFake: ['setImmediate'] });
  const transaction = new UploadTransaction();
  transaction.write(() => new Promise(() => {})).catch(() => {});
  const first = transaction.rollbackSoon();
  await jest.advanceTimersByTimeAsync(1000);
  await first;
  const second = transaction.rollbackSoon().then(() => 'at once');
  expect(await Promise.race([second, setImmediate('later')])).toBe('at once');
});
