import { setTimeout as sleep } from 'node:timers/promises';
import { type ParsedRetryOptions, retryDelay } from '../../core/retry.js';
import type { DriverDeleteResult } from '../../core/storage-driver.js';
import { announceRetry } from '../../core/storage-events.js';

type Failure = DriverDeleteResult['failed'][number];

/**
 * Deletes the keys, and those again that fail in passing: what repeats requests does so only with whole ones.
 *
 * @param deleteKeys answers the keys that failed; what it throws is not repeated here
 */
export async function deleteRepeatedly(
  keys: readonly string[],
  retry: ParsedRetryOptions,
  signal: AbortSignal,
  deleteKeys: (keys: readonly string[]) => Promise<readonly Failure[]>,
): Promise<DriverDeleteResult> {
  const deadline = performance.now() + retry.totalTimeout;
  const failed: Failure[] = [];
  let left = keys;
  for (let attempt = 1; ; attempt++) {
    const failures = await deleteKeys(left);
    const passing = failures.filter(({ error }) => error.retryable);
    failed.push(...failures.filter(({ error }) => !error.retryable));
    const asked = Math.max(0, ...passing.map(({ error }) => error.retryAfter ?? 0));
    const delay = retryDelay(attempt, retry, asked);
    const late = delay === Infinity || performance.now() + delay > deadline;
    if (passing.length === 0 || attempt > retry.maxRetries || late) {
      return { failed: [...failed, ...passing] };
    }
    announceRetry();
    await sleep(delay, undefined, { signal });
    left = passing.map(({ key }) => key);
  }
}
