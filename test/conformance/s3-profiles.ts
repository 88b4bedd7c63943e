import assert from 'node:assert/strict';
import { openStorage } from '../../lib/drivers/open-storage.js';
import { S3_PROFILES, type S3Provider } from '../../lib/drivers/s3/s3.profiles.js';
import { describeStorageDriver, type OpenedStorage } from '../../lib/testing/conformance/index.js';
import { type S3RecordedRequest, startS3Server } from '../../lib/testing/s3-server/index.js';
import { PROVIDERS } from '../../lib/testing/s3-server/providers.js';
import { TIMEOUT } from './timeout.js';
import { resolveLoopbackNames } from '../testing/s3-server/loopback-names.js';

const MAX_KEY_BYTES = 1024;

/** Files that share the profiles, so that workers can run them side by side. */
const SHARES = 6;

/**
 * Registers the whole kit for each profile of this share: the driver's profile of a provider against a server that
 * behaves like it. Buckets are in host names where the profile says so.
 *
 * @param share from 1 on
 */
export function describeProfiles(share: number): void {
  let restore = (): void => {};
  beforeAll(() => {
    restore = resolveLoopbackNames();
  });
  afterAll(() => restore());

  const providers = (Object.keys(S3_PROFILES) as S3Provider[]).filter(
    (_, index) => index % SHARES === share - 1,
  );
  for (const provider of providers) {
    describeStorageDriver(`s3, as ${provider}`, () => open(provider), {
      servesUrls: true,
      prefixBytes: MAX_KEY_BYTES - PROVIDERS[provider].maxKeyBytes,
      timeout: TIMEOUT,
    });
  }
}

async function open(provider: S3Provider): Promise<OpenedStorage> {
  const server = await startS3Server({ provider, buckets: ['files'] });
  const storage = await openStorage('s3', {
    driver: 's3',
    provider,
    bucket: 'files',
    endpoint: server.endpoint.replace('127.0.0.1', 'localhost'),
    region: server.region,
    ...server.credentials,
  });
  return {
    storage,
    async fill(keys) {
      for (const key of keys) await server.putObject('files', key, key);
    },
    async destroy() {
      await storage.close();
      // The server learns of a connection that was cut a little after the one who cut it.
      await server.until(({ inFlight }) => inFlight === 0);
      const uploads = server.multipartUploads('files');
      const { requests } = server;
      await server.close();
      assert.deepEqual(uploads, []);
      // What the provider does not have must not even be tried: the storage refuses it before.
      assert.deepEqual(requests.filter(isUnsupported).map(summary), []);
      assert.deepEqual(
        requests.filter((request) => hasIgnoredCondition(provider, request)).map(summary),
        [],
      );
    },
  };
}

function isUnsupported({ code }: S3RecordedRequest): boolean {
  return code === 'NotImplemented' || code === 'SecondLevelDomainForbidden';
}

const CONDITIONAL = [
  ['PutObject', 'put'],
  ['CompleteMultipartUpload', 'complete'],
  ['CopyObject', 'copy'],
] as const;

/** Whether the request sets a condition that the provider would leave out in silence. */
function hasIgnoredCondition(
  provider: S3Provider,
  { operation, headers }: S3RecordedRequest,
): boolean {
  const write = CONDITIONAL.find(([name]) => name === operation)?.[1];
  if (!write || PROVIDERS[provider].conditions[write] !== 'ignored') return false;
  return 'if-match' in headers || 'if-none-match' in headers;
}

function summary({ operation, url, code, headers }: S3RecordedRequest): object {
  return { operation, url, code, headers };
}
