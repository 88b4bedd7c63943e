import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { BlockList, isIP } from 'node:net';
import type { Duplex } from 'node:stream';
import { S3Client, type S3ClientConfig } from '@aws-sdk/client-s3';
import { StorageConfigurationError } from '../../core/errors.js';
import type { DriverSettings } from '../../core/storage-driver.js';
import type { S3StorageOptions } from './s3.options.js';
import { providerOf, regionOf, S3_PROFILES, type S3Profile } from './s3.profiles.js';
import { retryStrategy } from './s3.retry.js';

const CONNECT_TIMEOUT = 5000;
const IDLE_TIMEOUT = 30_000;

/** The bucket, and what every part of the driver needs to talk to it. */
export interface S3Bucket {
  readonly client: S3Client;
  readonly bucket: string;
  readonly profile: S3Profile;
  readonly settings: DriverSettings;
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
  const { bucket, endpoint, provider, client, multipartCopyThreshold } = options;
  if (typeof bucket !== 'string' || bucket === '') {
    throw new StorageConfigurationError('bucket is missing: set it to the name of the S3 bucket');
  }
  if (endpoint !== undefined) assertEndpoint(endpoint);
  if (provider !== undefined && !Object.hasOwn(S3_PROFILES, provider)) {
    throw new StorageConfigurationError(
      `provider must be one of ${Object.keys(S3_PROFILES).join(', ')}, not ${JSON.stringify(provider)}`,
    );
  }
  const profile = S3_PROFILES[provider ?? providerOf(endpoint)];
  const copyLimit = 5 * 1024 ** 3;
  const shared = {
    bucket,
    profile,
    settings,
    copyThreshold: profile.multipartCopy
      ? Math.min(multipartCopyThreshold ?? copyLimit, copyLimit)
      : Number.POSITIVE_INFINITY,
  };
  if (client) return { ...shared, client, idleTimeout: undefined, close() {} };
  const opened = { ...shared, ...createClient(options, profile, settings) };
  try {
    await opened.client.config.region();
  } catch (error) {
    opened.close();
    throw new StorageConfigurationError(
      'region is missing: set it to that of the bucket, or AWS_REGION in the environment',
      { cause: error },
    );
  }
  return opened;
}

function createClient(
  options: S3StorageOptions,
  profile: S3Profile,
  settings: DriverSettings,
): Pick<S3Bucket, 'client' | 'idleTimeout' | 'close'> {
  const { endpoint, forcePathStyle } = options;
  const region = options.region ?? (endpoint && regionOf(endpoint)) ?? profile.region;
  const credentials = parseCredentials(options);
  const { concurrency, retry, timeout } = settings;
  const idleTimeout = timeout ?? IDLE_TIMEOUT;
  const maxSockets = options.maxSockets ?? Math.max(256, 4 * concurrency);
  const httpAgent = new ConnectingHttpAgent({ keepAlive: true, maxSockets });
  const httpsAgent = new ConnectingHttpsAgent({ keepAlive: true, maxSockets });
  const config: S3ClientConfig = {
    ...(region !== undefined && { region }),
    ...(endpoint !== undefined && { endpoint }),
    ...(credentials && { credentials }),
    forcePathStyle: forcePathStyle ?? profile.pathStyle,
    // Each request says which checksum it wants, where the service takes one. Left to itself the SDK also sends that of
    // an empty body with a GET of a range.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    // The SDK opens a connection of its own for each request that carries it.
    expectContinueHeader: false,
    followRegionRedirects: false,
    maxAttempts: retry.maxRetries + 1,
    retryStrategy: retryStrategy(retry),
    // Idle time of the socket. The SDK's requestTimeout counts from the start of the request: it would cut slow uploads.
    requestHandler: { httpAgent, httpsAgent, socketTimeout: idleTimeout },
  };
  const client = new S3Client(config);
  return {
    client,
    idleTimeout,
    close() {
      client.destroy();
      httpAgent.destroy();
      httpsAgent.destroy();
    },
  };
}

function parseCredentials(
  options: S3StorageOptions,
): { accessKeyId: string; secretAccessKey: string; sessionToken?: string } | undefined {
  const { accessKeyId, secretAccessKey, sessionToken } = options;
  if (accessKeyId && secretAccessKey) {
    return { accessKeyId, secretAccessKey, ...(sessionToken && { sessionToken }) };
  }
  const given = [accessKeyId, secretAccessKey, sessionToken].some((part) => part !== undefined);
  if (!given) return undefined;
  throw new StorageConfigurationError(
    `${accessKeyId ? 'secretAccessKey' : 'accessKeyId'} is missing: set both accessKeyId and secretAccessKey, or leave ` +
      'all credentials out to take them from the default chain of the AWS SDK',
  );
}

/** The endpoint is configuration, but it may come from a tenant's form: it must not reach the machine's own secrets. */
function assertEndpoint(endpoint: string): void {
  const url = URL.canParse(endpoint) ? new URL(endpoint) : undefined;
  if (!url || (url.protocol !== 'https:' && url.protocol !== 'http:')) {
    throw new StorageConfigurationError(
      'endpoint must be an http or https URL such as "https://s3.example.com"',
    );
  }
  if (url.username || url.password) {
    throw new StorageConfigurationError(
      'endpoint must not hold credentials: use accessKeyId and secretAccessKey',
    );
  }
  if (url.search || url.hash) {
    throw new StorageConfigurationError('endpoint must not have a query or a fragment');
  }
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const family = isIP(host);
  const metadata =
    host === 'metadata.google.internal' ||
    (family !== 0 && METADATA_ADDRESSES.check(host, family === 6 ? 'ipv6' : 'ipv4'));
  if (metadata) {
    throw new StorageConfigurationError(
      'endpoint is a link-local or metadata address, which no S3 service has',
    );
  }
}

const METADATA_ADDRESSES = new BlockList();
METADATA_ADDRESSES.addSubnet('169.254.0.0', 16);
METADATA_ADDRESSES.addSubnet('fe80::', 10, 'ipv6');
METADATA_ADDRESSES.addAddress('fd00:ec2::254', 'ipv6');
METADATA_ADDRESSES.addAddress('100.100.100.200');

// The SDK's connectionTimeout also counts the time that a request waits for a free socket, so that a thousand calls at
// once would fail on a healthy network. These agents time the connection itself.
class ConnectingHttpAgent extends HttpAgent {
  override createConnection(
    ...[options, callback]: Parameters<HttpAgent['createConnection']>
  ): ReturnType<HttpAgent['createConnection']> {
    return limitConnecting(super.createConnection(options, callback), 'connect');
  }
}

class ConnectingHttpsAgent extends HttpsAgent {
  override createConnection(
    ...[options, callback]: Parameters<HttpsAgent['createConnection']>
  ): ReturnType<HttpsAgent['createConnection']> {
    return limitConnecting(super.createConnection(options, callback), 'secureConnect');
  }
}

function limitConnecting<Socket extends Duplex | null | undefined>(
  socket: Socket,
  connected: 'connect' | 'secureConnect',
): Socket {
  if (!socket) return socket;
  const timer = setTimeout(() => {
    socket.destroy(
      Object.assign(new Error(`No connection within ${CONNECT_TIMEOUT} ms`), { code: 'ETIMEDOUT' }),
    );
  }, CONNECT_TIMEOUT);
  const stop = (): void => clearTimeout(timer);
  socket.once(connected, stop).once('close', stop);
  return socket;
}
