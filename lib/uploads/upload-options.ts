import { shown } from '../core/arguments.js';
import { parseGivenAttributes } from '../core/attributes.js';
import { StorageInvalidArgumentError } from '../core/errors.js';
import type { Checksum } from '../core/checksum.js';
import type { StorageName } from '../core/storage-names.js';
import { type ByteSize, parseByteSize, parseMilliseconds } from '../core/units.js';
import { assertAccept } from './content-type-policy.js';
import { type ImageLimits, parseImageLimits } from './image-limits.js';
import { isUniqueKey, randomKey, type UploadContentKey, type UploadKey } from './key-strategies.js';
import type { TypedFile } from './stored-upload.js';
import type { UploadScan } from './upload-scan.js';

/** How uploaded files are checked, named and stored. `Request` is the type of the HTTP framework's request. */
export interface UploadOptions<Request = unknown> {
  /** Name of the storage. Default: the default storage. */
  storage?: StorageName;
  /**
   * Allowed media types, such as `'image/png'` and `'image/*'`; decided by the file's first bytes. Types that run script,
   * such as `'image/svg+xml'` and `'text/html'`, must be named in full. Default: any.
   */
  accept?: readonly string[];
  /** Largest file: bytes, or text such as `'10mb'`. Default 10 MiB. */
  maxSize?: ByteSize;
  /** Smallest file; 1 refuses empty ones. Default 0. */
  minSize?: ByteSize;
  /** Limits for the dimensions of images. One whose first 256 KiB do not tell them is refused. Default: none. */
  image?: ImageLimits;
  /**
   * The checksum that the client announces for the file, as such or in the form of RFC 9530 (`sha-256=:…:`). A file with
   * any other is refused, 422 `INTEGRITY`. Text fields that came before the file are in the request's `body`.
   */
  checksum?: (
    file: TypedFile,
    request: Request,
  ) => Checksum | string | undefined | Promise<Checksum | string | undefined>;
  /** Examines the bytes before the file is kept. */
  scan?: UploadScan<Request>;
  /**
   * Longest time that `scan` may hold the upload up at once, without reading on, and from the file's last byte on until its verdict:
   * milliseconds, or text such as `'30s'`. Default 1 minute.
   */
  scanTimeout?: number | string;
  /**
   * Chooses the key. Default: 128 random bits and the extension of the found type. A key of one's own that is in use is
   * refused, 409 `FILE_EXISTS`; see `overwrite`.
   */
  key?: UploadKey<Request> | UploadContentKey<Request>;
  /**
   * A key that is in use is no error: the file takes the other one's place when the request has succeeded, and not
   * before. Until then it is not under its key.
   */
  overwrite?: boolean;
  /** Metadata to store beside `filename`, which is the client's name for the file. */
  metadata?:
    | Readonly<Record<string, string>>
    | ((
        file: TypedFile,
        request: Request,
      ) => Record<string, string> | Promise<Record<string, string>>);
  /** What the file is stored with, RFC 9111 §5.2. Default: none. */
  cacheControl?: string;
}

/** Options of the interceptors: those of the files, and the limits of the form around them. */
export interface UploadInterceptorOptions<Request = unknown> extends UploadOptions<Request> {
  /** Files in one request. Default 10, or what the interceptor's `maxCount` says. */
  maxFiles?: number;
  /** Text fields in one request. Default 100. */
  maxFields?: number;
  /** Largest text field. Default 1 MiB. */
  maxFieldSize?: ByteSize;
  /**
   * Largest request body; one that announces more is refused before it is read. Default: as many files of `maxSize` as
   * the form may have, and room for four of the largest text fields.
   */
  maxTotalSize?: ByteSize;
  /**
   * Bytes per second that a client sends at least, over each `minRateWindow`; time in which the storage holds it up does
   * not count. 0 is no limit. Default 1 KiB.
   */
  minRate?: ByteSize;
  /** Milliseconds, or text such as `'30s'`. Default 30 seconds. */
  minRateWindow?: number | string;
  /**
   * Longest time until the whole form is stored, and as long once more for the publication of what is put under its key only before
   * the answer: milliseconds, or text such as `'10m'`. Default: none.
   */
  timeout?: number | string;
}

export interface ParsedUploadOptions {
  readonly accept: readonly string[] | undefined;
  /** Bytes. */
  readonly maxSize: number;
  /** Bytes. */
  readonly minSize: number;
  readonly image: ImageLimits | undefined;
  readonly checksum: (
    file: TypedFile,
    request: unknown,
  ) => Checksum | string | undefined | Promise<Checksum | string | undefined>;
  readonly scan: UploadScan | undefined;
  /** Milliseconds. */
  readonly scanTimeout: number;
  readonly key: UploadKey | UploadContentKey;
  /** What becomes of a file that is under the key already: there is none, it stays, or it gives way at the end. */
  readonly publication: 'unique' | 'create' | 'replace';
  readonly metadata: (
    file: TypedFile,
    request: unknown,
  ) => Readonly<Record<string, string>> | Promise<Readonly<Record<string, string>>>;
  readonly cacheControl: string | undefined;
}

const DEFAULT_MAX_SIZE = 10 * 1024 * 1024;

const UPLOAD_OPTIONS: Readonly<Record<keyof UploadOptions, true>> = {
  storage: true,
  accept: true,
  maxSize: true,
  minSize: true,
  image: true,
  checksum: true,
  scan: true,
  scanTimeout: true,
  key: true,
  overwrite: true,
  metadata: true,
  cacheControl: true,
};

/**
 * @param others options that are taken in the same place, and parsed there
 * @throws StorageInvalidArgumentError naming the option
 */
export function parseUploadOptions<Request>(
  options: UploadOptions<Request>,
  others: readonly string[] = [],
): ParsedUploadOptions {
  // A misspelt `accept` or `maxSize` would be a check that is not made.
  const unknown = Object.keys(options).find((name) => !Object.hasOwn(UPLOAD_OPTIONS, name));
  if (unknown !== undefined) {
    const known = [...Object.keys(UPLOAD_OPTIONS), ...others].join(', ');
    throw new StorageInvalidArgumentError(
      `There is no upload option "${unknown}"; there are ${known}`,
    );
  }
  const { accept, metadata = {}, cacheControl, key = randomKey, overwrite = false } = options;
  const { minSize = 0, image, checksum = () => undefined, scan, scanTimeout = '1m' } = options;
  if (options.storage !== undefined) assertStorageName(options.storage);
  if (accept !== undefined) assertAccept(accept);
  if (typeof key !== 'function' && typeof key?.fromContent !== 'function') {
    throw new StorageInvalidArgumentError(
      `key must be a function, or contentHashKey or its like, not ${shown(key)}`,
    );
  }
  if (typeof overwrite !== 'boolean') {
    throw new StorageInvalidArgumentError(`overwrite must be a boolean, not ${shown(overwrite)}`);
  }
  // What is the same for all files is known to be wrong before there are any.
  parseGivenAttributes({
    ...(cacheControl !== undefined && { cacheControl }),
    ...(typeof metadata !== 'function' && { metadata }),
  });
  const sizes = {
    maxSize: parseByteSize(options.maxSize ?? DEFAULT_MAX_SIZE, 'maxSize'),
    minSize: parseByteSize(minSize, 'minSize'),
  };
  if (sizes.minSize > sizes.maxSize) {
    throw new StorageInvalidArgumentError(
      `minSize must be no more than maxSize: ${sizes.minSize} bytes are more than ${sizes.maxSize}`,
    );
  }
  assertFunction(checksum, 'checksum');
  if (scan !== undefined) assertFunction(scan, 'scan');
  // A framework's request type is the user's choice; here it is only handed on.
  return {
    accept,
    ...sizes,
    image: image === undefined ? undefined : parseImageLimits(image),
    checksum: checksum as ParsedUploadOptions['checksum'],
    scan: scan as UploadScan | undefined,
    scanTimeout: parseMilliseconds(scanTimeout, 'scanTimeout'),
    key: key as UploadKey | UploadContentKey,
    publication: overwrite ? 'replace' : isUniqueKey(key as UploadKey) ? 'unique' : 'create',
    metadata:
      typeof metadata === 'function'
        ? (metadata as ParsedUploadOptions['metadata'])
        : () => metadata,
    cacheControl,
  };
}

/** An empty one would pass for the default storage. */
function assertStorageName(given: unknown): void {
  if (typeof given === 'string' && given !== '') return;
  throw new StorageInvalidArgumentError(
    `storage must be the name of a storage, not ${shown(given)}`,
  );
}

function assertFunction(given: unknown, name: string): void {
  if (typeof given === 'function') return;
  throw new StorageInvalidArgumentError(`${name} must be a function, not ${shown(given)}`);
}
