import type { S3ClientConfig } from '@aws-sdk/client-s3';
import { type ParsedRetryOptions, retryDelay } from '../../core/retry.js';

/** The SDK's own interface, which no package of ours exports. */
export type S3RetryStrategy = Extract<
  NonNullable<S3ClientConfig['retryStrategy']>,
  { acquireInitialRetryToken: unknown }
>;
type RetryToken = Awaited<ReturnType<S3RetryStrategy['acquireInitialRetryToken']>>;

/**
 * The storage's retry options as the SDK takes them, so that each request is repeated by one policy and not by two, one
 * inside the other.
 */
export function retryStrategy(options: ParsedRetryOptions): S3RetryStrategy {
  const started = new WeakMap<RetryToken, number>();
  const token = (retries: number, delay: number, start: number): RetryToken => {
    const created = { getRetryCount: () => retries, getRetryDelay: () => delay };
    started.set(created, start);
    return created;
  };
  return {
    acquireInitialRetryToken: () => Promise.resolve(token(0, 0, performance.now())),
    async refreshRetryTokenForRetry(previous, { error, errorType, retryAfterHint }) {
      const retries = previous.getRetryCount() + 1;
      const start = started.get(previous) ?? performance.now();
      const worthwhile =
        (errorType === 'TRANSIENT' || errorType === 'THROTTLING') && error?.name !== 'AbortError';
      const asked = retryAfterHint ? retryAfterHint.getTime() - Date.now() : 0;
      const delay = retryDelay(retries, options, Math.max(0, asked));
      const late = performance.now() + delay > start + options.totalTimeout;
      if (!worthwhile || retries > options.maxRetries || late) {
        // The SDK reports the request's own error then, not this one.
        throw new Error('No further attempt');
      }
      return token(retries, delay, start);
    },
    recordSuccess() {},
  };
}
