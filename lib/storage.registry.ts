import { Injectable, Logger, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { StorageConfigurationError } from './core/errors.js';
import { isDeepStrictEqual } from 'node:util';
import type { Storage } from './core/storage.js';
import type { StorageFeature } from './interfaces/storage-module-options.interface.js';

interface Registration {
  readonly storage: Storage;
  readonly eager: boolean;
  readonly shutdownTimeout: number | undefined;
}

/**
 * The storages of the app by name; closes every one of them once, when the app has shut down.
 *
 * @publicApi
 */
@Injectable()
export class StorageRegistry implements OnModuleInit, OnApplicationShutdown {
  readonly #logger = new Logger(StorageRegistry.name);
  readonly #registrations = new Map<string, Registration>();
  readonly #features = new Map<string, StorageFeature>();

  /** The names of all storages, in the order of their registration. */
  get names(): string[] {
    return [...this.#registrations.keys()];
  }

  has(name: string): boolean {
    return this.#registrations.has(name);
  }

  /** @throws StorageConfigurationError listing the known names */
  get(name: string): Storage {
    const registration = this.#registrations.get(name);
    if (registration) return registration.storage;
    const known = this.names.map((each) => `"${each}"`).join(', ') || 'none';
    throw new StorageConfigurationError(`There is no storage "${name}"; the storages are ${known}`);
  }

  /** Puts a storage in. @throws StorageConfigurationError when the name is taken */
  register(
    storage: Storage,
    { eager = false, shutdownTimeout }: { eager?: boolean; shutdownTimeout?: number } = {},
  ): Storage {
    const { name } = storage;
    if (this.has(name) || this.#features.has(name)) {
      throw new StorageConfigurationError(
        `The storage "${name}" is registered twice; give each StorageModule.forRoot() names of its own`,
      );
    }
    this.#registrations.set(name, { storage, eager, shutdownTimeout });
    return storage;
  }

  /** Notes the name of a part of a storage. @throws StorageConfigurationError when it is taken by something else */
  registerFeature(name: string, feature: StorageFeature): void {
    const known = this.#features.get(name);
    if (this.has(name) || (known && !isDeepStrictEqual(known, feature))) {
      throw new StorageConfigurationError(
        `StorageModule.forFeature(): the name "${name}" is taken by something else`,
      );
    }
    this.#features.set(name, feature);
  }

  async onModuleInit(): Promise<void> {
    const eager = [...this.#registrations.values()].filter((registration) => registration.eager);
    await Promise.all(eager.map(({ storage }) => storage.open()));
  }

  // After the HTTP server has closed: requests under way may still use their storage until then.
  async onApplicationShutdown(): Promise<void> {
    await Promise.all(
      [...this.#registrations.values()].map(async ({ storage, shutdownTimeout }) => {
        try {
          await storage.close(shutdownTimeout === undefined ? {} : { timeout: shutdownTimeout });
        } catch (error) {
          // One that fails must not keep the others open, nor (on Nest 11) end the shutdown.
          this.#logger.error(`The storage "${storage.name}" could not be closed`, error);
        }
      }),
    );
  }
}
