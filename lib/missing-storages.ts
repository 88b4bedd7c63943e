import { type DynamicModule, Module, type Provider, Scope } from '@nestjs/common';
import { INQUIRER, ModulesContainer } from '@nestjs/core';
import { StorageConfigurationError } from './core/errors.js';
import { getStorageToken, storageNameOf } from './storage.tokens.js';

const requested = new Set<string | undefined>();
const registered = new Set<string | undefined>();

/** Notes that a class wants the storage, so that its absence can be told in plain words. */
export function requestStorage(name: string | undefined): void {
  requested.add(name);
}

/** Whether some class wants the storage. */
export function isStorageRequested(name: string | undefined): boolean {
  return requested.has(name);
}

/** Notes that some module has the storage. */
export function registerStorageName(name: string | undefined): void {
  registered.add(name);
}

/**
 * Answers for the names that are wanted and that no module registers. Nest would only say that it cannot resolve a
 * dependency; this says which storages there are. The providers are transient, so that they speak only when somebody
 * really asks, and global, so that Nest looks here last.
 */
@Module({})
export class MissingStoragesModule {
  static create(): DynamicModule {
    // Read by Nest when it scans the modules: by then every class of the app is decorated.
    const providers = (): Provider[] =>
      [...requested].filter((name) => !registered.has(name)).map(missingStorage);
    return {
      module: MissingStoragesModule,
      global: true,
      get providers() {
        return providers();
      },
      get exports() {
        return providers().map((provider) => (provider as { provide: string }).provide);
      },
    };
  }
}

function missingStorage(name: string | undefined): Provider {
  return {
    provide: getStorageToken(name),
    scope: Scope.TRANSIENT,
    inject: [INQUIRER, ModulesContainer],
    useFactory: (inquirer: object | undefined, modules: ModulesContainer) => {
      throw missing(name, inquirer?.constructor.name ?? 'A provider', modules);
    },
  };
}

/**
 * For who can do without `MissingStoragesModule`, in an app that imports nothing of this package.
 *
 * @throws StorageConfigurationError when no module registers the storage
 */
export function assertRegistered(
  name: string | undefined,
  wanted: string,
  modules: ModulesContainer,
): void {
  const token = getStorageToken(name);
  if (modulesWithStorages(modules).some(({ providers }) => providers.has(token))) return;
  throw missing(name, wanted, modules);
}

function missing(
  name: string | undefined,
  wanted: string,
  modules: ModulesContainer,
): StorageConfigurationError {
  const known = storageNames(modules).map((each) => `"${each}"`);
  const list = known.join(', ') || 'none: import StorageModule.forRoot() into the app';
  return new StorageConfigurationError(
    name === undefined
      ? `${wanted} wants the default storage, but there is none: name the storage, or set \`default\` in StorageModule.forRoot(); the storages are ${list}`
      : `${wanted} wants the storage "${name}", which no module registers; the storages are ${list}`,
  );
}

function modulesWithStorages(modules: ModulesContainer) {
  return [...modules.values()].filter(({ metatype }) => metatype !== MissingStoragesModule);
}

/** The names of all storages of the app, parts of storages among them. */
export function storageNames(modules: ModulesContainer): string[] {
  const names = new Set<string>();
  for (const { providers } of modulesWithStorages(modules)) {
    for (const token of providers.keys()) {
      const name = storageNameOf(token);
      if (name !== undefined) names.add(name);
    }
  }
  return [...names].sort();
}
