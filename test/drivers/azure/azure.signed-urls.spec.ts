import { jest } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { get } from 'node:https';
import { createStorage } from '../../../lib/index.js';
import { BlockBlobClient, ContainerClient, type StoragePipelineOptions } from '@azure/storage-blob';
import { StorageUnsupportedError } from '../../../lib/core/errors.js';
import type { AzureTokenCredential } from '../../../lib/drivers/azure/azure.options.js';
import type { StorageDriver } from '../../../lib/core/storage-driver.js';
import { type Azurite, startAzurite } from './azurite.js';
import { openDriver, putOptions, readKey, rejected, signal, useAzurite } from './open-azure.js';
import { type SelfSigned, selfSigned } from './self-signed.js';

const { open } = useAzurite();
const BYTES = Buffer.from('hello');

describe('a signed URL', () => {
  test('is signed by the account’s key without a request, for reading only', async () => {
    await using azure = await open();
    const url = new URL(await azure.driver.url('a b#?.txt', { signal, expiresIn: 600 }));
    expect(azure.proxy.requests).toEqual([]);
    expect(url.searchParams.get('sp')).toBe('r');
    expect(url.searchParams.get('sr')).toBe('b');
    const life = Date.parse(url.searchParams.get('se')!) - Date.now();
    expect(life).toBeGreaterThan(590_000);
    expect(life).toBeLessThanOrEqual(600_000);
  });

  test('sets how the answer is saved and typed', async () => {
    await using azure = await open();
    await azure.driver.put('key', BYTES, putOptions({ contentType: 'text/html' }));
    const url = await azure.driver.url('key', {
      signal,
      expiresIn: 60,
      contentType: 'text/plain',
      contentDisposition: `attachment; filename="a.txt"; filename*=UTF-8''%C3%A4.txt`,
    });
    const response = await fetch(url);
    expect(await response.text()).toBe('hello');
    expect(response.headers.get('content-type')).toBe('text/plain');
    expect(response.headers.get('content-disposition')).toContain('%C3%A4.txt');
  });

  test.each([
    [
      'a quote and a plus',
      `attachment; filename="a+b & c.txt"; filename*=UTF-8''a%2Bb%20%26%20c.txt`,
    ],
    ['a percent sign', `attachment; filename="100 %.txt"`],
    ['slashes and equals', 'attachment; filename="a=b;c/d?e#f.txt"'],
  ])('keeps a disposition with %s to the byte', async (_, contentDisposition) => {
    await using azure = await open();
    const key = 'ü b/#100%25?&=+.txt';
    await azure.driver.put(key, BYTES, putOptions());
    const options = { signal, expiresIn: 60, contentDisposition, contentType: 'a/b; c="d+e"' };
    const response = await fetch(await azure.driver.url(key, options));
    expect(await response.text()).toBe('hello');
    expect(response.headers.get('content-disposition')).toBe(contentDisposition);
    expect(response.headers.get('content-type')).toBe('a/b; c="d+e"');
  });

  test('of a storage takes no line break from a file name into the answer', async () => {
    await using azure = await open();
    await azure.driver.put('key', BYTES, putOptions());
    const storage = createStorage('files', { driver: azure.driver });
    const disposition = { type: 'attachment', filename: 'a\r\nx-evil: 1.txt' } as const;
    const response = await fetch(await storage.url('key', { disposition }));
    expect(await response.text()).toBe('hello');
    expect(response.headers.get('x-evil')).toBeNull();
    expect(response.headers.get('content-disposition')).toMatch(/^attachment; filename="[^"]+"/);
  });

  test('is worth nothing once its time is over, or for anything else', async () => {
    await using azure = await open();
    await azure.driver.put('key', BYTES, putOptions());
    const expired = await azure.driver.url('key', { signal, expiresIn: -60 });
    expect((await fetch(expired)).status).toBe(403);
    const url = await azure.driver.url('key', { signal, expiresIn: 60 });
    expect((await fetch(url, { method: 'DELETE' })).status).toBe(403);
    expect((await fetch(url.replace('/key?', '/other?'))).status).toBe(403);
  });
});

describe('a signed upload', () => {
  test('stores what it is sent', async () => {
    await using azure = await open();
    const upload = await azure.driver.uploadUrl('key', { signal, method: 'PUT', expiresIn: 60 });
    expect(upload.headers).toEqual({ 'x-ms-blob-type': 'BlockBlob' });
    for (const body of ['first', 'second']) {
      const response = await fetch(upload.url, { method: 'PUT', headers: upload.headers, body });
      expect(response.status).toBe(201);
      expect(String(await readKey(azure.driver, 'key'))).toBe(body);
    }
  });

  test('only creates, where that was asked', async () => {
    await using azure = await open();
    const upload = await azure.driver.uploadUrl('key', {
      signal,
      method: 'PUT',
      expiresIn: 60,
      ifNoneMatch: '*',
    });
    const put = (body: string): Promise<Response> =>
      fetch(upload.url, { method: 'PUT', headers: upload.headers, body });
    expect((await put('first')).status).toBe(201);
    expect((await put('second')).status).toBe(403);
    expect(String(await readKey(azure.driver, 'key'))).toBe('first');
  });

  test('promises nothing that a signature cannot bind', async () => {
    await using azure = await open();
    expect(azure.driver.capabilities.signedUploads).toEqual({ PUT: ['createOnly'], POST: false });
    const checksum = { algorithm: 'md5', value: '' } as const;
    for (const bound of [{ contentType: 'image/png' }, { size: 1 }, { maxSize: 1 }, { checksum }]) {
      const upload = azure.driver.uploadUrl('key', {
        signal,
        method: 'PUT',
        expiresIn: 60,
        ...bound,
      });
      await expect(upload).rejects.toThrow(StorageUnsupportedError);
    }
    const post = azure.driver.uploadUrl('key', { signal, method: 'POST', expiresIn: 60 });
    await expect(post).rejects.toThrow(StorageUnsupportedError);
    expect(azure.driver.capabilities.signedParts).toBe(false);
    const upload = { key: 'key', uploadId: 'an-upload' };
    const part = azure.driver.uploadPartUrl(upload, 1, { signal, expiresIn: 60 });
    await expect(part).rejects.toThrow(StorageUnsupportedError);
  });
});

test('a shared access signature signs no others, and says so', async () => {
  const driver = await openDriver({
    container: 'files',
    accountUrl: 'https://account.blob.core.windows.net',
    sasToken: '?sv=2024-01-01&sig=secret',
  });
  expect(driver.capabilities.signedUrls).toBe(false);
  expect(driver.capabilities.signedUploads).toEqual({ PUT: false, POST: false });
  await expect(driver.url('key', { signal, expiresIn: 60 })).rejects.toThrow(
    StorageUnsupportedError,
  );
  await driver.close();
});

describe('with a token', () => {
  let tls: SelfSigned;
  let azurite: Azurite;
  let identity: AzureTokenCredential;
  let client: ContainerClient;
  let driver: StorageDriver<ContainerClient>;

  beforeAll(async () => {
    tls = await selfSigned();
    azurite = await startAzurite({ tls });
  });
  afterAll(async () => {
    await azurite[Symbol.asyncDispose]();
    await tls[Symbol.asyncDispose]();
  });
  beforeEach(async () => {
    identity = credential();
    client = new ContainerClient(`${azurite.endpoint}/${randomUUID()}`, identity, {
      tlsOptions: { ca: tls.certificate },
    } as StoragePipelineOptions);
    await client.create();
    driver = await openDriver({ client });
  });
  afterEach(() => driver.close());

  test('the driver reads, writes, copies and deletes', async () => {
    await driver.put('key', BYTES, putOptions());
    await driver.copy('key', 'copy', { signal });
    expect(String(await readKey(driver, 'copy'))).toBe('hello');
    expect(await driver.deleteMany(['key', 'copy', 'other'], { signal })).toEqual({ failed: [] });
  });

  test('a URL is signed by a key that the service gives for it', async () => {
    await driver.put('key', BYTES, putOptions());
    const url = await driver.url('key', { signal, expiresIn: 60, contentType: 'text/css' });
    const { status, body, type } = await fetchTls(url, tls.certificate);
    expect([status, body, type]).toEqual([200, 'hello', 'text/css']);
    const other = await fetchTls(url.replace('/key?', '/other?'), tls.certificate);
    expect(other.status).toBe(403);
  });

  test('the service reads the source of a copy by the same token, whole and in blocks', async () => {
    using whole = jest.spyOn(BlockBlobClient.prototype, 'syncCopyFromURL');
    using blocks = jest.spyOn(BlockBlobClient.prototype, 'stageBlockFromURL');
    await driver.put('key', BYTES, putOptions());
    await driver.copy('key', 'whole', { signal });
    // The emulator reads no source of blocks by a token.
    await rejected(driver.copy('key', 'blocks', { signal, contentType: 'text/css' }));
    const { url } = client.getBlobClient('key');
    const { token } = (await identity.getToken([]))!;
    const authorized = { sourceAuthorization: { scheme: 'Bearer', value: token } };
    const [wholeUrl, wholeOptions] = whole.mock.lastCall!;
    const [, blockUrl, , , blockOptions] = blocks.mock.lastCall!;
    expect([wholeUrl, blockUrl]).toEqual([url, url]);
    expect(wholeOptions).toMatchObject(authorized);
    expect(blockOptions).toMatchObject(authorized);
  });

  test('the key is used again as long as it outlives what it signs', async () => {
    const keyOf = (url: string): string | null => new URL(url).searchParams.get('ske');
    const { maxExpiresIn } = driver.capabilities.limits;
    const first = keyOf(await driver.url('key', { signal, expiresIn: 60 }));
    const later = await driver.uploadUrl('b', { signal, method: 'PUT', expiresIn: maxExpiresIn });
    expect(keyOf(later.url)).toBe(first);
    expect(Date.parse(first!)).toBeGreaterThan(later.expiresAt.getTime());
  });
});

async function fetchTls(
  url: string,
  ca: string,
): Promise<{ status: number | undefined; body: string; type: string | undefined }> {
  const request = get(url, { ca, agent: false });
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  const body = Buffer.concat(await response.toArray()).toString();
  return { status: response.statusCode, body, type: response.headers['content-type'] };
}

/** A token as Azurite wants it, which looks at everything but the signature. */
function credential(): AzureTokenCredential {
  const now = Math.floor(Date.now() / 1000);
  const claims = {
    aud: 'https://storage.azure.com',
    iss: `https://sts.windows.net/${randomUUID()}/`,
    oid: randomUUID(),
    tid: randomUUID(),
    iat: now - 60,
    nbf: now - 60,
    exp: now + 3600,
  };
  const token = [{ alg: 'RS256', typ: 'JWT' }, claims, {}]
    .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
    .join('.');
  return { getToken: async () => ({ token, expiresOnTimestamp: claims.exp * 1000 }) };
}
