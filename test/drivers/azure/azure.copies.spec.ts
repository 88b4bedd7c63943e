import { randomBytes } from 'node:crypto';
import {
  StorageConnectionError,
  StorageFileExistsError,
  StorageFileNotFoundError,
} from '../../../lib/core/errors.js';
import {
  expectStored,
  MIB,
  putOptions,
  readKey,
  signal,
  useAzurite,
  rejected,
} from './open-azure.js';

const { open } = useAzurite();
const BLOCK = /comp=block(&|$)/;
const COMMIT = /comp=blocklist/;
const ATTRIBUTES = {
  contentType: 'image/png',
  cacheControl: 'no-store',
  metadata: { title: 'Grüße' },
};

describe('a copy', () => {
  test('is made by one request of the service, which reads the source by a signature of an hour', async () => {
    await using azure = await open();
    const source = await azure.driver.put('from', randomBytes(1000), putOptions(ATTRIBUTES));
    const count = azure.proxy.requests.length;
    const copied = await azure.driver.copy('from', 'to', { signal });
    const info = await azure.driver.info('to', { signal });
    expect(copied).toEqual(info);
    expect(info).toMatchObject({ ...ATTRIBUTES, size: 1000, checksum: source.checksum });
    const [head, copy, ...others] = azure.proxy.requests.slice(count, -1);
    expect(others).toEqual([]);
    expect(head!.method).toBe('HEAD');
    expect(copy!.headers['x-ms-requires-sync']).toBe('true');
    expect(copy!.headers['x-ms-source-if-match']).toBe(source.etag);
    const url = new URL(copy!.headers['x-ms-copy-source'] as string);
    expect(url.searchParams.get('sp')).toBe('r');
    const life = Date.parse(url.searchParams.get('se')!) - Date.now();
    expect(life).toBeLessThanOrEqual(3_600_000);
  });

  test('with other headers goes in blocks, and keeps the rest', async () => {
    await using azure = await open();
    const bytes = randomBytes(MIB);
    const source = await azure.driver.put('from', bytes, putOptions(ATTRIBUTES));
    const copied = await azure.driver.copy('from', 'to', { signal, contentType: 'text/css' });
    expect(copied).toEqual(await azure.driver.info('to', { signal }));
    expect(copied).toMatchObject({
      ...ATTRIBUTES,
      contentType: 'text/css',
      checksum: source.checksum,
    });
    expect(azure.proxy.seen('PUT', BLOCK)).toHaveLength(1);
    await expectStored(azure.driver, 'to', bytes);
  });

  test('of what is too large for one request goes in blocks', async () => {
    await using azure = await open();
    const bytes = randomBytes(66 * MIB);
    await azure.other.put('from', bytes, putOptions(ATTRIBUTES));
    const copied = await azure.driver.copy('from', 'to', { signal });
    expect(copied).toMatchObject({ ...ATTRIBUTES, size: bytes.byteLength });
    expect(azure.proxy.seen('PUT', BLOCK)).toHaveLength(2);
    await expectStored(azure.driver, 'to', bytes);
  });

  test('of an empty file is one', async () => {
    await using azure = await open();
    await azure.driver.put('from', Buffer.alloc(0), putOptions(ATTRIBUTES));
    const copied = await azure.driver.copy('from', 'to', { signal, contentType: 'text/css' });
    expect(copied).toEqual(await azure.driver.info('to', { signal }));
    expect(copied).toMatchObject({ ...ATTRIBUTES, contentType: 'text/css', size: 0 });
  });

  test('takes metadata away that is replaced by none', async () => {
    await using azure = await open();
    await azure.driver.put('from', randomBytes(10), putOptions(ATTRIBUTES));
    await azure.driver.copy('from', 'to', { signal, metadata: {} });
    const info = await azure.driver.info('to', { signal });
    expect(info.metadata).toEqual({});
    expect(info.contentType).toBe('image/png');
  });

  test('keeps a tier that was set', async () => {
    await using azure = await open();
    await azure.driver.put('from', randomBytes(10), putOptions());
    await azure.direct.getBlobClient('from').setAccessTier('Cool');
    await azure.driver.copy('from', 'whole', { signal });
    await azure.driver.copy('from', 'blocks', { signal, contentType: 'text/css' });
    for (const key of ['whole', 'blocks']) {
      const { accessTier } = await azure.direct.getBlobClient(key).getProperties();
      expect(accessTier).toBe('Cool');
    }
  });

  test.each([
    ['whole', {}, /\/to$/],
    ['in blocks', { contentType: 'text/css' }, COMMIT],
  ])('%s is of one version of a source that is replaced meanwhile', async (_, attributes, url) => {
    await using azure = await open();
    await azure.driver.put('from', Buffer.from('first'), putOptions());
    const replace = async (): Promise<void> => {
      await azure.other.put('from', Buffer.from('the second'), putOptions());
    };
    // Before the copy itself, and before the blocks are committed.
    azure.proxy.fail(
      url === COMMIT
        ? { method: 'HEAD', after: 1, with: { before: replace } }
        : { method: 'PUT', url, with: { before: replace } },
    );
    const copied = await azure.driver.copy('from', 'to', { signal, ...attributes });
    expect(copied.size).toBe(10);
    expect(String(await readKey(azure.driver, 'to'))).toBe('the second');
    expect(copied).toEqual(await azure.driver.info('to', { signal }));
  });

  test('of a source that never stays the same fails, and leaves the destination', async () => {
    await using azure = await open();
    await azure.driver.put('from', Buffer.from('a'), putOptions());
    await azure.driver.put('to', Buffer.from('old'), putOptions());
    azure.proxy.fail({
      method: 'PUT',
      url: BLOCK,
      times: Infinity,
      with: {
        before: async () => void (await azure.other.put('from', Buffer.from('b'), putOptions())),
      },
    });
    const error = await rejected(
      azure.driver.copy('from', 'to', { signal, contentType: 'text/css' }),
    );
    expect(error).toBeInstanceOf(StorageConnectionError);
    expect(String(await readKey(azure.driver, 'to'))).toBe('old');
  });

  test.each([
    ['whole', {}],
    ['in blocks', { contentType: 'text/css' }],
  ])('%s creates only, where it is asked to', async (_, attributes) => {
    await using azure = await open();
    await azure.driver.put('from', Buffer.from('new'), putOptions());
    await azure.driver.put('taken', Buffer.from('old'), putOptions());
    const options = { signal, ifNoneMatch: '*', ...attributes } as const;
    expect(await rejected(azure.driver.copy('from', 'taken', options))).toBeInstanceOf(
      StorageFileExistsError,
    );
    expect(String(await readKey(azure.driver, 'taken'))).toBe('old');
    await azure.driver.copy('from', 'free', options);
    expect(String(await readKey(azure.driver, 'free'))).toBe('new');
  });

  test.each([
    ['whole', {}, /\/to$/],
    ['in blocks', { contentType: 'text/css' }, COMMIT],
  ])('%s whose answer is lost succeeds', async (_, attributes, url) => {
    await using azure = await open({ retry: { maxRetries: 1 } });
    await azure.driver.put('from', Buffer.from('new'), putOptions());
    azure.proxy.fail({ method: 'PUT', url, times: Infinity, with: 'lose-answer' });
    const copied = await azure.driver.copy('from', 'to', {
      signal,
      ifNoneMatch: '*',
      ...attributes,
    });
    expect(copied).toEqual(await azure.driver.info('to', { signal }));
  });

  test('that fails leaves what was there', async () => {
    await using azure = await open();
    await azure.driver.put('from', Buffer.from('new'), putOptions());
    await azure.driver.put('to', Buffer.from('old'), putOptions());
    azure.proxy.fail({ method: 'PUT', times: Infinity, with: { status: 500 } });
    for (const attributes of [{}, { contentType: 'text/css' }]) {
      const copy = azure.driver.copy('from', 'to', { signal, ...attributes });
      expect(await rejected(copy)).toBeInstanceOf(StorageConnectionError);
    }
    expect(String(await readKey(azure.driver, 'to'))).toBe('old');
  });

  test.each([{}, { contentType: 'text/css' }])(
    'that is refused is not made again: %j',
    async (attributes) => {
      await using azure = await open();
      await azure.other.put('from', Buffer.from('new'), putOptions());
      azure.proxy.fail({ method: 'PUT', times: Infinity, with: { status: 403 } });
      const copy = azure.driver.copy('from', 'to', { signal, ...attributes });
      expect((await rejected(copy)).code).toBe('PERMISSION_DENIED');
      expect(azure.proxy.requests.map(({ method }) => method)).toEqual(['HEAD', 'PUT']);
    },
  );

  test('that the service has not finished when it answers is none', async () => {
    await using azure = await open({ retry: { maxRetries: 0 } });
    await azure.driver.put('from', Buffer.from('new'), putOptions());
    azure.proxy.fail({
      method: 'PUT',
      times: Infinity,
      with: {
        status: 202,
        headers: { 'x-ms-request-id': 'id', etag: '"0x1"', 'x-ms-copy-status': 'pending' },
      },
    });
    const error = await rejected(azure.driver.copy('from', 'to', { signal }));
    expect(error).toBeInstanceOf(StorageConnectionError);
    expect(error.message).toContain('did not confirm the copy');
  });

  test('of a missing source says so', async () => {
    await using azure = await open();
    const error = await rejected(azure.driver.copy('missing', 'to', { signal }));
    expect(error).toBeInstanceOf(StorageFileNotFoundError);
  });

  test.each([{}, { contentType: 'text/css' }])(
    'is one whole source of many at once: %j',
    async (attributes) => {
      await using azure = await open();
      const sources = ['one', 'two', 'three', 'four', 'five'];
      for (const key of sources) await azure.driver.put(key, Buffer.from(key), putOptions());
      await Promise.all(
        sources.map((key) => azure.driver.copy(key, 'to', { signal, ...attributes })),
      );
      expect(sources).toContain(String(await readKey(azure.driver, 'to')));
    },
  );
});

test('a container that a shared access signature opens is copied in by the same signature', async () => {
  await using azure = await open();
  const { ContainerSASPermissions } = await import('@azure/storage-blob');
  const url = new URL(
    await azure.direct.generateSasUrl({
      permissions: ContainerSASPermissions.parse('racwdl'),
      expiresOn: new Date(Date.now() + 600_000),
    }),
  );
  const { openDriver } = await import('./open-azure.js');
  const driver = await openDriver({
    container: azure.container,
    accountUrl: `${azure.proxy.endpoint}${url.pathname.slice(0, url.pathname.lastIndexOf('/'))}`,
    sasToken: url.search,
  });
  try {
    await driver.put('from', Buffer.from('hello'), putOptions());
    await driver.copy('from', 'to', { signal });
    await driver.copy('from', 'other', { signal, contentType: 'text/css' });
    expect(String(await readKey(driver, 'to'))).toBe('hello');
    expect(String(await readKey(driver, 'other'))).toBe('hello');
  } finally {
    await driver.close();
  }
});
