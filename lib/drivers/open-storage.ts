import { addErrorContext, StorageConfigurationError, StorageError } from '../core/errors.js';
import { Storage } from '../core/storage.js';
import type { DriverFactory, DriverSettings, StorageDriver } from '../core/storage-driver.js';
import { parseStorageOptions } from '../core/storage-options.js';
import {
  assertConfiguration,
  type DriverName,
  type DriverOptionsByName,
  type StorageConfiguration,
} from './driver-options.js';

type Loader<Name extends DriverName> = () => Promise<DriverFactory<DriverOptionsByName[Name]>>;

// Loaded on first use: whoever stores on local disk needs no cloud SDK.
const LOADERS: { readonly [Name in DriverName]: Loader<Name> } = {
  memory: async () => (await import('./memory/memory.driver.js')).createMemoryDriver,
  local: async () => (await import('./local/local.driver.js')).createLocalDriver,
  s3: async () => (await import('./s3/s3.driver.js')).createS3Driver,
};

const PACKAGES: Readonly<Record<DriverName, readonly string[]>> = {
  memory: [],
  local: [],
  s3: ['@aws-sdk/client-s3', '@aws-sdk/lib-storage', '@aws-sdk/s3-request-presigner'],
};

type NameOf<Configuration> = Configuration extends { driver: infer Driver extends string }
  ? Driver
  : string;

/**
 * Opens a storage: loads its driver and makes it ready. This is all that a program without NestJS needs.
 *
 * @param name for messages, and what signed URLs of `local` and `memory` are bound to
 * @throws StorageConfigurationError when it cannot work as configured: an unknown option, a missing package, …
 * @publicApi
 */
export async function openStorage<const Configuration extends StorageConfiguration>(
  name: string,
  configuration: Configuration,
): Promise<Storage<NameOf<Configuration>>> {
  try {
    assertConfiguration(name, configuration);
    const { retry, timeout, concurrency } = parseStorageOptions(configuration);
    const driver = await openDriver(name, configuration, {
      storage: name,
      retry,
      ...(timeout !== undefined && { timeout }),
      concurrency,
    });
    return new Storage(driver, { ...configuration, name });
  } catch (error) {
    if (!(error instanceof StorageError)) throw error;
    throw addErrorContext(error, { storage: name, operation: 'open' });
  }
}

async function openDriver(
  storage: string,
  configuration: StorageConfiguration,
  settings: DriverSettings,
): Promise<StorageDriver> {
  if (typeof configuration.driver !== 'string') return configuration.driver;
  const name = configuration.driver;
  const create = (await load(storage, name)) as DriverFactory<StorageConfiguration>;
  return create(configuration, settings);
}

async function load(storage: string, name: DriverName): Promise<unknown> {
  try {
    return await LOADERS[name]();
  } catch (error) {
    // ERR_MODULE_NOT_FOUND from import(), MODULE_NOT_FOUND from the CommonJS build's require().
    const code = (error as NodeJS.ErrnoException).code;
    if (code !== 'ERR_MODULE_NOT_FOUND' && code !== 'MODULE_NOT_FOUND') throw error;
    throw new StorageConfigurationError(
      `Storage "${storage}" uses the ${name} driver, which needs packages that are not installed: npm install ${PACKAGES[name].join(' ')}`,
      { cause: error },
    );
  }
}
