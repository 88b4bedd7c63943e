import { setTimeout as sleep } from 'node:timers/promises';
import { shown } from '../../core/arguments.js';
import { DRIVER_CALLS } from '../../core/driver-contract.js';
import {
  StorageAbortedError,
  StorageConfigurationError,
  StorageConnectionError,
  type StorageError,
  StorageInvalidArgumentError,
} from '../../core/errors.js';
import type { StorageDriver } from '../../core/storage-driver.js';
import { assertCount, MAX_TIMER } from '../../core/units.js';
import { assertConfiguredOptions } from '../../configured-options.js';

/**
 * What a storage asks of its driver. Several methods of a storage come down to one or more of these: `exists` and `staged` to `info`,
 * `getBytes` to `get`, `listPage` to `list`, `delete` to `deleteMany`, `deletePrefix` to `list` and `deleteMany`, `stage` to `put`, `move`
 * to `copy`, and to `deleteMany` where no file is moved in one step.
 */
export type FakeMethod = Exclude<keyof StorageDriver, 'name' | 'capabilities' | 'client' | 'close'>;

/** A call that reached a fake storage. */
export interface FakeCall {
  readonly method: FakeMethod;
  /** With the storage's prefix. Of a copy, the source; none of a listing and of a deletion of several files. */
  readonly key?: string;
}

/** Which calls of a fake storage fail, and how. */
export interface FakeFault {
  /** Calls that succeed before. Default 0. */
  after?: number;
  /** Calls that fail. Default 1; `Infinity` for all. */
  times?: number;
  /** Only calls for this key, as the backend has it; where several files are deleted together, only that of this key. */
  key?: string;
  /** Bytes of the body that pass before it breaks, for `get` and `put` alone. Default: the call fails before any. */
  afterBytes?: number;
  /** Default: a `StorageConnectionError`, which is retryable. */
  error?: () => StorageError;
}

const FAULT_OPTIONS: Readonly<Record<keyof FakeFault, true>> = {
  after: true,
  times: true,
  key: true,
  afterBytes: true,
  error: true,
};

interface PendingFault {
  readonly method: FakeMethod;
  readonly key: string | undefined;
  readonly afterBytes: number | undefined;
  readonly error: () => StorageError;
  after: number;
  times: number;
}

/** A body that breaks. */
export interface BrokenBody {
  readonly afterBytes: number;
  readonly error: StorageError;
}

/** What a fake storage was told to do, and what it was asked for. */
export class FakeScript {
  readonly calls: FakeCall[] = [];
  /** Keys that were written, in order, however. */
  readonly written: string[] = [];
  readonly #faults: PendingFault[] = [];
  readonly #latencies = new Map<FakeMethod, number>();

  fail(method: FakeMethod, fault: FakeFault): void {
    assertMethod('failOn()', method);
    assertConfiguredOptions('failOn()', fault, FAULT_OPTIONS);
    const { after = 0, times = 1, key, afterBytes, error = connectionError } = fault;
    assertCount(after, 'failOn(): after');
    if (times !== Infinity) assertCount(times, 'failOn(): times');
    if (afterBytes !== undefined) assertBreakable(method, afterBytes);
    if (key !== undefined && typeof key !== 'string') {
      throw new StorageInvalidArgumentError(`failOn(): key must be a string, not ${shown(key)}`);
    }
    if (typeof error !== 'function') {
      throw new StorageInvalidArgumentError(
        'failOn(): error must be a function that makes one, such as () => new StorageRateLimitedError()',
      );
    }
    this.#faults.push({ method, after, times, key, afterBytes, error });
  }

  delay(method: FakeMethod, milliseconds: number): void {
    assertMethod('delayOn()', method);
    if (typeof milliseconds !== 'number' || !(milliseconds >= 0)) {
      throw new StorageInvalidArgumentError(
        `delayOn(): milliseconds must be a number, 0 or more, not ${shown(milliseconds)}`,
      );
    }
    this.#latencies.set(method, Math.min(milliseconds, MAX_TIMER));
  }

  /** Forgets faults and latencies; what was recorded stays. */
  heal(): void {
    this.#faults.length = 0;
    this.#latencies.clear();
  }

  /** Notes a call, lets it wait, and lets it fail, as told. Returns how its body is to break, if it is. */
  async enter(
    method: FakeMethod,
    key: string | undefined,
    signal: AbortSignal,
  ): Promise<BrokenBody | undefined> {
    this.calls.push(Object.freeze({ method, ...(key !== undefined && { key }) }));
    // Of deletions, by key: `failuresOf()`.
    const keyOfCall = method === 'deleteMany' ? undefined : key;
    const fault = this.#next(
      (each) => each.method === method && (each.key === undefined || each.key === keyOfCall),
    );
    const latency = this.#latencies.get(method);
    if (latency !== undefined) await wait(latency, signal);
    if (!fault) return undefined;
    const error = fault.error();
    if (fault.afterBytes === undefined) throw error;
    return { afterBytes: fault.afterBytes, error };
  }

  /** Which of the files that are to be deleted were told to fail, each by its key. */
  failuresOf(keys: readonly string[]): { key: string; error: StorageError }[] {
    return keys.flatMap((key) => {
      const fault = this.#next((each) => each.method === 'deleteMany' && each.key === key);
      return fault ? [{ key, error: fault.error() }] : [];
    });
  }

  #next(isMeant: (fault: PendingFault) => boolean): PendingFault | undefined {
    for (const fault of this.#faults) {
      if (fault.times <= 0 || !isMeant(fault)) continue;
      if (fault.after > 0) {
        fault.after -= 1;
        continue;
      }
      fault.times -= 1;
      return fault;
    }
    return undefined;
  }
}

/** What methods of a storage, of which a driver has none, come down to. */
const BEHIND: ReadonlyMap<string, readonly FakeMethod[]> = new Map([
  ['exists', ['info']],
  ['getBytes', ['get']],
  ['listPage', ['list']],
  ['delete', ['deleteMany']],
  ['deletePrefix', ['list', 'deleteMany']],
  ['move', ['copy', 'deleteMany']],
  ['stage', ['put']],
  ['staged', ['info']],
  ['sweepStaged', ['list', 'deleteMany']],
  ['sweep', ['list', 'deleteMany', 'listMultipartUploads', 'abortMultipartUpload']],
  ['resumeMultipartUpload', ['listParts', 'uploadPart', 'completeMultipartUpload']],
]);

function assertMethod(where: string, method: string): void {
  if (Object.hasOwn(DRIVER_CALLS, method)) return;
  const behind = BEHIND.get(method)?.map((each) => `"${each}"`);
  throw new StorageConfigurationError(
    `${where}: a storage asks its driver for no "${method}"${behind === undefined ? '' : `, but for ${behind.join(', ')}`}; there are ${Object.keys(DRIVER_CALLS).sort().join(', ')}`,
  );
}

/** Bodies that pass through the fake chunk by chunk can break in the middle. */
function assertBreakable(method: FakeMethod, afterBytes: number): void {
  assertCount(afterBytes, 'failOn(): afterBytes');
  if (method === 'get' || method === 'put') return;
  throw new StorageInvalidArgumentError(
    `failOn(): afterBytes is for "get" and "put": in "${method}" there is no body that could break on its way; leave it out, and the call fails as a whole`,
  );
}

function connectionError(): StorageError {
  return new StorageConnectionError('The fake storage was told to fail');
}

async function wait(milliseconds: number, signal: AbortSignal): Promise<void> {
  try {
    await sleep(milliseconds, undefined, { signal });
  } catch {
    throw new StorageAbortedError(undefined, { cause: signal.reason });
  }
}
