import type { StorageOptions } from '../core/storage-options.js';

/** Every name, so that one which is left out does not compile. */
export type OptionNames<Options> = Readonly<Record<keyof Options, true>>;

/** Those that every storage takes. */
export const STORAGE_OPTIONS: OptionNames<StorageOptions> = {
  prefix: true,
  publicUrl: true,
  expiresIn: true,
  retry: true,
  timeout: true,
  totalTimeout: true,
  concurrency: true,
  uploadMemory: true,
  maxObjectSize: true,
};
