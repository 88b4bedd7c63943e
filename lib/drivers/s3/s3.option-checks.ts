import { StorageConfigurationError } from '../../core/errors.js';
import { assertEndpoint } from '../remote/endpoint-check.js';
import {
  assertChecked,
  type Check,
  type Checks,
  CONNECTIONS,
  FLAG,
  isCount,
} from '../remote/option-checks.js';
import type { S3StorageOptions } from './s3.options.js';
import { S3_PROFILES } from './s3.profiles.js';

const CREDENTIAL: Check = [
  'a string without line breaks or other control characters',
  (value) => typeof value === 'string' && !/[\u0000-\u001F\u007F]/.test(value),
];

/** What an option must be, where it is given. */
const CHECKS: Checks<S3StorageOptions> = {
  region: [
    'the name of a region such as "eu-central-1"',
    (value) => typeof value === 'string' && /^[\w.-]+$/.test(value),
  ],
  accountId: [
    'a name of letters, digits and hyphens',
    (value) => typeof value === 'string' && /^[a-z\d](?:[a-z\d-]*[a-z\d])?$/i.test(value),
  ],
  accessKeyId: CREDENTIAL,
  secretAccessKey: CREDENTIAL,
  sessionToken: CREDENTIAL,
  forcePathStyle: FLAG,
  allowInsecureEndpoint: FLAG,
  engine: ['"direct" or "sdk"', (value) => value === 'direct' || value === 'sdk'],
  maxSockets: CONNECTIONS,
  multipartCopyThreshold: ['a whole number of bytes, at least 1', isCount],
  client: [
    'an S3Client of @aws-sdk/client-s3',
    (value) =>
      typeof value === 'object' &&
      value !== null &&
      'send' in value &&
      typeof value.send === 'function',
  ],
};

/** @throws StorageConfigurationError that says which option is wrong and what it should be. */
export function assertOptions(options: S3StorageOptions): void {
  const { bucket, endpoint, provider, allowInsecureEndpoint } = options;
  if (typeof bucket !== 'string' || bucket === '') {
    throw new StorageConfigurationError('bucket is missing: set it to the name of the S3 bucket');
  }
  if (bucket === '.' || bucket === '..') {
    throw new StorageConfigurationError('bucket must be a name: as a path "." and ".." are others');
  }
  // The ARN of an access point has slashes.
  if (!/^(?:arn:\S+|[^\s/]+)$/.test(bucket)) {
    throw new StorageConfigurationError(
      'bucket must be the name of a bucket such as "media", without scheme, path and blanks: a folder in it is the prefix',
    );
  }
  if (provider !== undefined && !Object.hasOwn(S3_PROFILES, provider)) {
    throw new StorageConfigurationError(
      `provider must be one of ${Object.keys(S3_PROFILES).join(', ')}`,
    );
  }
  assertChecked(options, CHECKS);
  if (endpoint === undefined) return;
  const { search, hash } = assertEndpoint('endpoint', endpoint, allowInsecureEndpoint);
  if (search || hash) {
    throw new StorageConfigurationError('endpoint must not have a query or a fragment');
  }
}

export function parseCredentials(
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
