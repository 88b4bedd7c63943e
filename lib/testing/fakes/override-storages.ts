import { ModulesContainer } from '@nestjs/core';
import { StorageConfigurationError } from '../../core/errors.js';
import { storageNames } from '../../missing-storages.js';
import { StorageRegistry } from '../../storage.registry.js';
import { getStorageToken } from '../../storage.tokens.js';
import type { FakeStorage } from './fake-storage.js';

/** What `Test.createTestingModule()` returns, as far as it is needed here. */
export interface ProviderOverrides {
  overrideProvider(token: unknown): {
    useFactory<Dependency>(options: {
      factory: (dependency: Dependency) => unknown;
      inject: (new (...args: never[]) => Dependency)[];
    }): unknown;
  };
}

/** Names of the fakes that a testing module was given, in one call or several. */
const overridden = new WeakMap<ProviderOverrides, Set<string>>();

/**
 * Puts each fake in the place of the app's storage of that name, before the testing module is compiled: `StorageRegistry` and health
 * checks find it, and the app closes it. The other storages stay as they are.
 *
 * `compile()` rejects with a `StorageConfigurationError` when the app has no storage of the name: the code under test would write to
 * the one that it has.
 */
export function overrideStorages<Builder extends ProviderOverrides>(
  builder: Builder,
  ...fakes: readonly FakeStorage[]
): Builder {
  const names = overridden.get(builder) ?? new Set();
  overridden.set(builder, names);
  for (const fake of fakes) {
    names.add(fake.name);
    builder.overrideProvider(getStorageToken(fake.name)).useFactory({
      // Each module that asks for a part of a storage by the name has a provider of its own.
      factory: (registry) => (registry.has(fake.name) ? fake : registry.register(fake)),
      inject: [StorageRegistry],
    });
  }
  // Nest says nothing of an override that overrides nothing. The registry is made once the modules are known, and before any storage.
  builder.overrideProvider(StorageRegistry).useFactory({
    factory: (modules) => {
      assertNames(names, storageNames(modules));
      return new StorageRegistry(modules);
    },
    inject: [ModulesContainer],
  });
  return builder;
}

function assertNames(names: ReadonlySet<string>, known: readonly string[]): void {
  for (const name of names) {
    if (known.includes(name)) continue;
    const list = known.map((each) => `"${each}"`).join(', ') || 'none';
    throw new StorageConfigurationError(
      `There is no storage "${name}" that overrideStorages() could put a fake in the place of; the storages are ${list}`,
    );
  }
}
