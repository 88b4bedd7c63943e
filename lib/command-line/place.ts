import type { Storage } from '../core/storage.js';
import type { StorageConfiguration } from '../drivers/driver-options.js';

/** Where an address leads, once it is opened. */
export interface Place {
  readonly storage: Storage;
  readonly configuration: StorageConfiguration;
  /** Key or prefix in it. */
  readonly path: string;
}

/** What a storage is opened for: only a target is created; an imagined one is that of a dry run. */
export type Purpose = 'source' | 'target' | 'imagined target';
