import type { ChecksumAlgorithm } from '../../core/checksum.js';
import type { SignedUrlOptions } from '../../core/signed-url.js';
import type { ByteSize } from '../../core/units.js';

/** Files in this process's memory: for tests and scratch data. They are gone when the process ends. */
export interface MemoryStorageOptions extends SignedUrlOptions {
  /** Bytes that all files together may have, or text such as `'64mb'`. Default: no limit. */
  maxSize?: ByteSize;
  /** What a file is stored with when `put` is given no checksum, so that it can be read with `verify: true`. Default: nothing. */
  checksum?: ChecksumAlgorithm;
}
