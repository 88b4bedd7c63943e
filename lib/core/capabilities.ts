import type { ChecksumAlgorithm } from './checksum.js';

/** What a signed upload URL can be bound to; what is asked and not in the driver's list is refused. */
export type UploadConstraint = 'contentType' | 'size' | 'maxSize' | 'checksum' | 'createOnly';

/** The same for the signed URL of a part. */
export type PartConstraint = Extract<UploadConstraint, 'size' | 'checksum'>;

/**
 * What a driver, as configured, can do. The storage refuses the rest with `StorageUnsupportedError` before any I/O,
 * and the conformance kit holds the driver to what it says here.
 */
export interface Capabilities {
  /** `put` and `completeMultipartUpload` with `ifNoneMatch: '*'`: of many writers exactly one wins. */
  readonly createOnly: boolean;
  /** The same with `ifMatch`: a stale writer never overwrites a newer version. */
  readonly compareAndSet: boolean;
  /** `delete` with `ifMatch`: a version that nobody has seen is never deleted. */
  readonly conditionalDelete: boolean;
  /** `copy` and `move` with `ifNoneMatch: '*'` on the destination. */
  readonly createOnlyCopy: boolean;
  /** `get` with conditions, decided together with the read. */
  readonly conditionalGet: boolean;
  /** `get` with `range`. */
  readonly ranges: boolean;
  /** `metadata` of files: pairs of the user's own. */
  readonly metadata: boolean;
  /** `cacheControl`, `contentDisposition`, `contentEncoding`, `contentLanguage`. */
  readonly headers: boolean;
  /** `list` by `delimiter`: any string, only `/`, or none. */
  readonly delimiters: 'any' | 'slash' | 'none';
  /** Moves in one step. Otherwise `move` copies, and deletes the source when the copy is confirmed. */
  readonly atomicMove: boolean;
  /** `startMultipartUpload` and what follows it. */
  readonly multipart: boolean;
  /** `listMultipartUploads`, and with it `sweep`: the backend lists all uploads below a prefix. */
  readonly multipartListing: boolean;
  /** `url()` without `public`. */
  readonly signedUrls: boolean;
  /** `url()` with `cacheControl`. */
  readonly signedCacheControl: boolean;
  /** `uploadUrl()` by method: what the backend enforces, or false where there is no such URL. */
  readonly signedUploads: {
    /** The bytes are the body. */
    readonly PUT: readonly UploadConstraint[] | false;
    /** A form with the file in it. */
    readonly POST: readonly UploadConstraint[] | false;
  };
  /** `uploadPartUrl()`: what the backend enforces, or false where there is no such URL. */
  readonly signedParts: readonly PartConstraint[] | false;
  /**
   * Checksums that the backend keeps with the file; without any, no read can be verified. Any algorithm is verified on the way
   * in, whatever this says.
   */
  readonly checksums: readonly ChecksumAlgorithm[];
  /**
   * The driver repeats failed requests, and gives up silent ones, by itself, by `RetryOptions` and `timeout`. Otherwise
   * the storage does both around its calls, but for those that a second try could harm: conditional writes, moves in one step,
   * the completion of an upload.
   */
  readonly retries: boolean;
  /** What is larger is refused before any I/O. */
  readonly limits: StorageLimits;
}

/** Sizes are bytes. */
export interface StorageLimits {
  /** Bytes of a file. */
  readonly maxObjectSize: number;
  /** Least size of a part that is not the last. */
  readonly minPartSize: number;
  /** Bytes of a part. */
  readonly maxPartSize: number;
  /** Parts of one upload. */
  readonly maxParts: number;
  /** Keys in one `deleteMany` call to the driver. */
  readonly deleteBatch: number;
  /** Seconds that a signed URL may live. */
  readonly maxExpiresIn: number;
}
