import { StorageConnectionError, type StorageError } from '../../lib/core/errors.js';
import type { StorageDriver } from '../../lib/core/storage-driver.js';
import { createStorage } from '../../lib/drivers/open-storage.js';
import { recordingDriver } from '../nest/recording-driver.js';

/** Batches of two keys, the one of `failing` (from 1 on) rejects as a whole. */
async function storageFailing(failing: number, fail = () => new StorageConnectionError()) {
  let batches = 0;
  const { driver } = await recordingDriver((memory) => ({
    capabilities: {
      ...memory.capabilities,
      limits: { ...memory.capabilities.limits, deleteBatch: 2 },
    },
    deleteMany(...parameters: Parameters<StorageDriver['deleteMany']>) {
      if (++batches === failing) return Promise.reject(fail());
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

  it('tells of each key what is known of the failure, by an error of its own', async () => {
    const known = { cause: new Error('reset'), retryable: false, retryAfter: 7 };
    await using storage = await storageFailing(2, () => new StorageConnectionError('gone', known));
    for (const key of KEYS) await storage.put(key, key);
    const { failed } = await storage.deleteMany(KEYS);
    for (const { error } of failed) expect(error).toMatchObject({ reason: 'gone', ...known });
    expect(new Set(failed.map(({ error }): StorageError => error)).size).toBe(3);
  });

  it('ends at its signal, also when something was deleted already', async () => {
    const stop = new AbortController();
    await using storage = await storageFailing(2, () => {
      stop.abort();
      return new StorageConnectionError();
    });
    const deleted = storage.deleteMany(KEYS, { signal: stop.signal });
    await expect(deleted).rejects.toMatchObject({ operation: 'deleteMany' });
  });

  it('rejects when nothing was deleted yet', async () => {
    await using storage = await storageFailing(1);
    await expect(storage.deleteMany(KEYS)).rejects.toMatchObject({ code: 'CONNECTION_FAILED' });
  });
});
