import type { ListPage } from '../../lib/core/storage-driver.js';
import { Storage } from '../../lib/core/storage.js';
import { recordingDriver } from '../nest/recording-driver.js';

/** A backend that is asked for a listing, and answers another one: of everything. */
async function openForgetful() {
  const recording = await recordingDriver((memory) => ({
    async *list(options): AsyncGenerator<ListPage, void> {
      yield* memory.list({ ...options, prefix: '' });
    },
  }));
  const storage = new Storage(recording.driver, { retry: { maxRetries: 0 } });
  for (const key of ['a/1', 'kept/1', 'temporary/1']) await storage.put(key, key);
  return { ...recording, storage };
}

const OTHER = {
  code: 'CONNECTION_FAILED',
  retryable: false,
  message: expect.stringContaining('do not begin with the prefix') as unknown,
};

describe('a backend that answers another listing than was asked for', () => {
  test('has nothing deleted by a prefix', async () => {
    const { storage, count, keys } = await openForgetful();
    await expect(storage.deletePrefix('temporary/')).rejects.toMatchObject(OTHER);
    await expect(storage.scope('temporary/').deletePrefix('', { all: true })).rejects.toMatchObject(
      OTHER,
    );
    expect(count('deleteMany')).toBe(0);
    expect(await keys()).toEqual(['a/1', 'kept/1', 'temporary/1']);
  });

  test('has nothing swept', async () => {
    const { storage, count, keys } = await openForgetful();
    await expect(storage.sweep({ olderThan: 1 })).rejects.toMatchObject(OTHER);
    await expect(storage.sweepStaged({ olderThan: 1 })).rejects.toMatchObject(OTHER);
    expect(count('deleteMany')).toBe(0);
    expect(await keys()).toHaveLength(3);
  });

  test('is not believed by a listing, nor by a page of one', async () => {
    const { storage } = await openForgetful();
    const files = storage.list('temporary/');
    await expect(files.next()).rejects.toMatchObject(OTHER);
    for (const delimiter of [undefined, '/']) {
      const page = storage.listPage({ prefix: 'temporary/', ...(delimiter && { delimiter }) });
      await expect(page).rejects.toMatchObject(OTHER);
    }
    await expect(storage.listPage()).resolves.toMatchObject({ files: [{}, {}, {}] });
  });
});
