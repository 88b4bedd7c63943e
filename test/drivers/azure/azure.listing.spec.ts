import { compareKeys } from '../../../lib/core/key.js';
import { StorageInvalidArgumentError } from '../../../lib/core/errors.js';
import { KeyOrder } from '../../../lib/drivers/azure/azure.key-order.js';
import type { DriverListOptions, ListPage } from '../../../lib/core/storage-driver.js';
import { listAll, type OpenAzure, putOptions, rejected, signal, useAzurite } from './open-azure.js';

const { open } = useAzurite();

async function fill({ other }: OpenAzure, keys: readonly string[]): Promise<void> {
  await Promise.all(keys.map((key) => other.put(key, Buffer.from(key), putOptions())));
}

/** Page by page, as by processes that know nothing but the cursor. */
async function listByCursors(
  { driver }: OpenAzure,
  options: Partial<DriverListOptions>,
): Promise<ListPage[]> {
  const pages: ListPage[] = [];
  let { cursor } = options;
  do {
    const from = { prefix: '', pageSize: 1000, ...options, ...(cursor && { cursor }), signal };
    for await (const page of driver.list(from)) {
      pages.push(page);
      cursor = page.cursor;
      break;
    }
  } while (cursor !== undefined);
  return pages;
}

function keysOf(pages: readonly ListPage[]): string[] {
  return pages.flatMap(({ files }) => files.map(({ key }) => key));
}

/** How many results each request asked for, but for the first of them. */
function asked({ proxy }: OpenAzure, first = 0): number[] {
  return proxy.requests.slice(first).map(({ url }) => Number(/maxresults=(\d+)/.exec(url)?.[1]));
}

describe('a listing', () => {
  test('tells all that info tells, without a request for each file', async () => {
    await using azure = await open();
    const options = {
      contentType: 'text/css',
      cacheControl: 'no-store',
      contentEncoding: 'br',
      contentLanguage: 'de',
      contentDisposition: 'attachment',
      metadata: { title: 'Grüße', '0-a': '' },
    };
    await azure.other.put('a', Buffer.from('hello'), putOptions(options));
    const { pages } = await listAll(azure.driver);
    expect(azure.proxy.requests).toHaveLength(1);
    expect(pages[0]!.files).toEqual([await azure.driver.info('a', { signal })]);
  });

  test('of many pages has each key once, in the order of their UTF-8 bytes', async () => {
    await using azure = await open();
    const keys = [
      'a',
      'a/1',
      'a/2',
      'b\uFF5E',
      'b😀',
      'c',
      '\uFF5E',
      '\uFF5Ez',
      '😀',
      '😀/1',
      '😁',
    ];
    await fill(azure, keys);
    for (const pageSize of [1, 2, 3, 4, 100]) {
      const { keys: listed, pages } = await listAll(azure.driver, { pageSize });
      expect(listed).toEqual(keys);
      for (const { files } of pages.slice(0, -1)) expect(files).toHaveLength(pageSize);
    }
  });

  test('goes on in another process from a cursor that is safe in URLs', async () => {
    await using azure = await open();
    const keys = ['a', 'b\uFF5E', 'b😀', 'c', '\uFF5E', '😀', '😁'];
    await fill(azure, keys);
    for (const pageSize of [1, 2, 3]) {
      const listed = await listByCursors(azure, { pageSize });
      for (const { cursor } of listed) expect(cursor ?? '').toMatch(/^[\w-]*$/);
      expect(keysOf(listed)).toEqual(keys);
    }
  });

  test('goes on from a cursor behind names that came before others of their segment', async () => {
    await using azure = await open();
    // Azurite lists the first one last: it is held back while more and more segments come.
    const keys = ['a\uFF5E1', 'a\uFF5E2', 'a\uFF5E3', 'a\uFF5E4', 'a\uFF5E5', 'a😀', 'a😁', 'b'];
    await fill(azure, keys);
    for (const pageSize of [1, 2, 3, 4, 5]) {
      expect(keysOf(await listByCursors(azure, { pageSize }))).toEqual(keys);
    }
  });

  test('refuses a cursor that is none', async () => {
    await using azure = await open();
    for (const cursor of ['nonsense', Buffer.from('{}').toString('base64url'), '%']) {
      const listing = listAll(azure.driver, { cursor });
      await expect(listing).rejects.toThrow(StorageInvalidArgumentError);
    }
    for (const name of ['startAfter', 'delimiter']) {
      expect(await rejected(listAll(azure.driver, { [name]: '\uD800' }))).toMatchObject({
        code: 'INVALID_ARGUMENT',
        message: expect.stringMatching(`^${name} must be Unicode text`),
      });
    }
    expect(azure.proxy.requests).toEqual([]);
  });

  test.each([
    ['OutOfRangeInput', 'cursor'],
    ['InvalidQueryParameterValue', 'cursor'],
    ['InvalidInput', 'refused the request'],
  ])('tells of a cursor that the service does not know: %s', async (code, words) => {
    await using azure = await open();
    const headers = { 'x-ms-request-id': 'id', 'x-ms-error-code': code };
    azure.proxy.fail({ times: 2, with: { status: 400, headers } });
    const cursor = Buffer.from('{"token":"x"}').toString('base64url');
    const refused = await rejected(listAll(azure.driver, { cursor }));
    expect(refused.code).toBe('INVALID_ARGUMENT');
    expect(refused.message).toContain(words);
    expect((await rejected(listAll(azure.driver))).message).not.toContain('cursor');
  });

  test.each(['/', '--', '日'])(
    'gathers prefixes by %j, in pages of any size',
    async (delimiter) => {
      await using azure = await open();
      const names = ['a', 'b|1', 'b|2|3', 'c', 'd|', 'd|4', 'e|5'];
      const keys = names
        .map((name) => `x-${name.replaceAll('|', delimiter)}`)
        .filter((key) => !key.endsWith('/'));
      await fill(azure, keys);
      const prefixes = ['b', 'd', 'e'].map((name) => `x-${name}${delimiter}`);
      for (const pageSize of [1, 2, 3, 100]) {
        const listed = await listAll(azure.driver, { prefix: 'x-', delimiter, pageSize });
        expect(listed.keys).toEqual(['x-a', 'x-c']);
        expect(listed.prefixes).toEqual(prefixes);
      }
    },
  );

  test.each(['/', '--'])(
    'by %j lists a prefix as long as one of its keys is after the one to start after',
    async (delimiter) => {
      await using azure = await open();
      await fill(
        azure,
        ['a|1', 'b|1', 'b|2', 'c|1'].map((name) => name.replaceAll('|', delimiter)),
      );
      const after = async (name: string): Promise<string[]> => {
        const startAfter = name.replaceAll('|', delimiter);
        const { prefixes } = await listAll(azure.driver, { delimiter, startAfter });
        return prefixes.map((prefix) => prefix.slice(0, 1));
      };
      expect(await after('a|1')).toEqual(['b', 'c']);
      expect(await after('b|1')).toEqual(['b', 'c']);
      expect(await after('b|2')).toEqual(['c']);
      expect(await after('b')).toEqual(['b', 'c']);
    },
  );

  test('reads on where the service answers without a file and yet has more', async () => {
    await using azure = await open();
    await fill(azure, ['a', 'b']);
    azure.proxy.fail({
      method: 'GET',
      with: {
        status: 200,
        headers: { 'content-type': 'application/xml', 'x-ms-request-id': 'id' },
        body: '<?xml version="1.0"?><EnumerationResults><Blobs/><NextMarker>a</NextMarker></EnumerationResults>',
      },
    });
    const { pages } = await listAll(azure.driver);
    expect(pages).toHaveLength(1);
    expect(pages[0]!.files.map(({ key }) => key)).toEqual(['b']);
  });

  test('asks for no more at once than the service gives', async () => {
    await using azure = await open();
    for (const pageSize of [4999, 5001]) await listAll(azure.driver, { pageSize });
    expect(asked(azure)).toEqual([4999, 5000]);
  });

  test('from a key on reads what lies before it by as much as the service gives, and goes on by pages', async () => {
    await using azure = await open();
    const keys = Array.from({ length: 30 }, (_, index) => `photos/${10 + index}`);
    await fill(azure, keys);
    const options = { startAfter: 'photos/29', pageSize: 3 };
    expect(keysOf(await listByCursors(azure, options))).toEqual(keys.slice(20));
    expect(asked(azure)).toEqual([5000, 23, 3, 3, 3]);
    expect((await listAll(azure.driver, options)).keys).toEqual(keys.slice(20));
    expect(asked(azure, 5)).toEqual([5000]);
    const before = { prefix: 'photos/', startAfter: 'photos', pageSize: 30 };
    expect((await listAll(azure.driver, before)).keys).toEqual(keys);
    expect(asked(azure, 6)).toEqual([30]);
  });

  test('looks below a prefix by one request for the keys before the one to start after', async () => {
    await using azure = await open();
    await fill(azure, ['a/1', 'a/2', 'a/3', 'a/4', 'a/5', 'b']);
    const { prefixes, keys } = await listAll(azure.driver, { delimiter: '/', startAfter: 'a/4' });
    expect([prefixes, keys]).toEqual([['a/'], ['b']]);
    expect(asked(azure)).toEqual([5000, 5000]);
  });

  test('reads faster where all that came was on pages before', async () => {
    await using azure = await open();
    const names = ['a😀', ...Array.from({ length: 20 }, (_, index) => `a\uFF5E${10 + index}`)];
    await fill(azure, names);
    const [, , third, fourth] = await listByCursors(azure, { pageSize: 4 });
    const { length } = azure.proxy.requests;
    const again = await listByCursors(azure, { pageSize: 4, cursor: third!.cursor! });
    expect(again[0]).toEqual(fourth);
    expect(keysOf([fourth!])).toEqual(names.slice(13, 17));
    expect(asked(azure, length).slice(0, 3)).toEqual([4, 4, 5000]);
  });

  test('asks for no page that nobody wants', async () => {
    await using azure = await open();
    await fill(azure, ['a', 'b', 'c']);
    for await (const page of azure.driver.list({ prefix: '', pageSize: 1, signal })) {
      expect(page.files).toHaveLength(1);
      break;
    }
    expect(azure.proxy.requests).toHaveLength(1);
  });
});

describe('the order of keys', () => {
  const NAMES = ['', 'a', '\uE000', '\uFFFD', '😀', '😁'].flatMap((one) =>
    ['', 'b', '\uFF5E', '😀'].map((two) => `p${one}${two}`),
  );

  test.each([
    ['UTF-16 units', (left: string, right: string) => (left < right ? -1 : 1)],
    ['UTF-8 bytes', compareKeys],
  ])('is that of UTF-8 bytes when they come in that of %s, in pieces of any size', (_, order) => {
    const names = [...new Set(NAMES)];
    const sent = names.toSorted(order);
    const expected = names.toSorted(compareKeys);
    for (let size = 1; size <= sent.length; size++) {
      const keys = new KeyOrder<{ name: string }>(1);
      const taken: string[] = [];
      for (let start = 0; start < sent.length; start += size) {
        const part = sent.slice(start, start + size);
        keys.add(
          part.map((name) => ({ name })),
          part.slice(-1),
        );
        taken.push(...keys.take(3, false).map(({ name }) => name));
      }
      taken.push(...keys.take(Infinity, true).map(({ name }) => name));
      expect(taken).toEqual(expected);
    }
  });

  test('has what comes again once, as it came first: whoever goes on from there misses nothing of that segment', () => {
    const keys = new KeyOrder<{ name: string; segment: number }>(0);
    keys.add([{ name: 'p/', segment: 1 }], ['p/']);
    const again = { name: 'p/', segment: 2 };
    keys.add([again, { name: 'q', segment: 2 }], ['q']);
    expect(keys.held[0]).toEqual({ name: 'p/', segment: 1 });
    expect(keys.take(Infinity, false).map(({ name }) => name)).toEqual(['p/', 'q']);
  });

  test('holds back what one of two sequences may still bring, however far the other one is', () => {
    const keys = new KeyOrder<{ name: string }>(0);
    keys.add([{ name: 'p😀' }, { name: 'q/' }], ['p😀', 'q/']);
    expect(keys.take(Infinity, false)).toEqual([]);
    keys.add([{ name: 'p\uFF5E' }], ['p\uFF5E', 'q/']);
    expect(keys.take(Infinity, false)).toEqual([{ name: 'p\uFF5E' }]);
    keys.add([{ name: 'r' }], ['r', 'q/']);
    expect(keys.take(Infinity, false).map(({ name }) => name)).toEqual(['p😀', 'q/', 'r']);
  });

  test('holds nothing back that is certain', () => {
    const keys = new KeyOrder<{ name: string }>(0);
    keys.add([{ name: 'a' }, { name: 'a😀' }, { name: 'b' }], ['b']);
    expect(keys.take(Infinity, false)).toHaveLength(3);
    keys.add([{ name: 'c😀' }], ['c😀']);
    expect(keys.take(Infinity, false)).toEqual([]);
    expect(keys.held).toEqual([{ name: 'c😀' }]);
  });
});
