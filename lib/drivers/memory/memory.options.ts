import type { SigningKey } from '../../core/signed-url.js';
import type { ByteSize } from '../../core/units.js';

/** Files in this process's memory: for tests and scratch data. They are gone when the process ends. */
export interface MemoryStorageOptions {
  /** Bytes that all files together may have, or text such as `'64mb'`. Default: no limit. */
  maxSize?: ByteSize;
  /** URL of the app's route that serves signed URLs; with `signingKeys`, `url()` and `uploadUrl()` work. */
  baseUrl?: string;
  /** Keys that sign URLs; the first signs, all verify. */
  signingKeys?: readonly SigningKey[];
}
