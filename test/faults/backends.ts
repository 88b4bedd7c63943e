import { randomUUID } from 'node:crypto';
import { ContainerClient } from '@azure/storage-blob';
import type { Storage } from '../../lib/core/storage.js';
import type { StorageConfiguration } from '../../lib/drivers/driver-options.js';
import { openStorage } from '../../lib/drivers/open-storage.js';
import { type ServiceDialect, startFaultProxy } from '../../lib/testing/fault-proxy/index.js';
import type { FaultProxy } from '../../lib/testing/fault-proxy/index.js';
import { startGcsServer } from '../../lib/testing/gcs-server/index.js';
import { startS3Server } from '../../lib/testing/s3-server/index.js';
import { connectionString, startAzurite } from '../drivers/azure/azurite.js';
import { clientOf } from '../drivers/gcs/open-gcs.js';

/** A service, and ways to it. */
export interface FaultedBackend extends AsyncDisposable {
  readonly dialect: ServiceDialect;
  /** Bytes of the least part. */
  readonly partSize: number;
  /** Whether a download that breaks off goes on by itself. */
  readonly resumesDownloads: boolean;
  /** What is given out as the address of the service. */
  readonly target: string;
  /** A storage that reaches the service at the address. @param prefix of its own */
  connect(endpoint: string, prefix: string, options: ConnectOptions): Promise<Storage>;
  /** Names of all that is stored below the prefix, staged files among them. */
  objects(prefix: string): Promise<string[]>;
  /** Keys of uploads below the prefix that are neither completed nor aborted, where the service can tell them. */
  unfinished(prefix: string): string[];
  /** Whether the request begins an upload, of which nobody knows if its answer is lost. */
  startsUpload(method: string, url: string): boolean;
}

export type ConnectOptions = Pick<StorageConfiguration, 'retry' | 'timeout' | 'totalTimeout'> & {
  maxSockets?: number;
};

export interface Faulted extends AsyncDisposable {
  readonly proxy: FaultProxy;
  /** Through the proxy. */
  readonly storage: Storage;
  /** Past it. */
  readonly direct: Storage;
}

/** Two storages in the same place of the service, one of them behind a proxy of its own. */
export async function openFaulted(
  backend: FaultedBackend,
  prefix: string,
  options: ConnectOptions,
): Promise<Faulted> {
  const proxy = await startFaultProxy({ target: backend.target });
  const storage = await backend.connect(proxy.endpoint, prefix, options);
  const direct = await backend.connect(backend.target, prefix, {});
  return {
    proxy,
    storage,
    direct,
    async [Symbol.asyncDispose]() {
      await storage.close();
      await direct.close();
      await proxy.close();
    },
  };
}

async function s3(): Promise<FaultedBackend> {
  const server = await startS3Server({ defaultChecksum: 'none' });
  return {
    dialect: 's3',
    resumesDownloads: false,
    partSize: 5 * 1024 ** 2,
    target: server.endpoint,
    connect: (endpoint, prefix, options) =>
      openStorage('s3', {
        driver: 's3',
        provider: 'aws',
        bucket: 'bucket',
        forcePathStyle: true,
        region: server.region,
        ...server.credentials,
        endpoint,
        prefix,
        ...options,
      }),
    objects: async (prefix) => below(prefix, server.objects('bucket').keys()),
    unfinished: (prefix) =>
      below(
        prefix,
        server.multipartUploads('bucket').map(({ key }) => key),
      ),
    startsUpload: (method, url) => method === 'POST' && /[?&]uploads\b/.test(url),
    [Symbol.asyncDispose]: () => server.close(),
  };
}

async function gcs(): Promise<FaultedBackend> {
  const server = await startGcsServer();
  return {
    dialect: 'gcs',
    resumesDownloads: false,
    partSize: 256 * 1024,
    target: server.endpoint,
    connect: (apiEndpoint, prefix, options) => {
      const clientOptions = { ...server.clientOptions, apiEndpoint };
      const client = clientOf({ ...server, clientOptions });
      return openStorage('gcs', { driver: 'gcs', bucket: 'bucket', client, prefix, ...options });
    },
    objects: async (prefix) => below(prefix, server.objects('bucket').keys()),
    unfinished: (prefix) =>
      below(
        prefix,
        server.resumableSessions('bucket').map(({ key }) => key),
      ),
    startsUpload: (method, url) => method === 'POST' && /uploadType=resumable/.test(url),
    [Symbol.asyncDispose]: () => server.close(),
  };
}

async function azure(): Promise<FaultedBackend> {
  const azurite = await startAzurite();
  const container = randomUUID();
  const client = new ContainerClient(azurite.connectionString, container);
  await client.create();
  return {
    dialect: 'azure',
    resumesDownloads: true,
    partSize: 256 * 1024,
    target: azurite.endpoint,
    connect: (endpoint, prefix, options) =>
      openStorage('azure', {
        driver: 'azure',
        container,
        connectionString: connectionString(endpoint),
        prefix,
        ...options,
      }),
    async objects(prefix) {
      const names: string[] = [];
      for await (const { name } of client.listBlobsFlat({ prefix })) names.push(name);
      return names;
    },
    // Blocks that were never committed cannot be taken back: Azure itself drops them after a week.
    unfinished: () => [],
    startsUpload: () => false,
    [Symbol.asyncDispose]: () => azurite[Symbol.asyncDispose](),
  };
}

/** Every service that is reached over a network. */
export const FAULTED_BACKENDS = { s3, gcs, azure };

function below(prefix: string, names: Iterable<string>): string[] {
  return [...names].filter((name) => name.startsWith(prefix));
}
