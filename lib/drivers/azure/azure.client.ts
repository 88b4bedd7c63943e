import {
  ContainerClient,
  type ContainerClientOptions,
  StorageSharedKeyCredential,
} from '@azure/storage-blob';
import { StorageConfigurationError } from '../../core/errors.js';
import { hideSecrets } from '../../core/known-secrets.js';
import type { DriverSettings } from '../../core/storage-driver.js';
import { type BufferPool, poolOf } from '../remote/buffer-pool.js';
import { assertEndpoint } from '../remote/endpoint-check.js';
import { openAgents } from '../remote/connecting-agents.js';
import { waitForCredentials } from '../remote/credential-wait.js';
import { proxiesOfEnvironment, proxyPasswords } from '../remote/proxies.js';
import { DirectEngine } from './azure.direct-engine.js';
import type { AzureEngine } from './azure.engine.js';
import { beforeSending } from './azure.errors.js';
import { accountUrlOf, assertOptions, secretsOf } from './azure.option-checks.js';
import type { AzureStorageOptions, AzureTokenCredential } from './azure.options.js';
import { SdkEngine } from './azure.sdk-engine.js';
import { openTransport } from './azure.transport.js';

const IDLE_TIMEOUT = 30_000;

/** The container, and what every part of the driver needs to talk to it. */
export interface AzureContainer {
  readonly client: ContainerClient;
  /** What makes the requests that are asked for often. */
  readonly engine: AzureEngine;
  readonly settings: DriverSettings;
  /** Memory of bodies that are read from streams. */
  readonly pool: BufferPool;
  /** Attempts after the first one; none on a client that was given, which makes its own. */
  readonly maxRetries: number;
  /** Whether requests go over connections of the driver's own; a client that was given has others. */
  readonly ownsConnections: boolean;
  /** What signed URLs are signed with: the account's key, or one that the service gives to whoever has a token. */
  readonly signsWith: 'accountKey' | 'delegationKey' | undefined;
  /** Frees the sockets, unless the client was given. */
  close(): void;
}

/** @throws StorageConfigurationError that says which option is wrong and what it should be. */
export async function openContainer(
  options: AzureStorageOptions,
  settings: DriverSettings,
): Promise<AzureContainer> {
  assertOptions(options);
  const pool = poolOf(settings.uploadMemory);
  if (options.client) {
    const { client } = options;
    const engine = new SdkEngine(client);
    const given = { maxRetries: 0, ownsConnections: false, close() {} };
    return { client, engine, settings, pool, signsWith: keyOf(client), ...given };
  }
  const idleTimeout = settings.timeout ?? IDLE_TIMEOUT;
  const agents = openAgents(options.maxSockets, settings.concurrency, idleTimeout);
  const forgetSecrets = hideSecrets([...secretsOf(options), ...proxyPasswords()]);
  const close = (): void => {
    agents.httpAgent.destroy();
    agents.httpsAgent.destroy();
    forgetSecrets();
  };
  try {
    const client = await createClient(options, idleTimeout, {
      httpClient: openTransport(agents, idleTimeout),
      // Repeated by one policy and not by two, one inside the other: azure.requests.ts has it.
      retryOptions: { maxTries: 1 },
      userAgentOptions: { userAgentPrefix: 'nestjs-storages' },
    });
    const engine =
      options.engine === 'sdk' || isProxied(options.connectionString)
        ? new SdkEngine(client)
        : new DirectEngine(client, { agents, idleTimeout });
    const own = { maxRetries: settings.retry.maxRetries, ownsConnections: true, close };
    return { client, engine, settings, pool, signsWith: keyOf(client), ...own };
  } catch (error) {
    close();
    throw error;
  }
}

async function createClient(
  options: AzureStorageOptions,
  idleTimeout: number,
  pipeline: ContainerClientOptions,
): Promise<ContainerClient> {
  const { container, connectionString, accountName, accountKey, sasToken } = options;
  if (connectionString !== undefined) {
    let client: ContainerClient;
    try {
      client = new ContainerClient(connectionString, container, pipeline);
    } catch {
      // The SDK's own words may repeat parts of the string.
      throw new StorageConfigurationError(
        'connectionString is not one: it needs AccountName with AccountKey, or BlobEndpoint with SharedAccessSignature',
      );
    }
    assertEndpoint('The endpoint of connectionString', client.url, options.allowInsecureEndpoint);
    return client;
  }
  const url = `${accountUrlOf(options)}/${container}`;
  if (accountKey !== undefined) {
    return new ContainerClient(
      url,
      new StorageSharedKeyCredential(accountName!, accountKey),
      pipeline,
    );
  }
  if (sasToken !== undefined) {
    return new ContainerClient(`${url}?${sasToken.replace('?', '')}`, undefined, pipeline);
  }
  if (new URL(url).protocol !== 'https:') {
    throw new StorageConfigurationError(
      'accountUrl must be an https URL: tokens of a credential are not sent over a wire that anybody can read',
    );
  }
  const credential = options.credential ?? (await defaultCredential());
  return new ContainerClient(url, limited(credential, idleTimeout), pipeline);
}

/** The SDK waits for a token without end, and lets every other call wait for the same one: no call's own abort may end it. */
function limited(credential: AzureTokenCredential, idleTimeout: number): AzureTokenCredential {
  const { signal } = new AbortController();
  return {
    getToken: (scopes, tokenOptions) =>
      waitForCredentials(idleTimeout, 'for the container', signal, () =>
        credential.getToken(scopes, tokenOptions),
      ).catch((error: unknown) => {
        throw beforeSending(error);
      }),
  };
}

/**
 * Whether the environment names a proxy, or the connection string does, of an emulator. It is the SDK that knows how to use it,
 * and for which hosts it is not meant.
 */
function isProxied(connectionString = ''): boolean {
  if (/DevelopmentStorageProxyUri=/i.test(connectionString)) return true;
  return proxiesOfEnvironment().length > 0;
}

/** Told by what they can do: a client of one's own may come from another copy of the SDK. */
function keyOf({ credential }: ContainerClient): AzureContainer['signsWith'] {
  if ('computeHMACSHA256' in credential) return 'accountKey';
  return 'getToken' in credential ? 'delegationKey' : undefined;
}

async function defaultCredential(): Promise<AzureTokenCredential> {
  try {
    const { DefaultAzureCredential } = await import('@azure/identity');
    return new DefaultAzureCredential();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const missing = code === 'ERR_MODULE_NOT_FOUND' || code === 'MODULE_NOT_FOUND';
    throw new StorageConfigurationError(
      missing
        ? 'No credentials are given, and the package that finds them is not installed: npm install @azure/identity'
        : 'No credentials are given, and DefaultAzureCredential of @azure/identity could not be made',
      { cause: error },
    );
  }
}
