import { StorageTimeoutError } from '../../core/errors.js';

interface CredentialWaitOptions {
  /** Is told before it rejects for the time. */
  readonly onTimeout?: () => void;
  /** Whether a request has begun, which follows signal and idle time by itself: from then on the call is not given up. */
  readonly isUnderWay?: () => boolean;
}

/**
 * What an SDK does about credentials and signatures follows no signal, and may hang for as long as its service is silent: the
 * wait for it ends with the signal and with the idle time.
 *
 * @param idleTimeout milliseconds; none on a client that was given, which waits as long as it likes
 * @param purpose of the credentials: `'for the bucket'`
 * @throws StorageTimeoutError, the signal's reason
 */
export async function waitForCredentials<Result>(
  idleTimeout: number | undefined,
  purpose: string,
  signal: AbortSignal,
  call: () => Promise<Result>,
  { onTimeout = () => {}, isUnderWay = () => false }: CredentialWaitOptions = {},
): Promise<Result> {
  signal.throwIfAborted();
  const pending = call();
  let isSettled = false;
  let stopWaiting: (() => void) | undefined;
  const givenUp = new Promise<never>((_, reject) => {
    const startWaiting = (): void => {
      if (isSettled) return;
      const onAbort = (): void => {
        if (!isUnderWay()) reject(signal.reason as Error);
      };
      if (signal.aborted) onAbort();
      signal.addEventListener('abort', onAbort, { once: true });
      const onTime = (): void => {
        if (isUnderWay()) return;
        onTimeout();
        const what = `There was no answer for ${idleTimeout} ms to the credentials ${purpose}`;
        reject(new StorageTimeoutError(what));
      };
      const timer = idleTimeout === undefined ? undefined : setTimeout(onTime, idleTimeout);
      stopWaiting = () => {
        clearTimeout(timer);
        signal.removeEventListener('abort', onAbort);
      };
    };
    // Credentials that are there already, as those of nearly every call, have settled by then.
    process.nextTick(startWaiting);
  });
  try {
    return await Promise.race([pending, givenUp]);
  } finally {
    isSettled = true;
    stopWaiting?.();
  }
}
