import { ContainerClient } from '@azure/storage-blob';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseRetryOptions } from '../../lib/core/retry.js';
import type { StorageDriver } from '../../lib/core/storage-driver.js';
import { createAzureDriver } from '../../lib/drivers/azure/azure.driver.js';
import { createGcsDriver } from '../../lib/drivers/gcs/gcs.driver.js';
import { createLocalDriver } from '../../lib/drivers/local/local.driver.js';
import { createMemoryDriver } from '../../lib/drivers/memory/memory.driver.js';
import { createS3Driver } from '../../lib/drivers/s3/s3.driver.js';
import { startGcsServer } from '../../lib/testing/gcs-server/index.js';
import { startS3Server } from '../../lib/testing/s3-server/index.js';
import { startAzurite } from '../drivers/azure/azurite.js';
import { clientOf } from '../drivers/gcs/open-gcs.js';

/** A backend that can tell everything that is left on it, not only what a listing shows. */
export interface UploadBackend {
  readonly driver: StorageDriver;
  /** Objects, staged files among them. */
  objects(): Promise<string[]>;
  /** Temporary files and multipart uploads. */
  unfinished(): Promise<string[]>;
  /** Has the service refuse to complete what is written in parts under such keys; absent where nobody can ask for it. */
  failsToComplete?(key: RegExp): void;
  close(): Promise<void>;
}

const settings = {
  storage: 'uploads',
  retry: parseRetryOptions({ maxRetries: 0 }),
  concurrency: 4,
};

async function memory(): Promise<UploadBackend> {
  const driver = await createMemoryDriver({}, settings);
  return { driver, objects: () => listed(driver), unfinished: async () => [], async close() {} };
}

async function local(): Promise<UploadBackend> {
  const root = await mkdtemp(join(tmpdir(), 'nestjs-storages-uploads-'));
  const driver = await createLocalDriver({ root, durability: 'none' }, settings);
  const files = async (): Promise<string[]> => {
    const entries = await readdir(root, { recursive: true, withFileTypes: true });
    return (
      entries
        // The record of who holds the locks stays as long as the driver is open.
        .filter((entry) => entry.isFile() && entry.name !== 'owner')
        .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1))
    );
  };
  const before = new Set(await files());
  return {
    driver,
    objects: () => listed(driver),
    async unfinished() {
      const objects = new Set(await listed(driver));
      const left = await files();
      // Each object has its bytes and its metadata. The record of the driver, which takes locks, is there until it is closed: that was
      // done by an earlier app.
      return left.filter(
        (file) => !before.has(file) && !file.endsWith('/owner') && objects.size === 0,
      );
    },
    close: () => rm(root, { recursive: true, force: true }),
  };
}

async function s3(): Promise<UploadBackend> {
  const server = await startS3Server({ defaultChecksum: 'none' });
  const options = {
    bucket: 'bucket',
    region: server.region,
    endpoint: server.endpoint,
    provider: 'aws',
    forcePathStyle: true,
    ...server.credentials,
  } as const;
  return {
    driver: await createS3Driver(options, settings),
    objects: async () => [...server.objects('bucket').keys()],
    async unfinished() {
      await endOfRequests(server);
      return server.multipartUploads('bucket').map(({ key }) => key);
    },
    failsToComplete(key) {
      const effect = { status: 500, code: 'InternalError' };
      server.fail({ operation: 'CompleteMultipartUpload', key, times: Infinity, with: effect });
    },
    close: () => server.close(),
  };
}

async function gcs(): Promise<UploadBackend> {
  const server = await startGcsServer();
  const client = clientOf(server);
  return {
    driver: await createGcsDriver({ bucket: 'bucket', client }, settings),
    objects: async () => [...server.objects('bucket').keys()],
    async unfinished() {
      await endOfRequests(server);
      return server.resumableSessions('bucket').map(({ key }) => key);
    },
    failsToComplete(key) {
      const effect = { status: 503, reason: 'backendError' };
      // The last chunk completes.
      server.fail({ operation: 'resumable.upload', key, after: 1, times: Infinity, with: effect });
    },
    close: () => server.close(),
  };
}

async function azure(): Promise<UploadBackend> {
  const azurite = await startAzurite();
  const { connectionString } = azurite;
  const container = new ContainerClient(connectionString, 'uploads');
  await container.create();
  const driver = await createAzureDriver({ container: 'uploads', connectionString }, settings);
  return {
    driver,
    objects: () => listed(driver),
    // Blocks that were never committed cannot be taken back: Azure itself drops them after a week.
    unfinished: async () => [],
    async close() {
      await azurite[Symbol.asyncDispose]();
    },
  };
}

/** Every backend that uploads are tested on. */
export const UPLOAD_BACKENDS = { memory, local, s3, gcs, azure };

/** The server learns of a connection that was cut a little after the one who cut it. */
async function endOfRequests(server: {
  until(condition: (now: { inFlight: number }) => boolean): Promise<void>;
}): Promise<void> {
  await server.until(({ inFlight }) => inFlight === 0);
}

async function listed(driver: StorageDriver): Promise<string[]> {
  const keys: string[] = [];
  const { signal } = new AbortController();
  for await (const { files } of driver.list({ prefix: '', pageSize: 1000, signal })) {
    keys.push(...files.map(({ key }) => key));
  }
  return keys;
}
