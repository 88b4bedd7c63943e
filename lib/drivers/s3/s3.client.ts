import { S3Client, type S3ClientConfig } from '@aws-sdk/client-s3';
import { StorageConfigurationError } from '../../core/errors.js';
import { hideSecrets } from '../../core/known-secrets.js';
import type { DriverSettings } from '../../core/storage-driver.js';
import { type BufferPool, poolOf } from '../remote/buffer-pool.js';
import { openAgents } from '../remote/connecting-agents.js';
import { DirectEngine } from './s3.direct-engine.js';
import { locate, type S3Location } from './s3.endpoints.js';
import { toStorageError } from './s3.errors.js';
import { assertOptions, parseCredentials } from './s3.option-checks.js';
import type { S3StorageOptions } from './s3.options.js';
import type { S3Profile } from './s3.profiles.js';
import type { S3Engine } from './s3.requests.js';
import { retryStrategy } from './s3.retry.js';
import { SdkEngine } from './s3.sdk-engine.js';

const IDLE_TIMEOUT = 30_000;

/** The bucket, and what every part of the driver needs to talk to it. */
export interface S3Bucket {
  readonly client: S3Client;
  /** What sends the calls. */
  readonly engine: S3Engine;
  readonly bucket: string;
  readonly profile: S3Profile;
  readonly settings: DriverSettings;
  /** Memory of bodies that are read from streams. */
  readonly pool: BufferPool;
  /** Milliseconds without a byte after which a connection of ours is given up; none on a client that was given. */
  readonly idleTimeout: number | undefined;
  /** Bytes above which a copy goes in parts. */
  readonly copyThreshold: number;
  /** Frees the client and its sockets, unless it was given. */
  close(): void;
}

/** @throws StorageConfigurationError that says which option is wrong and what it should be. */
export async function openBucket(
  options: S3StorageOptions,
  settings: DriverSettings,
): Promise<S3Bucket> {
  assertOptions(options);
  const { bucket, client, multipartCopyThreshold } = options;
  const location = locate(options);
  const { profile } = location;
  const copyLimit = 5 * 1024 ** 3;
  const shared = {
    bucket,
    profile,
    settings,
    pool: poolOf(settings.uploadMemory),
    copyThreshold: profile.multipartCopy
      ? Math.min(multipartCopyThreshold ?? copyLimit, copyLimit)
      : Number.POSITIVE_INFINITY,
  };
  if (client) {
    return { ...shared, client, engine: new SdkEngine(client), idleTimeout: undefined, close() {} };
  }
  const opened = { ...shared, ...createClient(options, location, settings) };
  try {
    await opened.client.config.region();
  } catch (error) {
    opened.close();
    throw new StorageConfigurationError(
      'region is missing: set it to that of the bucket, or AWS_REGION in the environment',
      { cause: toStorageError(error).cause },
    );
  }
  return opened;
}

function createClient(
  options: S3StorageOptions,
  { endpoint, region, pathStyle }: S3Location,
  settings: DriverSettings,
): Pick<S3Bucket, 'client' | 'engine' | 'idleTimeout' | 'close'> {
  const credentials = parseCredentials(options);
  const { concurrency, retry, timeout } = settings;
  const idleTimeout = timeout ?? IDLE_TIMEOUT;
  const { httpAgent, httpsAgent } = openAgents(options.maxSockets, concurrency, idleTimeout);
  const config: S3ClientConfig = {
    ...(region !== undefined && { region }),
    ...(endpoint !== undefined && { endpoint }),
    ...(credentials && { credentials }),
    forcePathStyle: pathStyle,
    // Each request says which checksum it wants, where the service takes one. Left to itself the SDK also sends that of
    // an empty body with a GET of a range.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    followRegionRedirects: false,
    maxAttempts: retry.maxRetries + 1,
    retryStrategy: retryStrategy(retry),
    // Idle time of the socket. The SDK's requestTimeout counts from the start of the request: it would cut slow uploads.
    requestHandler: { httpAgent, httpsAgent, socketTimeout: idleTimeout },
  };
  const client = new S3Client(config);
  const sdk = new SdkEngine(client, idleTimeout);
  const forgetSecrets = hideSecrets([credentials?.secretAccessKey, credentials?.sessionToken]);
  return {
    client,
    engine:
      options.engine === 'sdk'
        ? sdk
        : new DirectEngine({
            client,
            bucket: options.bucket,
            connections: { agents: { httpAgent, httpsAgent }, idleTimeout },
            retry,
            rest: sdk,
          }),
    idleTimeout,
    close() {
      client.destroy();
      httpAgent.destroy();
      httpsAgent.destroy();
      forgetSecrets();
    },
  };
}
