import { describeStorageDriver, fakeStorage } from '../../lib/testing/index.js';

// A fake that is not told anything is a storage like any other.
describeStorageDriver('fake storage', async () => {
  const storage = fakeStorage();
  return { storage, destroy: () => storage.close() };
});

describeStorageDriver('fake storage that behaves like B2', async () => {
  const storage = fakeStorage('fake', { behavesLike: 'b2' });
  return { storage, destroy: () => storage.close() };
});
