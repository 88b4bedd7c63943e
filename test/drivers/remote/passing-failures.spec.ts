import { StorageConnectionError } from '../../../lib/core/errors.js';
import { parseRetryOptions } from '../../../lib/core/retry.js';
import { StorageCallEvent } from '../../../lib/core/storage-events.js';
import { deleteRepeatedly } from '../../../lib/drivers/remote/passing-failures.js';
import { signal } from '../driver-calls.js';

test('each retry of keys that fail in passing is announced', async () => {
  const event = new StorageCallEvent('files', 's3', 'deleteMany', undefined);
  const calls: (readonly string[])[] = [];
  const retry = parseRetryOptions({ baseDelay: 1, maxRetries: 2 });
  const { failed } = await event.run(() =>
    deleteRepeatedly(['a', 'b'], retry, signal, (keys) => {
      calls.push(keys);
      return Promise.resolve([{ key: 'b', error: new StorageConnectionError() }]);
    }),
  );
  expect(failed.map(({ key }) => key)).toEqual(['b']);
  expect(calls).toEqual([['a', 'b'], ['b'], ['b']]);
  expect(event.retries).toBe(2);
});
