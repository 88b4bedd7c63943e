import { inspect } from 'node:util';
import { Storage as GcsClient } from '@google-cloud/storage';
import { startChecksum } from '../../../lib/core/checksum.js';
import { StoragePermissionError } from '../../../lib/core/errors.js';
import type { DriverUploadUrlOptions, UploadUrl } from '../../../lib/core/storage-driver.js';
import {
  ODD_KEYS,
  openDriver,
  openGcs,
  putOptions,
  randomBytes,
  rejection,
  signal,
} from './open-gcs.js';

const BYTES = new Uint8Array(randomBytes(1000));
const WEEK = 604_800;

function checksumOf(algorithm: 'crc32c' | 'md5') {
  const running = startChecksum(algorithm);
  running.update(BYTES);
  return running.digest();
}

function send({ method, url, headers, fields }: UploadUrl, bytes: Uint8Array, others = {}) {
  let body: Blob | FormData = new Blob([new Uint8Array(bytes)]);
  if (fields) {
    body = new FormData();
    for (const [name, value] of Object.entries({ ...fields, ...others })) body.append(name, value);
    body.append('file', new Blob([new Uint8Array(bytes)]), 'file');
  }
  return fetch(url, { method, body, headers: fields ? headers : { ...headers, ...others } });
}

describe('a signed URL', () => {
  test.each(ODD_KEYS)('serves %s', async (key) => {
    await using gcs = await openGcs();
    await gcs.driver.put(key, Buffer.from(key), putOptions());
    const url = await gcs.driver.url(key, { signal, expiresIn: 60 });
    expect(await (await fetch(url)).text()).toBe(key);
  });

  test('lives a week at most, and until then', async () => {
    let now = Date.now();
    await using gcs = await openGcs({ server: { now: () => now, tokenLifetime: 10 * WEEK } });
    await gcs.driver.put('key', Buffer.from('x'), putOptions());
    const url = await gcs.driver.url('key', { signal, expiresIn: WEEK });
    expect(new URL(url).searchParams.get('X-Goog-Expires')).toBe(String(WEEK));
    now += (WEEK - 10) * 1000;
    expect((await fetch(url)).status).toBe(200);
    // Longer than the signing can have taken.
    now += 120_000;
    expect((await fetch(url)).status).toBe(400);
  });
});

test.each(['PUT', 'POST'] as const)('a signed %s tells when it ends', async (method) => {
  await using gcs = await openGcs();
  const before = Date.now();
  const upload = await gcs.driver.uploadUrl('key', { signal, method, expiresIn: 60 });
  const after = Date.now();
  // In whole seconds.
  expect(upload.expiresAt.getTime()).toBeGreaterThan(before + 59_000);
  expect(upload.expiresAt.getTime()).toBeLessThanOrEqual(after + 60_000);
});

test('the policy of a form ends when it is told to, and binds to what was asked', async () => {
  await using gcs = await openGcs();
  const { fields, expiresAt, headers } = await gcs.driver.uploadUrl('key', {
    signal,
    method: 'POST',
    expiresIn: 60,
    maxSize: 5,
  });
  const policy = JSON.parse(Buffer.from(fields!['policy']!, 'base64').toString()) as {
    conditions: unknown[];
    expiration: string;
  };
  expect(headers).toEqual({});
  expect(Math.abs(Date.parse(policy.expiration) - expiresAt.getTime())).toBeLessThan(1000);
  expect(policy.conditions).toContainEqual(['content-length-range', 0, 5]);
  expect(policy.conditions).toContainEqual({ key: 'key' });
});

test('a signed URL may ask for a type and a disposition, and asks for none by itself', async () => {
  await using gcs = await openGcs();
  await gcs.driver.put('key', Buffer.from('x'), putOptions());
  const names = async (options: object) => {
    const url = await gcs.driver.url('key', { signal, expiresIn: 60, ...options });
    const { searchParams } = new URL(url);
    return [...searchParams].filter(([name]) => !name.startsWith('X-Goog-'));
  };
  expect(await names({})).toEqual([]);
  expect(await names({ contentType: 'text/css' })).toEqual([['response-content-type', 'text/css']]);
  expect(await names({ contentDisposition: 'inline' })).toEqual([
    ['response-content-disposition', 'inline'],
  ]);
});

describe('a signed PUT', () => {
  const cases: [string, Partial<DriverUploadUrlOptions>, Record<string, string>][] = [
    ['type', { contentType: 'image/png' }, { 'content-type': 'image/png' }],
    ['size', { size: 1000 }, { 'x-goog-content-length-range': '1000,1000' }],
    ['greatest size', { maxSize: 1000 }, { 'x-goog-content-length-range': '0,1000' }],
    [
      'crc32c',
      { checksum: checksumOf('crc32c') },
      { 'x-goog-hash': `crc32c=${checksumOf('crc32c').value}` },
    ],
    ['md5', { checksum: checksumOf('md5') }, { 'content-md5': checksumOf('md5').value }],
    ['create-only', { ifNoneMatch: '*' }, { 'x-goog-if-generation-match': '0' }],
  ];

  test.each(cases)('is bound to its %s by signed headers', async (_, options, headers) => {
    await using gcs = await openGcs();
    const upload = await gcs.driver.uploadUrl('a b', {
      signal,
      method: 'PUT',
      expiresIn: 60,
      ...options,
    });
    expect(upload.headers).toEqual(headers);
    const signed = new URL(upload.url).searchParams.get('X-Goog-SignedHeaders')!.split(';');
    expect(signed).toEqual(['host', ...Object.keys(headers)].toSorted());
    const unbound = await fetch(upload.url, { method: 'PUT', body: new Blob([BYTES]) });
    expect(unbound.status).toBeGreaterThanOrEqual(400);
    expect(gcs.server.objects('bucket').size).toBe(0);
    expect((await send(upload, BYTES)).status).toBe(200);
    expect(gcs.server.object('bucket', 'a b')!.body.equals(BYTES)).toBe(true);
  });

  test.each([
    [{ size: 1000 }, randomBytes(999)],
    [{ size: 1000 }, randomBytes(1001)],
    [{ maxSize: 1000 }, randomBytes(1001)],
    [{ checksum: checksumOf('crc32c') }, randomBytes(1000)],
    [{ checksum: checksumOf('md5') }, randomBytes(1000)],
  ])('with %j stores nothing else', async (options, bytes) => {
    await using gcs = await openGcs();
    const upload = await gcs.driver.uploadUrl('key', {
      signal,
      method: 'PUT',
      expiresIn: 60,
      ...options,
    });
    expect((await send(upload, bytes)).status).toBe(400);
    expect(gcs.server.objects('bucket').size).toBe(0);
  });

  test('cannot be bound to a checksum that the service does not verify', async () => {
    await using gcs = await openGcs();
    const checksum = { algorithm: 'sha256', value: 'x' } as const;
    const signing = gcs.driver.uploadUrl('key', { signal, method: 'PUT', expiresIn: 60, checksum });
    expect(await rejection(signing)).toMatchObject({
      code: 'UNSUPPORTED',
      message: 'GCS verifies crc32c and md5 on signed uploads, not sha256',
    });
  });
});

describe('a signed form', () => {
  test.each([
    [{}, BYTES],
    [{ contentType: 'image/png' }, BYTES],
    [{ size: 1000 }, BYTES],
    [{ maxSize: 1000 }, BYTES],
    [{ maxSize: 1000 }, new Uint8Array(0)],
  ])('with %j stores what it is sent', async (options, bytes) => {
    await using gcs = await openGcs();
    const upload = await gcs.driver.uploadUrl('a b/ä.png', {
      signal,
      method: 'POST',
      expiresIn: 60,
      ...options,
    });
    expect(upload.url).toBe(`${gcs.server.endpoint}/bucket/`);
    expect((await send(upload, bytes)).ok).toBe(true);
    expect(gcs.server.object('bucket', 'a b/ä.png')!.body.equals(bytes)).toBe(true);
  });

  test.each([
    [{ contentType: 'image/png' }, BYTES, { 'content-type': 'text/html' }],
    [{ size: 1000 }, randomBytes(999), {}],
    [{ maxSize: 1000 }, randomBytes(1001), {}],
    [{}, BYTES, { key: 'other' }],
  ])('with %j stores nothing else', async (options, bytes, others) => {
    await using gcs = await openGcs();
    const upload = await gcs.driver.uploadUrl('key', {
      signal,
      method: 'POST',
      expiresIn: 60,
      ...options,
    });
    expect((await send(upload, bytes, others)).ok).toBe(false);
    expect(gcs.server.objects('bucket').size).toBe(0);
  });

  test('cannot be bound to more than its policy can', async () => {
    await using gcs = await openGcs();
    for (const options of [{ checksum: checksumOf('md5') }, { ifNoneMatch: '*' as const }]) {
      const base = { signal, method: 'POST', expiresIn: 60 } as const;
      const signing = gcs.driver.uploadUrl('key', { ...base, ...options });
      expect(await rejection(signing)).toMatchObject({
        code: 'UNSUPPORTED',
        message:
          'A signed GCS form can be bound to type and size only; take PUT to bind it to more',
      });
    }
  });
});

test('a form is not signed for a key that the service would fill in from the name of the file', async () => {
  await using gcs = await openGcs();
  const key = 'u/${filename}';
  const base = { signal, expiresIn: 60 } as const;
  const signing = gcs.driver.uploadUrl(key, { ...base, method: 'POST' });
  expect(await rejection(signing)).toMatchObject({
    code: 'UNSUPPORTED',
    message:
      'A form cannot be bound to a key with ${filename}, which GCS replaces by the name of the file; use method PUT',
  });
  const put = await gcs.driver.uploadUrl(key, { ...base, method: 'PUT' });
  expect((await send(put, BYTES)).ok).toBe(true);
  expect([...gcs.server.objects('bucket').keys()]).toEqual([key]);
});

test('without a private key IAM signs, and its refusal shows no token', async () => {
  await using gcs = await openGcs();
  const { credentials: _, ...options } = gcs.server.clientOptions;
  const client = new GcsClient(options);
  client.authClient.jsonContent = gcs.server.workloadIdentity as never;
  const driver = await openDriver(gcs.server, { client });
  await gcs.driver.put('key', Buffer.from('hello'), putOptions());
  const url = await driver.url('key', { signal, expiresIn: 60 });
  expect(await (await fetch(url)).text()).toBe('hello');
  const upload = await driver.uploadUrl('new', { signal, method: 'POST', expiresIn: 60 });
  expect((await send(upload, BYTES)).ok).toBe(true);
  gcs.server.fail({
    operation: 'auth.signBlob',
    times: 9,
    with: { status: 403, reason: 'forbidden' },
  });
  const error = (await rejection(driver.url('key', { signal, expiresIn: 60 }))) as Error;
  expect(error).toBeInstanceOf(StoragePermissionError);
  expect(error.message).toMatch(
    /^Google's IAM did not sign|^Google refused the credentials to sign with: /,
  );
  expect(inspect(error, { depth: 10, showHidden: true })).not.toContain('ya29.');
  await driver.close();
});
