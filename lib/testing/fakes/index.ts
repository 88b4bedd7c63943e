export type { FakeCall, FakeFault, FakeMethod } from './fake-script.js';
export { FakeStorage, fakeStorage, type FakeStorageOptions } from './fake-storage.js';
export type { ExpectedFile } from './file-checks.js';
export { overrideStorages, type ProviderOverrides } from './override-storages.js';
export { type MatcherResult, storageMatchers } from './storage-matchers.js';
export { StorageTestingModule, type StorageTestingOptions } from './storage-testing.module.js';
