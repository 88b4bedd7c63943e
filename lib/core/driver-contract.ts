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

/** @throws StorageConfigurationError naming all that a driver of the app's own lacks. */
export function assertDriver(driver: StorageDriver): void {
  const isObject = typeof driver === 'object' && driver !== null;
  const lacks = isObject ? lackingOf(driver) : ['it is not an object'];
  if (lacks.length === 0) return;
  throw new StorageConfigurationError(`The driver is not a StorageDriver: ${lacks.join('; ')}`);
}

function lackingOf(driver: StorageDriver): string[] {
  const methods = (Object.keys(METHODS) as (keyof typeof METHODS)[])
    .filter((method) => typeof driver[method] !== 'function')
    .map((method) => `${method}()`);
  const hasName = typeof driver.name === 'string' && driver.name !== '';
  return [
    ...(hasName ? [] : ['its name must be a string']),
    ...(methods.length === 0 ? [] : [`it has no ${methods.join(', ')}`]),
    ...lackingCapabilities(driver),
  ];
}

function lackingCapabilities({ capabilities }: StorageDriver): string[] {
  if (typeof capabilities !== 'object' || capabilities === null) {
    return ['capabilities must be an object'];
  }
  const { limits, signedUploads, signedParts } = capabilities;
  const hasLimits = typeof limits === 'object' && limits !== null;
  const wrongLimits = (Object.keys(LIMITS) as (keyof StorageLimits)[]).filter(
    (limit) => hasLimits && !(limits[limit] >= 0),
  );
  return [
    ...(hasLimits ? [] : ['capabilities.limits must be an object']),
    ...wrongLimits.map((limit) => `capabilities.limits.${limit} must be a number`),
    ...(typeof signedUploads === 'object' && signedUploads !== null
      ? []
      : ['capabilities.signedUploads must be an object']),
    ...(signedParts === false || Array.isArray(signedParts)
      ? []
      : ['capabilities.signedParts must be a list, or false']),
  ];
}
