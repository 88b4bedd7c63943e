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
  let onAbort: (() => void) | undefined;
  let timer: NodeJS.Timeout | undefined;
  const givenUp = new Promise<never>((_, reject) => {
    onAbort = () => {
      if (!isUnderWay()) reject(signal.reason as Error);
    };
    signal.addEventListener('abort', onAbort, { once: true });
    if (idleTimeout === undefined) return;
    timer = setTimeout(() => {
      if (isUnderWay()) return;
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
