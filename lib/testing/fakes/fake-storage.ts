import { AssertionError } from 'node:assert';
import { shown } from '../../core/arguments.js';
import type { Capabilities, StorageLimits } from '../../core/capabilities.js';
import { DriverSource } from '../../core/driver-source.js';
import { StorageInvalidArgumentError } from '../../core/errors.js';
import { parseRetryOptions } from '../../core/retry.js';
import { UrlSigner } from '../../core/signed-url.js';
import { Storage } from '../../core/storage.js';
import type { StorageOptions } from '../../core/storage-options.js';
import type { S3Provider } from '../../drivers/driver-options.js';
import { describeS3Service, openDriver } from '../../drivers/open-storage.js';
import { type OptionNames, STORAGE_OPTIONS } from '../../drivers/option-names.js';
import { assertConfiguredOptions } from '../../configured-options.js';
import { FakeDriver, type FakeRules } from './fake-driver.js';
import { type FakeCall, type FakeFault, type FakeMethod, FakeScript } from './fake-script.js';
import {
  assertExpected,
  checkExists,
  checkFile,
  type ExpectedFile,
  type FileCheck,
} from './file-checks.js';

/** Options of a fake storage. Those of every storage are as usual, but `retry`: without it nothing is tried again. */
export interface FakeStorageOptions extends StorageOptions {
  /**
   * An S3 service, whose capabilities and limits are those of the fake: what the service cannot do is refused with
   * `StorageUnsupportedError`, as it would be there. Default: everything is possible.
   */
  behavesLike?: S3Provider;
  /** Capabilities that are others, whatever `behavesLike` says. */
  capabilities?: Partial<Omit<Capabilities, 'limits' | 'retries'>>;
  /** Limits that are others. */
  limits?: Partial<StorageLimits>;
  /** The time by which URLs are signed, so that they are the same each time. Default: the real time. */
  now?: Date | (() => Date);
}

const OPTIONS: OptionNames<FakeStorageOptions> = {
  ...STORAGE_OPTIONS,
  behavesLike: true,
  capabilities: true,
  limits: true,
  now: true,
};

/**
 * A storage in memory for tests: it takes the place of any other one, notes what it is asked for, fails when it is told to, and
 * says whether files are there.
 */
export class FakeStorage extends Storage {
  /**
   * The same files, to look at: what is done here is not noted, and does not fail as it was told to. It stays open when the fake
   * is closed, as do the assertions: tests look at what an app has stored when the app is closed, too.
   */
  readonly stored: Storage;
  readonly #script: FakeScript;

  /**
   * @throws StorageConfigurationError naming an option that there is not
   * @throws StorageInvalidArgumentError naming an option that is not well-formed
   */
  constructor(name: string, options: FakeStorageOptions = {}) {
    assertConfiguredOptions('fakeStorage()', options, OPTIONS);
    const { behavesLike, capabilities, limits, now, ...storageOptions } = options;
    const clock = parseClock(now);
    const script = new FakeScript();
    const driverName = behavesLike === undefined ? 'fake' : `fake of ${behavesLike}`;
    const baseUrl = `https://storage.test/${encodeURIComponent(name)}`;
    const configuration = { driver: 'memory', baseUrl, signingKeys: SIGNING_KEYS } as const;
    const settings = { storage: name, retry: parseRetryOptions(), concurrency: 1 };
    const openMemory = () => openDriver(configuration, 'memory', settings);
    // Unobserved: what a test looks at is no call of the app's.
    const memory = new DriverSource('memory', openMemory, false);
    const source = new DriverSource(driverName, async () => {
      const driver = await memory.open();
      const signer = new UrlSigner(name, baseUrl, SIGNING_KEYS, clock);
      const rules = await rulesOf(behavesLike, driver.capabilities, capabilities, limits);
      return new FakeDriver(driverName, driver, rules, signer, script);
    });
    super(source, { retry: { maxRetries: 0 }, ...storageOptions, name });
    this.stored = new Storage(memory, { name, prefix: this.prefix });
    this.#script = script;
  }

  /** What has reached the fake so far, in order: a call that was refused before is not among it. */
  get calls(): readonly FakeCall[] {
    return this.#script.calls;
  }

  /**
   * Makes calls fail. Of several faults that fit a call, the one that was given first is used up first.
   *
   * @throws StorageConfigurationError for a method that no driver has, and for an option that there is not
   * @throws StorageInvalidArgumentError naming an option that is not well-formed, and `afterBytes` of what has no body
   */
  failOn(method: FakeMethod, fault: FakeFault = {}): this {
    this.#script.fail(method, fault);
    return this;
  }

  /**
   * Lets every call of the method wait that many milliseconds, or until it is aborted; `Infinity`: until it is.
   *
   * @throws StorageInvalidArgumentError when it is not a number, 0 or more
   */
  delayOn(method: FakeMethod, milliseconds: number): this {
    this.#script.delay(method, milliseconds);
    return this;
  }

  /** Undoes `failOn()` and `delayOn()`. Files and `calls` stay. */
  heal(): this {
    this.#script.heal();
    return this;
  }

  /** @throws AssertionError (rejects) when there is no file under the key */
  async assertExists(key: string): Promise<void> {
    assertHolds(await checkExists(this.stored, key));
  }

  /** @throws AssertionError (rejects) when there is a file under the key */
  async assertMissing(key: string): Promise<void> {
    const { holds, message, oppositeMessage } = await checkExists(this.stored, key);
    assertHolds({ holds: !holds, message: oppositeMessage, oppositeMessage: message });
  }

  /** @throws AssertionError (rejects) when the file is not there, or its bytes are others; a string is its UTF-8 */
  async assertContent(key: string, content: string | Uint8Array): Promise<void> {
    assertHolds(await checkFile(this.stored, key, { content }));
  }

  /**
   * That the code under test has written the file (by whatever method), and that the file is as expected now.
   *
   * @throws AssertionError (rejects)
   * @throws StorageConfigurationError (rejects) naming what is expected and no file has
   */
  async assertUploaded(key: string, expected: ExpectedFile = {}): Promise<void> {
    assertHolds(await this.checkUploaded(key, expected));
  }

  /** @internal for the matchers */
  async checkUploaded(key: string, expected: ExpectedFile): Promise<FileCheck> {
    assertExpected(expected);
    const fullKey = `${this.prefix}${key}`;
    if (this.#script.written.includes(fullKey)) return checkFile(this.stored, key, expected);
    return {
      holds: false,
      message: `Nothing has written the file "${key}" in the storage "${this.name}"`,
      oppositeMessage: '',
    };
  }
}

/** A storage in memory for tests, in place of the one of that name. */
export function fakeStorage(name = 'fake', options: FakeStorageOptions = {}): FakeStorage {
  return new FakeStorage(name, options);
}

// The same in each run, so that signed URLs are, too.
const SIGNING_KEYS = [{ id: 'fake', secret: 'the signing key of fake storages in tests' }];

/** What tells the time, in milliseconds. */
function parseClock(now: FakeStorageOptions['now']): () => number {
  if (now === undefined) return Date.now;
  if (typeof now === 'function') return () => timeOf(now());
  const time = timeOf(now);
  return () => time;
}

function timeOf(date: Date): number {
  if (date instanceof Date && !Number.isNaN(date.getTime())) return date.getTime();
  throw new StorageInvalidArgumentError(
    `now must be a Date that is one, or a function that gives such a Date, not ${shown(date)}`,
  );
}

async function rulesOf(
  behavesLike: S3Provider | undefined,
  memory: Capabilities,
  capabilities: FakeStorageOptions['capabilities'],
  limits: FakeStorageOptions['limits'],
): Promise<FakeRules> {
  const like = behavesLike && (await describeS3Service(behavesLike));
  const base = like?.capabilities ?? memory;
  assertConfiguredOptions('fakeStorage(): capabilities', capabilities ?? {}, { ...base });
  assertConfiguredOptions('fakeStorage(): limits', limits ?? {}, { ...base.limits });
  return {
    // A fault is to be seen: whoever wants it to be tried again says so by `retry`.
    capabilities: {
      ...base,
      ...capabilities,
      retries: false,
      limits: { ...base.limits, ...limits },
    },
    equalParts: like?.equalParts ?? false,
  };
}

function assertHolds({ holds, message }: FileCheck): void {
  if (!holds) throw new AssertionError({ message });
}
