import { StorageInvalidArgumentError } from '../../../lib/core/errors.js';
import { compareKeys } from '../../../lib/core/key.js';
import { listAll, ODD_KEYS, openS3, putOptions, signal } from './open-s3.js';

async function withKeys(keys: readonly string[]) {
  const s3 = await openS3();
  for (const key of keys) await s3.driver.put(key, Buffer.from(key), putOptions());
  return s3;
}

describe('list', () => {
  test('yields every page, in the order of the UTF-8 bytes', async () => {
    const keys = [...ODD_KEYS, '～', '🙂', 'z', 'Z', 'é'];
    await using s3 = await withKeys(keys);
    const { keys: listed, pages } = await listAll(s3.driver, { pageSize: 3 });
    expect(listed).toEqual([...keys].sort(compareKeys));
    expect(pages).toHaveLength(Math.ceil(keys.length / 3));
    expect(pages.at(-1)).not.toHaveProperty('cursor');
  });

  test('lists size, etag and time without a request for each file', async () => {
    await using s3 = await withKeys(['a', 'b']);
    s3.server.clearRequests();
    const { pages } = await listAll(s3.driver);
    const { etag, lastModified, size } = await s3.driver.info('a', { signal });
    expect(pages[0]!.files[0]).toEqual({ key: 'a', etag, lastModified, size, metadata: {} });
    expect(s3.server.requests).toHaveLength(2);
  });

  test('takes the prefix as text', async () => {
    await using s3 = await withKeys(['a', 'a b', 'a+b', 'ab/c', 'b']);
    expect((await listAll(s3.driver, { prefix: 'a' })).keys).toHaveLength(4);
    expect((await listAll(s3.driver, { prefix: 'a+' })).keys).toEqual(['a+b']);
    expect((await listAll(s3.driver, { prefix: 'a ' })).keys).toEqual(['a b']);
  });

  test('groups by any delimiter', async () => {
    await using s3 = await withKeys(['a/1', 'a/2', 'b c/1', 'd', 'e--f']);
    expect(await listAll(s3.driver, { delimiter: '/' })).toMatchObject({
      keys: ['d', 'e--f'],
      prefixes: ['a/', 'b c/'],
    });
    expect((await listAll(s3.driver, { delimiter: '--' })).prefixes).toEqual(['e--']);
  });

  test('starts after a key that need not be there', async () => {
    await using s3 = await withKeys(['a', 'b/1', 'b/2', 'c']);
    expect((await listAll(s3.driver, { startAfter: 'a' })).keys).toEqual(['b/1', 'b/2', 'c']);
    expect((await listAll(s3.driver, { startAfter: 'az', pageSize: 1 })).keys).toEqual([
      'b/1',
      'b/2',
      'c',
    ]);
  });

  test('lists a prefix as long as one of its keys is after the one to start after', async () => {
    await using s3 = await withKeys(['q/a/x', 'q/a/y', 'q/b']);
    const below = (startAfter: string) =>
      listAll(s3.driver, { prefix: 'q/', delimiter: '/', startAfter });
    expect(await below('q/a/x')).toMatchObject({ keys: ['q/b'], prefixes: ['q/a/'] });
    expect(await below('q/a/')).toMatchObject({ keys: ['q/b'], prefixes: ['q/a/'] });
    expect(await below('q/a/y')).toMatchObject({ keys: ['q/b'], prefixes: [] });
  });

  test('refuses to start after what is no Unicode', async () => {
    await using s3 = await withKeys([]);
    for (const name of ['startAfter', 'delimiter']) {
      await expect(listAll(s3.driver, { [name]: 'a\uD800' })).rejects.toMatchObject({
        code: 'INVALID_ARGUMENT',
        message: expect.stringMatching(`^${name} must be Unicode text`) as unknown,
      });
    }
    expect(s3.server.requests).toEqual([]);
  });

  test('goes on from a cursor that is safe in URLs', async () => {
    await using s3 = await withKeys(['a', 'b', 'c', 'd', 'e']);
    const { pages } = await listAll(s3.driver, { pageSize: 2 });
    const cursor = pages[0]!.cursor!;
    expect(encodeURIComponent(cursor)).toBe(cursor);
    expect((await listAll(s3.driver, { pageSize: 2, cursor })).keys).toEqual(['c', 'd', 'e']);
  });

  test.each(['nonsense!', '', Buffer.from('not a token').toString('base64url')])(
    'refuses %j, which is no cursor',
    async (cursor) => {
      await using s3 = await openS3();
      await expect(listAll(s3.driver, { cursor })).rejects.toThrow(StorageInvalidArgumentError);
    },
  );

  test('asks for no page that nobody wants', async () => {
    await using s3 = await withKeys(['a', 'b', 'c']);
    s3.server.clearRequests();
    for await (const page of s3.driver.list({ prefix: '', pageSize: 1, signal })) {
      expect(page.files).toHaveLength(1);
      break;
    }
    expect(s3.server.requests).toHaveLength(1);
  });
});
