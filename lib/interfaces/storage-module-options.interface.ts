import type {
  InjectionToken,
  ModuleMetadata,
  OptionalFactoryDependency,
  Type,
} from '@nestjs/common';
import type { ByteSize } from '../core/units.js';
import type { UploadMemory } from '../core/upload-memory.js';
import type { StorageConfiguration } from '../drivers/driver-options.js';
import type {
  AsyncStorageRoutesOptions,
  StorageRoutesOptions,
} from './storage-routes-options.interface.js';

/** What `forRoot` and `forRootAsync` have in common. */
export interface StorageModuleSettings {
  /** The storage that `@InjectStorage()` means. Default: the only one, when there is only one. */
  default?: string;
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

/** @publicApi */
export interface StorageModuleOptions extends StorageModuleSettings {
  storages: Record<string, StorageConfiguration>;
  /** Serves the signed URLs of the `memory` and `local` storages, which get them by this. Default: no routes. */
  routes?: StorageRoutesOptions;
}

/** Makes the configurations of storages, for `useClass` and `useExisting`. @publicApi */
export interface StorageConfigurationFactory {
  createStorageConfiguration(name: string): StorageConfiguration | Promise<StorageConfiguration>;
}

/** How one storage's configuration is made when the app starts. @publicApi */
export interface AsyncStorageConfiguration extends Pick<ModuleMetadata, 'imports'> {
  useFactory?: (...args: never[]) => StorageConfiguration | Promise<StorageConfiguration>;
  inject?: (InjectionToken | OptionalFactoryDependency)[];
  useClass?: Type<StorageConfigurationFactory>;
  useExisting?: InjectionToken<StorageConfigurationFactory>;
}

/** Names are static, configurations are not: tokens exist before any factory runs. @publicApi */
export interface StorageModuleAsyncOptions
  extends StorageModuleSettings, Pick<ModuleMetadata, 'imports'> {
  storages: Record<string, AsyncStorageConfiguration | StorageConfiguration>;
  /** As in `StorageModuleOptions`. */
  routes?: StorageRoutesOptions | AsyncStorageRoutesOptions;
}

/** A part of a storage under a name of its own. @publicApi */
export interface StorageFeature {
  /** The storage that holds the files. Default: the default storage. */
  storage?: string;
  /** Put before each key, e.g. `'avatars/'`. A plain string: without the `/` it also begins the keys of `'avatars-old/…'`. */
  prefix: string;
  /** Refuses every method that writes. */
  readonly?: boolean;
}
