import { StorageTimeoutError } from '../../core/errors.js';

/**
 * What an SDK does about credentials and signatures follows no signal, and may hang for as long as its service is silent: the
 * wait for it ends with the signal and with the idle time.
 *
 * @param purpose of the credentials: `'for the bucket'`
 * @param onTimeout is told before it rejects
 * @throws StorageTimeoutError, the signal's reason
 */
export async function waitForCredentials<Result>(
  idleTimeout: number,
  purpose: string,
  signal: AbortSignal,
  call: () => Promise<Result>,
  onTimeout: () => void = () => {},
): Promise<Result> {
  signal.throwIfAborted();
  let onAbort: (() => void) | undefined;
  let timer: NodeJS.Timeout | undefined;
  const givenUp = new Promise<never>((_, reject) => {
    onAbort = () => reject(signal.reason as Error);
    signal.addEventListener('abort', onAbort, { once: true });
    timer = setTimeout(() => {
      onTimeout();
      reject(
        new StorageTimeoutError(
          `There was no answer for ${idleTimeout} ms to the credentials ${purpose}`,
        ),
      );
    }, idleTimeout);
  });
  try {
    return await Promise.race([call(), givenUp]);
  } finally {
    clearTimeout(timer);
    if (onAbort) signal.removeEventListener('abort', onAbort);
  }
}
