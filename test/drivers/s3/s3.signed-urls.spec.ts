import { createHash } from 'node:crypto';
import {
  type Checksum,
  type ChecksumAlgorithm,
  startChecksum,
} from '../../../lib/core/checksum.js';
import { StorageUnsupportedError } from '../../../lib/core/errors.js';
import type {
  DriverUpload,
  DriverUploadUrlOptions,
  UploadUrl,
} from '../../../lib/core/storage-driver.js';
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
    // Longer than the signing can have taken.
    now += 120_000;
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
    // Longer than the signing can have taken.
    now += 120_000;
    expect(await upload(signed)).toBe(403);
    expect(s3.server.objects('bucket').size).toBe(0);
  });

  test.each(['crc32', 'crc32c', 'sha1', 'sha256'] as const)('binds a %s', async (algorithm) => {
    await using s3 = await openS3();
    const checksum = checksumOf(algorithm);
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

describe('uploadPartUrl', () => {
  const CRC32 = checksumOf('crc32');

  async function start(s3: OpenS3): Promise<DriverUpload> {
    const uploadId = await s3.driver.startMultipartUpload('a key/ü', { ...putOptions(), signal });
    return { key: 'a key/ü', uploadId };
  }

  test('makes no request, is free of the checksum of no bytes, and needs no header', async () => {
    await using s3 = await openS3();
    const upload = await start(s3);
    s3.server.clearRequests();
    const { url, headers } = await s3.driver.uploadPartUrl(upload, 3, { expiresIn: 60, signal });
    expect(s3.server.requests).toEqual([]);
    expect(url).not.toMatch(/checksum|AAAAAA|x-id/i);
    expect(headers).toEqual({});
    const { searchParams } = new URL(url);
    expect(searchParams.get('partNumber')).toBe('3');
    expect(searchParams.get('X-Amz-SignedHeaders')).toBe('host');
  });

  test.each([
    ['a CRC-32, as every part of the upload', CRC32, 'x-amz-checksum-crc32'],
    ['an MD5', checksumOf('md5'), 'content-md5'],
  ])('is bound to size and %s', async (_, checksum, header) => {
    await using s3 = await openS3();
    const part = await start(s3);
    const options = { expiresIn: 60, size: BODY.length, checksum, signal };
    const signed = await s3.driver.uploadPartUrl(part, 1, options);
    expect(signed.headers).toEqual({ [header]: checksum.value });
    expect(await upload(signed, { body: Buffer.from('another.') })).toBe(400);
    expect(await upload(signed, { body: Buffer.from('longer than the body') })).toBe(403);
    expect(await upload(signed, { headers: {} })).toBeGreaterThanOrEqual(400);
    expect(await s3.driver.listParts(part, { signal })).toEqual([]);
    expect(await upload(signed)).toBe(200);
    // The file still has the checksum that the upload was started with.
    const parts = await s3.driver.listParts(part, { signal });
    await s3.driver.completeMultipartUpload(part, parts, { signal });
    expect((await s3.driver.info(part.key, { signal })).checksum).toEqual(CRC32);
  });

  test('refuses a checksum that is not of the algorithm of the upload', async () => {
    await using s3 = await openS3();
    const signing = s3.driver.uploadPartUrl(await start(s3), 1, {
      expiresIn: 60,
      checksum: SHA256,
      signal,
    });
    await expect(signing).rejects.toThrow(StorageUnsupportedError);
    await expect(signing).rejects.toThrow('take crc32, md5');
  });

  test('ends with its time, and with the upload', async () => {
    let now = Date.now();
    await using s3 = await openS3({ server: { now: () => now } });
    const part = await start(s3);
    const signed = await s3.driver.uploadPartUrl(part, 1, { expiresIn: 60, signal });
    // Longer than the signing can have taken.
    now += 120_000;
    expect(await upload(signed)).toBe(403);
    expect(await s3.driver.listParts(part, { signal })).toEqual([]);
    now -= 120_000;
    await s3.driver.abortMultipartUpload(part, { signal });
    expect(await upload(signed)).toBe(404);
  });
});

function checksumOf(algorithm: ChecksumAlgorithm): Checksum {
  const running = startChecksum(algorithm);
  running.update(BODY);
  return running.digest();
}
