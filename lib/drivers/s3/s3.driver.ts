import type { S3Client } from '@aws-sdk/client-s3';
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
import { waitForCredentials } from '../remote/credential-wait.js';
import { BodyFailure } from '../remote/body-failure.js';
import { capabilitiesOf } from './s3.capabilities.js';
import { openBucket, type S3Bucket } from './s3.client.js';
import { copy } from './s3.copies.js';
import { deleteMany } from './s3.deletes.js';
import { get, readFile } from './s3.downloads.js';
import { toStorageError } from './s3.errors.js';
import { list } from './s3.listing.js';
import {
  abortMultipartUpload,
  completeMultipartUpload,
  listParts,
  listUploads,
  startMultipartUpload,
  uploadPart,
} from './s3.multipart.js';
import type { S3StorageOptions } from './s3.options.js';
import { uploadPartUrl, uploadUrl, url } from './s3.signed-urls.js';
import { put } from './s3.uploads.js';

/**
 * Opens a bucket of S3, or of a service that speaks S3. No request is made.
 *
 * @throws StorageConfigurationError
 */
export const createS3Driver: DriverFactory<S3StorageOptions, S3Client> = async (
  options,
  settings,
) => new S3Driver(await openBucket(options, settings));

class S3Driver implements StorageDriver<S3Client> {
  readonly name = 's3';
  readonly capabilities: Capabilities;
  readonly client: S3Client;
  readonly #bucket: S3Bucket;

  constructor(bucket: S3Bucket) {
    this.#bucket = bucket;
    this.client = bucket.client;
    this.capabilities = capabilitiesOf(bucket.profile);
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
      throw this.#failure(error, options.signal);
    }
  }

  deleteMany(keys: readonly string[], options: DriverDeleteOptions): Promise<DriverDeleteResult> {
    return this.#run(options, () => deleteMany(this.#bucket, keys, options));
  }

  copy(from: string, to: string, options: DriverCopyOptions): Promise<StoredFile> {
    return this.#run(options, () => copy(this.#bucket, from, to, options));
  }

  url(key: string, options: DriverUrlOptions): Promise<string> {
    return this.#sign(options, () => url(this.#bucket, key, options));
  }

  uploadUrl(key: string, options: DriverUploadUrlOptions): Promise<UploadUrl> {
    return this.#sign(options, () => uploadUrl(this.#bucket, key, options));
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
    return this.#sign(options, () => uploadPartUrl(this.#bucket, upload, partNumber, options));
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
      throw this.#failure(error, options.signal);
    }
  }

  async close(): Promise<void> {
    this.#bucket.close();
  }

  async #run<Result>({ signal }: DriverOptions, call: () => Promise<Result>): Promise<Result> {
    try {
      return await call();
    } catch (error) {
      throw this.#failure(error, signal);
    }
  }

  /** Signs, for which nothing is asked but the credentials. */
  #sign<Result>(options: DriverOptions, call: () => Promise<Result>): Promise<Result> {
    const { idleTimeout } = this.#bucket;
    return this.#run(options, () =>
      waitForCredentials(idleTimeout, 'for the bucket', options.signal, call),
    );
  }

  #failure(thrown: unknown, signal: AbortSignal): unknown {
    // Whatever an aborted call broke by.
    if (signal.aborted) return new StorageAbortedError(undefined, { cause: signal.reason });
    return thrown instanceof BodyFailure ? thrown.error : toStorageError(thrown, signal);
  }
}
