import type { S3Client } from '@aws-sdk/client-s3';
import type { DriverFactory, DriverOptions } from '../../core/storage-driver.js';
import { waitForCredentials } from '../remote/credential-wait.js';
import { RemoteDriver, type Service } from '../remote/remote-driver.js';
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
) => {
  const bucket = await openBucket(options, settings);
  return new RemoteDriver(S3, bucket, capabilitiesOf(bucket.profile));
};

const S3: Service<S3Bucket> = {
  name: 's3',
  calls: {
    put,
    get,
    info: (bucket, key, { signal }) => readFile(bucket, key, signal),
    list,
    deleteMany,
    copy,
    url: (bucket, key, options) => sign(bucket, options, () => url(bucket, key, options)),
    uploadUrl: (bucket, key, options) =>
      sign(bucket, options, () => uploadUrl(bucket, key, options)),
    startMultipartUpload,
    uploadPart,
    uploadPartUrl: (bucket, upload, partNumber, options) =>
      sign(bucket, options, () => uploadPartUrl(bucket, upload, partNumber, options)),
    listParts,
    completeMultipartUpload,
    abortMultipartUpload,
    listMultipartUploads: listUploads,
  },
  toStorageError,
};

/** Nothing is asked for it but the credentials. */
function sign<Result>(
  { idleTimeout }: S3Bucket,
  { signal }: DriverOptions,
  call: () => Promise<Result>,
): Promise<Result> {
  return waitForCredentials(idleTimeout, 'for the bucket', signal, call);
}
