import type { Checksum } from './checksum.js';
import type { ReadConditions, WriteConditions } from './conditions.js';
import type { Disposition } from './content-disposition.js';
import type { StorageError } from './errors.js';
import type { MultipartUploadInfo } from './multipart.js';
import type { ProgressCallback } from './progress.js';
import type { RangeOption } from './range.js';
import type { FileAttributes } from './stored-file.js';
import type { ByteSize } from './units.js';

export interface SignalOption {
  /** Aborts the call: it rejects with `StorageAbortedError` when nothing of it is in flight any more. */
  signal?: AbortSignal;
}

export interface PutOptions extends SignalOption, FileAttributes, WriteConditions {
  /** Announced length in bytes. A body of any other length is refused and nothing is stored. */
  size?: number;
  /** Announced checksum. A body with any other is refused and nothing is stored. */
  checksum?: Checksum;
  /** Bytes of a part, for backends that send large bodies in parts. */
  partSize?: ByteSize;
  /** Parts in flight at once. Default: the storage's `concurrency`. */
  concurrency?: number;
  /** Told how far the upload is; what it throws is ignored. */
  onProgress?: ProgressCallback;
}

/** As those of `put`; conditions are for `commit`. */
export interface StageOptions extends Omit<PutOptions, 'ifNoneMatch' | 'ifMatch'> {}

/** Attributes that are given replace those of `stage`. */
export interface CommitOptions extends SignalOption, FileAttributes {
  /** `'*'`: only when nothing is stored under the key. */
  ifNoneMatch?: '*';
}

export interface SweepStagedOptions extends SignalOption {
  /** Milliseconds, or text such as `'12h'`. Default one day. */
  olderThan?: number | string;
}

export interface SweepOptions extends SweepStagedOptions {
  /** Removes nothing, and reports what would be removed. Default false. */
  dryRun?: boolean;
}

/** What a sweep removed, or with `dryRun` would remove; by the backend's clock. */
export interface SweepResult {
  readonly staged: readonly SweptFile[];
  readonly multipartUploads: readonly SweptMultipartUpload[];
  /** What is still there, and why. */
  readonly failed: readonly SweepFailure[];
}

export interface SweptFile {
  /** Its key in `storage.staging()`. */
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  readonly stagedAt: Date;
}

export interface SweptMultipartUpload extends MultipartUploadInfo {
  /** Whether it is one to `storage.staging()`, whose keys these are then. */
  readonly staged: boolean;
}

export interface SweepFailure extends DeleteFailure {
  /** Of a multipart upload; absent for a staged file, whose name is the key. */
  readonly uploadId?: string;
}

export interface GetOptions extends SignalOption, ReadConditions {
  /** Only these bytes, RFC 9110 §14.1.2. Default: the whole file. */
  range?: RangeOption;
  /**
   * Compares the bytes with the checksum that the file was stored with (`file.checksum`): where they differ, the body fails
   * with `StorageIntegrityError` instead of ending. A file of which the backend keeps no checksum is refused with
   * `StorageUnsupportedError`, and a range with `StorageInvalidArgumentError`. Default false.
   */
  verify?: boolean;
  /** Above 1: the file is read in that many ranges at once, all of one version. Default 1. */
  concurrency?: number;
  /** Bytes of one such range. Default 8 MiB. */
  partSize?: ByteSize;
  /** Told how far the download is; what it throws is ignored. */
  onProgress?: ProgressCallback;
}

export interface ListOptions extends SignalOption {
  /** Files at most. Default: all. */
  limit?: number;
  /** Only keys after this one, in the order of their UTF-8 bytes. */
  startAfter?: string;
  /** Only files directly below the prefix: those with the delimiter in the rest of their key are left out. */
  delimiter?: string;
}

export interface ListPageOptions extends SignalOption {
  /** What the keys begin with: a plain string. Default: all keys. */
  prefix?: string;
  /** Gathers the keys that go on after it into `prefixes`; `'/'` lists like a folder. */
  delimiter?: string;
  /** Only keys after this one. */
  startAfter?: string;
  /** `cursor` of the page before. */
  cursor?: string;
  /** Files and prefixes on the page, 1 to 1,000. Default 1,000. */
  limit?: number;
}

export interface DeleteFailure {
  readonly key: string;
  readonly error: StorageError;
}

export interface DeleteOptions extends SignalOption {
  /** Only this version. Else `StoragePreconditionFailedError`. */
  readonly ifMatch?: string;
}

export interface DeleteManyResult {
  /** In the order they were given. */
  readonly deleted: readonly string[];
  readonly failed: readonly DeleteFailure[];
}

export interface DeletePrefixOptions extends SignalOption {
  /** Must be true for the empty prefix: the storage is emptied. */
  all?: boolean;
}

export interface DeletePrefixResult {
  /** How many files were deleted. */
  readonly deleted: number;
  readonly failed: readonly DeleteFailure[];
}

/** Attributes that are given replace those of the source; the others are kept. */
export interface CopyOptions extends SignalOption, FileAttributes {
  /** `'*'`: only when nothing is stored under the destination. */
  ifNoneMatch?: '*';
}

export interface UrlOptions extends SignalOption {
  /** Seconds, or text such as `'15m'`. Default: the storage's `expiresIn`. */
  expiresIn?: number | string;
  /** How the browser treats the file, and the name it saves it under. Bound by the signature. */
  disposition?: Disposition;
  /** Media type of the answer. Bound by the signature. */
  contentType?: string;
  /** `Cache-Control` of the answer, RFC 9111 §5.2. Bound by the signature, where the backend can. */
  cacheControl?: string;
  /** The unsigned URL below `publicUrl`, which does not expire. */
  public?: boolean;
}

/** All that is asked is bound by the signature and enforced by the backend. */
export interface UploadUrlOptions extends SignalOption {
  /** Default `'PUT'`. */
  method?: 'PUT' | 'POST';
  /** Seconds, or text such as `'15m'`. Default: the storage's `expiresIn`. */
  expiresIn?: number | string;
  /** Media type that the client must send, and that the file gets. */
  contentType?: string;
  /** Exact length in bytes. */
  size?: number;
  /** Where the storage has a `maxObjectSize`, that is the most; a backend that cannot enforce it needs `size`. */
  maxSize?: ByteSize;
  /** Bytes with any other are refused. */
  checksum?: Checksum;
  /** `'*'`: only when nothing is stored under the key. */
  ifNoneMatch?: '*';
}

export interface MultipartOptions extends SignalOption, FileAttributes {
  /** Length of the whole file, where it is known: the part size is chosen so that it fits. */
  size?: number;
  /** Bytes of each part but the last. Default: by the backend's rules and `size`. */
  partSize?: ByteSize;
}

export interface UploadPartOptions extends SignalOption {
  /** Announced length in bytes. A part of any other length is refused and not stored. */
  size?: number;
  /** Announced checksum. A part with any other is refused and not stored. */
  checksum?: Checksum;
}

/** All that is asked is bound by the signature and enforced by the backend. */
export interface PartUrlOptions extends SignalOption {
  /** Seconds, or text such as `'15m'`. Default: the storage's `expiresIn`. */
  expiresIn?: number | string;
  /** Exact length in bytes. */
  size?: number;
  /** A part with any other is refused. */
  checksum?: Checksum;
}

export interface CompleteMultipartOptions extends SignalOption, WriteConditions {}

export interface ResumeMultipartOptions extends CompleteMultipartOptions {
  /**
   * Reads all of the body, and sends a part that is there again unless its etag is the MD5 of the same bytes: for a body that may have
   * changed since. On backends whose etags of parts are none (`local`, `azure`, encryption by KMS), that is every part. Default
   * false: a part of the right size is taken for the same.
   */
  verify?: boolean;
  /** Parts in flight at once, each in memory meanwhile. Default: the storage's `concurrency`. */
  concurrency?: number;
  /** Counts what the backend had already, too. */
  onProgress?: ProgressCallback;
}
