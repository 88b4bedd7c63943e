import { HeadBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { StorageConfigurationError } from '../../../lib/core/errors.js';
import { parseRetryOptions } from '../../../lib/core/retry.js';
import { createS3Driver } from '../../../lib/drivers/s3/s3.driver.js';
import type { S3StorageOptions } from '../../../lib/drivers/s3/s3.options.js';
import { startS3Server } from '../../../lib/testing/s3-server/index.js';
import {
  chunks,
  openDriver,
  openS3,
  PART,
  putOptions,
  randomBytes,
  read,
  signal,
} from './open-s3.js';

const SETTINGS = { storage: 'files', retry: parseRetryOptions(), concurrency: 4 };

const PAIR = { accessKeyId: 'id', secretAccessKey: 'pass' };

/** Options of somebody who is not held by the types. */
function wrong(options: Record<string, unknown>): Partial<S3StorageOptions> {
  return options;
}

function open(options: Partial<S3StorageOptions>) {
  return createS3Driver({ bucket: 'bucket', region: 'us-east-1', ...options }, SETTINGS);
}

describe('options', () => {
  test.each<[string, Partial<S3StorageOptions>, RegExp]>([
    ['no bucket', { bucket: '' }, /bucket is missing/],
    ['half of the credentials', { accessKeyId: 'id' }, /secretAccessKey is missing/],
    ['the other half of the credentials', { secretAccessKey: 'x' }, /accessKeyId is missing/],
    ['a token alone', { sessionToken: 'x' }, /accessKeyId is missing/],
    ['an empty secret', { accessKeyId: 'id', secretAccessKey: '' }, /secretAccessKey is missing/],
    ['an endpoint that is no URL', { endpoint: 's3.example.com' }, /http or https URL/],
    ['an endpoint of another scheme', { endpoint: 'ftp://s3.example.com' }, /http or https URL/],
    ['an endpoint with credentials', { endpoint: 'https://me:pass@s3.example.com' }, /accessKeyId/],
    ['an endpoint with a query', { endpoint: 'https://s3.example.com?x=1' }, /query/],
    ['the metadata service', { endpoint: 'http://169.254.169.254' }, /metadata/],
    ['the metadata service with a dot', { endpoint: 'http://169.254.169.254.' }, /metadata/],
    ['the metadata host with a dot', { endpoint: 'http://metadata.google.internal.' }, /metadata/],
    ['the short metadata host', { endpoint: 'http://metadata.goog' }, /metadata/],
    ['the metadata host of EC2', { endpoint: 'http://instance-data' }, /metadata/],
    ['a bucket that is a path', { bucket: '..' }, /as a path/],
    ['a bucket that is a point', { bucket: '.' }, /as a path/],
    ['a bucket with a blank', { bucket: 'my media' }, /^bucket must be/],
    ['an ARN with a blank', { bucket: 'arn:aws:s3 x' }, /^bucket must be/],
    ['an endpoint with a fragment', { endpoint: 'https://s3.example.com#x' }, /a query or a frag/],
    ['a region with a blank', { region: 'eu west' }, /^region must be/],
    ['an account that begins with a hyphen', { accountId: '-a' }, /^accountId must be/],
    ['an account that ends with a hyphen', { accountId: 'a-' }, /^accountId must be/],
    ['an engine that there is not', { engine: 'fast' as 'sdk' }, /^engine must be "direct"/],
    ['a threshold of nothing', { multipartCopyThreshold: 0 }, /^multipartCopyThreshold must be/],
    ['a bucket with a folder', { bucket: 'media/photos' }, /^bucket must be .* prefix/],
    ['the URL of a bucket', { bucket: 's3://media' }, /^bucket must be/],
    ['a bucket with a line break', { bucket: 'media\n' }, /^bucket must be/],
    ['the metadata service as a number', { endpoint: 'http://2852039166/' }, /metadata/],
    ['the metadata service over IPv6', { endpoint: 'http://[fd00:ec2::254]' }, /metadata/],
    ['the metadata service, mapped', { endpoint: 'http://[::ffff:169.254.169.254]' }, /metadata/],
    ['a link-local address', { endpoint: 'http://[fe80::1]:9000' }, /link-local/],
    ['the metadata service by name', { endpoint: 'http://metadata.google.internal' }, /metadata/],
    ['a bucket that is no text', wrong({ bucket: 5 }), /bucket/],
    ['a negative number of sockets', { maxSockets: -1 }, /^maxSockets must be .*at least 1/],
    ['sockets that are no number', wrong({ maxSockets: 'x' }), /^maxSockets must be/],
    ['half a socket', { maxSockets: 0.5 }, /^maxSockets must be/],
    ['a region that is no text', wrong({ region: 5 }), /^region must be/],
    ['an empty region', { region: '' }, /^region must be/],
    ['an endpoint that is no text', wrong({ endpoint: 5 }), /^endpoint must be/],
    ['an id that is no text', wrong({ ...PAIR, accessKeyId: 5 }), /^accessKeyId must be/],
    ['an id of two lines', { ...PAIR, accessKeyId: 'pass\n' }, /^accessKeyId must be/],
    [
      'a secret that is no text',
      wrong({ ...PAIR, secretAccessKey: {} }),
      /^secretAccessKey must be/,
    ],
    ['a secret of two lines', { ...PAIR, secretAccessKey: 'pass\n' }, /^secretAccessKey must be/],
    ['a token that is no text', wrong({ ...PAIR, sessionToken: 5 }), /^sessionToken must be/],
    ['a token of two lines', { ...PAIR, sessionToken: 'pass\r\n' }, /^sessionToken must be/],
    ['a client that is none', wrong({ client: {} }), /^client must be an S3Client/],
    ['no client at all', wrong({ client: null }), /^client must be an S3Client/],
    ['a path style that is no choice', wrong({ forcePathStyle: 'yes' }), /^forcePathStyle must be/],
    [
      'a threshold in words',
      wrong({ multipartCopyThreshold: 'abc' }),
      /^multipartCopyThreshold must/,
    ],
    ['a negative threshold', { multipartCopyThreshold: -1 }, /^multipartCopyThreshold must be/],
    ['an account that is no text', wrong({ accountId: 5 }), /^accountId must be/],
    ['an account that is a host', { accountId: 'a.example.com/' }, /^accountId must be/],
    ['an unknown provider', { provider: 'acme' as 'aws' }, /provider must be one of aws/],
  ])('refuse %s', async (_, options, message) => {
    const error = await open(options).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(StorageConfigurationError);
    expect((error as Error).message).toMatch(message);
    expect((error as Error).message).not.toContain('pass');
  });

  test.each(['http://localhost:9000', 'http://10.0.0.5:9000/s3', 'https://[::1]:9000'])(
    'take %s',
    async (endpoint) => {
      const driver = await open({ endpoint });
      expect(driver.capabilities.checksums).toEqual([]);
      await driver.close();
    },
  );
});

describe('the client', () => {
  test('uses temporary credentials', async () => {
    await using s3 = await openS3({
      server: { sessionToken: 'temporary' },
      sessionToken: 'temporary',
    });
    await s3.driver.put('key', Buffer.from('x'), putOptions());
    expect(s3.server.requests[0]!.headers['x-amz-security-token']).toBe('temporary');
  });

  test('keeps connections for later requests', async () => {
    await using s3 = await openS3();
    for (let round = 0; round < 10; round++) {
      await s3.driver.put('key', randomBytes(PART), putOptions());
      await read(await s3.driver.get('key', { signal }));
    }
    expect(s3.server.totalConnections).toBeLessThanOrEqual(2);
  });

  test('opens no more connections than it may, however many calls there are', async () => {
    await using s3 = await openS3({ maxSockets: 3, server: { latency: 5 } });
    const puts = Array.from({ length: 60 }, (_, n) =>
      s3.driver.put(`key${n}`, Buffer.from('x'), putOptions()),
    );
    await Promise.all(puts);
    expect(s3.server.totalConnections).toBeLessThanOrEqual(3);
    expect(s3.server.objects('bucket').size).toBe(60);
  });

  test('closes its connections when the driver is closed', async () => {
    await using server = await startS3Server();
    const driver = await openDriver(server);
    await driver.put('key', Buffer.from('x'), putOptions());
    expect(server.connections).toBe(1);
    await driver.close();
    await server.until(({ connections }) => connections === 0);
  });

  test('that was given is used as it is, and lives on', async () => {
    await using server = await startS3Server();
    const { accessKeyId, secretAccessKey } = server.credentials;
    const client = new S3Client({
      endpoint: server.endpoint,
      region: server.region,
      credentials: { accessKeyId, secretAccessKey },
      forcePathStyle: true,
    });
    const driver = await createS3Driver({ bucket: 'bucket', client }, SETTINGS);
    expect(driver.client).toBe(client);
    const bytes = randomBytes(PART + 1);
    await driver.put('large', chunks(bytes), putOptions({ partSize: PART }));
    expect((await read(await driver.get('large', { signal }))).equals(bytes)).toBe(true);
    await driver.get('large', { signal, range: { start: 0, end: 3 } }).then(read);
    const { url } = await driver.uploadUrl('put', { method: 'PUT', expiresIn: 60, signal });
    expect((await fetch(url, { method: 'PUT', body: Buffer.from('x') })).status).toBe(200);
    expect(await (await fetch(await driver.url('put', { expiresIn: 60, signal }))).text()).toBe(
      'x',
    );
    await driver.close();
    await client.send(new HeadBucketCommand({ Bucket: 'bucket' }));
    client.destroy();
  });

  test.each(['generic', 'r2', 'b2', 'minio', 'ceph', 'wasabi', 'gcs', 'spaces'] as const)(
    'sends nothing to %s that it may not know',
    async (provider) => {
      await using s3 = await openS3({ provider, multipartCopyThreshold: PART });
      await s3.driver.put('small', Buffer.from('x'), putOptions());
      const sha256 = {
        algorithm: 'sha256',
        value: 'n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg=',
      } as const;
      await s3.driver.put('checked', Buffer.from('test'), putOptions({ checksum: sha256 }));
      await s3.driver.put('large', chunks(randomBytes(PART + 1)), putOptions({ partSize: PART }));
      await s3.driver.copy('large', 'copy', { signal });
      await read(await s3.driver.get('small', { signal }));
      await s3.driver.deleteMany(['small', 'large'], { signal });
      for (const { headers } of s3.server.requests) {
        const unknown =
          /^(x-amz-(acl|checksum-|sdk-checksum-|trailer|decoded)|expect$|transfer-encoding$)/;
        expect(Object.keys(headers).filter((name) => unknown.test(name))).toEqual([]);
      }
    },
  );
});
