import { setMaxListeners } from 'node:events';
import type { Download } from './download.js';
import {
  addErrorContext,
  StorageAbortedError,
  StorageError,
  StorageTimeoutError,
} from './errors.js';
import { repeatCall } from './retry.js';
import type { GetOptions } from './storage-methods.js';
import type { StorageView } from './storage-view.js';

/**
 * Reads a file to its end, and anew when its body breaks off: nobody has seen a byte of it yet. To open it is not repeated here,
 * since that has been. Nor is a read whose progress is told, which would fall back. The storage's `totalTimeout` is that of all attempts
 * together.
 */
export async function readWhole(
  view: StorageView,
  key: string,
  options: GetOptions,
  open: (signal: AbortSignal | undefined) => Promise<Download>,
): Promise<Buffer> {
  const { totalTimeout } = view;
  // `open` is the first to look at the options, which need not be any, and refuses what is wrong.
  const given = options?.signal;
  const isRight = options && (given === undefined || given instanceof AbortSignal);
  const ended = new AbortController();
  const onAbort = (): void => ended.abort(given?.reason);
  let signal = given;
  let timer: NodeJS.Timeout | undefined;
  if (totalTimeout !== undefined && isRight) {
    signal = ended.signal;
    timer = setTimeout(() => ended.abort(), totalTimeout);
    if (given) {
      // Not AbortSignal.any(): of each signal that is made of another one, Node 20 keeps something as long as that lives.
      setMaxListeners(0, given);
      given.addEventListener('abort', onAbort, { once: true });
      if (given.aborted) onAbort();
    }
  }
  const brokenOff = new WeakSet<object>();
  const attempt = async (): Promise<Buffer> => {
    const download = await open(signal);
    try {
      return await download.bytes();
    } catch (error) {
      if (error instanceof StorageError) brokenOff.add(error);
      throw error;
    }
  };
  try {
    return await repeatCall(attempt, view.retry, {
      ...(signal && { signal }),
      shouldRetry: (error) =>
        error instanceof StorageError &&
        error.retryable &&
        brokenOff.has(error) &&
        !options.onProgress,
    });
  } catch (error) {
    if (!(error instanceof StorageAbortedError)) throw error;
    const { name: storage, driverName: driver } = view;
    const isLate = ended.signal.aborted && !given?.aborted;
    const reason = isLate
      ? new StorageTimeoutError(`The call took longer than ${totalTimeout} ms`)
      : error;
    throw addErrorContext(reason, { storage, driver, operation: 'get', key });
  } finally {
    clearTimeout(timer);
    if (isRight) given?.removeEventListener('abort', onAbort);
  }
}
