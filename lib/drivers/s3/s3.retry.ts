import { AsyncLocalStorage } from 'node:async_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import type { S3ClientConfig } from '@aws-sdk/client-s3';
import { type ParsedRetryOptions, retryDelay } from '../../core/retry.js';
import { announceRetry } from '../../core/storage-events.js';

/** The SDK's own interface, which no package of ours exports. */
export type S3RetryStrategy = Extract<
  NonNullable<S3ClientConfig['retryStrategy']>,
  { acquireInitialRetryToken: unknown }
>;
type RetryToken = Awaited<ReturnType<S3RetryStrategy['acquireInitialRetryToken']>>;

/** The signal of the call that is under way: the SDK does not tell it to the strategy. */
export const callSignal = new AsyncLocalStorage<AbortSignal>();

/**
 * The storage's retry options as the SDK takes them, so that each request is repeated by one policy and not by two, one
 * inside the other. It waits by itself, since not every version of the SDK lets an abort end the wait, and none its timer.
 */
export function retryStrategy(options: ParsedRetryOptions): S3RetryStrategy {
  const started = new WeakMap<RetryToken, number>();
  const token = (retries: number, start: number): RetryToken => {
    const created = { getRetryCount: () => retries, getRetryDelay: () => 0 };
    started.set(created, start);
    return created;
  };
  return {
    acquireInitialRetryToken: () => Promise.resolve(token(0, performance.now())),
    async refreshRetryTokenForRetry(previous, { error, errorType, retryAfterHint }) {
      const retries = previous.getRetryCount() + 1;
      const start = started.get(previous) ?? performance.now();
      const passing =
        errorType === 'TRANSIENT' ||
        errorType === 'THROTTLING' ||
        // With status 200: the SDK took it for a fault of the client before 2026.
        error?.name === 'InternalError';
      const worthwhile = passing && error?.name !== 'AbortError';
      const asked = retryAfterHint ? retryAfterHint.getTime() - Date.now() : 0;
      const delay = retryDelay(retries, options, Math.max(0, asked));
      const late = delay === Infinity || performance.now() + delay > start + options.totalTimeout;
      if (!worthwhile || retries > options.maxRetries || late) {
        // The SDK reports the request's own error then, not this one.
        throw new Error('No further attempt');
      }
      announceRetry();
      const signal = callSignal.getStore();
      await sleep(delay, undefined, signal ? { signal } : {});
      return token(retries, start);
    },
    recordSuccess() {},
  };
}
