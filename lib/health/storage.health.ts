import { Injectable, Logger } from '@nestjs/common';
import { StorageError, type StorageErrorCode, StorageTimeoutError } from '../core/errors.js';
import type { Storage } from '../core/storage.js';
import type { StorageName } from '../core/storage-names.js';
import { parseMilliseconds } from '../core/units.js';
import { assertConfiguredOptions } from '../configured-options.js';
import { toHttpException } from '../storage.exceptions.js';
import { StorageRegistry } from '../storage.registry.js';

export interface StorageHealthOptions {
  /** Name of the storage. Default: the key of the result. */
  storage?: StorageName;
  /** Also stores a few bytes where no listing shows them, and removes them. Default false. */
  write?: boolean;
  /**
   * A file that is there, whose `info()` is asked for. Default: one page of a listing with one file, which tells a bucket
   * that is missing from one that is empty, but needs the right to list.
   */
  file?: string;
  /** Milliseconds, or text such as `'2s'`, after which the storage counts as down. Default 3 seconds. */
  timeout?: number | string;
}

/** What a health check of Terminus takes. It names no key and no path: it goes to whoever asks. */
export type StorageHealth<Key extends string = string> = Record<
  Key,
  {
    readonly status: 'up' | 'down';
    readonly driver: string;
    /** Why it is down. */
    readonly code?: StorageErrorCode;
    readonly message?: string;
  }
>;

const OPTIONS: Readonly<Record<keyof StorageHealthOptions, true>> = {
  storage: true,
  write: true,
  file: true,
  timeout: true,
};
const PROBE = Buffer.from('nestjs-storages health check');

/** Tells whether storages work, for `@nestjs/terminus` 11 and 12. It needs nothing of that package, so it may be there or not. */
@Injectable()
export class StorageHealthIndicator {
  readonly #logger = new Logger(StorageHealthIndicator.name);

  constructor(private readonly registry: StorageRegistry) {}

  /**
   * Resolves within `timeout`, whether the storage works or not; what is wrong is logged.
   *
   * @param key of the result
   * @throws StorageConfigurationError when there is no such storage, or no such option
   */
  async check<Key extends string>(
    key: Key,
    options: StorageHealthOptions = {},
  ): Promise<StorageHealth<Key>> {
    assertConfiguredOptions(`health check "${key}"`, options, OPTIONS);
    const storage = this.registry.get(options.storage ?? key);
    // Whole ones are all that AbortSignal.timeout() takes.
    const timeout = Math.ceil(parseMilliseconds(options.timeout ?? 3000, 'timeout'));
    const { driver } = storage;
    try {
      await within(timeout, async (signal) => {
        await probeReading(storage, options.file, signal);
        if (options.write) await this.#probeWriting(storage, signal, timeout);
      });
      return { [key]: { status: 'up', driver } } as StorageHealth<Key>;
    } catch (thrown) {
      const error =
        thrown instanceof StorageError
          ? thrown
          : new StorageError(String(thrown), { cause: thrown });
      const what = options.file === undefined ? '' : `, file ${JSON.stringify(options.file)}`;
      this.#logger.warn(
        `The storage "${storage.name}" is down (check "${key}"${what}): ${error.message}`,
      );
      const { message } = toHttpException(error);
      return { [key]: { status: 'down', driver, code: error.code, message } } as StorageHealth<Key>;
    }
  }

  async #probeWriting(storage: Storage, signal: AbortSignal, timeout: number): Promise<void> {
    const staged = await storage.stage(PROBE, { signal });
    try {
      // A time of its own: what was stored at the last moment is removed, too.
      await staged.discard({ signal: AbortSignal.timeout(timeout) });
    } catch (error) {
      this.#logger.warn(
        `The health check left ${staged.size} bytes in the staging area of "${storage.name}": sweepStaged() removes them`,
      );
      throw error;
    }
  }
}

async function probeReading(
  storage: Storage,
  file: string | undefined,
  signal: AbortSignal,
): Promise<void> {
  if (file === undefined) await storage.listPage({ limit: 1, signal });
  else await storage.info(file, { signal });
}

/** A call that is given up may take a while to end, and whoever asks for health does not wait so long. */
async function within(
  timeout: number,
  call: (signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const controller = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      reject(new StorageTimeoutError(`The storage did not answer within ${timeout} ms`));
      controller.abort();
    }, timeout);
  });
  try {
    await Promise.race([call(controller.signal), late]);
  } finally {
    clearTimeout(timer);
  }
}
