import type { RetryOptions } from '../../../lib/core/retry.js';
import { parseRetryOptions } from '../../../lib/core/retry.js';
import type { StorageDriver } from '../../../lib/core/storage-driver.js';
import type { StoredFile } from '../../../lib/core/stored-file.js';
import { createS3Driver } from '../../../lib/drivers/s3/s3.driver.js';
import type { S3StorageOptions } from '../../../lib/drivers/s3/s3.options.js';
import {
  type S3ServerOptions,
  type S3TestServer,
  startS3Server,
} from '../../../lib/testing/s3-server/index.js';
import type { S3Client } from '@aws-sdk/client-s3';

export { randomBytes } from 'node:crypto';

export const MIB = 1024 ** 2;
/** The least part that S3 takes. */
export const PART = 5 * MIB;

export interface DriverOptions extends Partial<S3StorageOptions> {
  retry?: RetryOptions;
  timeout?: number;
  concurrency?: number;
}

export interface OpenOptions extends DriverOptions {
  server?: S3ServerOptions;
}

export interface OpenS3 extends AsyncDisposable {
  readonly server: S3TestServer;
  readonly driver: StorageDriver<S3Client>;
}

/** A server and a driver that speaks to it; retries come at once. */
export async function openS3(options: OpenOptions = {}): Promise<OpenS3> {
  const { server: serverOptions, ...driverOptions } = options;
  const server = await startS3Server({ defaultChecksum: 'none', ...serverOptions });
  const driver = await openDriver(server, driverOptions);
  return {
    server,
    driver,
    async [Symbol.asyncDispose]() {
      await driver.close();
      await server.close();
    },
  };
}

export function openDriver(
  server: S3TestServer,
  { retry, timeout, concurrency = 4, ...options }: DriverOptions = {},
): Promise<StorageDriver<S3Client>> {
  return createS3Driver(
    {
      bucket: 'bucket',
      endpoint: server.endpoint,
      region: server.region,
      accessKeyId: server.credentials.accessKeyId,
      secretAccessKey: server.credentials.secretAccessKey,
      provider: 'aws',
      forcePathStyle: true,
      ...options,
    },
    {
      storage: 'files',
      retry: parseRetryOptions({ baseDelay: 1, ...retry }),
      concurrency,
      ...(timeout !== undefined && { timeout }),
    },
  );
}

export { chunks, listAll, ODD_KEYS, putOptions, read, signal } from '../driver-calls.js';

/** The same, but for the time that a put in one request tells: that of the answer, which is not before the file's. */
export function expectSameFile(put: StoredFile, info: StoredFile): void {
  const later = put.lastModified!.getTime() - info.lastModified!.getTime();
  expect(later).toBeGreaterThanOrEqual(0);
  expect(later).toBeLessThanOrEqual(2000);
  expect({ ...put, lastModified: undefined }).toEqual({ ...info, lastModified: undefined });
}
