import { withRetry } from '../../core/retry.js';
import type { AzureContainer } from './azure.client.js';
import { isRefusal, toStorageError } from './azure.errors.js';

/**
 * Makes a request, again where that may help. A request that takes the signal is cut by an abort at once; one that does not
 * has its answer first, and the abort only keeps a further attempt from starting: so it is for requests whose effect must
 * be known.
 *
 * @throws StorageError
 */
export async function send<Output>(
  { settings, maxRetries }: Pick<AzureContainer, 'settings' | 'maxRetries'>,
  signal: AbortSignal,
  request: (abortSignal: AbortSignal) => Promise<Output>,
): Promise<Output> {
  let uncertain = false;
  const attempt = async (): Promise<Output> => {
    signal.throwIfAborted();
    try {
      return await request(signal);
    } catch (thrown) {
      const error = toStorageError(thrown, signal);
      uncertain ||= !isRefusal(error);
      throw error;
    }
  };
  try {
    return await withRetry(attempt, { ...settings.retry, maxRetries, signal });
  } catch (error) {
    if (uncertain && typeof error === 'object' && error !== null) uncertainFailures.add(error);
    throw error;
  }
}

const uncertainFailures = new WeakSet<object>();

/**
 * Whether the service may have done what was asked in spite of this error of `send`: because the answer was lost, or that
 * of an attempt before.
 */
export function mayHaveHappened(error: unknown): boolean {
  return typeof error === 'object' && error !== null && uncertainFailures.has(error);
}
