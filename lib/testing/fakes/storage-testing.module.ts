import { type DynamicModule, Module } from '@nestjs/common';
import { StorageConfigurationError } from '../../core/errors.js';
import { StorageModule } from '../../storage.module.js';
import { StorageRegistry } from '../../storage.registry.js';
import { getStorageToken } from '../../storage.tokens.js';
import { FakeStorage } from './fake-storage.js';

export interface StorageTestingOptions {
  /** Names of storages, or fakes that are set up already. */
  storages: readonly (string | FakeStorage)[];
  /** Name of the one that `@InjectStorage()` means. Default: the only one. */
  default?: string;
}

/** Stands for `StorageModule` in tests of a part of an app: the same tokens, with fake storages behind them. */
@Module({})
export class StorageTestingModule {
  /** @throws StorageConfigurationError as `StorageModule.forRoot()` */
  static forRoot(options: StorageTestingOptions): DynamicModule {
    const fakes = options.storages.map((each) =>
      typeof each === 'string'
        ? { name: each, create: () => new FakeStorage(each) }
        : { name: each.name, create: () => each },
    );
    const names = fakes.map(({ name }) => name);
    if (new Set(names).size < names.length) {
      throw new StorageConfigurationError(
        `StorageTestingModule.forRoot(): a name is there twice: ${names.join(', ')}`,
      );
    }
    const { providers = [], ...real } = StorageModule.forRoot({
      storages: Object.fromEntries(names.map((name) => [name, { driver: 'memory' as const }])),
      ...(options.default !== undefined && { default: options.default }),
    });
    const tokens: unknown[] = names.map((name) => getStorageToken(name));
    return {
      ...real,
      module: StorageTestingModule,
      providers: [
        ...fakes.map(({ name, create }) => ({
          provide: getStorageToken(name),
          inject: [StorageRegistry],
          useFactory: (registry: StorageRegistry) => registry.register(create()),
        })),
        // What is left is the default, which is an alias.
        ...providers.filter((each) => !('provide' in each && tokens.includes(each.provide))),
      ],
    };
  }
}
