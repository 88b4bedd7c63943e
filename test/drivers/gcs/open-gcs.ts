import { Storage as GcsClient } from '@google-cloud/storage';
import { parseRetryOptions, type RetryOptions } from '../../../lib/core/retry.js';
import type { StorageDriver } from '../../../lib/core/storage-driver.js';
import { createGcsDriver } from '../../../lib/drivers/gcs/gcs.driver.js';
import type { GcsStorageOptions } from '../../../lib/drivers/gcs/gcs.options.js';
import { type FaultProxy, startFaultProxy } from '../../../lib/testing/fault-proxy/index.js';
import {
  type GcsOperationName,
  type GcsServerOptions,
  type GcsTestServer,
  startGcsServer,
} from '../../../lib/testing/gcs-server/index.js';

export { randomBytes } from 'node:crypto';

export const MIB = 1024 ** 2;
/** The least chunk of a resumable upload. */
export const CHUNK = 256 * 1024;

export interface DriverOptions extends Partial<GcsStorageOptions> {
  retry?: RetryOptions;
  timeout?: number;
  concurrency?: number;
}

export interface OpenOptions extends DriverOptions {
  server?: GcsServerOptions;
}

export interface OpenGcs extends AsyncDisposable {
  readonly server: GcsTestServer;
  readonly driver: StorageDriver<GcsClient>;
  /** The operations that were asked of the server, tokens left out. */
  operations(): (GcsOperationName | undefined)[];
}

/** A server and a driver that speaks to it; retries come at once. */
export async function openGcs(options: OpenOptions = {}): Promise<OpenGcs> {
  const { server: serverOptions, ...driverOptions } = options;
  const server = await startGcsServer(serverOptions);
  const driver = await openDriver(server, driverOptions);
  return {
    server,
    driver,
    operations: () =>
      server.requests
        .map(({ operation }) => operation)
        .filter((operation) => operation !== 'auth.token'),
    async [Symbol.asyncDispose]() {
      await driver.close();
      await server.close();
    },
  };
}

export function openDriver(
  server: GcsTestServer,
  { retry, timeout, concurrency = 4, ...options }: DriverOptions = {},
): Promise<StorageDriver<GcsClient>> {
  return createGcsDriver(
    {
      bucket: 'bucket',
      ...(options.apiEndpoint === undefined && { client: clientOf(server) }),
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

export interface OpenProxied extends AsyncDisposable {
  readonly proxy: FaultProxy;
  readonly driver: StorageDriver<GcsClient>;
}

/** A driver behind a proxy, which can keep its requests waiting until something else has happened. */
export async function openProxied(
  server: GcsTestServer,
  options: Pick<DriverOptions, 'retry'> = {},
): Promise<OpenProxied> {
  const proxy = await startFaultProxy({ target: server.endpoint });
  const clientOptions = { ...server.clientOptions, apiEndpoint: proxy.endpoint };
  const client = clientOf({ ...server, clientOptions });
  const driver = await openDriver(server, { client, ...options });
  return {
    proxy,
    driver,
    async [Symbol.asyncDispose]() {
      await driver.close();
      await proxy.close();
    },
  };
}

/** The SDK's client. */
export function clientOf(server: Pick<GcsTestServer, 'clientOptions'>): GcsClient {
  return gcsClient(server.clientOptions);
}

/** The same by what it is made of. Newer versions of the SDK warn of the option `credentials`, so they are set afterwards. */
export function gcsClient({ credentials, ...options }: GcsTestServer['clientOptions']): GcsClient {
  const client = new GcsClient(options);
  client.authClient.jsonContent = credentials;
  return client;
}

export { chunks, listAll, ODD_KEYS, putOptions, read, signal } from '../driver-calls.js';

/** Resolves once so many requests for the operation have come. */
export function started(
  server: GcsTestServer,
  operation: GcsOperationName,
  count = 1,
): Promise<void> {
  return server.until(
    ({ requests }) => requests.filter((request) => request.operation === operation).length >= count,
  );
}

/**
 * What must hold at the very moment at which a write has failed: no session is left, and no request comes any more. The
 * server may still have to notice connections that were cut, with what was in their buffers.
 */
export async function expectNothingLeft(server: GcsTestServer): Promise<void> {
  expect(server.resumableSessions('bucket')).toEqual([]);
  const count = server.requests.length;
  await server.until(({ inFlight }) => inFlight === 0);
  expect(server.resumableSessions('bucket')).toEqual([]);
  expect(server.requests).toHaveLength(count);
}

/** The value of the only thing that the promise rejects with. */
export async function rejection(promise: Promise<unknown>): Promise<unknown> {
  const settled = await promise.then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  );
  if ('error' in settled) return settled.error;
  throw new Error('It did not reject');
}
