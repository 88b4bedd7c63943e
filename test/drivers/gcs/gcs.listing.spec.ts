import {
  StorageConfigurationError,
  StorageInvalidArgumentError,
} from '../../../lib/core/errors.js';
import { OBJECT_FIELDS } from '../../../lib/drivers/gcs/gcs.metadata.js';
import { openStorage } from '../../../lib/drivers/open-storage.js';
import {
  clientOf,
  listAll,
  openDriver,
  openGcs,
  openProxied,
  putOptions,
  rejection,
  signal,
} from './open-gcs.js';

async function openWith(keys: readonly string[]) {
  const gcs = await openGcs();
  for (const key of keys) await gcs.server.putObject('bucket', key, key);
  return gcs;
}

describe('a listing', () => {
  test('tells all that info tells, without a request for each file', async () => {
    await using gcs = await openGcs();
    const options = { ...putOptions({ contentType: 'image/png', metadata: { a: 'ä' } }) };
    const file = await gcs.driver.put('key', Buffer.from('x'), options);
    gcs.server.clearRequests();
    const { pages } = await listAll(gcs.driver);
    expect(pages[0]!.files).toEqual([file]);
    expect(gcs.operations()).toEqual(['objects.list']);
    expect(gcs.server.requests[0]!.query).toEqual({
      fields: `nextPageToken,prefixes,items(${OBJECT_FIELDS})`,
      maxResults: '1000',
    });
  });

  test('asks for a thousand at most', async () => {
    await using gcs = await openWith(['a']);
    await listAll(gcs.driver, { pageSize: 5000 });
    expect(gcs.server.requests.at(-1)!.query['maxResults']).toBe('1000');
  });

  test('counts prefixes as files when it fills a page', async () => {
    const keys = ['a/1', 'b', 'c/1', 'd', 'e/1', 'f'];
    await using gcs = await openWith(keys);
    const { pages } = await listAll(gcs.driver, { delimiter: '/', pageSize: 2 });
    const shown = pages.map(({ files, prefixes }) => [...prefixes, ...files.map(({ key }) => key)]);
    expect(shown).toEqual([
      ['a/', 'b'],
      ['c/', 'd'],
      ['e/', 'f'],
    ]);
    expect(gcs.operations()).toHaveLength(3);
  });

  test('asks for what a page lacks, and no more', async () => {
    await using gcs = await openWith(['a/1', 'b', 'c/1', 'd', 'e']);
    await using proxied = await openProxied(gcs.server);
    // The service may answer fewer than there are.
    const few = { nextPageToken: Buffer.from('a/').toString('base64'), prefixes: ['a/'] };
    const headers = { 'content-type': 'application/json' };
    proxied.proxy.fail({ with: { status: 200, headers, body: JSON.stringify(few) } });
    const maxResults = (): (string | null)[] =>
      proxied.proxy.requests.map(({ url }) =>
        new URL(url, 'http://x').searchParams.get('maxResults'),
      );
    proxied.proxy.fail({ with: { status: 200, headers, body: '{"prefixes":["c/"]}' } });
    const { prefixes } = await listAll(proxied.driver, { delimiter: '/', pageSize: 4 });
    expect(prefixes).toEqual(['a/', 'c/']);
    expect(maxResults()).toEqual(['4', '3']);
  });

  test('asks for a page after the other', async () => {
    const keys = Array.from({ length: 25 }, (_, index) => `k${String(index).padStart(2, '0')}`);
    await using gcs = await openWith(keys);
    const { keys: found, pages } = await listAll(gcs.driver, { pageSize: 10 });
    expect(found).toEqual(keys);
    expect(pages.map(({ files }) => files.length)).toEqual([10, 10, 5]);
    expect(gcs.operations()).toHaveLength(3);
  });

  test.each([1, 2, 3, 100])(
    'starts after a key, and not with it, in pages of %i',
    async (pageSize) => {
      await using gcs = await openWith(['a', 'b', 'b!', 'c', 'd', 'e']);
      const after = async (startAfter: string) =>
        (await listAll(gcs.driver, { startAfter, pageSize })).keys;
      expect(await after('b')).toEqual(['b!', 'c', 'd', 'e']);
      expect(await after('bb')).toEqual(['c', 'd', 'e']);
      expect(await after('e')).toEqual([]);
      const { pages } = await listAll(gcs.driver, { startAfter: 'b', pageSize });
      for (const { files } of pages.slice(0, -1)) expect(files).toHaveLength(pageSize);
      expect(pages.at(-1)!.files.length).toBeGreaterThan(0);
    },
  );

  test.each([
    ['a/3', ['a/', 'b/']],
    ['a/5', ['a/', 'b/']],
    ['a/9', ['b/']],
    ['a/', ['a/', 'b/']],
    ['a/99', ['b/']],
  ])(
    'after %s lists a prefix as long as it has a key behind that',
    async (startAfter, expected) => {
      await using gcs = await openWith(['a/1', 'a/5', 'a/9', 'b/1']);
      for (const pageSize of [1, 2, 100]) {
        const { prefixes } = await listAll(gcs.driver, { delimiter: '/', startAfter, pageSize });
        expect(prefixes).toEqual(expected);
      }
    },
  );

  test('hides the parts of uploads, and fills its pages all the same', async () => {
    await using gcs = await openWith(['-', 'a', 'b', 'c']);
    const uploadId = await gcs.driver.startMultipartUpload('x', putOptions());
    await gcs.driver.uploadPart({ key: 'x', uploadId }, 1, Buffer.from('1'), { signal });
    const { keys, pages } = await listAll(gcs.driver, { pageSize: 2 });
    expect(keys).toEqual(['-', 'a', 'b', 'c']);
    expect(pages).toHaveLength(2);
    const uploads = '.nestjs-storages/uploads/';
    expect((await listAll(gcs.driver, { prefix: uploads })).keys).toHaveLength(2);
    const staged = '.nestjs-storages/staged/x';
    await gcs.server.putObject('bucket', staged, 'x');
    expect((await listAll(gcs.driver, { prefix: '.nestjs-storages/staged/' })).keys).toEqual([
      staged,
    ]);
  });

  test('below a configured prefix shows and takes keys without it, cursors included', async () => {
    await using gcs = await openWith(['other', 'p/a', 'p/b', 'p/c', 'q']);
    const storage = await openStorage('gcs', {
      driver: 'gcs',
      bucket: 'bucket',
      client: clientOf(gcs.server),
      prefix: 'p/',
    });
    const first = await storage.listPage({ limit: 2 });
    expect(first.files.map(({ key }) => key)).toEqual(['a', 'b']);
    const second = await storage.listPage({ limit: 2, cursor: first.cursor! });
    expect(second.files.map(({ key }) => key)).toEqual(['c']);
    expect(second.cursor).toBeUndefined();
    await storage.close();
  });

  test('refuses a cursor that is none of it', async () => {
    await using gcs = await openWith(['a']);
    for (const cursor of ['%', 'nonsense', Buffer.from('{}').toString('base64url')]) {
      await expect(listAll(gcs.driver, { cursor })).rejects.toThrow(StorageInvalidArgumentError);
    }
    // In a cursor's form, of which only the service knows that it is none of its own.
    const other = Buffer.from('nonsense').toString('base64url');
    const refused = { status: 400, reason: 'invalid', message: 'because' };
    gcs.server.fail({ operation: 'objects.list', times: 2, with: refused });
    expect(await rejection(listAll(gcs.driver, { cursor: other }))).toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: 'cursor must be what an earlier page of the same listing gave',
    });
    expect(await rejection(listAll(gcs.driver))).toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: 'The service refused the request: because',
    });
    for (const name of ['startAfter', 'delimiter']) {
      expect(await rejection(listAll(gcs.driver, { [name]: '\uD800' }))).toMatchObject({
        code: 'INVALID_ARGUMENT',
        message: expect.stringMatching(`^${name} must be Unicode text`),
      });
    }
  });

  test('of a bucket that is not there is a wrong configuration', async () => {
    await using gcs = await openGcs();
    const driver = await openDriver(gcs.server, { bucket: 'nowhere' });
    await expect(listAll(driver)).rejects.toThrow(StorageConfigurationError);
    await driver.close();
  });
});
