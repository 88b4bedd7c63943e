import { S3Client } from '@aws-sdk/client-s3';
import { createPresignedPost } from '@aws-sdk/s3-presigned-post';
import { startChecksum } from '../../../lib/core/checksum.js';
import { StorageUnsupportedError } from '../../../lib/core/errors.js';
import type { DriverUploadUrlOptions, UploadUrl } from '../../../lib/core/storage-driver.js';
import { parseRetryOptions } from '../../../lib/core/retry.js';
import { createS3Driver } from '../../../lib/drivers/s3/s3.driver.js';
import { policySignature, signPolicy } from '../../../lib/drivers/s3/s3.post-policies.js';
import { resolveLoopbackNames } from '../../testing/s3-server/loopback-names.js';
import { ODD_KEYS, openS3, type OpenS3, signal } from './open-s3.js';

const BODY = Buffer.from('the body');
const SHA256 = checksum('sha256');

function checksum(algorithm: 'sha256' | 'sha1' | 'crc32' | 'crc32c' | 'md5') {
  const running = startChecksum(algorithm);
  running.update(BODY);
  return running.digest();
}

function uploadUrl(
  { driver }: Pick<OpenS3, 'driver'>,
  options: Partial<DriverUploadUrlOptions> = {},
  key = 'key',
): Promise<UploadUrl> {
  return driver.uploadUrl(key, { method: 'POST', expiresIn: 60, signal, ...options });
}

interface Form {
  body?: Uint8Array<ArrayBuffer>;
  /** Replaces fields, and leaves out those that are undefined. */
  fields?: Record<string, string | undefined>;
}

/** Sends the form as a browser does. */
async function post(
  { url, method, fields }: UploadUrl,
  { body = BODY, fields: changed = {} }: Form = {},
): Promise<number> {
  const form = new FormData();
  for (const [name, value] of Object.entries({ ...fields, ...changed })) {
    if (value !== undefined) form.append(name, value);
  }
  form.append('file', new Blob([body], { type: 'text/x-of-the-file' }), 'name-of-the-file.txt');
  const response = await fetch(url, { method, body: form });
  await response.arrayBuffer();
  return response.status;
}

interface Policy {
  expiration: string;
  conditions: unknown[];
}

function policyOf(fields: Readonly<Record<string, string>> = {}): Policy {
  const encoded = fields['policy'] ?? fields['Policy'] ?? '';
  return JSON.parse(Buffer.from(encoded, 'base64').toString()) as Policy;
}

describe('a form', () => {
  test('stores what it is sent, under any key, without a request of ours', async () => {
    await using s3 = await openS3();
    for (const key of ODD_KEYS) {
      const upload = await uploadUrl(s3, {}, key);
      expect(upload.headers).toEqual({});
      expect(s3.server.requests.filter(({ operation }) => operation !== 'PostObject')).toEqual([]);
      expect(await post(upload)).toBe(201);
    }
    expect([...s3.server.objects('bucket').keys()].sort()).toEqual([...ODD_KEYS].sort());
    expect(s3.server.objects('bucket').get('plain.txt')?.body).toEqual(BODY);
  });

  test.each<[string, Partial<DriverUploadUrlOptions>, Form]>([
    ['key', {}, { fields: { key: 'other' } }],
    ['type', { contentType: 'image/png' }, { fields: { 'Content-Type': 'text/html' } }],
    [
      'type that is left out',
      { contentType: 'image/png' },
      { fields: { 'Content-Type': undefined } },
    ],
    ['type where none was asked', {}, { fields: { 'Content-Type': 'text/html' } }],
    ['size, one byte more', { size: BODY.length }, { body: Buffer.from('the body.') }],
    ['size, one byte less', { size: BODY.length }, { body: Buffer.from('the bod') }],
    ['size than the greatest', { maxSize: BODY.length }, { body: Buffer.from('the body.') }],
    ['content', { checksum: SHA256 }, { body: Buffer.from('another.') }],
    [
      'checksum',
      { checksum: SHA256 },
      { fields: { 'x-amz-checksum-sha256': 'n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg=' } },
    ],
    [
      'checksum that is left out',
      { checksum: SHA256 },
      { fields: { 'x-amz-checksum-sha256': undefined } },
    ],
    ['status of success', {}, { fields: { success_action_status: '200' } }],
    ['field', {}, { fields: { 'x-amz-meta-mine': 'x' } }],
    ['access', {}, { fields: { acl: 'public-read' } }],
    ['redirect', {}, { fields: { success_action_redirect: 'https://example.com' } }],
    ['signature', {}, { fields: { 'x-amz-signature': '0'.repeat(64) } }],
  ])('refuses another %s', async (_, options, form) => {
    await using s3 = await openS3();
    const upload = await uploadUrl(s3, options);
    const status = await post(upload, form);
    expect(status).toBeGreaterThanOrEqual(400);
    expect(status).toBeLessThan(500);
    expect(s3.server.objects('bucket').size).toBe(0);
    expect(await post(upload)).toBe(201);
    expect(s3.server.objects('bucket').get('key')?.body).toEqual(BODY);
  });

  test('takes anything up to the greatest size, nothing at all included', async () => {
    await using s3 = await openS3();
    const upload = await uploadUrl(s3, { maxSize: BODY.length });
    expect(await post(upload, { body: Buffer.alloc(0) })).toBe(201);
    expect(await post(upload)).toBe(201);
  });

  test('binds everything at once', async () => {
    await using s3 = await openS3();
    const upload = await uploadUrl(s3, {
      contentType: 'image/png',
      size: BODY.length,
      maxSize: 100,
      checksum: SHA256,
    });
    expect(await post(upload, { body: Buffer.from('the body.') })).toBe(400);
    expect(await post(upload)).toBe(201);
    expect(await s3.driver.info('key', { signal })).toMatchObject({
      contentType: 'image/png',
      checksum: SHA256,
    });
  });

  test.each(['crc32', 'crc32c', 'sha1', 'sha256'] as const)('binds a %s', async (algorithm) => {
    await using s3 = await openS3();
    const upload = await uploadUrl(s3, { checksum: checksum(algorithm) });
    expect(await post(upload, { body: Buffer.from('another.') })).toBe(400);
    expect(await post(upload)).toBe(201);
  });

  test('ends with its time', async () => {
    let now = Date.now();
    await using s3 = await openS3({ server: { now: () => now } });
    const upload = await uploadUrl(s3, { expiresIn: 60 });
    expect(upload.expiresAt.getTime() - Date.now()).toBeGreaterThan(55_000);
    // Longer than the signing can have taken.
    now += 120_000;
    expect(await post(upload)).toBe(403);
    expect(s3.server.objects('bucket').size).toBe(0);
  });

  test('carries the token of temporary credentials', async () => {
    await using s3 = await openS3({
      server: { sessionToken: 'temporary' },
      sessionToken: 'temporary',
    });
    const upload = await uploadUrl(s3);
    expect(upload.fields).toMatchObject({ 'x-amz-security-token': 'temporary' });
    expect(await post(upload, { fields: { 'x-amz-security-token': 'another' } })).toBe(400);
    expect(await post(upload)).toBe(201);
  });

  test('is dated by the clock of the service, which the client has learnt', async () => {
    const ahead = 3600_000;
    await using s3 = await openS3({ server: { now: () => Date.now() + ahead } });
    s3.driver.client.config.systemClockOffset = ahead;
    const upload = await uploadUrl(s3);
    expect(Date.parse(policyOf(upload.fields).expiration)).toBeGreaterThan(Date.now() + ahead);
    expect(await post(upload)).toBe(201);
  });

  test('goes to the host of the bucket where requests do', async () => {
    const restore = resolveLoopbackNames();
    try {
      await using s3 = await openS3({ forcePathStyle: false });
      const { port } = new URL(s3.server.endpoint);
      const driver = await createS3Driver(
        {
          bucket: 'bucket',
          provider: 'aws',
          endpoint: `http://localhost:${port}`,
          region: s3.server.region,
          ...s3.server.credentials,
        },
        { storage: 'files', retry: parseRetryOptions(), concurrency: 4 },
      );
      const upload = await uploadUrl({ driver });
      expect(upload.url).toBe(`http://bucket.localhost:${port}/`);
      expect(await post(upload)).toBe(201);
      await driver.close();
    } finally {
      restore();
    }
  });

  test('shows no secret', async () => {
    await using s3 = await openS3({
      secretAccessKey: 'very-secret',
      server: { secretAccessKey: 'very-secret' },
    });
    const upload = await uploadUrl(s3);
    const shown = JSON.stringify([upload, policyOf(upload.fields)]);
    expect(shown).not.toContain('very-secret');
  });

  test('is refused for a key in which S3 would put the name of the file', async () => {
    await using s3 = await openS3();
    await expect(uploadUrl(s3, {}, 'a/${filename}')).rejects.toThrow(StorageUnsupportedError);
  });

  test('is refused for a checksum that no form can carry', async () => {
    await using s3 = await openS3();
    const asked = uploadUrl(s3, { checksum: checksum('md5') });
    await expect(asked).rejects.toThrow(/algorithm md5; take crc32, crc32c, sha1, sha256/);
  });
});

describe('the policy', () => {
  const EXAMPLE = {
    credentials: {
      accessKeyId: 'id',
      secretAccessKey: 'secret',
    },
    region: 'us-east-1',
    signedAt: new Date('2015-12-29T00:00:00.123Z'),
    expiresIn: 3600,
  };

  test('names who signed it, when, and until when', () => {
    const fields = signPolicy({ key: 'a' }, [], EXAMPLE);
    expect(fields).toMatchObject({
      key: 'a',
      'x-amz-algorithm': 'AWS4-HMAC-SHA256',
      'x-amz-credential': 'id/20151229/us-east-1/s3/aws4_request',
      'x-amz-date': '20151229T000000Z',
    });
    expect(fields).not.toHaveProperty('x-amz-security-token');
    expect(policyOf(fields).expiration).toBe('2015-12-29T01:00:00.123Z');
  });

  describe('compared with that of the SDK', () => {
    const now = Date.now;
    beforeAll(() => {
      Date.now = () => Date.parse('2030-01-02T03:04:05Z');
    });
    afterAll(() => {
      Date.now = now;
    });

    test.each<[string, { sessionToken?: string; forcePathStyle?: boolean }]>([
      ['path style', { forcePathStyle: true }],
      ['virtual hosts', { forcePathStyle: false }],
      ['temporary credentials', { sessionToken: 'temporary' }],
    ])('says the same (%s)', async (_, { sessionToken, ...style }) => {
      const credentials = {
        accessKeyId: 'id',
        secretAccessKey: 'secret',
        ...(sessionToken !== undefined && { sessionToken }),
      };
      const driver = await createS3Driver(
        { bucket: 'bucket', region: 'eu-central-1', ...credentials, ...style },
        { storage: 'files', retry: parseRetryOptions(), concurrency: 4 },
      );
      const client = new S3Client({ region: 'eu-central-1', credentials, ...style });
      const ours = await uploadUrl(
        { driver },
        { contentType: 'image/png', maxSize: 1000, checksum: SHA256, expiresIn: 600 },
        'ä/b c.png',
      );
      const theirs = await createPresignedPost(client, {
        Bucket: 'bucket',
        Key: 'ä/b c.png',
        Expires: 600,
        Conditions: [['content-length-range', 0, 1000]],
        Fields: {
          'Content-Type': 'image/png',
          success_action_status: '201',
          'x-amz-checksum-sha256': SHA256.value,
        },
      });
      // In path style ours ends in a slash, which means nothing.
      expect(ours.url.replace(/\/$/, '')).toBe(theirs.url.replace(/\/$/, ''));
      expect(Date.parse(policyOf(ours.fields).expiration)).toBe(
        Date.parse(policyOf(theirs.fields).expiration),
      );
      expect(conditionsOf(ours.fields!)).toEqual(conditionsOf(theirs.fields));
      // Theirs repeats the bucket, which the URL has already.
      const { bucket: _bucket, ...fields } = theirs.fields;
      expect(unsigned(ours.fields!)).toEqual(unsigned(fields));
      client.destroy();
      await driver.close();
    });

    test('gets the same signature', async () => {
      const { credentials, region } = EXAMPLE;
      const client = new S3Client({ region, credentials });
      const { fields } = await createPresignedPost(client, { Bucket: 'bucket', Key: 'key' });
      const scope = ['20300102', region, 's3', 'aws4_request'];
      expect(policySignature(fields['Policy']!, credentials.secretAccessKey, scope)).toBe(
        fields['X-Amz-Signature'],
      );
      client.destroy();
    });
  });
});

/** Names of fields mean the same in any case, and the order of conditions means nothing. */
function conditionsOf(fields: Readonly<Record<string, string>>): string[] {
  return policyOf(fields)
    .conditions.map((condition) =>
      JSON.stringify(Array.isArray(condition) ? condition : lowerCase(condition as object)),
    )
    .sort();
}

function unsigned(fields: Readonly<Record<string, string>>): Record<string, unknown> {
  const { policy: _policy, 'x-amz-signature': _signature, ...rest } = lowerCase(fields);
  return rest;
}

function lowerCase(fields: object): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [name.toLowerCase(), value as unknown]),
  );
}
