import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { ContainerClient, StorageSharedKeyCredential } from '@azure/storage-blob';
import { StoragePermissionError } from '../../../lib/core/errors.js';
import type { StoredFile } from '../../../lib/core/stored-file.js';
import { readListing } from '../../../lib/drivers/azure/azure.answers.js';
import { authorizationOf } from '../../../lib/drivers/azure/azure.authorization.js';
import { DirectEngine } from '../../../lib/drivers/azure/azure.direct-engine.js';
import type { AzureTokenCredential } from '../../../lib/drivers/azure/azure.options.js';
import { sharedKeySignature } from '../../../lib/drivers/azure/azure.signature.js';
import { openAgents } from '../../../lib/drivers/remote/connecting-agents.js';
import {
  listAll,
  openDriver,
  putOptions,
  read,
  rejected,
  signal,
  useAzurite,
} from './open-azure.js';

const { open } = useAzurite();

const SIGNED = { method: 'GET', path: '/files', query: {}, headers: {} };

describe.each(['direct', 'sdk'] as const)('the engine "%s"', (engine) => {
  test('stores, reads, lists and removes the same', async () => {
    await using azure = await open({ engine });
    const key = "a b/ü!'()*~+&=%23.txt";
    const attributes = {
      contentType: 'text/plain; charset=utf-8',
      cacheControl: 'no-cache',
      contentDisposition: 'inline; filename="a b.txt"',
      contentLanguage: 'de',
      metadata: { 'a-b': 'ü', ab: '1', a1: '2', 'a-1': 'x y' },
    };
    const stored = await azure.driver.put(key, Buffer.from('hello'), {
      ...putOptions(attributes),
      ...attributes,
    });
    const expected = { key, size: 5, etag: stored.etag, checksum: stored.checksum, ...attributes };
    expect(await azure.other.info(key, { signal })).toMatchObject(expected);
    expect(await azure.driver.info(key, { signal })).toMatchObject(expected);
    const download = await azure.driver.get(key, { signal, range: { start: 1, end: 3 } });
    expect(download.range).toEqual({ start: 1, end: 3, size: 5 });
    expect(String(await read(download))).toBe('ell');
    const pages = azure.driver.list({ prefix: 'a b/', pageSize: 10, signal });
    for await (const { files } of pages) expect(files).toMatchObject([expected]);
    await azure.driver.deleteMany([key], { signal });
    expect((await rejected(azure.driver.info(key, { signal }))).code).toBe('FILE_NOT_FOUND');
    // Blanks at the end are no part of a header.
    const padded = { contentType: 'text/plain', cacheControl: 'no-cache ', metadata: {} };
    await azure.driver.put(key, Buffer.from('hello'), { ...putOptions(padded), ...padded });
    expect((await azure.other.info(key, { signal })).cacheControl).toBe('no-cache');
    const isOfSdk = azure.proxy.requests.map(({ headers }) =>
      String(headers['user-agent']).includes('azsdk'),
    );
    expect(new Set(isOfSdk)).toEqual(new Set([engine === 'sdk']));
  });
});

describe.each(['direct', 'sdk'] as const)('by the engine "%s"', (engine) => {
  const codeOf = async (call: Promise<unknown>): Promise<string> => (await rejected(call)).code;

  test('conditions are judged by the service', async () => {
    await using azure = await open({ engine });
    const put = (options: object, bytes = 'new', key = 'key'): Promise<StoredFile> =>
      azure.driver.put(key, Buffer.from(bytes), putOptions({ partSize: 10, ...options }));
    const { etag, lastModified } = await put({ ifNoneMatch: '*' });
    for (const bytes of ['small', 'large enough for blocks']) {
      expect(await codeOf(put({ ifNoneMatch: '*' }, bytes))).toBe('FILE_EXISTS');
      expect(await codeOf(put({ ifMatch: '"0x1"' }, bytes))).toBe('PRECONDITION_FAILED');
    }
    const get = (options: object): Promise<unknown> =>
      azure.driver.get('key', { signal, ...options });
    const past = new Date(lastModified!.getTime() - 60_000);
    expect(await codeOf(get({ ifMatch: '"0x1"' }))).toBe('PRECONDITION_FAILED');
    expect(await codeOf(get({ ifNoneMatch: etag! }))).toBe('NOT_MODIFIED');
    expect(await codeOf(get({ ifModifiedSince: lastModified! }))).toBe('NOT_MODIFIED');
    expect(await codeOf(get({ ifUnmodifiedSince: past }))).toBe('PRECONDITION_FAILED');
    const remove = async (ifMatch: string) => {
      const { failed } = await azure.driver.deleteMany(['key'], { signal, ifMatch });
      if (failed[0]) throw failed[0].error;
    };
    expect(await codeOf(remove('"0x1"'))).toBe('PRECONDITION_FAILED');
    expect(await azure.other.info('key', { signal })).toMatchObject({ etag, size: 3 });
    const attributes = { contentType: 'text/css', metadata: { a: 'b' } };
    const replaced = await put({ ifMatch: etag!, ...attributes }, 'large enough for blocks');
    expect(await azure.other.info('key', { signal })).toMatchObject({ size: 23, ...attributes });
    await remove(replaced.etag!);
    expect(await codeOf(azure.other.info('key', { signal }))).toBe('FILE_NOT_FOUND');
  });

  test('ranges are read from a place on, and from the end, also when they break off', async () => {
    await using azure = await open({ engine });
    const bytes = Buffer.alloc(300_000, 'abcdefg');
    await azure.other.put('key', bytes, putOptions());
    for (const [range, start] of [
      [{ start: 3 }, 3],
      [{ suffix: 100_000 }, 200_000],
    ] as const) {
      azure.proxy.fail({ method: 'GET', with: { resetAnswerAt: 50_000 } });
      const download = await azure.driver.get('key', { signal, range });
      expect(download.range).toEqual({ start, end: 299_999, size: 300_000 });
      expect((await read(download)).equals(bytes.subarray(start))).toBe(true);
    }
  });

  test('a body that hangs for good is a timeout, and no other failure', async () => {
    await using azure = await open({ engine, timeout: 300, retry: { maxRetries: 0 } });
    await azure.other.put('key', Buffer.alloc(300_000), putOptions());
    azure.proxy.fail({ method: 'GET', times: Infinity, with: { stallAnswerAt: 50_000 } });
    const download = await azure.driver.get('key', { signal });
    expect(await codeOf(read(download))).toBe('TIMEOUT');
  });

  test('an empty file is stored and read', async () => {
    await using azure = await open({ engine });
    await azure.driver.put('key', Buffer.alloc(0), putOptions());
    const [sent] = azure.proxy.seen('PUT');
    expect(sent!.headers['content-length']).toBe('0');
    expect(sent!.headers['transfer-encoding']).toBeUndefined();
    expect((await azure.driver.info('key', { signal })).size).toBe(0);
    expect(String(await read(await azure.driver.get('key', { signal })))).toBe('');
  });

  test('files and prefixes are listed page by page', async () => {
    await using azure = await open({ engine });
    for (const key of ['x/a/1', 'x/b', 'x/c/1', 'y']) {
      await azure.other.put(key, Buffer.from(key), putOptions());
    }
    for (const pageSize of [1, 2, 10]) {
      const found = await listAll(azure.driver, { prefix: 'x/', delimiter: '/', pageSize });
      expect(found).toMatchObject({ keys: ['x/b'], prefixes: ['x/a/', 'x/c/'] });
      expect((await listAll(azure.driver, { pageSize })).keys).toHaveLength(4);
    }
  });
});

test('a conditional write for which no token can be had has not taken place', async () => {
  const credential = { getToken: () => Promise.reject(new Error('No identity is there')) };
  const accountUrl = 'https://ann.blob.core.windows.net';
  const account = { accountUrl, credential, retry: { maxRetries: 0 } };
  for (const engine of ['direct', 'sdk'] as const) {
    const driver = await openDriver({ container: 'files', ...account, engine });
    const attributes = { contentType: 'text/plain', metadata: {} };
    const put = driver.put('key', Buffer.from('hello'), {
      ...putOptions(attributes),
      ...attributes,
      ifNoneMatch: '*',
    });
    expect((await rejected(put)).message).not.toMatch(/may have taken place/);
    await driver.close();
  }
});

test('requests go through a proxy that the environment names, or the connection string of an emulator', async () => {
  const seen: (string | undefined)[] = [];
  await using proxy = await listen(({ url }, response) => {
    seen.push(url);
    response.writeHead(404, { 'x-ms-request-id': 'id' }).end();
  });
  const { HTTPS_PROXY } = process.env;
  process.env['HTTPS_PROXY'] = proxy.url;
  try {
    const accountUrl = 'http://127.0.0.1:1/ann';
    const account = { accountUrl, accountName: 'ann', accountKey: 'a2V5' };
    const driver = await openDriver({ container: 'files', ...account, engine: 'direct' });
    expect((await rejected(driver.info('key', { signal }))).code).toBe('FILE_NOT_FOUND');
    await driver.close();
    delete process.env['HTTPS_PROXY'];
    const connectionString = `UseDevelopmentStorage=true;DevelopmentStorageProxyUri=${proxy.url}`;
    const emulator = await openDriver({ container: 'files', connectionString, engine: 'direct' });
    expect((await rejected(emulator.info('key', { signal }))).code).toBe('FILE_NOT_FOUND');
    await emulator.close();
  } finally {
    if (HTTPS_PROXY === undefined) delete process.env['HTTPS_PROXY'];
    else process.env['HTTPS_PROXY'] = HTTPS_PROXY;
  }
  expect(seen).toEqual([
    'http://127.0.0.1:1/ann/files/key',
    'http://127.0.0.1:10000/devstoreaccount1/files/key',
  ]);
});

test('a request is signed as the SDK signs it', async () => {
  const account = new StorageSharedKeyCredential('ann', Buffer.from('key').toString('base64'));
  let sent: Record<string, string> = {};
  let url = '';
  const client = new ContainerClient('https://ann.blob.core.windows.net/files', account, {
    retryOptions: { maxTries: 1 },
    httpClient: {
      sendRequest(request) {
        sent = request.headers.toJson();
        ({ url } = request);
        return Promise.reject(new Error('Not sent'));
      },
    },
  });
  const block = client.getBlockBlobClient('a (b)/ü');
  await block
    .commitBlockList(['aWQ='], {
      metadata: { a_b: '1', ab: '2', a1: '3', _0: '4', aa_b: '5' },
      blobHTTPHeaders: { blobContentType: 'text/plain', blobCacheControl: 'no-cache' },
      conditions: { ifMatch: '"etag"' },
    })
    .catch(() => {});
  const { authorization, ...headers } = sent;
  const { pathname } = new URL(url);
  expect(headers['x-ms-date']).toBeDefined();
  const query = { comp: 'blocklist' };
  expect(sharedKeySignature({ method: 'PUT', path: pathname, query, headers }, account)).toBe(
    authorization,
  );
});

describe('a token', () => {
  const HOUR = 3_600_000;
  const authorization = (credential: AzureTokenCredential) =>
    authorizationOf(new ContainerClient('https://ann.blob.core.windows.net/files', credential));

  test('is kept until shortly before it ends, and asked for once by calls at the same time', async () => {
    let asked = 0;
    const give = (life: number) =>
      authorization({
        getToken: async () => ({
          token: `token-${++asked}`,
          expiresOnTimestamp: Date.now() + life,
        }),
      });
    const kept = give(HOUR);
    const both = [kept.headers(SIGNED, signal), kept.headers(SIGNED, signal)];
    const first = { authorization: 'Bearer token-1' };
    expect(await Promise.all(both)).toEqual([first, first]);
    expect(await kept.headers(SIGNED, signal)).toEqual(first);
    expect(asked).toBe(1);
    const brief = give(1000);
    await brief.headers(SIGNED, signal);
    expect(await brief.headers(SIGNED, signal)).toEqual({ authorization: 'Bearer token-3' });
  });

  test('that holds for a while is used as long as no other one comes', async () => {
    let asked = 0;
    const holding = authorization({
      getToken: async () => {
        if (++asked > 1) throw new Error('The identity service is away');
        return { token: 'token', expiresOnTimestamp: Date.now() + 60_000 };
      },
    });
    for (let call = 0; call < 3; call++) {
      expect(await holding.headers(SIGNED, signal)).toEqual({ authorization: 'Bearer token' });
    }
    expect(asked).toBe(2);
  });

  test('that does not come is no longer waited for by a call that is aborted', async () => {
    const silent = authorization({ getToken: () => new Promise<never>(() => {}) });
    const stop = new AbortController();
    const headers = silent.headers(SIGNED, stop.signal);
    stop.abort(new Error('enough'));
    await expect(headers).rejects.toThrow('enough');
  });

  test('that is null is refused in words', async () => {
    const none = authorization({ getToken: async () => null });
    await expect(none.headers(SIGNED, signal)).rejects.toThrow(StoragePermissionError);
  });

  test.each([
    ['of the tenant that the service names', (tenant?: string) => `token of ${tenant}`, 2, 200],
    ['that is another one', () => `token ${Math.random()}`, 2, 200],
    ['but not with the one that was refused', () => 'token', 1, 401],
  ])(
    'that is not taken is tried again, %s',
    async (_, tokenOf: (tenant?: string) => string, requests, expected) => {
      const seen: (string | undefined)[] = [];
      await using server = await listen(({ headers }, response) => {
        seen.push(headers.authorization);
        const told = { 'x-ms-request-id': 'id', etag: '"a"' };
        if (seen.length > 1) return response.writeHead(200, told).end();
        const challenge =
          'Bearer authorization_uri=https://login.microsoftonline.com/tenant-1/oauth2/authorize resource_id=https://storage.azure.com';
        response.writeHead(401, { ...told, 'www-authenticate': challenge }).end();
      });
      const client = new ContainerClient(`${server.url}/files`, {
        getToken: async (_scopes, options) => ({
          token: tokenOf(options?.tenantId),
          expiresOnTimestamp: Date.now() + HOUR,
        }),
      });
      const agents = openAgents(1, 1, 5000);
      const engine = new DirectEngine(client, { agents, idleTimeout: 5000 });
      const status = await engine.getProperties('key', signal).then(
        () => 200,
        (error: unknown) => (error as { statusCode?: number }).statusCode,
      );
      agents.httpAgent.destroy();
      agents.httpsAgent.destroy();
      expect(seen).toHaveLength(requests);
      expect(new Set(seen).size).toBe(requests);
      expect(status).toBe(expected);
    },
  );
});

test.each([
  ['that is refused again, in another name, is not made once more', 401, 2],
  ['that is refused for another reason is not made in another name', 403, 1],
])('a request %s', async (_, status, requests) => {
  let seen = 0;
  await using server = await listen((_request, response) => {
    seen++;
    response.writeHead(status, { 'x-ms-request-id': 'id' }).end();
  });
  let given = 0;
  const client = new ContainerClient(`${server.url}/files`, {
    getToken: async () => ({
      token: `token ${++given}`,
      expiresOnTimestamp: Date.now() + 3_600_000,
    }),
  });
  const agents = openAgents(1, 1, 5000);
  const engine = new DirectEngine(client, { agents, idleTimeout: 5000 });
  const properties = engine.getProperties('key', signal);
  await expect(properties).rejects.toMatchObject({ statusCode: status });
  agents.httpAgent.destroy();
  agents.httpsAgent.destroy();
  expect([seen, given]).toEqual([requests, requests]);
});

test.each([
  ['by the key of the account', new StorageSharedKeyCredential('ann', 'a2V5')],
  ['by the signature in its URL', undefined],
])('a request %s that is refused is not made once more', async (_, credential) => {
  let seen = 0;
  await using server = await listen((_request, response) => {
    seen++;
    response.writeHead(401, { 'x-ms-request-id': 'id' }).end();
  });
  const client = new ContainerClient(`${server.url}/files?sig=x`, credential);
  const agents = openAgents(1, 1, 5000);
  const engine = new DirectEngine(client, { agents, idleTimeout: 5000 });
  const properties = engine.getProperties('key', signal);
  await expect(properties).rejects.toMatchObject({ statusCode: 401 });
  agents.httpAgent.destroy();
  agents.httpsAgent.destroy();
  expect(seen).toBe(1);
});

test('names that no XML may hold are read out of a listing', () => {
  const { blobs, prefixes, next } = readListing(
    '<?xml version="1.0"?><EnumerationResults><Blobs><BlobPrefix><Name>a &amp; b/</Name></BlobPrefix>' +
      '<Blob><Name Encoded="true">a%EF%BF%BEb%20c</Name><Properties><Content-Length>3</Content-Length></Properties></Blob>' +
      '<Blob><Name>100%25</Name><Properties/><Metadata/></Blob></Blobs><NextMarker>2!</NextMarker></EnumerationResults>',
  );
  expect(blobs.map(({ name }) => name)).toEqual(['a\uFFFEb c', '100%25']);
  expect(blobs[0]!.properties.contentLength).toBe(3);
  expect([prefixes, next]).toEqual([['a & b/'], '2!']);
});

async function listen(
  answer: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<{ readonly url: string } & AsyncDisposable> {
  const server = createServer(answer).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
