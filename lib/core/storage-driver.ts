import type { Readable } from 'node:stream';
import type { DriverBody } from './body.js';
import type { Capabilities } from './capabilities.js';
import type { Checksum } from './checksum.js';
import type { ReadConditions, WriteConditions } from './conditions.js';
import type { StorageError } from './errors.js';
import type { MultipartPart } from './multipart.js';
import type { ByteRange, RangeOption } from './range.js';
import type { ParsedAttributes } from './attributes.js';
import type { ParsedRetryOptions } from './retry.js';
import type { FileAttributes, StoredFile } from './stored-file.js';
import type { UploadMemory } from './upload-memory.js';

/** The raw client behind each driver. A driver adds its own by declaration merging. */
export interface DriverClients {
  memory: undefined;
  local: undefined;
}

/**
 * What a backend implements. Every method is required; what a backend cannot do is a flag in `capabilities`.
 *
 * A driver may rely on this, and checks none of it again: keys and prefixes are well-formed, and any configured
 * prefix is on; conditions, ranges, attributes, checksums and part numbers are well-formed; options whose capability
 * is missing do not arrive; `signal` is always there; nothing is called after `close()`; a body throws when its size or
 * checksum is not what was announced, and when the signal is aborted, even while its source is silent; its chunks are the
 * driver's to keep. A body that is one `Uint8Array` is not: it is the caller's, who may change it after the call.
 *
 * A driver promises: it rejects with a `StorageError` (anything else is reported as one, with code `UNKNOWN`); a
 * failed or aborted write leaves what was there before, and it rejects only when nothing of it is in flight; a body
 * that it stops reading early is left by `return()`, as `for await` does.
 */
export interface StorageDriver<Client = unknown> {
  /** `'s3'`, `'local'`, …: for messages. */
  readonly name: string;
  /** What it can do. The storage refuses the rest before it calls the driver. */
  readonly capabilities: Capabilities;
  /** The SDK's client, for what this contract does not cover. */
  readonly client: Client;

  /** Stores the whole body under the key, or nothing. Decides the conditions at the moment of the commit. */
  put(key: string, body: DriverBody, options: DriverPutOptions): Promise<StoredFile>;

  /** Opens the file: one version of it, from which file, range and body all come. Rejects before a body exists. */
  get(key: string, options: DriverGetOptions): Promise<DriverDownload>;

  /**
   * What `get` says of the file, without its bytes.
   *
   * @throws StorageFileNotFoundError
   */
  info(key: string, options: DriverOptions): Promise<StoredFile>;

  /** Yields page after page, in the order of the keys' UTF-8 bytes; each page can be the last that is asked for. */
  list(options: DriverListOptions): AsyncIterable<ListPage>;

  /** Deletes at most `limits.deleteBatch` keys. A key that is not there counts as deleted; failures are per key. */
  deleteMany(keys: readonly string[], options: DriverDeleteOptions): Promise<DriverDeleteResult>;

  /** Copies on the server, any size. Attributes that are given replace the source's, the others are kept. */
  copy(from: string, to: string, options: DriverCopyOptions): Promise<StoredFile>;

  /** A URL that reads the file until it expires. No request is made. */
  url(key: string, options: DriverUrlOptions): Promise<string>;

  /** A request that stores the file until it expires, bound to all that is asked. */
  uploadUrl(key: string, options: DriverUploadUrlOptions): Promise<UploadUrl>;

  /** Answers the id of the upload. */
  startMultipartUpload(key: string, options: DriverMultipartOptions): Promise<string>;

  /** Stores a part; one that was sent before under the number is replaced. */
  uploadPart(
    upload: DriverUpload,
    partNumber: number,
    body: Uint8Array,
    options: DriverOptions,
  ): Promise<MultipartPart>;

  /**
   * A request that stores a part until it expires, bound to all that is asked. Its answer has the header `ETag`, as
   * `listParts` tells it. Whether the upload is there shows only when it is made.
   */
  uploadPartUrl(
    upload: DriverUpload,
    partNumber: number,
    options: DriverPartUrlOptions,
  ): Promise<UploadUrl>;

  /** All parts, by number. @throws StorageFileNotFoundError when the upload is not there. */
  listParts(upload: DriverUpload, options: DriverOptions): Promise<MultipartPart[]>;

  /** Joins the parts (at least one, by number) into the file, in one step. */
  completeMultipartUpload(
    upload: DriverUpload,
    parts: readonly Pick<MultipartPart, 'partNumber' | 'etag'>[],
    options: DriverOptions & WriteConditions,
  ): Promise<StoredFile>;

  /** Removes the parts. An upload that is not there counts as aborted. */
  abortMultipartUpload(upload: DriverUpload, options: DriverOptions): Promise<void>;

  /**
   * Yields the uploads under way whose keys start with the prefix, page after page, in any order. Those of a page may be aborted
   * before the next one is asked for.
   */
  listMultipartUploads(
    options: DriverListUploadsOptions,
  ): AsyncIterable<readonly DriverListedUpload[]>;

  /** Frees clients, sockets and timers. Called once, when nothing is under way, by the last of the storages that were given the driver. */
  close(): Promise<void>;
}

export interface DriverOptions {
  readonly signal: AbortSignal;
}

export interface DriverPutOptions extends DriverOptions, ParsedAttributes, WriteConditions {
  /** Length of the body in bytes, where it is known. */
  readonly size?: number;
  readonly checksum?: Checksum;
  /** Bytes of a part, for backends that send a body in parts. */
  readonly partSize?: number;
  /** Parts in flight at once. */
  readonly concurrency?: number;
}

export interface DriverGetOptions extends DriverOptions, ReadConditions {
  readonly range?: RangeOption;
}

/** One version of a file. The body delivers exactly what `file` and `range` say, or fails; a short one may come as bytes. */
export interface DriverDownload {
  readonly file: StoredFile;
  /** Present exactly when a range was asked for. */
  readonly range?: ByteRange;
  readonly body: Uint8Array | Readable;
}

export interface DriverListOptions extends DriverOptions {
  readonly prefix: string;
  readonly delimiter?: string;
  /** Only keys after this one; a common prefix is listed as long as one of its keys is. */
  readonly startAfter?: string;
  /** What an earlier page of the same listing gave. @throws StorageInvalidArgumentError when it is not one. */
  readonly cursor?: string;
  /** Files and prefixes on a page, at most. */
  readonly pageSize: number;
}

/** Files, and with a delimiter the common prefixes below which there are more; each of the two in order. */
export interface ListPage {
  readonly files: readonly StoredFile[];
  readonly prefixes: readonly string[];
  /** Where the next page starts; absent on the last. Opaque, safe in URLs. */
  readonly cursor?: string;
}

export interface DriverDeleteOptions extends DriverOptions {
  /** Only with one key, and `capabilities.conditionalDelete`: no other version of it. Else `StoragePreconditionFailedError`, perhaps also when nothing is there. */
  readonly ifMatch?: string;
}

export interface DriverDeleteResult {
  readonly failed: readonly { readonly key: string; readonly error: StorageError }[];
}

export interface DriverCopyOptions extends DriverOptions, FileAttributes {
  readonly ifNoneMatch?: '*';
  /** Only with `capabilities.atomicMove`: the source is gone in the same step. */
  readonly move?: boolean;
  /** Without `capabilities.atomicMove`, to be called with the version that was copied: `move` then deletes no other. */
  readonly onSource?: (source: StoredFile) => void;
}

export interface DriverUrlOptions extends DriverOptions {
  /** Seconds. */
  readonly expiresIn: number;
  /** The `Content-Disposition` of the answer. */
  readonly contentDisposition?: string;
  /** The `Content-Type` of the answer. */
  readonly contentType?: string;
  /** The `Cache-Control` of the answer. */
  readonly cacheControl?: string;
}

export interface DriverUploadUrlOptions extends DriverOptions {
  readonly method: 'PUT' | 'POST';
  /** Seconds. */
  readonly expiresIn: number;
  readonly contentType?: string;
  readonly size?: number;
  readonly maxSize?: number;
  readonly checksum?: Checksum;
  readonly ifNoneMatch?: '*';
}

export interface DriverPartUrlOptions extends DriverOptions {
  /** Seconds. */
  readonly expiresIn: number;
  readonly size?: number;
  readonly checksum?: Checksum;
}

/** A request for somebody else to make: send it exactly so. */
export interface UploadUrl {
  readonly method: 'PUT' | 'POST';
  readonly url: string;
  /** Headers that must be sent along. */
  readonly headers: Readonly<Record<string, string>>;
  /** Form fields that come before the field `file`; POST only. */
  readonly fields?: Readonly<Record<string, string>>;
  readonly expiresAt: Date;
}

export interface DriverMultipartOptions extends DriverOptions, ParsedAttributes {}

/** A multipart upload as a driver sees it. */
export interface DriverUpload {
  readonly key: string;
  readonly uploadId: string;
}

export interface DriverListUploadsOptions extends DriverOptions {
  readonly prefix: string;
}

export interface DriverListedUpload extends DriverUpload {
  readonly startedAt: Date;
}

/** What a storage tells the driver that it opens, beside the driver's own options. */
export interface DriverSettings {
  /** The storage's name: for messages, and to tell its keys and URLs from another's. */
  readonly storage: string;
  readonly retry: ParsedRetryOptions;
  /** Milliseconds without progress after which a request is given up; absent: the driver's own defaults. */
  readonly timeout?: number;
  /** Parts, or other requests of one call, in flight at once. */
  readonly concurrency: number;
  /** What the bodies of all uploads that are in memory take together; absent: the driver's own default. */
  readonly uploadMemory?: UploadMemory;
}

/**
 * Opens a driver. @throws StorageConfigurationError when it cannot work as configured.
 */
export type DriverFactory<Options, Client = unknown> = (
  options: Options,
  settings: DriverSettings,
) => Promise<StorageDriver<Client>>;
