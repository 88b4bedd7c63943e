import { parseRetryOptions } from '../../../lib/core/retry.js';
import { retryStrategy, type S3RetryStrategy } from '../../../lib/drivers/s3/s3.retry.js';

type SdkError = NonNullable<Parameters<S3RetryStrategy['refreshRetryTokenForRetry']>[1]['error']>;

const strategy = retryStrategy(parseRetryOptions({ maxRetries: 1, baseDelay: 1 }));

/** Whether an error of the kind gets another attempt. */
async function repeats(
  error: SdkError,
  errorType: 'TRANSIENT' | 'THROTTLING' | 'CLIENT_ERROR',
  retryAfterHint?: Date,
): Promise<boolean> {
  const token = await strategy.acquireInitialRetryToken('bucket');
  try {
    const hint = retryAfterHint && { retryAfterHint };
    await strategy.refreshRetryTokenForRetry(token, { error, errorType, ...hint });
    return true;
  } catch {
    return false;
  }
}

function named(name: string): SdkError {
  return Object.assign(new Error(name) as SdkError, { name });
}

describe('another attempt', () => {
  test('is made of what may pass', async () => {
    expect(await repeats(named('SlowDown'), 'TRANSIENT')).toBe(true);
    expect(await repeats(named('SlowDown'), 'THROTTLING')).toBe(true);
    for (const asked of [5, -5]) {
      const hint = new Date(Date.now() + asked);
      expect(await repeats(named('SlowDown'), 'THROTTLING', hint)).toBe(true);
    }
    expect(await repeats(named('AccessDenied'), 'CLIENT_ERROR')).toBe(false);
    expect(await repeats(named('AbortError'), 'TRANSIENT')).toBe(false);
  });

  test('is made of an error within a 200, which older SDKs take for a fault of the client', async () => {
    expect(await repeats(named('InternalError'), 'CLIENT_ERROR')).toBe(true);
  });

  test('is made no later than the total time allows, nor than the service asks for', async () => {
    const failure = { error: named('SlowDown'), errorType: 'TRANSIENT' } as const;
    for (const options of [
      { maxRetries: 1, baseDelay: 1000, jitter: false, totalTimeout: 500 },
      { maxRetries: 1, baseDelay: 1, totalTimeout: 500 },
    ]) {
      const patient = retryStrategy(parseRetryOptions(options));
      const token = await patient.acquireInitialRetryToken('bucket');
      const retryAfterHint = new Date(Date.now() + (options.baseDelay === 1 ? 10_000 : 0));
      const next = patient.refreshRetryTokenForRetry(token, { ...failure, retryAfterHint });
      await expect(next).rejects.toThrow('No further attempt');
    }
  });

  test('is made no more often than was asked', async () => {
    const first = await strategy.acquireInitialRetryToken('bucket');
    const failure = { error: named('SlowDown'), errorType: 'TRANSIENT' } as const;
    const second = await strategy.refreshRetryTokenForRetry(first, failure);
    expect(second.getRetryCount()).toBe(1);
    await expect(strategy.refreshRetryTokenForRetry(second, failure)).rejects.toThrow(
      'No further attempt',
    );
  });
});
