import {
  type BeforeApplicationShutdown,
  Inject,
  Injectable,
  Logger,
  type OnApplicationShutdown,
  type OnModuleInit,
} from '@nestjs/common';
import { ModulesContainer } from '@nestjs/core';
import { isDeepStrictEqual } from 'node:util';
import { StorageConfigurationError } from './core/errors.js';
import type { Storage } from './core/storage.js';
import type { StorageNamed } from './core/storage-names.js';
import { MAX_TIMER } from './core/units.js';
import { whoWants } from './missing-storages.js';
import type { StorageFeature } from './interfaces/storage-module-options.interface.js';
import { getStorageToken } from './storage.tokens.js';

interface Registration {
  readonly storage: Storage;
  readonly eager: boolean;
  readonly isDefault: boolean;
  readonly shutdownTimeout: number | undefined;
  readonly lacksRoutes: boolean;
}

/** A part of a storage, by a name of its own. */
interface FeatureRegistration {
  readonly feature: StorageFeature;
  readonly view: Storage;
}

interface RegistrationOptions {
  /** Opens the storage while the app starts. */
  eager?: boolean;
  /** Whether `@InjectStorage()` means it, wherever it stands. */
  isDefault?: boolean;
  /** Milliseconds. */
  shutdownTimeout?: number;
  /** Only routes of the app could serve its URLs, and it has none. */
  lacksRoutes?: boolean;
}

/** Work that takes several calls to storages, such as storing the files of a form and keeping or removing them. */
export interface StorageWork {
  /** Resolves when it needs no storage any more. */
  readonly settled: Promise<unknown>;
  /** Ends it early, if it can be ended. */
  interrupt(): void;
}

/** Milliseconds, as long as a storage waits by itself. */
const SHUTDOWN_TIMEOUT = 10_000;

/** The storages of the app by name; closes every one of them once, when the app has shut down. */
@Injectable()
export class StorageRegistry
  implements OnModuleInit, BeforeApplicationShutdown, OnApplicationShutdown
{
  readonly #logger = new Logger(StorageRegistry.name);
  readonly #registrations = new Map<string, Registration>();
  readonly #features = new Map<string, FeatureRegistration>();
  readonly #work = new Set<StorageWork>();
  // Not for a log or an answer that shows the registry: it leads to all of the app.
  readonly #modules: ModulesContainer;
  #shutdownTimer: NodeJS.Timeout | undefined;

  /** @internal Nest makes it. */
  constructor(@Inject(ModulesContainer) modules: ModulesContainer) {
    this.#modules = modules;
  }

  /** The names of all storages, in the order of their registration. Those of `forFeature` are not among them: they are parts of these. */
  get names(): string[] {
    return [...this.#registrations.keys()];
  }

  /** Whether `get` knows it: a storage, or a part of one by `forFeature`. */
  has(name: string): boolean {
    return this.#registrations.has(name) || this.#features.has(name);
  }

  /** @throws StorageConfigurationError listing the known names */
  get<Name extends string>(name: Name): StorageNamed<Name>;
  get(name: string): Storage {
    const storage = this.#registrations.get(name)?.storage ?? this.#features.get(name)?.view;
    if (storage) return storage;
    const names = [...this.#registrations.keys(), ...this.#features.keys()];
    const known = names.map((each) => `"${each}"`).join(', ') || 'none';
    throw new StorageConfigurationError(`There is no storage "${name}"; the storages are ${known}`);
  }

  /**
   * For whoever lets clients send files to the URLs of the storage.
   *
   * @internal
   * @throws StorageConfigurationError when nothing in the app would serve them
   */
  assertServed(name: string, where: string): void {
    if (!this.#registrations.get(name)?.lacksRoutes) return;
    throw new StorageConfigurationError(
      `${where}: no route of the app takes what clients send to the storage "${name}"; add routes beside it: StorageModule.forRoot({ storages: { … }, routes: { signingKeys: [{ id: "2026", secret: process.env.STORAGE_SECRET }] } })`,
    );
  }

  /**
   * Puts a storage in.
   *
   * @throws StorageConfigurationError when the name is taken
   * @internal
   */
  register(
    storage: Storage,
    {
      eager = false,
      isDefault = false,
      shutdownTimeout,
      lacksRoutes = false,
    }: RegistrationOptions = {},
  ): Storage {
    const { name } = storage;
    if (this.has(name)) {
      throw new StorageConfigurationError(
        `The storage "${name}" is registered twice; give each StorageModule.forRoot() names of its own`,
      );
    }
    this.#registrations.set(name, {
      storage,
      eager,
      isDefault,
      shutdownTimeout,
      lacksRoutes,
    });
    return storage;
  }

  /**
   * Puts a part of a storage in. Of several that are alike, the first one is known.
   *
   * @throws StorageConfigurationError when the name is taken by something else
   * @internal
   */
  registerFeature(name: string, feature: StorageFeature, view: Storage): void {
    const known = this.#features.get(name);
    if (known && isDeepStrictEqual(known.feature, feature)) return;
    if (this.has(name)) {
      throw new StorageConfigurationError(
        `StorageModule.forFeature(): the name "${name}" is taken by something else`,
      );
    }
    this.#features.set(name, { feature, view });
  }

  /**
   * Keeps the storages open at shutdown until the work is over.
   *
   * @internal
   */
  holdOpen(work: StorageWork): void {
    this.#work.add(work);
    const release = (): void => void this.#work.delete(work);
    work.settled.then(release, release);
  }

  async onModuleInit(): Promise<void> {
    this.#assertOneDefault();
    const registrations = [...this.#registrations.values()];
    const eager = registrations.filter((registration) => registration.eager);
    try {
      await Promise.all(eager.map(({ storage }) => storage.open()));
      registrations.forEach((registration) => this.#logStart(registration));
    } catch (error) {
      // Nest runs no shutdown hooks after a start that failed.
      await this.onApplicationShutdown();
      throw error;
    }
  }

  // Before the HTTP server closes, which waits for the requests under way: they have as long as the storages have.
  beforeApplicationShutdown(): void {
    this.#shutdownTimer = setTimeout(
      () => this.#interruptRequests(),
      this.#shutdownTimeout,
    ).unref();
  }

  // After the HTTP server has closed: requests under way may still use their storage until then.
  async onApplicationShutdown(): Promise<void> {
    clearTimeout(this.#shutdownTimer);
    await this.#endWork();
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

  /** Names and prefixes only: what else the options hold may be a secret. */
  #logStart({ storage, eager, isDefault }: Registration): void {
    const { name, driver, prefix } = storage;
    const where = prefix === '' ? '' : ` below "${prefix}"`;
    const which = isDefault ? ', the default,' : '';
    const when = eager ? 'is open' : 'opens on first use';
    this.#logger.log(`Storage "${name}" (${driver}${where})${which} ${when}`);
  }

  /** Milliseconds: the longest of any storage. */
  get #shutdownTimeout(): number {
    const timeouts = [...this.#registrations.values()].map(
      ({ shutdownTimeout = SHUTDOWN_TIMEOUT }) => shutdownTimeout,
    );
    return Math.min(Math.max(0, ...timeouts), MAX_TIMER);
  }

  /** Ends what a slow client could keep going for ever, and with it the HTTP server. */
  #interruptRequests(): void {
    this.#interruptWork();
    for (const { storage } of this.#registrations.values()) storage.abortTransfers();
  }

  #interruptWork(): void {
    for (const work of this.#work) work.interrupt();
  }

  async #endWork(): Promise<void> {
    this.#interruptWork();
    if (this.#work.size === 0) return;
    let timer: NodeJS.Timeout | undefined;
    const timeout = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, this.#shutdownTimeout);
    });
    const settled = Promise.allSettled([...this.#work].map((work) => work.settled));
    await Promise.race([settled, timeout]);
    clearTimeout(timer);
  }

  /** Which of two defaults a class gets would depend on the order of the modules. */
  #assertOneDefault(): void {
    const defaults = [...this.#registrations.values()].filter(({ isDefault }) => isDefault);
    if (defaults.length < 2) return;
    const wanted = whoWants(getStorageToken(), this.#modules);
    if (wanted === undefined) return;
    const names = defaults.map(({ storage }) => `"${storage.name}"`).join(' and ');
    throw new StorageConfigurationError(
      `${wanted} wants the default storage, but there are several: ${names}; give one by name, or put the storages into one StorageModule.forRoot()`,
    );
  }
}
