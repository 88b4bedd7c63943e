import { randomUUID } from 'node:crypto';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { ContainerClient } from '@azure/storage-blob';
import { Storage as GcsClient } from '@google-cloud/storage';
import type { Storage } from '../../lib/core/storage.js';
import { openStorage } from '../../lib/drivers/open-storage.js';
import { describeStorageDriver, type OpenedStorage } from '../../lib/testing/conformance/index.js';

const {
  EMULATOR_S3_ENDPOINT: s3Endpoint,
  EMULATOR_S3_ACCESS_KEY_ID: accessKeyId = 'minioadmin',
  EMULATOR_S3_SECRET_ACCESS_KEY: secretAccessKey = 'minioadmin',
  EMULATOR_GCS_ENDPOINT: gcsEndpoint,
  EMULATOR_AZURE_CONNECTION_STRING: connectionString,
} = process.env;

async function opened(open: () => Promise<Storage>): Promise<OpenedStorage> {
  const storage = await open();
  return { storage, reopen: open, destroy: () => storage.close() };
}

if (s3Endpoint) {
  const place = { endpoint: s3Endpoint, region: 'us-east-1', forcePathStyle: true };
  const open = async (): Promise<OpenedStorage> => {
    const bucket = randomUUID();
    const client = new S3Client({ ...place, credentials: { accessKeyId, secretAccessKey } });
    await client.send(new CreateBucketCommand({ Bucket: bucket }));
    client.destroy();
    return opened(() =>
      openStorage('s3', {
        driver: 's3',
        provider: 'minio',
        bucket,
        ...place,
        accessKeyId,
        secretAccessKey,
      }),
    );
  };
  describeStorageDriver('s3 on MinIO', open, { servesUrls: true });
}

if (gcsEndpoint) {
  const open = async (): Promise<OpenedStorage> => {
    const bucket = randomUUID();
    const projectId = 'emulator';
    await new GcsClient({ apiEndpoint: gcsEndpoint, projectId }).createBucket(bucket);
    return opened(() =>
      openStorage('gcs', { driver: 'gcs', bucket, projectId, apiEndpoint: gcsEndpoint }),
    );
  };
  // It verifies no signature, and nobody has a key to sign with.
  describeStorageDriver('gcs on fake-gcs-server', open, { servesUrls: false });
}

if (connectionString) {
  const open = async (): Promise<OpenedStorage> => {
    const container = randomUUID();
    await new ContainerClient(connectionString, container).create();
    return opened(() => openStorage('azure', { driver: 'azure', container, connectionString }));
  };
  describeStorageDriver('azure on Azurite', open, { servesUrls: true });
}
