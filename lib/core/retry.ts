import { setTimeout as sleep } from 'node:timers/promises';
import { assertOptions, shown } from './arguments.js';
import { StorageAbortedError, StorageError, StorageInvalidArgumentError } from './errors.js';
import { announceRetry } from './storage-events.js';
import { MAX_TIMER } from './units.js';

/** When and how often a failed call is repeated. Times are milliseconds. */
export interface RetryOptions {
  /** Attempts after the first one. Default 3; 0 turns retries off. */
  maxRetries?: number;
  /** Delay before the first retry. Default 1,000. */
  baseDelay?: number;
  /**
   * Upper bound of one delay. Default 60,000. A backend that asks for more (`Retry-After`) is given more, up to a minute; what asks
   * for longer than that and than this bound is not repeated.
   */
  maxDelay?: number;
  /** Factor from one delay to the next. Default 2. */
  exponentialBase?: number;
  /** Draws each delay evenly between 0 and its value ("full jitter"), so that clients do not come back in step. Default true. */
  jitter?: boolean;
  /** No retry starts later than this after the first attempt. Default: no limit. */
  totalTimeout?: number;
}

/** Milliseconds that a backend may keep a call waiting, whatever `maxDelay` says. Some ask for a day, or until a date far away. */
const LONGEST_ASKED_DELAY = 60_000;

export interface WithRetryOptions extends RetryOptions {
  /** Ends the waiting and the repeating. */
  signal?: AbortSignal;
  /** Whether an error is worth another attempt. Default: `error.retryable` of a StorageError. */
  shouldRetry?: (error: unknown) => boolean;
  /** The least wait that an error asks for, in milliseconds. Default: `error.retryAfter` of a StorageError. */
  retryAfter?: (error: unknown) => number | undefined;
  /** Called before each wait, with the number of the attempt that failed (from 1). */
  onRetry?: (error: unknown, attempt: number, delay: number) => void;
}

/** The options with their defaults, all of them milliseconds where they are times. Without a limit, `totalTimeout` is infinite. */
export type ParsedRetryOptions = Required<Omit<RetryOptions, 'totalTimeout'>> & {
  /** Milliseconds; `Infinity` is no limit. */
  totalTimeout: number;
};

/** @throws StorageInvalidArgumentError naming the option. */
export function parseRetryOptions(options: RetryOptions = {}): ParsedRetryOptions {
  assertOptions(options, 'retry');
  const {
    maxRetries = 3,
    baseDelay = 1000,
    maxDelay = 60_000,
    exponentialBase = 2,
    jitter = true,
    totalTimeout = Number.POSITIVE_INFINITY,
    ...unknown
  } = options;
  for (const name of Object.keys(unknown)) {
    throw new StorageInvalidArgumentError(
      `unknown option retry.${name}; retry takes maxRetries, baseDelay, maxDelay, exponentialBase, jitter, totalTimeout`,
    );
  }
  const numbers = { maxRetries, baseDelay, maxDelay, exponentialBase, totalTimeout };
  for (const [name, value] of Object.entries(numbers)) {
    const least = name === 'exponentialBase' ? 1 : 0;
    if (typeof value !== 'number' || !(value >= least)) {
      throw new StorageInvalidArgumentError(
        `retry.${name} must be a number, ${least} or more, not ${shown(value)}`,
      );
    }
  }
  if (!Number.isInteger(maxRetries) && maxRetries !== Infinity) {
    throw new StorageInvalidArgumentError(
      `retry.maxRetries must be a whole number, not ${shown(maxRetries)}`,
    );
  }
  if (typeof jitter !== 'boolean') {
    throw new StorageInvalidArgumentError(`retry.jitter must be a boolean, not ${shown(jitter)}`);
  }
  return { ...numbers, jitter };
}

/**
 * Milliseconds to wait after attempt number `attempt` (from 1) failed. Never less than what the backend asked for: infinite when that is
 * longer than anybody waits.
 */
export function retryDelay(
  attempt: number,
  { baseDelay, maxDelay, exponentialBase, jitter }: ParsedRetryOptions,
  retryAfter = 0,
): number {
  if (retryAfter > Math.max(maxDelay, LONGEST_ASKED_DELAY)) return Infinity;
  const ceiling = Math.min(maxDelay, baseDelay * exponentialBase ** (attempt - 1));
  return Math.min(MAX_TIMER, Math.max(retryAfter, jitter ? Math.random() * ceiling : ceiling));
}

/**
 * Calls `attempt` until it succeeds, its error is not worth another try, or the options end it; then rejects with the
 * last error, unchanged. Give it only calls that may be repeated: a stream that was read once is empty the second time.
 *
 * @throws StorageAbortedError when `signal` is aborted while it waits.
 */
export async function withRetry<T>(
  attempt: (attemptNumber: number) => Promise<T>,
  options: WithRetryOptions = {},
): Promise<T> {
  assertOptions(options);
  const { signal, shouldRetry, retryAfter, onRetry, ...given } = options;
  return repeatCall(attempt, parseRetryOptions(given), {
    ...(signal && { signal }),
    ...(shouldRetry && { shouldRetry }),
    ...(retryAfter && { retryAfter }),
    ...(onRetry && { onRetry }),
  });
}

/** As `withRetry`, with options that were parsed before: what calls by the thousand have in common is looked at once. */
export async function repeatCall<T>(
  attempt: (attemptNumber: number) => Promise<T>,
  retry: ParsedRetryOptions,
  {
    signal,
    shouldRetry = isRetryable,
    retryAfter = askedDelay,
    onRetry,
  }: Omit<WithRetryOptions, keyof RetryOptions>,
): Promise<T> {
  const deadline = performance.now() + retry.totalTimeout;
  for (let number = 1; ; number++) {
    try {
      return await attempt(number);
    } catch (error) {
      if (number > retry.maxRetries || signal?.aborted || !shouldRetry(error)) throw error;
      const delay = retryDelay(number, retry, retryAfter(error));
      if (delay === Infinity || performance.now() + delay > deadline) throw error;
      announceRetry();
      onRetry?.(error, number, delay);
      await wait(delay, signal);
    }
  }
}

function isRetryable(error: unknown): boolean {
  return error instanceof StorageError && error.retryable;
}

function askedDelay(error: unknown): number | undefined {
  return error instanceof StorageError ? error.retryAfter : undefined;
}

async function wait(delay: number, signal: AbortSignal | undefined): Promise<void> {
  try {
    await sleep(delay, undefined, signal ? { signal } : {});
  } catch {
    throw new StorageAbortedError('Aborted while waiting for the next attempt', {
      cause: signal?.reason,
    });
  }
}
