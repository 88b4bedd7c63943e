import type { ContainerClient } from '@azure/storage-blob';
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
import { MAX_BLOCK_SIZE, MAX_BLOCKS } from './azure.blocks.js';
import { type AzureContainer, openContainer } from './azure.client.js';
import { copy } from './azure.copies.js';
import { DELETE_BATCH, deleteMany } from './azure.deletes.js';
import { get, readFile } from './azure.downloads.js';
import { toStorageError } from './azure.errors.js';
import { list } from './azure.listing.js';
import {
  abortMultipartUpload,
  completeMultipartUpload,
  listParts,
  listUploads,
  startMultipartUpload,
  uploadPart,
} from './azure.multipart.js';
import type { AzureStorageOptions } from './azure.options.js';
import { MAX_DELEGATED_LIFE, uploadPartUrl, uploadUrl, url } from './azure.signed-urls.js';
import { put } from './azure.uploads.js';

const ONE_YEAR = 365 * 86_400;

/**
 * Opens a container of Azure Blob Storage. No request is made.
 *
 * @throws StorageConfigurationError
 */
export const createAzureDriver: DriverFactory<AzureStorageOptions, ContainerClient> = async (
  options,
  settings,
) => new AzureDriver(await openContainer(options, settings));

class AzureDriver implements StorageDriver<ContainerClient> {
  readonly name = 'azure';
  readonly capabilities: Capabilities;
  readonly #container: AzureContainer;

  constructor(container: AzureContainer) {
    this.#container = container;
    this.capabilities = capabilitiesOf(container);
  }

  /** No field: whoever looks at the driver must not see the key or signature that the SDK's client has in its own. */
  get client(): ContainerClient {
    return this.#container.client;
  }

  put(key: string, body: DriverBody, options: DriverPutOptions): Promise<StoredFile> {
    return this.#run(options, () => put(this.#container, key, body, options));
  }

  get(key: string, options: DriverGetOptions): Promise<DriverDownload> {
    return this.#run(options, () => get(this.#container, key, options));
  }

  info(key: string, options: DriverOptions): Promise<StoredFile> {
    return this.#run(options, () => readFile(this.#container, key, options.signal));
  }

  async *list(options: DriverListOptions): AsyncIterable<ListPage> {
    try {
      yield* list(this.#container, options);
    } catch (error) {
      throw this.#failure(error, options.signal);
    }
  }

  deleteMany(keys: readonly string[], options: DriverDeleteOptions): Promise<DriverDeleteResult> {
    return this.#run(options, () => deleteMany(this.#container, keys, options));
  }

  copy(from: string, to: string, options: DriverCopyOptions): Promise<StoredFile> {
    return this.#run(options, () => copy(this.#container, from, to, options));
  }

  url(key: string, options: DriverUrlOptions): Promise<string> {
    return this.#run(options, () => url(this.#container, key, options));
  }

  uploadUrl(key: string, options: DriverUploadUrlOptions): Promise<UploadUrl> {
    return this.#run(options, () => uploadUrl(this.#container, key, options));
  }

  startMultipartUpload(key: string, options: DriverMultipartOptions): Promise<string> {
    return this.#run(options, () => startMultipartUpload(this.#container, key, options));
  }

  uploadPart(
    upload: DriverUpload,
    partNumber: number,
    body: Uint8Array,
    options: DriverOptions,
  ): Promise<MultipartPart> {
    return this.#run(options, () => uploadPart(this.#container, upload, partNumber, body, options));
  }

  uploadPartUrl(
    _upload: DriverUpload,
    _partNumber: number,
    _options: DriverPartUrlOptions,
  ): Promise<UploadUrl> {
    return uploadPartUrl();
  }

  listParts(upload: DriverUpload, options: DriverOptions): Promise<MultipartPart[]> {
    return this.#run(options, () => listParts(this.#container, upload, options));
  }

  completeMultipartUpload(
    upload: DriverUpload,
    parts: readonly Pick<MultipartPart, 'partNumber' | 'etag'>[],
    options: DriverOptions & WriteConditions,
  ): Promise<StoredFile> {
    return this.#run(options, () =>
      completeMultipartUpload(this.#container, upload, parts, options),
    );
  }

  abortMultipartUpload(upload: DriverUpload, options: DriverOptions): Promise<void> {
    return this.#run(options, () => abortMultipartUpload(this.#container, upload, options));
  }

  async *listMultipartUploads(
    options: DriverListUploadsOptions,
  ): AsyncIterable<DriverListedUpload[]> {
    try {
      yield* listUploads(this.#container, options);
    } catch (error) {
      throw this.#failure(error, options.signal);
    }
  }

  async close(): Promise<void> {
    this.#container.close();
  }

  async #run<Result>({ signal }: DriverOptions, call: () => Promise<Result>): Promise<Result> {
    try {
      return await call();
    } catch (error) {
      throw this.#failure(error, signal);
    }
  }

  #failure(thrown: unknown, signal: AbortSignal): unknown {
    // Whatever an aborted call broke by.
    if (signal.aborted) return new StorageAbortedError(undefined, { cause: signal.reason });
    return thrown instanceof BodyFailure ? thrown.error : toStorageError(thrown, signal);
  }
}

function capabilitiesOf({ signsWith }: AzureContainer): Capabilities {
  const signs = signsWith !== undefined;
  return {
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
    signedUrls: signs,
    signedCacheControl: signs,
    signedUploads: { PUT: signs ? ['createOnly'] : false, POST: false },
    signedParts: false,
    checksums: ['md5'],
    retries: true,
    limits: {
      maxObjectSize: MAX_BLOCKS * MAX_BLOCK_SIZE,
      minPartSize: 1,
      maxPartSize: MAX_BLOCK_SIZE,
      maxParts: MAX_BLOCKS,
      deleteBatch: DELETE_BATCH,
      maxExpiresIn: signsWith === 'delegationKey' ? MAX_DELEGATED_LIFE : ONE_YEAR,
    },
  };
}
