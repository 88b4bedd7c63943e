import type { Storage } from '../core/storage.js';
import type { StorageConfiguration } from '../drivers/driver-options.js';
import { UsageError } from './usage-error.js';

/** Where an address leads, once it is opened. */
export interface Place {
  readonly storage: Storage;
  readonly configuration: StorageConfiguration;
  /** Key or prefix in it. */
  readonly path: string;
}

/**
 * For a command that works with one file.
 *
 * @throws UsageError when the address names a folder or a whole storage
 */
export function assertFile({ path }: Place, address: string, command: string): void {
  if (path !== '' && !path.endsWith('/')) return;
  // Without the options, of which an endpoint may hold a password.
  const named = address.split('?', 1)[0]!;
  throw new UsageError(
    `${command} takes one file, and ${named} names none: add the name of the file`,
  );
}

/** What a storage is opened for: only a target is created; an imagined one is that of a dry run. */
export type Purpose = 'source' | 'target' | 'imagined target';
