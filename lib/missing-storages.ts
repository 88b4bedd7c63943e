import {
  type DynamicModule,
  type InjectionToken,
  Module,
  type OptionalFactoryDependency,
  type Provider,
  Scope,
} from '@nestjs/common';
import { PROPERTY_DEPS_METADATA, SELF_DECLARED_DEPS_METADATA } from '@nestjs/common/constants.js';
import { INQUIRER, ModulesContainer } from '@nestjs/core';
import type { InstanceWrapper } from '@nestjs/core/injector/instance-wrapper.js';
import { StorageConfigurationError } from './core/errors.js';
import { getStorageToken, storageNameOf } from './storage.tokens.js';

const requested = new Set<string | undefined>();
const registered = new Set<string | undefined>();

/** Notes that a class wants the storage, so that its absence can be told in plain words. */
export function requestStorage(name: string | undefined): void {
  requested.add(name);
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
export class StorageNamesModule {
  static create(): DynamicModule {
    // Read by Nest when it scans the modules: by then every class of the app is decorated.
    const providers = (): Provider[] =>
      [...requested].filter((name) => !registered.has(name)).map(missingStorage);
    return {
      module: StorageNamesModule,
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
      const wanted = inquirer?.constructor.name ?? whoWants(getStorageToken(name), modules);
      throw missing(name, wanted ?? 'A provider', modules);
    },
  };
}

/**
 * For who can do without `StorageNamesModule`, in an app that imports nothing of this package.
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

/** Who in the app, if anybody, has what the token stands for injected. */
export function whoWants(token: string, modules: ModulesContainer): string | undefined {
  for (const { providers, controllers, injectables, middlewares } of modules.values()) {
    for (const wrappers of [providers, controllers, injectables, middlewares]) {
      for (const wrapper of wrappers.values()) {
        if (dependenciesOf(wrapper).includes(token)) return nameOf(wrapper);
      }
    }
  }
  return undefined;
}

/** Tokens as they are declared: what Nest resolved them to is no alias any more. */
function dependenciesOf({ inject, metatype }: InstanceWrapper): unknown[] {
  if (inject) return inject.map((each) => (isOptional(each) ? each.token : each));
  if (!metatype) return [];
  const parameters = Reflect.getMetadata(SELF_DECLARED_DEPS_METADATA, metatype) as
    { param: unknown }[] | undefined;
  const properties = Reflect.getMetadata(PROPERTY_DEPS_METADATA, metatype) as
    { type: unknown }[] | undefined;
  return [
    ...(parameters ?? []).map(({ param }) => param),
    ...(properties ?? []).map(({ type }) => type),
  ];
}

function isOptional(
  dependency: InjectionToken | OptionalFactoryDependency,
): dependency is OptionalFactoryDependency {
  return typeof dependency === 'object' && 'token' in dependency;
}

function nameOf({ name }: InstanceWrapper): string {
  const storage = storageNameOf(name);
  if (storage !== undefined) return `The storage "${storage}"`;
  const shown: unknown = name;
  return typeof shown === 'symbol' ? (shown.description ?? 'A provider') : String(shown);
}

function modulesWithStorages(modules: ModulesContainer) {
  return [...modules.values()].filter(({ metatype }) => metatype !== StorageNamesModule);
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
