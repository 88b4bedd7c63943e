import type { Storage as GcsClient } from '@google-cloud/storage';
import type { Capabilities } from '../../core/capabilities.js';
import type { DriverFactory } from '../../core/storage-driver.js';
import { RemoteDriver, type Service } from '../remote/remote-driver.js';
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
) => new RemoteDriver(GCS, await openBucket(options, settings), CAPABILITIES);

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

const GCS: Service<GcsBucket> = {
  name: 'gcs',
  calls: {
    put,
    get,
    info: (bucket, key, { signal }) => readFile(bucket, key, signal),
    list,
    deleteMany,
    copy,
    url,
    uploadUrl,
    startMultipartUpload,
    uploadPart,
    uploadPartUrl,
    listParts,
    completeMultipartUpload,
    abortMultipartUpload,
    listMultipartUploads: listUploads,
  },
  toStorageError,
};
