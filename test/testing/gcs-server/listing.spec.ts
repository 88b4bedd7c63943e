import { startGcsServer, type GcsTestServer } from '../../../lib/testing/gcs-server/index.js';
import { sendAuthorized } from './gcs-test-client.js';

interface Listing {
  readonly items?: readonly { readonly name: string }[];
  readonly prefixes?: readonly string[];
  readonly nextPageToken?: string;
}

describe('listings', () => {
  let server: GcsTestServer;
  beforeAll(async () => {
    server = await startGcsServer({ buckets: ['bucket', 'many'] });
    // U+FF5E comes before U+1F600 in UTF-8, and behind it in UTF-16.
    for (const name of ['a/1', 'a/2', 'a/', 'a', 'a/b/1', 'b', '～', '😀']) {
      await server.putObject('bucket', name, name);
    }
    for (let index = 0; index < 1003; index++) {
      await server.putObject('many', String(index).padStart(4, '0'), '');
    }
  });
  afterAll(() => server.close());

  async function list(query: Record<string, string>, bucket = 'bucket'): Promise<Listing> {
    const search = new URLSearchParams(query).toString();
    const answer = await sendAuthorized(server, `/storage/v1/b/${bucket}/o?${search}`);
    if (answer.status !== 200) throw new Error(`${answer.status} ${answer.reason}`);
    return JSON.parse(answer.text) as Listing;
  }
  const names = async (query: Record<string, string>) =>
    (await list(query)).items?.map(({ name }) => name) ?? [];

  it('comes in the order of UTF-8 bytes', async () => {
    expect(await names({})).toEqual(['a', 'a/', 'a/1', 'a/2', 'a/b/1', 'b', '～', '😀']);
  });

  it('takes a plain prefix', async () => {
    expect(await names({ prefix: 'a/' })).toEqual(['a/', 'a/1', 'a/2', 'a/b/1']);
    expect(await list({ prefix: 'none' })).toEqual({ kind: 'storage#objects' });
  });

  it('groups by delimiter', async () => {
    const { items, prefixes } = await list({ delimiter: '/' });
    expect(prefixes).toEqual(['a/']);
    expect(items?.map(({ name }) => name)).toEqual(['a', 'b', '～', '😀']);
    const below = await list({ delimiter: '/', prefix: 'a/' });
    expect(below).toMatchObject({ prefixes: ['a/b/'] });
    expect(below.items?.map(({ name }) => name)).toEqual(['a/', 'a/1', 'a/2']);
  });

  it('shows folder objects, too, when asked', async () => {
    const query = { delimiter: '/', includeTrailingDelimiter: 'true' };
    expect(await names(query)).toEqual(['a', 'a/', 'b', '～', '😀']);
  });

  it('begins with the start offset and ends before the end offset', async () => {
    expect(await names({ startOffset: 'a/1', endOffset: 'b' })).toEqual(['a/1', 'a/2', 'a/b/1']);
    expect(await list({ startOffset: 'a/2', endOffset: 'b', delimiter: '/' })).toMatchObject({
      prefixes: ['a/'],
    });
  });

  it('goes on page by page, a group counting as one', async () => {
    const pages: string[][] = [];
    let pageToken: string | undefined;
    do {
      const page: Listing = await list({
        delimiter: '/',
        maxResults: '2',
        ...(pageToken === undefined ? {} : { pageToken }),
      });
      pages.push([...(page.items?.map(({ name }) => name) ?? []), ...(page.prefixes ?? [])]);
      pageToken = page.nextPageToken;
    } while (pageToken !== undefined);
    expect(pages).toEqual([['a', 'a/'], ['b', '～'], ['😀']]);
  });

  it('has at most a thousand entries a page', async () => {
    const first = await list({ maxResults: '5000' }, 'many');
    expect(first.items).toHaveLength(1000);
    const rest = await list({ pageToken: String(first.nextPageToken) }, 'many');
    expect(rest.items?.map(({ name }) => name)).toEqual(['1000', '1001', '1002']);
    expect(rest.nextPageToken).toBeUndefined();
  });

  it('has only the fields that are asked for', async () => {
    expect(await list({ prefix: 'b', fields: 'items(name,size),prefixes' })).toEqual({
      items: [{ name: 'b', size: '1' }],
    });
    const page = await list({ maxResults: '1', fields: 'items/name,items/size,nextPageToken' });
    expect(page).toEqual({
      items: [{ name: 'a', size: '1' }],
      nextPageToken: expect.any(String),
    });
  });

  it('has all of the fields that are asked for, however it is asked', async () => {
    server.createBucket('described');
    await server.putObject('described', 'a', '', { metadata: { a: '1', b: '2', c: '3' } });
    const first = async (fields: string) => (await list({ fields }, 'described')).items?.[0];
    for (const fields of ['items(metadata(a)),items(metadata(b))', 'items/metadata(a,b)']) {
      expect(await first(fields)).toEqual({ metadata: { a: '1', b: '2' } });
    }
    for (const fields of ['items', 'items/*', 'items,items/name', 'items/name,items']) {
      expect(await first(fields)).toMatchObject({ name: 'a', metadata: { c: '3' } });
    }
    for (const fields of ['items(', 'items)', ',', 'items//name', 'items(name', 'items name']) {
      await expect(first(fields)).rejects.toThrow('400');
    }
  });

  it('refuses what makes no sense, and what it does not know', async () => {
    await expect(list({ maxResults: '0' })).rejects.toThrow('400');
    await expect(list({ pageToken: 'nonsense' })).rejects.toThrow('400');
    await expect(list({ matchGlob: '*' })).rejects.toThrow('501');
    await expect(list({}, 'other')).rejects.toThrow('404');
  });
});
