import type {
  InjectionToken,
  ModuleMetadata,
  OptionalFactoryDependency,
  Type,
} from '@nestjs/common';
import type { Storage } from '../core/storage.js';
import type { StorageName, StorageNames } from '../core/storage-names.js';
import type { ByteSize } from '../core/units.js';
import type { UploadMemory } from '../core/upload-memory.js';
import type { StorageConfiguration, StorageConfigurationOf } from '../drivers/driver-options.js';
import type {
  AsyncStorageRoutesOptions,
  StorageRoutesOptions,
} from './storage-routes-options.interface.js';

/** What `forRoot` and `forRootAsync` have in common. */
export interface StorageModuleSettings {
  /** The storage that `@InjectStorage()` means. Default: the only one, when there is only one. */
  default?: StorageName;
  /** Opens every storage while the app starts, so that a wrong configuration ends the start. Default: on first use. */
  eager?: boolean;
  /** Whether the storages can be injected everywhere. Default true. */
  isGlobal?: boolean;
  /** Milliseconds that calls under way get to end when the app shuts down; then they are aborted. Default 10,000. */
  shutdownTimeout?: number;
  /**
   * What uploads take together on all storages that do not say it for themselves (see `StorageOptions.uploadMemory`): bytes, or text
   * such as `'1gb'`. Default 256 MiB.
   */
  uploadMemory?: ByteSize | UploadMemory;
}

/** One value for each name: any name, or one of `StorageNames` in an app that declares them. */
export type ByStorageName<Value> = [keyof StorageNames] extends [never]
  ? Record<string, Value>
  : { [Name in StorageName]?: Value };

/** The configurations by name; in an app that declares `StorageNames`, each with the driver that it declares. */
export type StorageConfigurations = [keyof StorageNames] extends [never]
  ? Record<string, StorageConfiguration>
  : { [Name in keyof StorageNames]?: ConfigurationOf<StorageNames[Name]> };

/** As `StorageConfigurations`, with ways to make them. */
export type AsyncStorageConfigurations = [keyof StorageNames] extends [never]
  ? Record<string, AsyncStorageConfiguration | StorageConfiguration>
  : {
      [Name in keyof StorageNames]?:
        | AsyncStorageConfiguration<ConfigurationOf<StorageNames[Name]>>
        | ConfigurationOf<StorageNames[Name]>;
    };

type ConfigurationOf<Named> =
  Named extends Storage<infer Driver> ? StorageConfigurationOf<Driver> : StorageConfiguration;

/** The storages of the app, as they are known before it starts. */
export interface StorageModuleOptions extends StorageModuleSettings {
  /** By name: the one to inject them by, and to find them under in messages and logs. */
  storages: StorageConfigurations;
  /** Serves the signed URLs of the `memory` and `local` storages, which get them by this. Default: no routes. */
  routes?: StorageRoutesOptions;
}

/** Makes the configurations of storages, for `useClass` and `useExisting`. */
export interface StorageConfigurationFactory<
  Configuration extends StorageConfiguration = StorageConfiguration,
> {
  /** Called once for each storage that names this class, while the app starts. */
  createStorageConfiguration(name: string): Configuration | Promise<Configuration>;
}

/** How one storage's configuration is made when the app starts. */
export interface AsyncStorageConfiguration<
  Configuration extends StorageConfiguration = StorageConfiguration,
> {
  /** The modules that have what is injected; global ones need not be here. */
  imports?: ModuleMetadata['imports'];
  /** Makes the configuration, of what `inject` names. */
  useFactory?: (...args: never[]) => Configuration | Promise<Configuration>;
  /** Tokens of what `useFactory` is called with, in its order. */
  inject?: (InjectionToken | OptionalFactoryDependency)[];
  /** A class that makes the configuration, and of which Nest makes an instance for this storage. */
  useClass?: Type<StorageConfigurationFactory<Configuration>>;
  /** The token of an instance that is there already. */
  useExisting?: InjectionToken<StorageConfigurationFactory<Configuration>>;
}

/** Names are static, configurations are not: tokens exist before any factory runs. */
export interface StorageModuleAsyncOptions extends StorageModuleSettings {
  /** By name. A configuration that nothing has to make may stand here as it is. */
  storages: AsyncStorageConfigurations;
  /** The modules that have what is injected into any of them. */
  imports?: ModuleMetadata['imports'];
  /** As in `StorageModuleOptions`. */
  routes?: StorageRoutesOptions | AsyncStorageRoutesOptions;
}

/** A part of a storage under a name of its own. */
export interface StorageFeature {
  /** The storage that holds the files. Default: the default storage. */
  storage?: StorageName;
  /** Put before each key, e.g. `'avatars/'`. A plain string: without the `/` it also begins the keys of `'avatars-old/…'`. */
  prefix: string;
  /** Refuses every method that writes. */
  readonly?: boolean;
}
