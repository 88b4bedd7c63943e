import { S3Client } from '@aws-sdk/client-s3';
import { StorageConfigurationError } from '../../../lib/core/errors.js';
import { parseRetryOptions } from '../../../lib/core/retry.js';
import { createS3Driver } from '../../../lib/drivers/s3/s3.driver.js';
import { providerOf, regionOf } from '../../../lib/drivers/s3/s3.endpoints.js';
import type { S3StorageOptions } from '../../../lib/drivers/s3/s3.options.js';
import { signal } from './open-s3.js';

type Options = Partial<S3StorageOptions>;

function open(options: Options) {
  return createS3Driver(
    { bucket: 'photos', accessKeyId: 'id', secretAccessKey: 'pass', ...options },
    { storage: 'files', retry: parseRetryOptions(), concurrency: 4 },
  );
}

/** Where a request for the key goes, and the region that it is signed for. */
async function target(options: Options): Promise<{ url: string; region: string }> {
  const driver = await open(options);
  const url = new URL(await driver.url('a.jpg', { expiresIn: 60, signal }));
  await driver.close();
  const [, , region = ''] = url.searchParams.get('X-Amz-Credential')!.split('/');
  return { url: url.origin + url.pathname, region };
}

describe('a provider by its name', () => {
  test.each<[Options, string, string]>([
    [
      { provider: 'aws', region: 'eu-central-1' },
      'https://photos.s3.eu-central-1.amazonaws.com/a.jpg',
      'eu-central-1',
    ],
    [
      { provider: 'r2', accountId: '0123abcd' },
      'https://0123abcd.r2.cloudflarestorage.com/photos/a.jpg',
      'auto',
    ],
    [
      { provider: 'b2', region: 'eu-central-003' },
      'https://s3.eu-central-003.backblazeb2.com/photos/a.jpg',
      'eu-central-003',
    ],
    [
      { provider: 'spaces', region: 'fra1' },
      'https://photos.fra1.digitaloceanspaces.com/a.jpg',
      'fra1',
    ],
    [
      { provider: 'wasabi', region: 'eu-west-2' },
      'https://s3.eu-west-2.wasabisys.com/photos/a.jpg',
      'eu-west-2',
    ],
    [{ provider: 'gcs' }, 'https://storage.googleapis.com/photos/a.jpg', 'auto'],
    [{ provider: 'tigris' }, 'https://photos.t3.storage.dev/a.jpg', 'auto'],
    [
      { provider: 'hetzner', region: 'fsn1' },
      'https://fsn1.your-objectstorage.com/photos/a.jpg',
      'fsn1',
    ],
    [{ provider: 'ovh', region: 'gra' }, 'https://s3.gra.io.cloud.ovh.net/photos/a.jpg', 'gra'],
    [
      { provider: 'scaleway', region: 'fr-par' },
      'https://s3.fr-par.scw.cloud/photos/a.jpg',
      'fr-par',
    ],
    [
      { provider: 'supabase', accountId: 'abcdefgh', region: 'eu-west-1' },
      'https://abcdefgh.storage.supabase.co/storage/v1/s3/photos/a.jpg',
      'eu-west-1',
    ],
    [
      { provider: 'oss', region: 'cn-hangzhou' },
      'https://photos.s3.oss-cn-hangzhou.aliyuncs.com/a.jpg',
      'cn-hangzhou',
    ],
    [
      { provider: 'minio', endpoint: 'http://minio.internal:9000' },
      'http://minio.internal:9000/photos/a.jpg',
      'us-east-1',
    ],
    [
      { provider: 'ceph', endpoint: 'https://rgw.example.com' },
      'https://rgw.example.com/photos/a.jpg',
      'us-east-1',
    ],
    [
      { provider: 'garage', endpoint: 'http://garage.internal:3900' },
      'http://garage.internal:3900/photos/a.jpg',
      'garage',
    ],
    [
      { provider: 'seaweedfs', endpoint: 'http://weed.internal:8333' },
      'http://weed.internal:8333/photos/a.jpg',
      'us-east-1',
    ],
    [
      { provider: 'generic', endpoint: 'https://s3.example.com' },
      'https://s3.example.com/photos/a.jpg',
      'us-east-1',
    ],
  ])('%j is all that is needed', async (options, url, region) => {
    expect(await target(options)).toEqual({ url, region });
  });

  test('leaves an endpoint of one’s own alone, and takes its region', async () => {
    expect(
      await target({ provider: 'r2', endpoint: 'https://0123.eu.r2.cloudflarestorage.com' }),
    ).toEqual({ url: 'https://0123.eu.r2.cloudflarestorage.com/photos/a.jpg', region: 'auto' });
    expect(
      await target({ endpoint: 'https://s3.us-west-004.backblazeb2.com', region: 'other' }),
    ).toMatchObject({ region: 'other' });
    expect(await target({ endpoint: 'https://s3.nl-ams.scw.cloud' })).toMatchObject({
      region: 'nl-ams',
    });
  });

  test('is the careful one wherever it is asked for', async () => {
    const driver = await open({
      provider: 'generic',
      endpoint: 'https://s3.eu-central-1.amazonaws.com',
      region: 'eu-central-1',
    });
    expect(driver.capabilities.checksums).toEqual([]);
    expect(driver.capabilities.createOnly).toBe(false);
    await driver.close();
  });

  test('takes a client of one’s own as it is', async () => {
    const client = new S3Client({ region: 'auto', endpoint: 'https://x.example.com' });
    const driver = await createS3Driver(
      { bucket: 'photos', provider: 'r2', client },
      { storage: 'files', retry: parseRetryOptions(), concurrency: 4 },
    );
    expect(driver.client).toBe(client);
    expect(driver.capabilities.limits.deleteBatch).toBe(700);
    client.destroy();
  });
});

describe('options that do not add up', () => {
  test.each<[string, Options, RegExp]>([
    ['R2 without an account', { provider: 'r2' }, /^accountId is missing.*Cloudflare account/],
    [
      'Supabase without a project',
      { provider: 'supabase', region: 'eu-west-1' },
      /^accountId is missing.*Supabase project/,
    ],
    ...(['b2', 'spaces', 'wasabi', 'hetzner', 'ovh', 'scaleway', 'oss'] as const).map(
      (provider): [string, Options, RegExp] => [
        `${provider} without a region`,
        { provider },
        /^region is missing: .*the region of the bucket.*\{region\}/,
      ],
    ),
    ...(['minio', 'ceph', 'garage', 'seaweedfs', 'generic'] as const).map(
      (provider): [string, Options, RegExp] => [
        `${provider} without an endpoint`,
        { provider },
        /^endpoint is missing: .*address of its own/,
      ],
    ),
    [
      'an account of a provider that has none',
      { provider: 'b2', region: 'x', accountId: 'abc' },
      /^accountId is for provider "r2" or "supabase"; "b2" has none/,
    ],
    ['an account of AWS', { accountId: 'abc', region: 'x' }, /^accountId is for provider/],
    [
      'an account and an endpoint',
      { accountId: 'abc', endpoint: 'https://def.r2.cloudflarestorage.com' },
      /^accountId contradicts endpoint/,
    ],
    [
      'a provider and the endpoint of another one',
      { provider: 'r2', endpoint: 'https://s3.eu-central-003.backblazeb2.com' },
      /^provider "r2" contradicts the endpoint, which is one of "b2"/,
    ],
    [
      'AWS, and the endpoint of somebody else',
      { provider: 'aws', endpoint: 'https://fra1.digitaloceanspaces.com' },
      /^provider "aws" contradicts the endpoint/,
    ],
    [
      'path style where buckets are hosts only',
      { provider: 'oss', region: 'cn-hangzhou', forcePathStyle: true },
      /^forcePathStyle must be left out/,
    ],
  ])('%s: refused, and told what is wrong', async (_, options, message) => {
    const error = await open(options).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(StorageConfigurationError);
    expect((error as Error).message).toMatch(message);
  });
});

test('the service is told by its host', () => {
  expect(providerOf(undefined)).toBe('aws');
  for (const [host, provider] of [
    ['s3.eu-central-1.amazonaws.com', 'aws'],
    ['bucket.vpce-1.s3.eu-central-1.vpce.amazonaws.com', 'aws'],
    ['acct.r2.cloudflarestorage.com', 'r2'],
    ['acct.eu.r2.cloudflarestorage.com', 'r2'],
    ['s3.us-west-004.backblazeb2.com', 'b2'],
    ['fra1.digitaloceanspaces.com', 'spaces'],
    ['s3.eu-west-2.wasabisys.com', 'wasabi'],
    ['storage.googleapis.com', 'gcs'],
    ['t3.storage.dev', 'tigris'],
    ['fly.storage.tigris.dev', 'tigris'],
    ['nbg1.your-objectstorage.com', 'hetzner'],
    ['s3.gra.io.cloud.ovh.net', 'ovh'],
    ['s3.pl-waw.scw.cloud', 'scaleway'],
    ['abc.storage.supabase.co', 'supabase'],
    ['s3.oss-cn-hangzhou-internal.aliyuncs.com', 'oss'],
    ['oss-eu-central-1.aliyuncs.com', 'oss'],
    ['notamazonaws.com', 'generic'],
    ['127.0.0.1:9000', 'generic'],
  ]) {
    expect([host, providerOf(`https://${host}`)]).toEqual([host, provider]);
  }
});

test('the region is read out of hosts that name it', () => {
  for (const [host, region] of [
    ['s3.us-west-004.backblazeb2.com', 'us-west-004'],
    ['fra1.digitaloceanspaces.com', 'fra1'],
    ['s3.eu-west-2.wasabisys.com', 'eu-west-2'],
    ['hel1.your-objectstorage.com', 'hel1'],
    ['s3.gra.io.cloud.ovh.net', 'gra'],
    ['s3.it-mil.scw.cloud', 'it-mil'],
    ['s3.oss-cn-hangzhou-internal.aliyuncs.com', 'cn-hangzhou'],
    ['s3.wasabisys.com', undefined],
    ['s3.example.com', undefined],
  ]) {
    expect([host, regionOf(`https://${host}`)]).toEqual([host, region]);
  }
});
