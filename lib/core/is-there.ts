import { StorageFileNotFoundError } from './errors.js';
import type { Operation } from './operations.js';
import type { StorageView } from './storage-view.js';

/** Whether the driver has a file under the key. An outage or a refusal rejects. */
export async function isThere(
  view: StorageView,
  fullKey: string,
  operation: Operation,
): Promise<boolean> {
  try {
    await operation.repeat(() => view.driver.info(fullKey, { signal: operation.signal }));
    return true;
  } catch (error) {
    if (error instanceof StorageFileNotFoundError) return false;
    throw error;
  }
}
