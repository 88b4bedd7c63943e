import { randomUUID } from 'node:crypto';
import { StorageInvalidKeyError, StorageUnsupportedError } from '../../core/errors.js';
import type { Storage } from '../../core/storage.js';
import { assertConfiguredOptions } from '../../configured-options.js';
import type {
  BackendNames,
  Behaviour,
  BehaviourContext,
  BehaviourGroup,
  BehaviourOutcome,
} from './behaviour.js';
import { putAll, rejection } from './expectations.js';
import { GroupResults } from './group-results.js';
import { servedBehaviours, shutdownBehaviours, storageBehaviours } from './behaviours.js';

/**
 * The functions of a test runner that the kit uses. Those of Jest and Vitest fit as they are; of `node:test`, `describe` and
 * `it` do, and `beforeAll: (body) => before(body)`, `afterAll: (body) => after(body)`.
 */
export interface TestRunner {
  readonly describe: (name: string, body: () => void) => unknown;
  readonly it: (name: string, body: () => Promise<void>, timeout?: number) => unknown;
  readonly beforeAll: (body: () => Promise<void>, timeout?: number) => unknown;
  readonly afterAll: (body: () => Promise<void>, timeout?: number) => unknown;
}

/** A storage to test, and how to be rid of it. */
export interface OpenedStorage {
  readonly storage: Storage;
  /**
   * Opens the same place once more, with a client of its own, as another process would. Left out where that cannot be,
   * as in memory: then the storage stands for the other one, too. The kit closes what it gives.
   */
  readonly reopen?: () => Promise<Storage>;
  /**
   * Stores under each of the keys the key itself, as UTF-8, by other means than the storage. The kit lists and deletes thousands of
   * files, and puts them one by one where this is left out.
   */
  readonly fill?: (keys: readonly string[]) => Promise<void>;
  /** Closes it and whatever lies behind it. Called once. */
  readonly destroy: () => Promise<void>;
}

export interface DescribeStorageOptions {
  /** Default: the global functions. */
  runner?: TestRunner;
  /** UTF-8 bytes of the prefix of the storages that `open` gives: keys can be that much shorter. Default 0. */
  prefixBytes?: number;
  /**
   * What the backend has names for: `'any'` (default), `'caseless'` where `A` and `a` are one file, or `'windows'`, which has no
   * `a:b`, `a.` or `NUL` either: such keys must be refused with `StorageInvalidKeyError`.
   */
  names?: BackendNames;
  /** Whether the backend answers requests to the signed URLs; then they are fetched, too. Default false. */
  servesUrls?: boolean;
  /** Whether `open` gives views (scopes, read-only): closing one of those ends nothing. Default false. */
  isView?: boolean;
  /** Milliseconds that one behaviour may take. Default 60,000. */
  timeout?: number;
}

const OPTIONS: Readonly<Record<keyof DescribeStorageOptions, true>> = {
  runner: true,
  prefixBytes: true,
  names: true,
  servesUrls: true,
  isView: true,
  timeout: true,
};

const MAX_KEY_BYTES = 1024;

/**
 * Registers tests that hold a driver to the contract of `StorageDriver`, through `Storage`, as users see it. Which
 * ones, it learns from `capabilities`: where a capability is missing, what needs it must be refused.
 *
 * Where the environment variable `STORAGE_CONFORMANCE_RESULTS` names a folder, a line of JSON per group is written there:
 * `{ storage, run, group, kept, refused, broken, milliseconds }`.
 *
 * @param open a fresh and empty storage each time
 * @throws StorageConfigurationError naming an option that there is not
 */
export function describeStorageDriver(
  name: string,
  open: () => Promise<OpenedStorage>,
  options: DescribeStorageOptions = {},
): void {
  assertConfiguredOptions('describeStorageDriver()', options, OPTIONS);
  const {
    runner = globalRunner(),
    prefixBytes = 0,
    names = 'any',
    servesUrls = false,
    isView = false,
    timeout = 60_000,
  } = options;
  const { describe, it, beforeAll, afterAll } = runner;
  const groups = [
    ...storageBehaviours,
    ...(isView ? [] : [shutdownBehaviours]),
    ...(servesUrls ? servedBehaviours : []),
  ].map((group) => (names === 'any' ? group : withoutCase(group)));
  const run = randomUUID();
  describe(name, () => {
    for (const group of groups) {
      describe(group.name, () => {
        let opened: OpenedStorage | undefined;
        let isOpen = false;
        let results: GroupResults;
        beforeAll(async () => {
          results = new GroupResults(name, run, group);
          opened = await open();
          await opened.storage.open();
          isOpen = true;
        }, timeout);
        afterAll(async () => {
          results.write(isOpen);
          // The runner keeps this function to its end; what it refers to need not live as long.
          const { destroy } = opened ?? {};
          opened = undefined;
          await destroy?.();
        }, timeout);
        for (const [index, behaviour] of group.behaviours.entries()) {
          const context = { folder: `k${index}/`, maxKeyBytes: MAX_KEY_BYTES - prefixBytes, names };
          it(
            behaviour.name,
            () => results.count(behaviour.name, checkBehaviour(behaviour, opened!, open, context)),
            timeout,
          );
        }
      });
    }
  });
}

/**
 * Runs one behaviour, and returns whether the storage has it, or refused it as it must. Rejects when it does neither, or has
 * it without saying so.
 */
export async function checkBehaviour(
  behaviour: Behaviour,
  { storage, reopen, fill }: OpenedStorage,
  open: () => Promise<OpenedStorage>,
  context: Omit<BehaviourContext, 'open' | 'reopen' | 'fill'>,
): Promise<BehaviourOutcome> {
  const endings: (() => Promise<void>)[] = [];
  const run = (): Promise<void> =>
    behaviour.run(storage, {
      ...context,
      fill: fill ?? ((keys) => putAll(storage, keys)),
      async open() {
        const other = await open();
        await other.storage.open();
        endings.push(() => other.destroy());
        return other.storage;
      },
      async reopen() {
        if (!reopen) return storage;
        const again = await reopen();
        await again.open();
        endings.push(() => again.close());
        return again;
      },
    });
  try {
    const refusal = refusalOf(behaviour, storage, context);
    if (!refusal) {
      await run();
      return 'kept';
    }
    // Silence is no answer: what the driver does not have must be refused.
    await rejection(run(), refusal);
    return 'refused';
  } finally {
    await endAll(endings);
  }
}

/** What the behaviour has to end in where the storage cannot have it. */
function refusalOf(
  { needs, needsNames }: Behaviour,
  { capabilities }: Storage,
  { names }: Pick<BehaviourContext, 'names'>,
): typeof StorageUnsupportedError | typeof StorageInvalidKeyError | undefined {
  if (needs && !needs(capabilities)) return StorageUnsupportedError;
  const isRefused = names === 'windows' && needsNames === 'not-of-windows';
  return isRefused ? StorageInvalidKeyError : undefined;
}

function withoutCase({ name, behaviours }: BehaviourGroup): BehaviourGroup {
  return { name, behaviours: behaviours.filter(({ needsNames }) => needsNames !== 'cased') };
}

/** Ends each of them, whatever comes of the others; rejects with the first failure. */
async function endAll(endings: readonly (() => Promise<void>)[]): Promise<void> {
  const outcomes = await Promise.allSettled(endings.map((end) => end()));
  for (const outcome of outcomes) {
    if (outcome.status === 'rejected') throw outcome.reason;
  }
}

function globalRunner(): TestRunner {
  const { describe, it, beforeAll, afterAll } = globalThis as Partial<TestRunner>;
  if (describe && it && beforeAll && afterAll) return { describe, it, beforeAll, afterAll };
  throw new TypeError(
    'There are no global describe, it, beforeAll and afterAll; pass those of your test runner as options.runner',
  );
}
