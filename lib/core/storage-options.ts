import { assertOptions, shown } from './arguments.js';
import { StorageInvalidArgumentError } from './errors.js';
import { parsePrefix } from './key.js';
import { type ParsedRetryOptions, parseRetryOptions, type RetryOptions } from './retry.js';
import {
  assertCount,
  type ByteSize,
  parseByteSize,
  parseExpiresIn,
  parseMilliseconds,
} from './units.js';
import { UploadMemory } from './upload-memory.js';

/** Options that every storage takes, whatever its driver. */
export interface StorageOptions {
  /** Put before each key and taken off again, e.g. `'tenant-1/'`. A plain string: end it with `/` to mean a folder. */
  prefix?: string;
  /**
   * Base URL under which the whole backend is reachable without a signature, such as a CDN's, for `url(key, { public: true })`;
   * or a function of the key. The key comes with its prefix.
   */
  publicUrl?: string | ((key: string) => string);
  /** Life of a signed URL where the call does not say: seconds, or text such as `'15m'`. Default 1 hour. */
  expiresIn?: number | string;
  /** How failed requests are repeated. Default: 3 retries from 1 s on. */
  retry?: RetryOptions;
  /**
   * Longest time without progress, of a request to the backend and of a body that is being stored: milliseconds, or text
   * such as `'30s'`; more than 24 days are as long as a timer can run. Default: the driver's own for requests, none for bodies.
   */
  timeout?: number | string;
  /**
   * Longest time of one call from its start to its end, waiting, retries and the body that it stores or hands out included:
   * milliseconds, or text such as `'10m'`. Default: no limit; a single call is given one by `signal: AbortSignal.timeout(ms)`.
   */
  totalTimeout?: number | string;
  /** Parts of one call in flight at once. Default 4. */
  concurrency?: number;
  /**
   * Memory that the uploads of bodies above 256 KiB take together on drivers that send parts; further ones wait, but not for
   * those whose source is slow. These keep up to twice what has come, and where that alone is more, the others go on one
   * part at a time. Bytes, text such as `'1gb'`, or an `UploadMemory` that other storages share. Default 256 MiB.
   */
  uploadMemory?: ByteSize | UploadMemory;
  /** Larger files are refused with `StorageTooLargeError`: bytes, or text such as `'5gb'`. Default: the backend's limit. */
  maxObjectSize?: ByteSize;
}

export interface ParsedStorageOptions {
  readonly prefix: string;
  readonly publicUrl: StorageOptions['publicUrl'];
  /** Seconds. */
  readonly expiresIn: number;
  readonly retry: ParsedRetryOptions;
  /** Milliseconds. */
  readonly timeout: number | undefined;
  /** Milliseconds. */
  readonly totalTimeout: number | undefined;
  readonly concurrency: number;
  readonly uploadMemory: UploadMemory | undefined;
  /** Bytes. */
  readonly maxObjectSize: number;
}

/** @throws StorageInvalidArgumentError, StorageInvalidKeyError naming the option. */
export function parseStorageOptions(options: StorageOptions): ParsedStorageOptions {
  assertOptions(options);
  const { prefix = '', publicUrl, expiresIn = 3600, concurrency = 4 } = options;
  if (typeof prefix !== 'string') {
    throw new StorageInvalidArgumentError(`prefix must be a string, not ${shown(prefix)}`);
  }
  if (
    publicUrl !== undefined &&
    typeof publicUrl !== 'function' &&
    // The key is put behind it: in a query or a fragment it would never arrive.
    !(typeof publicUrl === 'string' && URL.canParse(publicUrl) && !/[?#]/.test(publicUrl))
  ) {
    throw new StorageInvalidArgumentError(
      'publicUrl must be an absolute URL without query and fragment, or a function',
    );
  }
  return {
    prefix: parsePrefix(prefix),
    publicUrl,
    expiresIn: parseExpiresIn(expiresIn, Number.MAX_SAFE_INTEGER),
    retry: parseRetryOptions(options.retry),
    timeout:
      options.timeout === undefined ? undefined : parseMilliseconds(options.timeout, 'timeout'),
    totalTimeout:
      options.totalTimeout === undefined
        ? undefined
        : parseMilliseconds(options.totalTimeout, 'totalTimeout'),
    concurrency: assertCount(concurrency, 'concurrency', 1),
    uploadMemory: parseUploadMemory(options.uploadMemory),
    maxObjectSize:
      options.maxObjectSize === undefined
        ? Number.MAX_SAFE_INTEGER
        : parseByteSize(options.maxObjectSize, 'maxObjectSize'),
  };
}

function parseUploadMemory(given: StorageOptions['uploadMemory']): UploadMemory | undefined {
  return given === undefined || given instanceof UploadMemory ? given : new UploadMemory(given);
}

/** @throws StorageInvalidArgumentError */
export function parseStorageName(name: string): string {
  if (typeof name === 'string') return name;
  throw new StorageInvalidArgumentError(
    `The name of a storage must be a string, not ${shown(name)}`,
  );
}
