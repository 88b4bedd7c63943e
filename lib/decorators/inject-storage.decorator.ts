import { Inject } from '@nestjs/common';
import { requestStorage } from '../missing-storages.js';
import { getStorageToken } from '../storage.tokens.js';

/**
 * Injects the storage with the name; without one, the default storage.
 *
 * A name that no module registers ends the start of the app with a `StorageConfigurationError` that lists the known ones.
 *
 * @publicApi
 */
export function InjectStorage(name?: string): PropertyDecorator & ParameterDecorator {
  requestStorage(name);
  return Inject(getStorageToken(name));
}
