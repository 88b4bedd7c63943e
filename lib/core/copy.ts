import type { Operation } from './operations.js';
import type { DriverCopyOptions } from './storage-driver.js';
import type { StorageView } from './storage-view.js';
import type { StoredFile } from './stored-file.js';

/** Copies between keys of the driver's. */
export function copy(
  view: StorageView,
  from: string,
  to: string,
  options: Omit<DriverCopyOptions, 'signal'>,
  operation: Operation,
): Promise<StoredFile> {
  const copyOnce = (): Promise<StoredFile> =>
    view.driver.copy(from, to, { ...options, signal: operation.signal });
  // A second try could find its own file in the way, or what it has moved gone.
  return options.ifNoneMatch || options.move ? copyOnce() : operation.repeat(copyOnce);
}
