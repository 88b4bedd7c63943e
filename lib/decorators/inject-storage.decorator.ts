import { Inject } from '@nestjs/common';
import type { StorageName } from '../core/storage-names.js';
import { requestStorage } from '../missing-storages.js';
import { getStorageToken } from '../storage.tokens.js';

/**
 * Injects the storage with the name; without one, the default storage.
 *
 * A name that no module registers ends the start of the app with a `StorageConfigurationError` that lists the known ones; one
 * that is not in `StorageNames` does not compile, in an app that has names there.
 */
export function InjectStorage(name?: StorageName): PropertyDecorator & ParameterDecorator {
  requestStorage(name);
  return Inject(getStorageToken(name));
}
