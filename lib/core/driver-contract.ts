import type { StorageLimits } from './capabilities.js';
import { StorageConfigurationError } from './errors.js';
import type { StorageDriver } from './storage-driver.js';

type Call = Exclude<keyof StorageDriver, 'name' | 'capabilities' | 'client' | 'close'>;

/** What a storage asks of its driver. */
export const DRIVER_CALLS: Readonly<Record<Call, true>> = {
  put: true,
  get: true,
  info: true,
  list: true,
  deleteMany: true,
  copy: true,
  url: true,
  uploadUrl: true,
  startMultipartUpload: true,
  uploadPart: true,
  uploadPartUrl: true,
  listParts: true,
  completeMultipartUpload: true,
  abortMultipartUpload: true,
  listMultipartUploads: true,
};

const METHODS = { ...DRIVER_CALLS, close: true };

const LIMITS: Readonly<Record<keyof StorageLimits, true>> = {
  maxObjectSize: true,
  minPartSize: true,
  maxPartSize: true,
  maxParts: true,
  deleteBatch: true,
  maxExpiresIn: true,
};

/** @throws StorageConfigurationError naming what a driver of the app's own lacks. */
export function assertDriver(driver: StorageDriver): void {
  const refuse = (reason: string): never => {
    throw new StorageConfigurationError(`The driver is not a StorageDriver: ${reason}`);
  };
  if (typeof driver !== 'object' || driver === null) refuse('it is not an object');
  if (typeof driver.name !== 'string' || driver.name === '') refuse('its name must be a string');
  for (const method of Object.keys(METHODS) as (keyof typeof METHODS)[]) {
    if (typeof driver[method] !== 'function') refuse(`it has no method ${method}()`);
  }
  const { capabilities } = driver;
  if (typeof capabilities?.limits !== 'object' || capabilities.limits === null) {
    refuse('capabilities.limits must be an object');
  }
  for (const limit of Object.keys(LIMITS) as (keyof StorageLimits)[]) {
    if (!(capabilities.limits[limit] >= 0)) refuse(`capabilities.limits.${limit} must be a number`);
  }
  if (typeof capabilities.signedUploads !== 'object' || capabilities.signedUploads === null) {
    refuse('capabilities.signedUploads must be an object');
  }
  if (capabilities.signedParts !== false && !Array.isArray(capabilities.signedParts)) {
    refuse('capabilities.signedParts must be a list, or false');
  }
}
