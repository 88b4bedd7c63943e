import { Storage, type Storage as GcsClient } from '@google-cloud/storage';
import { hideSecrets } from '../../core/known-secrets.js';
import type { DriverSettings } from '../../core/storage-driver.js';
import { type BufferPool, poolOf } from '../remote/buffer-pool.js';
import { type ConnectionAgents, openAgents } from '../remote/connecting-agents.js';
import { proxyPasswords } from '../remote/proxies.js';
import { Authorization } from './gcs.authorization.js';
import { assertOptions, readCredentials, secretsOf } from './gcs.option-checks.js';
import type { GcsCredentials, GcsStorageOptions } from './gcs.options.js';

const IDLE_TIMEOUT = 30_000;

/** The bucket, and what every part of the driver needs to talk to it. */
export interface GcsBucket {
  readonly client: GcsClient;
  readonly name: string;
  /** Base URL of the JSON API's host, without a slash at its end: the SDK takes that away. */
  readonly endpoint: string;
  readonly authorization: Authorization;
  readonly agents: ConnectionAgents;
  readonly settings: DriverSettings;
  /** Memory of bodies that are read from streams. */
  readonly pool: BufferPool;
  /** Milliseconds without a byte after which a request is given up. */
  readonly idleTimeout: number;
  /** Frees the sockets. */
  close(): void;
}

/** @throws StorageConfigurationError that says which option is wrong and what it should be. */
export async function openBucket(
  options: GcsStorageOptions,
  settings: DriverSettings,
): Promise<GcsBucket> {
  assertOptions(options);
  const idleTimeout = settings.timeout ?? IDLE_TIMEOUT;
  const credentials = await readCredentials(options);
  const client = options.client ?? createClient(options, credentials, idleTimeout);
  const forgetSecrets = hideSecrets([...secretsOf(credentials), ...proxyPasswords()]);
  const agents = openAgents(options.maxSockets, settings.concurrency, idleTimeout);
  return {
    client,
    name: options.bucket,
    endpoint: client.apiEndpoint,
    authorization: new Authorization(client, options.client === undefined),
    agents,
    settings,
    pool: poolOf(settings.uploadMemory),
    idleTimeout,
    close() {
      agents.httpAgent.destroy();
      agents.httpsAgent.destroy();
      forgetSecrets();
    },
  };
}

function createClient(
  { projectId, apiEndpoint }: GcsStorageOptions,
  credentials: GcsCredentials | undefined,
  idleTimeout: number,
): GcsClient {
  const client = new Storage({
    ...(projectId !== undefined && { projectId }),
    ...(apiEndpoint !== undefined && {
      apiEndpoint,
      useAuthWithCustomEndpoint: credentials !== undefined || apiEndpoint.startsWith('https:'),
    }),
    retryOptions: { autoRetry: false },
    // Whoever needs a token waits for the request that is under way for one: it must not hang for ever.
    clientOptions: { transporterOptions: { timeout: idleTimeout } },
  });
  // Not by the SDK's own option: its newer versions write a warning to the console for each client that is given one.
  if (credentials) client.authClient.jsonContent = credentials;
  return client;
}
