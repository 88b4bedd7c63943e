import type { ContainerClient } from '@azure/storage-blob';
import type { Capabilities } from '../../core/capabilities.js';
import type { DriverFactory } from '../../core/storage-driver.js';
import { RemoteDriver, type Service } from '../remote/remote-driver.js';
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
) => {
  const container = await openContainer(options, settings);
  return new RemoteDriver(AZURE, container, capabilitiesOf(container));
};

const AZURE: Service<AzureContainer> = {
  name: 'azure',
  calls: {
    put,
    get,
    info: (container, key, { signal }) => readFile(container, key, signal),
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
