import { type DynamicModule, Global, Module } from '@nestjs/common';
import { APP_INTERCEPTOR } from '@nestjs/core';
import { StorageConfigurationError } from './core/errors.js';
import { parsePrefix } from './core/key.js';
import { UploadMemory } from './core/upload-memory.js';
import type {
  AsyncStorageConfiguration,
  ByStorageName,
  StorageFeature,
  StorageModuleAsyncOptions,
  StorageModuleOptions,
} from './interfaces/storage-module-options.interface.js';
import { StorageHealthIndicator } from './health/storage.health.js';
import { SignedRoutesModule } from './routes/signed-routes.module.js';
import { ServedFileInterceptor } from './serving/served-file.interceptor.js';
import { assertConfiguredOptions } from './configured-options.js';
import { StorageNamesModule, registerStorageName, requestStorage } from './missing-storages.js';
import { defaultStorageProvider, featureProvider, storageProvider } from './storage.providers.js';
import { StorageRegistry } from './storage.registry.js';
import { getStorageToken } from './storage.tokens.js';
import { UploadProgress } from './uploads/upload-progress.js';

/**
 * What the app has once: the registry with its shutdown hook, the progress of uploads, the interceptor that sends served files, and
 * what is said of storages that are missing.
 */
@Global()
@Module({
  imports: [StorageNamesModule.create()],
  providers: [
    StorageRegistry,
    StorageHealthIndicator,
    UploadProgress,
    { provide: APP_INTERCEPTOR, useClass: ServedFileInterceptor },
  ],
  exports: [StorageRegistry, StorageHealthIndicator, UploadProgress],
})
class StorageCoreModule {}

/** Named storages for the app. */
@Module({})
export class StorageModule {
  /**
   * Registers storages by name. They open on first use.
   *
   * @throws StorageConfigurationError, here or while the app starts, naming the storage and what is wrong with it
   */
  static forRoot(options: StorageModuleOptions): DynamicModule {
    assertModuleOptions('StorageModule.forRoot()', options);
    return this.forRootAsync(options);
  }

  /** As `forRoot`, with configurations that are made by factories, from other providers, while the app starts. */
  static forRootAsync(options: StorageModuleAsyncOptions): DynamicModule {
    assertModuleOptions('StorageModule.forRootAsync()', options);
    const { storages, imports = [], isGlobal = true, routes } = options;
    const names = Object.keys(storages ?? {});
    if (names.length === 0) {
      throw new StorageConfigurationError(
        'StorageModule needs at least one storage: { storages: { uploads: { driver: "local", root: "./var/uploads" } } }',
      );
    }
    const defaultName = options.default ?? (names.length === 1 ? names[0] : undefined);
    if (defaultName !== undefined && !names.includes(defaultName)) {
      throw new StorageConfigurationError(
        `The default storage "${defaultName}" is not among the storages: ${names.join(', ')}`,
      );
    }
    const uploadMemory = sharedMemory(options.uploadMemory);
    const providers = names.flatMap((name) =>
      storageProvider(name, storages[name]!, {
        ...options,
        uploadMemory,
        // A default that only the importing module sees rivals no other one.
        isDefault: name === defaultName && isGlobal,
      }),
    );
    const tokens = names.map((name) => getStorageToken(name));
    if (defaultName !== undefined) {
      providers.push(defaultStorageProvider(defaultName));
      tokens.push(getStorageToken());
      registerStorageName(undefined);
    }
    names.forEach(registerStorageName);
    return {
      module: StorageModule,
      global: isGlobal,
      imports: [
        StorageCoreModule,
        ...(routes === undefined ? [] : [SignedRoutesModule.create(routes)]),
        ...imports,
        ...Object.values(storages).flatMap(
          (storage) => (storage as AsyncStorageConfiguration | undefined)?.imports ?? [],
        ),
      ],
      providers,
      exports: tokens,
    };
  }

  /**
   * Gives parts of storages names of their own: `@InjectStorage('avatars')` is then the files of `uploads` below
   * `avatars/`. Several modules may register the same feature alike.
   *
   * While the app starts, a name that is registered a second time as something else is a `StorageConfigurationError`.
   *
   * @throws StorageConfigurationError naming the feature and what is wrong with it
   */
  static forFeature(features: ByStorageName<StorageFeature>): DynamicModule {
    const names = Object.keys(features);
    for (const name of names) {
      assertFeature(name, features[name]!);
      registerStorageName(name);
      requestStorage(features[name]!.storage);
    }
    return {
      module: StorageModule,
      imports: [StorageCoreModule],
      providers: names.map((name) => featureProvider(name, features[name]!)),
      exports: names.map((name) => getStorageToken(name)),
    };
  }
}

const MODULE_OPTIONS: Readonly<Record<keyof StorageModuleAsyncOptions, true>> = {
  storages: true,
  default: true,
  eager: true,
  isGlobal: true,
  shutdownTimeout: true,
  uploadMemory: true,
  routes: true,
  imports: true,
};

/** What modules of one thing take at the top, and this one for each storage. */
const STORAGE_OPTIONS = ['driver', 'useFactory', 'useClass', 'useExisting', 'inject'];

function assertModuleOptions(where: string, options: object): void {
  const misplaced = STORAGE_OPTIONS.find((name) => Object.hasOwn(options ?? {}, name));
  if (misplaced !== undefined) {
    throw new StorageConfigurationError(
      `${where}: "${misplaced}" is of one storage, which has a name: { storages: { uploads: { ${misplaced}: … } } }`,
    );
  }
  assertConfiguredOptions(where, options, MODULE_OPTIONS);
}

function sharedMemory(given: StorageModuleAsyncOptions['uploadMemory']): UploadMemory {
  if (given instanceof UploadMemory) return given;
  try {
    return new UploadMemory(given);
  } catch (cause) {
    throw new StorageConfigurationError(`StorageModule.forRoot(): ${(cause as Error).message}`, {
      cause,
    });
  }
}

const FEATURE_OPTIONS: Readonly<Record<keyof StorageFeature, true>> = {
  storage: true,
  prefix: true,
  readonly: true,
};

function assertFeature(name: string, feature: StorageFeature): void {
  const where = `StorageModule.forFeature(): "${name}"`;
  assertConfiguredOptions(where, feature, FEATURE_OPTIONS);
  try {
    if (parsePrefix(feature.prefix) !== '') return;
  } catch (cause) {
    throw new StorageConfigurationError(`${where}: ${(cause as Error).message}`, { cause });
  }
  throw new StorageConfigurationError(`${where} needs a prefix, such as "avatars/"`);
}
