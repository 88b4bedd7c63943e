import { createHash } from 'node:crypto';
import { startChecksum } from '../../../lib/core/checksum.js';
import type { DriverUploadUrlOptions, UploadUrl } from '../../../lib/core/storage-driver.js';
import { ODD_KEYS, openS3, type OpenS3, putOptions, signal } from './open-s3.js';

const BODY = Buffer.from('the body');
const SHA256 = {
  algorithm: 'sha256',
  value: createHash('sha256').update(BODY).digest('base64'),
} as const;

function uploadUrl(s3: OpenS3, options: Partial<DriverUploadUrlOptions> = {}, key = 'key') {
  return s3.driver.uploadUrl(key, { method: 'PUT', expiresIn: 60, signal, ...options });
}

async function upload(
  { url, method, headers }: UploadUrl,
  changed: RequestInit = {},
): Promise<number> {
  const response = await fetch(url, { method, headers, body: BODY, ...changed });
  await response.arrayBuffer();
  return response.status;
}

describe('url', () => {
  test('reads odd keys', async () => {
    await using s3 = await openS3();
    for (const key of ODD_KEYS) {
      await s3.driver.put(key, Buffer.from(key), putOptions());
      const response = await fetch(await s3.driver.url(key, { expiresIn: 60, signal }));
      expect(await response.text()).toBe(key);
    }
  });

  test('sets how the answer is saved and typed', async () => {
    await using s3 = await openS3();
    await s3.driver.put('key', BODY, putOptions());
    const url = await s3.driver.url('key', {
      expiresIn: 60,
      contentType: 'text/x-test',
      contentDisposition: `attachment; filename="a b.txt"; filename*=UTF-8''%C3%BC.txt`,
      signal,
    });
    const response = await fetch(url);
    expect(response.headers.get('content-type')).toBe('text/x-test');
    expect(response.headers.get('content-disposition')).toBe(
      `attachment; filename="a b.txt"; filename*=UTF-8''%C3%BC.txt`,
    );
    await response.arrayBuffer();
    const changed = await fetch(url.replace('x-test', 'html'));
    expect(changed.status).toBe(403);
    await changed.arrayBuffer();
  });

  test('makes no request, and carries nothing that services refuse', async () => {
    await using s3 = await openS3();
    const url = new URL(await s3.driver.url('key', { expiresIn: 60, signal }));
    expect(s3.server.requests).toHaveLength(0);
    expect([...url.searchParams.keys()].filter((name) => /checksum/i.test(name))).toEqual([]);
    expect(url.searchParams.get('X-Amz-Expires')).toBe('60');
  });

  test('is dated by the clock of the service, which the client has learnt', async () => {
    const ahead = 3600_000;
    await using s3 = await openS3({ server: { now: () => Date.now() + ahead } });
    await s3.driver.put('key', BODY, putOptions());
    s3.driver.client.config.systemClockOffset = ahead;
    const response = await fetch(await s3.driver.url('key', { expiresIn: 60, signal }));
    await response.arrayBuffer();
    expect(response.status).toBe(200);
    const upload = await s3.driver.uploadUrl('key', { method: 'PUT', expiresIn: 60, signal });
    const { status } = await fetch(upload.url, { method: 'PUT', body: 'x' });
    expect(status).toBe(200);
  });

  test('reads nothing else, and nothing later', async () => {
    let now = Date.now();
    await using s3 = await openS3({ server: { now: () => now } });
    await s3.driver.put('key', BODY, putOptions());
    await s3.driver.put('other', BODY, putOptions());
    const url = await s3.driver.url('key', { expiresIn: 60, signal });
    const status = async (target: string, method = 'GET') => {
      const response = await fetch(target, { method });
      await response.arrayBuffer();
      return response.status;
    };
    expect(await status(url)).toBe(200);
    expect(await status(url.replace('/key?', '/other?'))).toBe(403);
    expect(await status(url, 'DELETE')).toBe(403);
    now += 61_000;
    expect(await status(url)).toBe(403);
    expect(s3.server.objects('bucket').size).toBe(2);
  });
});

describe('uploadUrl', () => {
  test('stores odd keys', async () => {
    await using s3 = await openS3();
    for (const key of ODD_KEYS) expect(await upload(await uploadUrl(s3, {}, key))).toBe(200);
    expect([...s3.server.objects('bucket').keys()].sort()).toEqual([...ODD_KEYS].sort());
  });

  test('is free of the checksum of no bytes', async () => {
    await using s3 = await openS3();
    const { url, headers, expiresAt } = await uploadUrl(s3);
    expect(url).not.toMatch(/checksum|AAAAAA/i);
    expect(headers).toEqual({});
    expect(expiresAt.getTime() - Date.now()).toBeGreaterThan(55_000);
  });

  test.each<[string, Partial<DriverUploadUrlOptions>, RequestInit]>([
    ['type', { contentType: 'image/png' }, { headers: { 'content-type': 'text/html' } }],
    ['type that is left out', { contentType: 'image/png' }, { headers: {} }],
    ['size', { size: BODY.length }, { body: Buffer.from('longer than the body') }],
    ['content', { checksum: SHA256 }, { body: Buffer.from('another.') }],
    ['checksum that is left out', { checksum: SHA256 }, { headers: {} }],
    ['condition that is left out', { ifNoneMatch: '*' }, { headers: {} }],
    ['method', {}, { method: 'POST' }],
  ])('refuses another %s', async (_, options, changed) => {
    await using s3 = await openS3();
    const signed = await uploadUrl(s3, options);
    expect(await upload(signed, changed)).toBeGreaterThanOrEqual(400);
    expect(s3.server.objects('bucket').size).toBe(0);
    expect(await upload(signed)).toBe(200);
    expect(s3.server.objects('bucket').get('key')?.body).toEqual(BODY);
  });

  test('binds everything at once, and names what must be sent', async () => {
    await using s3 = await openS3();
    const signed = await uploadUrl(s3, {
      contentType: 'image/png',
      size: BODY.length,
      checksum: SHA256,
      ifNoneMatch: '*',
    });
    expect(signed.headers).toEqual({
      'content-type': 'image/png',
      'if-none-match': '*',
      'x-amz-checksum-sha256': SHA256.value,
    });
    expect(new URL(signed.url).searchParams.get('X-Amz-SignedHeaders')).toBe(
      'content-length;content-type;host;if-none-match;x-amz-checksum-sha256',
    );
    expect(await upload(signed)).toBe(200);
    expect(s3.server.objects('bucket').get('key')?.contentType).toBe('image/png');
    expect(await upload(signed)).toBe(412);
  });

  test('binds an MD5, too', async () => {
    await using s3 = await openS3();
    const value = createHash('md5').update(BODY).digest('base64');
    const signed = await uploadUrl(s3, { checksum: { algorithm: 'md5', value } });
    expect(await upload(signed, { body: Buffer.from('another.') })).toBe(400);
    expect(await upload(signed)).toBe(200);
  });

  test('ends with its time', async () => {
    let now = Date.now();
    await using s3 = await openS3({ server: { now: () => now } });
    const signed = await uploadUrl(s3);
    now += 61_000;
    expect(await upload(signed)).toBe(403);
    expect(s3.server.objects('bucket').size).toBe(0);
  });

  test.each(['crc32', 'crc32c', 'sha1', 'sha256'] as const)('binds a %s', async (algorithm) => {
    await using s3 = await openS3();
    const running = startChecksum(algorithm);
    running.update(BODY);
    const checksum = running.digest();
    const signed = await uploadUrl(s3, { checksum });
    expect(await upload(signed, { body: Buffer.from('another.') })).toBe(400);
    expect(await upload(signed)).toBe(200);
    expect((await s3.driver.info('key', { signal })).checksum).toEqual(checksum);
  });

  test('promises no greatest size, which no signature of a PUT can enforce', async () => {
    await using s3 = await openS3();
    expect(s3.driver.capabilities.signedUploads.PUT).not.toContain('maxSize');
  });
});
