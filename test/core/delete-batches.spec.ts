import { StorageConnectionError } from '../../lib/core/errors.js';
import type { StorageDriver } from '../../lib/core/storage-driver.js';
import { createStorage } from '../../lib/drivers/open-storage.js';
import { recordingDriver } from '../nest/recording-driver.js';

/** Batches of two keys, the one of `failing` (from 1 on) rejects as a whole. */
async function storageFailing(failing: number) {
  let batches = 0;
  const { driver } = await recordingDriver((memory) => ({
    capabilities: {
      ...memory.capabilities,
      limits: { ...memory.capabilities.limits, deleteBatch: 2 },
    },
    deleteMany(...parameters: Parameters<StorageDriver['deleteMany']>) {
      if (++batches === failing) return Promise.reject(new StorageConnectionError());
      return memory.deleteMany(...parameters);
    },
  }));
  return createStorage('files', { driver, retry: { maxRetries: 0 } });
}

const KEYS = ['a', 'b', 'c', 'd', 'e'];

describe('deleteMany in several batches', () => {
  it('tells what the earlier ones did when a later one fails as a whole', async () => {
    await using storage = await storageFailing(2);
    for (const key of KEYS) await storage.put(key, key);
    const { deleted, failed } = await storage.deleteMany(KEYS);
    expect(deleted).toEqual(['a', 'b']);
    expect(failed.map(({ key }) => key)).toEqual(['c', 'd', 'e']);
    for (const { key, error } of failed) {
      expect(error).toMatchObject({ code: 'CONNECTION_FAILED', operation: 'deleteMany', key });
    }
    expect(await storage.exists('e')).toBe(true);
  });

  it('rejects when nothing was deleted yet', async () => {
    await using storage = await storageFailing(1);
    await expect(storage.deleteMany(KEYS)).rejects.toMatchObject({ code: 'CONNECTION_FAILED' });
  });
});
