import { StorageConfigurationError } from '../core/errors.js';
import type { StorageDriver } from '../core/storage-driver.js';
import type { StorageOptions } from '../core/storage-options.js';
import type { AzureStorageOptions } from './azure/azure.options.js';
import type { GcsStorageOptions } from './gcs/gcs.options.js';
import type { LocalStorageOptions } from './local/local.options.js';
import type { MemoryStorageOptions } from './memory/memory.options.js';
import { type OptionNames, STORAGE_OPTIONS } from './option-names.js';
import type { S3StorageOptions } from './s3/s3.options.js';

export type { AzureStorageOptions, AzureTokenCredential } from './azure/azure.options.js';
export type {
  GcsCredentials,
  GcsCredentialsFile,
  GcsServiceAccountKey,
  GcsStorageOptions,
} from './gcs/gcs.options.js';
export type { LocalStorageOptions } from './local/local.options.js';
export type { MemoryStorageOptions } from './memory/memory.options.js';
export type { S3StorageOptions } from './s3/s3.options.js';
export type { S3Provider } from './s3/s3.profiles.js';

/** The options of each built-in driver. */
export interface DriverOptionsByName {
  memory: MemoryStorageOptions;
  local: LocalStorageOptions;
  s3: S3StorageOptions;
  gcs: GcsStorageOptions;
  azure: AzureStorageOptions;
}

export type DriverName = keyof DriverOptionsByName;

/** One storage as it is configured: a built-in driver by name with its options, or a driver of your own. */
export type StorageConfiguration =
  | {
      [Name in DriverName]: DriverChoice<Name> & DriverOptionsByName[Name] & StorageOptions;
    }[DriverName]
  | (DriverChoice<StorageDriver> & StorageOptions);

interface DriverChoice<Driver> {
  /** `'memory'`, `'local'`, `'s3'`, `'gcs'`, `'azure'`, or a driver of your own. What else there is depends on it. */
  driver: Driver;
}

/** The configuration of a storage that is known to have the driver. */
export type StorageConfigurationOf<Driver extends string> = Driver extends DriverName
  ? Extract<StorageConfiguration, { driver: Driver }>
  : StorageConfiguration;

const DRIVER_OPTIONS: { readonly [Name in DriverName]: OptionNames<DriverOptionsByName[Name]> } = {
  memory: { maxSize: true, checksum: true, baseUrl: true, signingKeys: true },
  local: {
    root: true,
    createRoot: true,
    permissions: true,
    directoryPermissions: true,
    durability: true,
    baseUrl: true,
    signingKeys: true,
    symlinks: true,
    checksum: true,
  },
  s3: {
    bucket: true,
    region: true,
    endpoint: true,
    allowInsecureEndpoint: true,
    accessKeyId: true,
    secretAccessKey: true,
    sessionToken: true,
    provider: true,
    accountId: true,
    forcePathStyle: true,
    maxSockets: true,
    engine: true,
    client: true,
    multipartCopyThreshold: true,
  },
  gcs: {
    bucket: true,
    projectId: true,
    keyFilename: true,
    credentials: true,
    apiEndpoint: true,
    allowInsecureEndpoint: true,
    maxSockets: true,
    client: true,
  },
  azure: {
    container: true,
    connectionString: true,
    accountUrl: true,
    allowInsecureEndpoint: true,
    accountName: true,
    accountKey: true,
    sasToken: true,
    credential: true,
    maxSockets: true,
    client: true,
    engine: true,
  },
};

/**
 * Refuses what could only be a mistake, before anything is opened.
 *
 * @throws StorageConfigurationError naming the storage and the option
 */
export function assertConfiguration(storage: string, configuration: StorageConfiguration): void {
  const refuse = (reason: string): never => {
    throw new StorageConfigurationError(`Storage "${storage}": ${reason}`, { storage });
  };
  if (typeof configuration !== 'object' || configuration === null) {
    refuse(
      'the configuration must be an object such as { driver: "local", root: "./var/uploads" }',
    );
  }
  const { driver, ...options } = configuration;
  let known: Record<string, true> = STORAGE_OPTIONS;
  if (typeof driver === 'string') {
    if (!Object.hasOwn(DRIVER_OPTIONS, driver)) {
      const names = Object.keys(DRIVER_OPTIONS).join(', ');
      refuse(`there is no driver "${String(driver)}"; the built-in ones are ${names}`);
    }
    known = { ...known, ...DRIVER_OPTIONS[driver as DriverName] };
  } else if (typeof driver !== 'object' || driver === null) {
    refuse('driver must be the name of a built-in driver or an object that is a StorageDriver');
  }
  for (const name of Object.keys(options)) {
    if (Object.hasOwn(known, name)) continue;
    refuse(
      `unknown option "${name}"; the ${typeof driver === 'string' ? `${driver} driver` : 'storage'} takes ${Object.keys(known).sort().join(', ')}`,
    );
  }
}
