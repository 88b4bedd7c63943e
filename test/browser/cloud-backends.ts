import { ContainerClient } from '@azure/storage-blob';
import { startGcsServer } from '../../lib/testing/gcs-server/index.js';
import { startS3Server } from '../../lib/testing/s3-server/index.js';
import { startAzurite } from '../drivers/azure/azurite.js';

/** A server that the gallery can keep its photos on. */
export interface CloudBackend extends AsyncDisposable {
  /** What leads the gallery there. */
  readonly environment: Readonly<Record<string, string>>;
  /** What the gallery says of it. */
  readonly description: string;
  /** Files that are stored there. */
  count(): Promise<number>;
}

export const CLOUD_BACKENDS: Readonly<Record<string, () => Promise<CloudBackend>>> = {
  async s3() {
    const server = await startS3Server({ buckets: ['photos'] });
    return {
      environment: {
        S3_BUCKET: 'photos',
        S3_ENDPOINT: server.endpoint,
        S3_REGION: server.region,
        AWS_ACCESS_KEY_ID: server.credentials.accessKeyId,
        AWS_SECRET_ACCESS_KEY: server.credentials.secretAccessKey,
      },
      description: `the bucket photos at ${new URL(server.endpoint).host}`,
      count: () => Promise.resolve(server.objects('photos').size),
      [Symbol.asyncDispose]: () => server.close(),
    };
  },

  async gcs() {
    const server = await startGcsServer({ buckets: ['photos'], anonymous: true });
    return {
      environment: { GCS_BUCKET: 'photos', GCS_ENDPOINT: server.endpoint },
      description: 'the bucket photos at Google Cloud Storage',
      count: () => Promise.resolve(server.objects('photos').size),
      [Symbol.asyncDispose]: () => server.close(),
    };
  },

  async azure() {
    const azurite = await startAzurite();
    const container = new ContainerClient(azurite.connectionString, 'photos');
    await container.create();
    return {
      environment: {
        AZURE_CONTAINER: 'photos',
        AZURE_STORAGE_CONNECTION_STRING: azurite.connectionString,
      },
      description: 'the container photos at Azure',
      async count() {
        let count = 0;
        for await (const _ of container.listBlobsFlat()) count++;
        return count;
      },
      [Symbol.asyncDispose]: () => azurite[Symbol.asyncDispose](),
    };
  },
};
