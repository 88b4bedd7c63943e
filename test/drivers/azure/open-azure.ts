import { randomUUID } from 'node:crypto';
import { ContainerClient } from '@azure/storage-blob';
import { StorageError } from '../../../lib/core/errors.js';
import { parseRetryOptions, type RetryOptions } from '../../../lib/core/retry.js';
import type { StorageDriver } from '../../../lib/core/storage-driver.js';
import { createAzureDriver } from '../../../lib/drivers/azure/azure.driver.js';
import type { AzureStorageOptions } from '../../../lib/drivers/azure/azure.options.js';
import { type Azurite, connectionString, startAzurite } from './azurite.js';
import { type FaultProxy, startFaultProxy } from '../../../lib/testing/fault-proxy/index.js';
import { isNewestSdk } from '../../conformance/sdk.js';
import { read, signal } from '../driver-calls.js';

export const MIB = 1024 ** 2;

export interface DriverOptions extends Partial<AzureStorageOptions> {
  retry?: RetryOptions;
  timeout?: number;
  concurrency?: number;
}

export interface OpenAzure extends AsyncDisposable {
  readonly proxy: FaultProxy;
  readonly driver: StorageDriver<ContainerClient>;
  readonly container: string;
  /** Past the proxy, for what is to be seen or done behind the driver's back. */
  readonly direct: ContainerClient;
  /** Somebody else with the same library. */
  readonly other: StorageDriver<ContainerClient>;
}

/** One emulator for the tests of a file; each of them opens a container of its own. */
export function useAzurite(): {
  readonly azurite: Azurite;
  readonly open: (options?: DriverOptions) => Promise<OpenAzure>;
} {
  let azurite: Azurite;
  beforeAll(async () => {
    azurite = await startAzurite();
  });
  afterAll(() => azurite[Symbol.asyncDispose]());
  return {
    get azurite() {
      return azurite;
    },
    open: (options) => openAzure(azurite, options),
  };
}

/** A driver behind a proxy; retries come at once. */
async function openAzure(azurite: Azurite, options: DriverOptions = {}): Promise<OpenAzure> {
  const proxy = await startFaultProxy({ target: new URL(azurite.endpoint).origin });
  const container = randomUUID();
  const direct = new ContainerClient(azurite.connectionString, container);
  await direct.create();
  const driver = await openDriver(
    options.client || options.accountUrl
      ? { container, ...options }
      : { container, connectionString: proxied(azurite, proxy), ...options },
  );
  const { connectionString } = azurite;
  const other = await openDriver({ container, connectionString });
  return {
    proxy,
    driver,
    container,
    direct,
    other,
    async [Symbol.asyncDispose]() {
      await driver.close();
      await other.close();
      await proxy[Symbol.asyncDispose]();
    },
  };
}

export function openDriver({
  retry,
  timeout,
  concurrency = 4,
  ...options
}: DriverOptions): Promise<StorageDriver<ContainerClient>> {
  // So that everything is tested on both: the engine "direct" knows no release of the SDK.
  const engine = isNewestSdk() ? 'direct' : 'sdk';
  return createAzureDriver({ engine, ...options } as AzureStorageOptions, {
    storage: 'files',
    retry: parseRetryOptions({ baseDelay: 1, ...retry }),
    concurrency,
    ...(timeout !== undefined && { timeout }),
  });
}

/** The emulator's account as it is behind the proxy. */
export function proxied(azurite: Azurite, proxy: FaultProxy): string {
  return connectionString(proxy.endpoint + new URL(azurite.endpoint).pathname);
}

export { chunks, listAll, ODD_KEYS, putOptions, read, signal } from '../driver-calls.js';

/** Compared as a whole: Jest would look at megabytes one by one. */
export async function expectStored(
  driver: StorageDriver,
  key: string,
  bytes: Uint8Array,
): Promise<void> {
  const stored = await readKey(driver, key);
  expect(stored.byteLength).toBe(bytes.byteLength);
  expect(stored.equals(bytes)).toBe(true);
}

export async function readKey(driver: StorageDriver, key: string): Promise<Buffer> {
  return read(await driver.get(key, { signal }));
}

/** The error with which it rejects, as it must. */
export async function rejected(promise: Promise<unknown>): Promise<StorageError> {
  const error = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(StorageError);
  return error as StorageError;
}

/** Resolves when it is so. Each look is a turn of the event loop later. */
export async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((resolve) => setImmediate(resolve));
}
