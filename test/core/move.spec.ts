import { Storage } from '../../lib/core/storage.js';
import { recordingDriver } from '../nest/recording-driver.js';

/** A storage whose files are replaced whenever they are copied, and how often that was. */
async function restless() {
  const { driver, count } = await recordingDriver((memory) => ({
    capabilities: { ...memory.capabilities, atomicMove: false, conditionalDelete: false },
    async copy(from, to, { onSource, ...options }) {
      onSource?.({ ...(await memory.info(from, options)), etag: '"the one before"' });
      return memory.copy(from, to, options);
    },
  }));
  const storage = new Storage(driver);
  await storage.put('a', 'abc');
  return { storage, copies: () => count('copy') };
}

test('a move in two steps deletes the version that it has copied, and no other', async () => {
  const deletions: unknown[] = [];
  const { driver } = await recordingDriver((memory) => ({
    capabilities: { ...memory.capabilities, atomicMove: false, conditionalDelete: true },
    async copy(from, to, { onSource, ...options }) {
      onSource?.(await memory.info(from, options));
      return memory.copy(from, to, options);
    },
    async deleteMany(keys, { signal, ...options }) {
      deletions.push({ keys, ...options });
      return memory.deleteMany(keys, { signal, ...options });
    },
  }));
  await using storage = new Storage(driver);
  const { etag } = await storage.put('a', 'abc');
  await storage.move('a', 'b');
  expect(deletions).toEqual([{ keys: ['a'], ifMatch: etag }]);
  expect(await storage.exists('a')).toBe(false);
});

describe('a move of a file that is replaced whenever it is copied', () => {
  test('gives up after three copies, and leaves both files', async () => {
    const { storage, copies } = await restless();
    await expect(storage.move('a', 'b')).rejects.toMatchObject({ code: 'PRECONDITION_FAILED' });
    expect([copies(), await storage.exists('a'), await storage.exists('b')]).toEqual([
      3,
      true,
      true,
    ]);
  });

  test('gives up after the first where the destination must not be there', async () => {
    const { storage, copies } = await restless();
    await expect(storage.move('a', 'b', { ifNoneMatch: '*' })).rejects.toMatchObject({
      code: 'PRECONDITION_FAILED',
    });
    expect(copies()).toBe(1);
  });
});
