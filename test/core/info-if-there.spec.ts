import { StorageConnectionError } from '../../lib/core/errors.js';
import { infoIfThere } from '../../lib/core/info-if-there.js';
import { fakeStorage } from '../../lib/testing/fakes/index.js';

test('a file that is not there is nothing, and one that cannot be looked at a failure', async () => {
  const storage = fakeStorage('files');
  const file = await storage.put('a', 'abc');
  expect(await infoIfThere(storage, 'a')).toEqual(file);
  expect(await infoIfThere(storage, 'b')).toBeUndefined();
  storage.info = () => Promise.reject(new StorageConnectionError('lost'));
  await expect(infoIfThere(storage, 'a')).rejects.toThrow('lost');
});
