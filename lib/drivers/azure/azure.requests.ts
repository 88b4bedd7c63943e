import { repeatCall } from '../../core/retry.js';
import { wasCutShort, withSettledAbort } from '../remote/settled-abort.js';
import { markUncertain } from '../remote/uncertain-failures.js';
import type { AzureContainer } from './azure.client.js';
import { isRefusal, toStorageError } from './azure.errors.js';

type Connection = Pick<AzureContainer, 'settings' | 'maxRetries' | 'ownsConnections'>;

/**
 * Makes a request, again where that may help. An abort cuts it at once.
 *
 * @throws StorageError
 */
export function send<Output>(
  container: Connection,
  signal: AbortSignal,
  request: (abortSignal: AbortSignal) => Promise<Output>,
): Promise<Output> {
  return repeat(container, signal, signal, request);
}

/**
 * The same for requests that change what is stored: an abort cuts those that have not gone out whole, and waits for the
 * answer to the others.
 *
 * @throws StorageError
 */
export function sendWrite<Output>(
  container: Connection,
  signal: AbortSignal,
  request: (abortSignal: AbortSignal) => Promise<Output>,
): Promise<Output> {
  const { settings, ownsConnections } = container;
  const options = { idleTimeout: settings.timeout, blind: !ownsConnections };
  return withSettledAbort(signal, options, (cut) => repeat(container, signal, cut, request));
}

/** @param signal ends the attempts, `cut` the one that is under way */
async function repeat<Output>(
  { settings, maxRetries }: Connection,
  signal: AbortSignal,
  cut: AbortSignal,
  request: (abortSignal: AbortSignal) => Promise<Output>,
): Promise<Output> {
  let uncertain = false;
  const attempt = async (): Promise<Output> => {
    signal.throwIfAborted();
    try {
      return await request(cut);
    } catch (thrown) {
      const error = toStorageError(thrown, signal);
      uncertain ||= !isRefusal(error) && !wasCutShort(cut);
      throw error;
    }
  };
  try {
    return await repeatCall(attempt, { ...settings.retry, maxRetries }, { signal });
  } catch (error) {
    if (uncertain) markUncertain(error);
    throw error;
  }
}
