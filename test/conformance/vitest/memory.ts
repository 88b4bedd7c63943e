import { expect, it } from 'vitest';
import { openStorage } from '../../../lib/drivers/open-storage.js';
import { describeStorageDriver } from '../../../lib/testing/conformance/index.js';
import { fakeStorage } from '../../../lib/testing/fakes/fake-storage.js';
import { storageMatchers } from '../../../lib/testing/fakes/storage-matchers.js';
import { TIMEOUT } from '../timeout.js';

describeStorageDriver(
  'memory, by Vitest',
  async () => {
    const storage = await openStorage('memory', { driver: 'memory' });
    return { storage, destroy: () => storage.close() };
  },
  { timeout: TIMEOUT },
);

expect.extend(storageMatchers);

it('takes the matchers', async () => {
  const storage = fakeStorage();
  await storage.put('a.txt', 'hello');
  await expect(storage).toHaveUploaded('a.txt', { content: 'hello' });
  await expect(storage).not.toHaveFile('b.txt');
  await expect(expect(storage).toHaveFileLike('a.txt', { size: 4 })).rejects.toThrow(
    'its size is 5, not 4',
  );
});
