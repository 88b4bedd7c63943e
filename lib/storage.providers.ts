import type {
  FactoryProvider,
  InjectionToken,
  OptionalFactoryDependency,
  Provider,
} from '@nestjs/common';
import { StorageConfigurationError } from './core/errors.js';
import type { Storage } from './core/storage.js';
import type { UploadMemory } from './core/upload-memory.js';
import type { StorageConfiguration } from './drivers/driver-options.js';
import { createStorage } from './drivers/open-storage.js';
import type {
  AsyncStorageConfiguration,
  StorageConfigurationFactory,
  StorageFeature,
  StorageModuleSettings,
} from './interfaces/storage-module-options.interface.js';
import { lacksRoutes, SignedRoutes } from './routes/signed-routes.js';
import { StorageRegistry } from './storage.registry.js';
import { getStorageToken } from './storage.tokens.js';

interface ProvidedStorage extends StorageModuleSettings {
  readonly isDefault: boolean;
  /** For storages that say nothing of their own. */
  readonly uploadMemory: UploadMemory;
}

/** Makes the configuration of a storage while the app starts. */
interface ConfigurationMaker {
  /** What Nest has to make for it. */
  readonly providers: readonly Provider[];
  /** Tokens of what `make` is called with, in its order. */
  readonly inject: readonly (InjectionToken | OptionalFactoryDependency)[];
  readonly make: (
    ...injected: readonly unknown[]
  ) => StorageConfiguration | Promise<StorageConfiguration>;
}

/** Provides the storage under its name. It is opened by its first use. */
export function storageProvider(
  name: string,
  configuration: StorageConfiguration | AsyncStorageConfiguration,
  { eager, shutdownTimeout, uploadMemory, isDefault }: ProvidedStorage,
): Provider[] {
  const { providers, inject, make } = makerOf(name, configuration);
  const provider: FactoryProvider<Storage> = {
    provide: getStorageToken(name),
    inject: [StorageRegistry, { token: SignedRoutes, optional: true }, ...inject],
    async useFactory(
      registry: StorageRegistry,
      routes: SignedRoutes | undefined,
      ...injected: readonly unknown[]
    ) {
      const given = await make(...injected);
      const ready = routes ? routes.complete(name, given) : given;
      const storage = registry.register(createStorage(name, withMemory(ready, uploadMemory)), {
        isDefault,
        lacksRoutes: lacksRoutes(ready),
        ...(eager !== undefined && { eager }),
        ...(shutdownTimeout !== undefined && { shutdownTimeout }),
      });
      routes?.serve(storage, ready);
      return storage;
    },
  };
  return [...providers, provider];
}

/** @throws StorageConfigurationError when nothing makes it */
function makerOf(
  name: string,
  configuration: StorageConfiguration | AsyncStorageConfiguration,
): ConfigurationMaker {
  if (!isAsync(configuration)) return { providers: [], inject: [], make: () => configuration };
  const { useFactory, inject = [], useClass, useExisting } = configuration;
  if (useFactory) {
    return { providers: [], inject, make: useFactory as ConfigurationMaker['make'] };
  }
  const factory = useClass ?? useExisting;
  if (!factory) {
    throw new StorageConfigurationError(
      `Storage "${name}": one of useFactory, useClass, useExisting or driver is needed`,
    );
  }
  return {
    providers: useClass ? [useClass] : [],
    inject: [factory],
    make: (made) => {
      const factory = made as Partial<StorageConfigurationFactory> | undefined;
      if (factory?.createStorageConfiguration) return factory.createStorageConfiguration(name);
      throw new StorageConfigurationError(
        `Storage "${name}": what useClass or useExisting names must have the method createStorageConfiguration(name)`,
      );
    },
  };
}

/** Provides the default storage: an alias, so that whoever overrides the storage overrides both. */
export function defaultStorageProvider(name: string): Provider {
  return { provide: getStorageToken(), useExisting: getStorageToken(name) };
}

/** Provides a part of a storage under a name of its own. */
export function featureProvider(name: string, feature: StorageFeature): Provider {
  return {
    provide: getStorageToken(name),
    inject: [getStorageToken(feature.storage), StorageRegistry],
    useFactory: (storage: Storage, registry: StorageRegistry) => {
      const scoped = storage.scope(feature.prefix);
      const view = feature.readonly ? scoped.readonly() : scoped;
      registry.registerFeature(name, feature, view);
      return view;
    },
  };
}

/** What is no configuration stays as it is, for whoever refuses it. */
function withMemory(given: StorageConfiguration, uploadMemory: UploadMemory): StorageConfiguration {
  if (typeof given !== 'object' || given === null) return given;
  return given.uploadMemory === undefined ? { ...given, uploadMemory } : given;
}

function isAsync(
  configuration: StorageConfiguration | AsyncStorageConfiguration,
): configuration is AsyncStorageConfiguration {
  return (
    typeof configuration === 'object' && configuration !== null && !('driver' in configuration)
  );
}
