import { StorageFileExistsError, StorageTooLargeError } from '../../../lib/core/errors.js';
import { parseRetryOptions } from '../../../lib/core/retry.js';
import { openStorage } from '../../../lib/drivers/open-storage.js';
import { createS3Driver } from '../../../lib/drivers/s3/s3.driver.js';
import {
  S3_PROFILES,
  type S3Profile,
  type S3Provider,
} from '../../../lib/drivers/s3/s3.profiles.js';
import { startS3Server } from '../../../lib/testing/s3-server/index.js';
import { resolveLoopbackNames } from '../../testing/s3-server/loopback-names.js';
import { chunks, openS3, PART, putOptions, randomBytes, signal } from './open-s3.js';

const PROVIDERS = Object.keys(S3_PROFILES) as S3Provider[];
const SETTINGS = { storage: 'files', retry: parseRetryOptions({ baseDelay: 1 }), concurrency: 4 };

function providersWhere(holds: (profile: S3Profile) => boolean): S3Provider[] {
  return PROVIDERS.filter((provider) => holds(S3_PROFILES[provider]));
}

describe('the profiles', () => {
  test('are of sixteen services, and of all others', () => {
    expect(PROVIDERS.filter((provider) => provider !== 'generic')).toHaveLength(16);
  });

  test('promise to refuse what is taken only where the service is known to', () => {
    expect(providersWhere(({ createOnly }) => createOnly?.name === 'if-none-match')).toEqual([
      'aws',
      'r2',
      'minio',
      'tigris',
    ]);
    expect(providersWhere(({ compareAndSet }) => compareAndSet)).toEqual([
      'aws',
      'r2',
      'minio',
      'tigris',
    ]);
    expect(providersWhere(({ createOnlyCopy }) => createOnlyCopy !== undefined)).toEqual([
      'aws',
      'r2',
      'oss',
    ]);
  });

  test('sign forms only for services that are known to take them', () => {
    expect(providersWhere(({ postPolicies }) => postPolicies)).toEqual([
      'aws',
      'spaces',
      'minio',
      'ceph',
      'wasabi',
      'scaleway',
    ]);
  });

  test('send checksums only to services that are known to keep them', () => {
    expect(providersWhere(({ checksums }) => checksums.length > 0)).toEqual(['aws', 'tigris']);
    expect(providersWhere(({ wholeUploadChecksums }) => wholeUploadChecksums)).toEqual(['aws']);
  });

  test.each(PROVIDERS)('have limits that fit together (%s)', (provider) => {
    const { maxObjectSize, maxParts, minPartSize, maxPartSize } = S3_PROFILES[provider];
    expect(maxObjectSize).toBeLessThanOrEqual(maxParts * maxPartSize);
    expect(Number.isSafeInteger(maxObjectSize)).toBe(true);
    expect(Number.isInteger(maxPartSize)).toBe(true);
    expect(minPartSize).toBeLessThan(maxPartSize);
  });

  test.each(PROVIDERS)('tell the storage what the driver can do (%s)', async (provider) => {
    const profile = S3_PROFILES[provider];
    const driver = await createS3Driver(
      {
        bucket: 'bucket',
        provider,
        region: 'us-east-1',
        ...(profile.account !== undefined && { accountId: 'abc' }),
        ...(provider !== 'aws' && !profile.endpoint && { endpoint: 'https://s3.example.com' }),
      },
      SETTINGS,
    );
    const { capabilities } = driver;
    const { maxObjectSize, minPartSize, maxPartSize, maxParts, deleteBatch } = profile;
    expect(capabilities).toMatchObject({
      createOnly: profile.createOnly !== undefined,
      compareAndSet: profile.compareAndSet,
      createOnlyCopy: profile.createOnlyCopy !== undefined,
      checksums: profile.checksums,
      limits: { maxObjectSize, minPartSize, maxPartSize, maxParts, deleteBatch },
    });
    expect(capabilities.signedUploads.POST !== false).toBe(profile.postPolicies);
    const { PUT } = capabilities.signedUploads;
    expect((PUT || []).includes('createOnly')).toBe(profile.createOnly !== undefined);
    expect((PUT || []).includes('checksum')).toBe(profile.checksums.length > 0);
    const parts = profile.wholeUploadChecksums ? ['size', 'checksum'] : ['size'];
    expect(capabilities.signedParts).toEqual(parts);
    await driver.close();
  });

  test.each(PROVIDERS)('refuse what cannot fit before anything is sent (%s)', async (provider) => {
    await using server = await startS3Server();
    await using storage = await openStorage('files', {
      driver: 's3',
      bucket: 'bucket',
      provider,
      endpoint: server.endpoint,
      region: server.region,
      ...server.credentials,
    });
    let read = false;
    async function* body(): AsyncGenerator<Uint8Array, void> {
      read = true;
      yield Buffer.alloc(1);
    }
    const size = S3_PROFILES[provider].maxObjectSize + 1;
    await expect(storage.put('key', body(), { size })).rejects.toThrow(StorageTooLargeError);
    await expect(storage.startMultipartUpload('key', { size })).rejects.toThrow(
      StorageTooLargeError,
    );
    expect(read).toBe(false);
    expect(server.requests).toEqual([]);
  });
});

test('no request names its operation in the query, which Google refuses', async () => {
  await using s3 = await openS3({ provider: 'gcs', server: { provider: 'gcs' }, region: 'auto' });
  await s3.driver.put('key', Buffer.from('x'), putOptions());
  const { url } = await s3.driver.uploadUrl('put', { method: 'PUT', expiresIn: 60, signal });
  expect((await fetch(url, { method: 'PUT', body: 'x' })).status).toBe(200);
  const answer = await fetch(await s3.driver.url('key', { expiresIn: 60, signal }));
  expect(await answer.text()).toBe('x');
  expect(s3.server.requests.filter((request) => request.url.includes('x-id'))).toEqual([]);
});

describe('OSS', () => {
  let restore: () => void;
  beforeAll(() => {
    restore = resolveLoopbackNames();
  });
  afterAll(() => restore());

  test('is told by a header of its own to create only', async () => {
    await using server = await startS3Server({ provider: 'oss' });
    const driver = await createS3Driver(
      {
        bucket: 'bucket',
        provider: 'oss',
        endpoint: server.endpoint,
        region: server.region,
        ...server.credentials,
      },
      SETTINGS,
    );
    const options = putOptions({ partSize: PART, ifNoneMatch: '*' });
    const large = randomBytes(PART + 1);
    await driver.put('small', Buffer.from('first'), options);
    await driver.put('large', chunks(large), options);
    await driver.copy('small', 'copy', { signal, ifNoneMatch: '*' });
    const attempts = [
      driver.put('small', Buffer.from('second'), options),
      driver.put('large', chunks(randomBytes(PART + 1)), options),
      driver.copy('large', 'copy', { signal, ifNoneMatch: '*' }),
    ];
    for (const { reason } of (await Promise.allSettled(attempts)) as PromiseRejectedResult[]) {
      expect(reason).toBeInstanceOf(StorageFileExistsError);
    }
    expect(server.objects('bucket').get('small')!.body.toString()).toBe('first');
    expect(server.objects('bucket').get('large')!.body.equals(large)).toBe(true);
    expect(server.objects('bucket').get('copy')!.body.toString()).toBe('first');
    expect(server.multipartUploads('bucket')).toEqual([]);

    const signed = await driver.uploadUrl('small', {
      method: 'PUT',
      expiresIn: 60,
      ifNoneMatch: '*',
      signal,
    });
    expect(signed.headers).toEqual({ 'x-oss-forbid-overwrite': 'true' });
    const put = (headers: Record<string, string>) =>
      fetch(signed.url, { method: 'PUT', headers, body: 'third' });
    expect((await put({ ...signed.headers })).status).toBe(409);
    expect((await put({})).status).toBe(403);
    expect(server.requests.filter(({ headers }) => 'if-none-match' in headers)).toEqual([]);
    await driver.close();
  });
});

test('an upload whose answer was lost is recognised without an etag of MD5s', async () => {
  await using s3 = await openS3({ provider: 'r2', region: 'auto', server: { provider: 'r2' } });
  s3.server.fail({ operation: 'CompleteMultipartUpload', with: 'reset-after-commit' });
  const bytes = randomBytes(PART + 1);
  const file = await s3.driver.put('key', chunks(bytes), putOptions({ partSize: PART }));
  expect(file.etag).toBe(`"${s3.server.objects('bucket').get('key')!.etag}"`);
});
