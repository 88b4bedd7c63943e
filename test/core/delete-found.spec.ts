import { deleteFound } from '../../lib/core/delete-found.js';
import { StorageConnectionError, StoragePreconditionFailedError } from '../../lib/core/errors.js';
import { fakeStorage } from '../../lib/testing/fakes/index.js';

test('a file that was looked at is deleted, and one that has taken its place stays', async () => {
  const storage = fakeStorage('files');
  const seen = await storage.put('a', 'first');
  const second = await storage.put('a', 'second');
  await deleteFound(storage, seen);
  expect((await storage.getBytes('a')).toString()).toBe('second');
  await deleteFound(storage, second);
  expect(await storage.exists('a')).toBe(false);
});

test('a deletion that fails for another reason is told', async () => {
  const deleting = async (error: Error): Promise<void> => {
    const storage = fakeStorage('files');
    const file = await storage.put('a', 'abc');
    storage.delete = () => Promise.reject(error);
    await deleteFound(storage, file);
  };
  await expect(deleting(new StorageConnectionError('lost'))).rejects.toThrow('lost');
  await expect(deleting(new StoragePreconditionFailedError())).resolves.toBeUndefined();
});
