import type { Storage as GcsClient } from '@google-cloud/storage';
import type { DriverBody } from '../../core/body.js';
import type { Capabilities } from '../../core/capabilities.js';
import type { WriteConditions } from '../../core/conditions.js';
import { StorageAbortedError } from '../../core/errors.js';
import type { MultipartPart } from '../../core/multipart.js';
import type {
  DriverCopyOptions,
  DriverDeleteOptions,
  DriverDeleteResult,
  DriverDownload,
  DriverFactory,
  DriverGetOptions,
  DriverListedUpload,
  DriverListOptions,
  DriverListUploadsOptions,
  DriverMultipartOptions,
  DriverOptions,
  DriverPartUrlOptions,
  DriverPutOptions,
  DriverUpload,
  DriverUploadUrlOptions,
  DriverUrlOptions,
  ListPage,
  StorageDriver,
  UploadUrl,
} from '../../core/storage-driver.js';
import type { StoredFile } from '../../core/stored-file.js';
import { BodyFailure } from '../remote/body-failure.js';
import { type GcsBucket, openBucket } from './gcs.client.js';
import { copy } from './gcs.copies.js';
import { deleteMany } from './gcs.deletes.js';
import { get } from './gcs.downloads.js';
import { toStorageError } from './gcs.errors.js';
import { list } from './gcs.listing.js';
import {
  abortMultipartUpload,
  completeMultipartUpload,
  listParts,
  listUploads,
  startMultipartUpload,
  uploadPart,
  uploadPartUrl,
} from './gcs.multipart.js';
import { readFile } from './gcs.objects.js';
import type { GcsStorageOptions } from './gcs.options.js';
import { uploadUrl, url } from './gcs.signed-urls.js';
import { put } from './gcs.uploads.js';

const GIBIBYTE = 1024 ** 3;
const SEVEN_DAYS = 604_800;

/**
 * Opens a bucket of Google Cloud Storage. No request is made.
 *
 * @throws StorageConfigurationError
 */
export const createGcsDriver: DriverFactory<GcsStorageOptions, GcsClient> = async (
  options,
  settings,
) => new GcsDriver(await openBucket(options, settings));

const CAPABILITIES: Capabilities = {
  createOnly: true,
  compareAndSet: true,
  conditionalDelete: true,
  createOnlyCopy: true,
  conditionalGet: true,
  ranges: true,
  metadata: true,
  headers: true,
  delimiters: 'any',
  atomicMove: false,
  multipart: true,
  multipartListing: true,
  signedUrls: true,
  // https://cloud.google.com/storage/docs/xml-api/reference-headers knows parameters for type and disposition only.
  signedCacheControl: false,
  signedUploads: {
    PUT: ['contentType', 'size', 'maxSize', 'checksum', 'createOnly'],
    POST: ['contentType', 'size', 'maxSize'],
  },
  signedParts: ['size', 'checksum'],
  checksums: ['crc32c'],
  retries: true,
  limits: {
    maxObjectSize: 5 * 1024 * GIBIBYTE,
    minPartSize: 1,
    maxPartSize: 5 * GIBIBYTE,
    maxParts: 10_000,
    deleteBatch: 1000,
    maxExpiresIn: SEVEN_DAYS,
  },
};

class GcsDriver implements StorageDriver<GcsClient> {
  readonly name = 'gcs';
  readonly capabilities = CAPABILITIES;
  readonly client: GcsClient;
  readonly #bucket: GcsBucket;

  constructor(bucket: GcsBucket) {
    this.#bucket = bucket;
    this.client = bucket.client;
  }

  put(key: string, body: DriverBody, options: DriverPutOptions): Promise<StoredFile> {
    return this.#run(options, () => put(this.#bucket, key, body, options));
  }

  get(key: string, options: DriverGetOptions): Promise<DriverDownload> {
    return this.#run(options, () => get(this.#bucket, key, options));
  }

  info(key: string, options: DriverOptions): Promise<StoredFile> {
    return this.#run(options, () => readFile(this.#bucket, key, options.signal));
  }

  async *list(options: DriverListOptions): AsyncIterable<ListPage> {
    try {
      yield* list(this.#bucket, options);
    } catch (error) {
      throw failure(error, options.signal);
    }
  }

  deleteMany(keys: readonly string[], options: DriverDeleteOptions): Promise<DriverDeleteResult> {
    return this.#run(options, () => deleteMany(this.#bucket, keys, options));
  }

  copy(from: string, to: string, options: DriverCopyOptions): Promise<StoredFile> {
    return this.#run(options, () => copy(this.#bucket, from, to, options));
  }

  url(key: string, options: DriverUrlOptions): Promise<string> {
    return this.#run(options, () => url(this.#bucket, key, options));
  }

  uploadUrl(key: string, options: DriverUploadUrlOptions): Promise<UploadUrl> {
    return this.#run(options, () => uploadUrl(this.#bucket, key, options));
  }

  startMultipartUpload(key: string, options: DriverMultipartOptions): Promise<string> {
    return this.#run(options, () => startMultipartUpload(this.#bucket, key, options));
  }

  uploadPart(
    upload: DriverUpload,
    partNumber: number,
    body: Uint8Array,
    options: DriverOptions,
  ): Promise<MultipartPart> {
    return this.#run(options, () => uploadPart(this.#bucket, upload, partNumber, body, options));
  }

  uploadPartUrl(
    upload: DriverUpload,
    partNumber: number,
    options: DriverPartUrlOptions,
  ): Promise<UploadUrl> {
    return this.#run(options, () => uploadPartUrl(this.#bucket, upload, partNumber, options));
  }

  listParts(upload: DriverUpload, options: DriverOptions): Promise<MultipartPart[]> {
    return this.#run(options, () => listParts(this.#bucket, upload, options));
  }

  completeMultipartUpload(
    upload: DriverUpload,
    parts: readonly Pick<MultipartPart, 'partNumber' | 'etag'>[],
    options: DriverOptions & WriteConditions,
  ): Promise<StoredFile> {
    return this.#run(options, () => completeMultipartUpload(this.#bucket, upload, parts, options));
  }

  abortMultipartUpload(upload: DriverUpload, options: DriverOptions): Promise<void> {
    return this.#run(options, () => abortMultipartUpload(this.#bucket, upload, options));
  }

  async *listMultipartUploads(
    options: DriverListUploadsOptions,
  ): AsyncIterable<DriverListedUpload[]> {
    try {
      yield* listUploads(this.#bucket, options);
    } catch (error) {
      throw failure(error, options.signal);
    }
  }

  async close(): Promise<void> {
    this.#bucket.close();
  }

  async #run<Result>({ signal }: DriverOptions, call: () => Promise<Result>): Promise<Result> {
    try {
      return await call();
    } catch (error) {
      throw failure(error, signal);
    }
  }
}

function failure(thrown: unknown, signal: AbortSignal): unknown {
  // Whatever an aborted call broke by.
  if (signal.aborted) return new StorageAbortedError(undefined, { cause: signal.reason });
  return thrown instanceof BodyFailure ? thrown.error : toStorageError(thrown, signal);
}
