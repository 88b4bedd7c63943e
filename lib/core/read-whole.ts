import type { Download } from './download.js';
import { addErrorContext, StorageAbortedError, StorageError } from './errors.js';
import { repeatCall } from './retry.js';
import type { GetOptions } from './storage-methods.js';
import type { StorageView } from './storage-view.js';

/**
 * Reads a file to its end, and anew when its body breaks off: nobody has seen a byte of it yet. To open it is not repeated here,
 * since that has been. Nor is a read whose progress is told, which would fall back.
 */
export async function readWhole(
  view: StorageView,
  key: string,
  options: GetOptions,
  open: () => Promise<Download>,
): Promise<Buffer> {
  const brokenOff = new WeakSet<object>();
  const attempt = async (): Promise<Buffer> => {
    const download = await open();
    try {
      return await download.bytes();
    } catch (error) {
      if (error instanceof StorageError) brokenOff.add(error);
      throw error;
    }
  };
  // `open` is the first to look at the options, which need not be any.
  const signal = options?.signal;
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
    throw addErrorContext(error, { storage, driver, operation: 'get', key });
  }
}
