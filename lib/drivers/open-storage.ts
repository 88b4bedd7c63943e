import {
  addErrorContext,
  StorageConfigurationError,
  StorageError,
  StorageInvalidArgumentError,
} from '../core/errors.js';
import type { Capabilities } from '../core/capabilities.js';
import { Storage } from '../core/storage.js';
import { DriverSource } from '../core/driver-source.js';
import type { DriverFactory, DriverSettings, StorageDriver } from '../core/storage-driver.js';
import { parseStorageName, parseStorageOptions } from '../core/storage-options.js';
import {
  assertConfiguration,
  type DriverName,
  type DriverOptionsByName,
  type S3Provider,
  type StorageConfiguration,
} from './driver-options.js';

type Loader<Name extends DriverName> = () => Promise<DriverFactory<DriverOptionsByName[Name]>>;

// Loaded on first use: whoever stores on local disk needs no cloud SDK.
const LOADERS: { readonly [Name in DriverName]: Loader<Name> } = {
  memory: async () => (await import('./memory/memory.driver.js')).createMemoryDriver,
  local: async () => (await import('./local/local.driver.js')).createLocalDriver,
  s3: async () => (await import('./s3/s3.driver.js')).createS3Driver,
  gcs: async () => (await import('./gcs/gcs.driver.js')).createGcsDriver,
  azure: async () => (await import('./azure/azure.driver.js')).createAzureDriver,
};

const PACKAGES: Readonly<Record<DriverName, readonly string[]>> = {
  memory: [],
  local: [],
  s3: ['@aws-sdk/client-s3', '@aws-sdk/s3-request-presigner'],
  gcs: ['@google-cloud/storage'],
  azure: ['@azure/storage-blob'],
};

/** Infers the driver's name alone: what is inferred as a whole may have any other properties. */
type ConfigurationWith<Driver extends DriverName> = StorageConfiguration & { driver: Driver };

/**
 * Makes a storage whose driver is loaded and connected by its first use (or by `open()`).
 *
 * @param name for messages, and what signed URLs of `local` and `memory` are bound to
 * @throws StorageConfigurationError, StorageInvalidArgumentError naming an option that is unknown or not well-formed
 */
export function createStorage<Driver extends DriverName>(
  name: string,
  configuration: ConfigurationWith<Driver>,
): Storage<Driver>;
/** As above, with a driver of your own or one that is chosen at run time. */
export function createStorage(name: string, configuration: StorageConfiguration): Storage;
export function createStorage(name: string, configuration: StorageConfiguration): Storage {
  parseStorageName(name);
  try {
    assertConfiguration(name, configuration);
    const { retry, timeout, concurrency, uploadMemory } = parseStorageOptions(configuration);
    const settings: DriverSettings = {
      storage: name,
      retry,
      ...(timeout !== undefined && { timeout }),
      concurrency,
      ...(uploadMemory !== undefined && { uploadMemory }),
    };
    const { driver } = configuration;
    const source =
      typeof driver === 'string'
        ? new DriverSource(driver, () => openDriver(configuration, driver, settings))
        : DriverSource.of(driver);
    return new Storage(source, { ...configuration, name });
  } catch (error) {
    throw error instanceof StorageError ? addErrorContext(error, { storage: name }) : error;
  }
}

/**
 * Makes a storage and opens it. This is all that a program without NestJS needs.
 *
 * @throws as `createStorage`, and StorageConfigurationError when it cannot work as configured: a missing package, …
 */
export function openStorage<Driver extends DriverName>(
  name: string,
  configuration: ConfigurationWith<Driver>,
): Promise<Storage<Driver>>;
/** As above, with a driver of your own or one that is chosen at run time. */
export function openStorage(name: string, configuration: StorageConfiguration): Promise<Storage>;
export async function openStorage(
  name: string,
  configuration: StorageConfiguration,
): Promise<Storage> {
  const storage = createStorage(name, configuration);
  await storage.open();
  return storage;
}

/** What an S3 service can do, without its SDK and without a bucket: for what behaves alike in tests. */
export async function describeS3Service(
  provider: S3Provider,
): Promise<{ readonly capabilities: Capabilities; readonly equalParts: boolean }> {
  const [{ S3_PROFILES }, { capabilitiesOf }] = await Promise.all([
    import('./s3/s3.profiles.js'),
    import('./s3/s3.capabilities.js'),
  ]);
  if (!Object.hasOwn(S3_PROFILES, provider)) {
    throw new StorageConfigurationError(
      `There is no S3 provider "${String(provider)}"; there are ${Object.keys(S3_PROFILES).join(', ')}`,
    );
  }
  const profile = S3_PROFILES[provider];
  return { capabilities: capabilitiesOf(profile), equalParts: profile.equalParts };
}

/** Opens a built-in driver, without the storage around it. @throws StorageConfigurationError */
export async function openDriver(
  configuration: StorageConfiguration,
  name: DriverName,
  settings: DriverSettings,
): Promise<StorageDriver> {
  const create = (await load(settings.storage, name)) as DriverFactory<StorageConfiguration>;
  try {
    return await create(configuration, settings);
  } catch (error) {
    // Whoever calls the storage has given nothing wrong: whoever configured it has.
    if (!(error instanceof StorageInvalidArgumentError)) throw error;
    throw new StorageConfigurationError(error.reason, { cause: error });
  }
}

async function load(storage: string, name: DriverName): Promise<unknown> {
  try {
    return await LOADERS[name]();
  } catch (error) {
    throw new StorageConfigurationError(
      isPackageMissing(error, PACKAGES[name])
        ? `Storage "${storage}" uses the ${name} driver, which needs packages that are not installed: npm install ${PACKAGES[name].join(' ')}`
        : `Storage "${storage}" uses the ${name} driver, which could not be loaded: ${error instanceof Error ? error.message : String(error)}`,
      { cause: error },
    );
  }
}

/** Whether one of the packages is what is not there, rather than something that it needs or a file of ours. */
function isPackageMissing(error: unknown, packages: readonly string[]): boolean {
  // ERR_MODULE_NOT_FOUND from import(), MODULE_NOT_FOUND from the CommonJS build's require().
  const { code, message } = error as NodeJS.ErrnoException;
  if (code !== 'ERR_MODULE_NOT_FOUND' && code !== 'MODULE_NOT_FOUND') return false;
  const missing = /^Cannot find (?:package|module) '([^']+)'/.exec(message)?.[1];
  return packages.some((each) => missing === each || missing?.startsWith(`${each}/`));
}
