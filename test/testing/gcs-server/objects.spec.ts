import { gzipSync } from 'node:zlib';
import { startGcsServer, type GcsTestServer } from '../../../lib/testing/gcs-server/index.js';
import { sendAuthorized, type RawResponse } from './gcs-test-client.js';

describe('objects', () => {
  let server: GcsTestServer;
  beforeAll(async () => {
    server = await startGcsServer();
  });
  afterAll(() => server.close());

  type Options = Parameters<typeof sendAuthorized>[2];
  const at = (name: string, query = '') =>
    `/storage/v1/b/bucket/o/${encodeURIComponent(name)}${query && `?${query}`}`;
  const call = (method: string, path: string, options: Options = {}) =>
    sendAuthorized(server, path, { method, ...options });
  const resource = (answer: RawResponse) => JSON.parse(answer.text) as Record<string, unknown>;

  it('tells everything about an object', async () => {
    const { generation } = await server.putObject('bucket', 'a/ü', 'hello', {
      contentType: 'text/plain',
      cacheControl: 'no-store',
      contentDisposition: 'attachment',
      contentLanguage: 'de',
      customTime: '2026-01-01T00:00:00Z',
      storageClass: 'NEARLINE',
      metadata: { Owner: 'Žluť' },
    });
    const object = resource(await call('GET', at('a/ü')));
    expect(object).toMatchObject({
      kind: 'storage#object',
      id: `bucket/a/ü/${generation}`,
      name: 'a/ü',
      bucket: 'bucket',
      generation,
      metageneration: '1',
      size: '5',
      md5Hash: 'XUFAKrxLKna5cZ2REBfFkg==',
      crc32c: 'mnG7TA==',
      contentType: 'text/plain',
      cacheControl: 'no-store',
      contentDisposition: 'attachment',
      contentLanguage: 'de',
      customTime: '2026-01-01T00:00:00Z',
      storageClass: 'NEARLINE',
      metadata: { Owner: 'Žluť' },
    });
    const media = await sendAuthorized(
      server,
      String(object['mediaLink']).slice(server.endpoint.length),
    );
    expect(media.text).toBe('hello');
  });

  it('tells with the bytes what they are', async () => {
    const { generation } = await server.putObject('bucket', 'media', 'hello');
    const { headers, text } = await call('GET', at('media', 'alt=media'));
    expect(text).toBe('hello');
    expect(headers).toMatchObject({
      'content-length': '5',
      'content-type': 'application/octet-stream',
      'x-goog-hash': 'crc32c=mnG7TA==,md5=XUFAKrxLKna5cZ2REBfFkg==',
      'x-goog-generation': generation,
      'x-goog-metageneration': '1',
      'x-goog-stored-content-encoding': 'identity',
      'x-goog-stored-content-length': '5',
      'x-goog-storage-class': 'STANDARD',
    });
  });

  it.each([
    ['bytes=1-2', 206, 'el', 'bytes 1-2/5'],
    ['bytes=2-', 206, 'llo', 'bytes 2-4/5'],
    ['bytes=-2', 206, 'lo', 'bytes 3-4/5'],
    ['bytes=3-99', 206, 'lo', 'bytes 3-4/5'],
    ['bytes=2-1', 200, 'hello', undefined],
    ['lines=1-2', 200, 'hello', undefined],
  ])('answers the range %s by %i', async (range, status, text, contentRange) => {
    await server.putObject('bucket', 'range', 'hello');
    const answer = await call('GET', at('range', 'alt=media'), { headers: { range } });
    expect([answer.status, answer.text]).toEqual([status, text]);
    expect(answer.headers['content-range']).toBe(contentRange);
  });

  it('refuses a range behind the end, and any of an empty object', async () => {
    await server.putObject('bucket', 'range', 'hello');
    await server.putObject('bucket', 'empty', '');
    for (const [name, size] of [
      ['range', 5],
      ['empty', 0],
    ] as const) {
      const headers = { range: 'bytes=5-' };
      const answer = await call('GET', at(name, 'alt=media'), { headers });
      expect([answer.status, answer.headers['content-range']]).toEqual([416, `bytes */${size}`]);
    }
  });

  it('tells what is missing in words, as text where bytes were asked for', async () => {
    const missing = await call('GET', at('missing'));
    expect([missing.status, resource(missing)]).toEqual([
      404,
      {
        error: {
          code: 404,
          message: 'No such object: bucket/missing',
          errors: [
            { message: 'No such object: bucket/missing', domain: 'global', reason: 'notFound' },
          ],
        },
      },
    ]);
    const media = await call('GET', at('missing', 'alt=media'));
    expect([media.status, media.text]).toEqual([404, 'No such object: bucket/missing']);
    const bucket = await call('GET', '/storage/v1/b/other/o/a');
    expect(bucket.text).toContain('The specified bucket does not exist.');
  });

  it('knows the live generation only', async () => {
    const { generation } = await server.putObject('bucket', 'live', '1');
    expect((await call('GET', at('live', `generation=${generation}`))).status).toBe(200);
    await server.putObject('bucket', 'live', '2');
    for (const method of ['GET', 'DELETE']) {
      expect((await call(method, at('live', `generation=${generation}`))).status).toBe(404);
    }
    expect(server.object('bucket', 'live')?.body.toString()).toBe('2');
  });

  it('raises generations with every write, within one millisecond, too', async () => {
    await using frozen = await startGcsServer({ now: () => 1_000 });
    const first = await frozen.putObject('bucket', 'a', '1');
    const second = await frozen.putObject('bucket', 'a', '2');
    expect([first.generation, second.generation]).toEqual(['1000000', '1000001']);
    expect(first.etag).not.toBe(second.etag);
  });

  it('decides reads by conditions: 412 for what must be, 304 for what must not', async () => {
    const { generation: g } = await server.putObject('bucket', 'read', 'hello');
    const status = async (query: string) =>
      (await call('GET', at('read', `alt=media&${query}`))).status;
    expect(await status(`ifGenerationMatch=${g}`)).toBe(200);
    expect(await status('ifGenerationMatch=1')).toBe(412);
    expect(await status('ifGenerationMatch=0')).toBe(412);
    expect(await status(`ifGenerationNotMatch=${g}`)).toBe(304);
    expect(await status('ifGenerationNotMatch=1')).toBe(200);
    expect(await status('ifMetagenerationMatch=2')).toBe(412);
    expect(await status('ifMetagenerationNotMatch=1')).toBe(304);
    expect(await status('ifGenerationMatch=x')).toBe(400);
  });

  it('decides reads by entity tag', async () => {
    const { etag } = await server.putObject('bucket', 'etag', 'hello');
    const status = async (headers: Record<string, string>) =>
      (await call('GET', at('etag', 'alt=media'), { headers })).status;
    expect(await status({ 'if-none-match': etag })).toBe(304);
    expect(await status({ 'if-match': etag })).toBe(200);
    expect(await status({ 'if-match': 'other' })).toBe(412);
  });

  it('changes with a patch what it names, and counts the metageneration', async () => {
    await server.putObject('bucket', 'patch', 'hello', {
      contentType: 'text/plain',
      cacheControl: 'no-store',
      metadata: { a: '1', b: '2' },
    });
    const body = JSON.stringify({ cacheControl: null, metadata: { a: null, c: '3' } });
    const answer = await call('PATCH', at('patch', 'ifMetagenerationMatch=1'), { body });
    expect(resource(answer)).toMatchObject({
      metageneration: '2',
      contentType: 'text/plain',
      metadata: { b: '2', c: '3' },
    });
    expect(resource(answer)).not.toHaveProperty('cacheControl');
    const again = await call('PATCH', at('patch', 'ifMetagenerationMatch=1'), { body });
    expect([again.status, again.reason]).toEqual([412, 'conditionNotMet']);
  });

  it('replaces with an update all that there was', async () => {
    await server.putObject('bucket', 'update', 'hello', {
      contentType: 'text/plain',
      metadata: { a: '1' },
    });
    const body = JSON.stringify({ cacheControl: 'no-cache' });
    const answer = resource(await call('PUT', at('update'), { body }));
    expect(answer).toMatchObject({ cacheControl: 'no-cache', metageneration: '2' });
    expect(answer).not.toHaveProperty('contentType');
    expect(answer).not.toHaveProperty('metadata');
  });

  it('changes no storage class without a rewrite', async () => {
    await server.putObject('bucket', 'class', 'hello');
    const body = JSON.stringify({ storageClass: 'NEARLINE' });
    expect((await call('PATCH', at('class'), { body })).status).toBe(400);
    expect(server.object('bucket', 'class')).toMatchObject({ metageneration: '1' });
  });

  it('sets a custom time forward only', async () => {
    await server.putObject('bucket', 'time', 'hello', { customTime: '2026-01-02T00:00:00Z' });
    const patch = async (customTime: string | null) =>
      (await call('PATCH', at('time'), { body: JSON.stringify({ customTime }) })).status;
    expect(await patch('2026-01-01T00:00:00Z')).toBe(400);
    expect(await patch(null)).toBe(400);
    expect(await patch('2026-01-03T00:00:00Z')).toBe(200);
  });

  it('deletes under conditions, and only what there is', async () => {
    const { generation } = await server.putObject('bucket', 'delete', 'hello');
    const remove = (query: string) => call('DELETE', at('delete', query));
    expect((await remove('ifGenerationMatch=1')).status).toBe(412);
    expect((await remove(`ifGenerationNotMatch=${generation}`)).status).toBe(412);
    expect((await remove('ifMetagenerationMatch=7')).status).toBe(412);
    expect(server.object('bucket', 'delete')).toBeDefined();
    expect((await remove(`ifGenerationMatch=${generation}`)).status).toBe(204);
    expect((await remove('')).status).toBe(404);
  });

  it('sends gzip as stored to those who accept it, and gunzipped to the others', async () => {
    const stored = gzipSync('hello '.repeat(100));
    await server.putObject('bucket', 'gzip', stored, { contentEncoding: 'gzip' });
    const asStored = await call('GET', at('gzip', 'alt=media'), {
      headers: { 'accept-encoding': 'gzip' },
    });
    expect(asStored.body.equals(stored)).toBe(true);
    expect(asStored.headers['content-encoding']).toBe('gzip');
    expect(asStored.headers['x-goog-stored-content-encoding']).toBe('gzip');

    const transcoded = await call('GET', at('gzip', 'alt=media'), {
      headers: { range: 'bytes=0-3' },
    });
    expect([transcoded.status, transcoded.text]).toEqual([200, 'hello '.repeat(100)]);
    expect(transcoded.headers['content-encoding']).toBeUndefined();
    expect(transcoded.headers['content-length']).toBeUndefined();
    expect(transcoded.headers['x-goog-stored-content-length']).toBe(String(stored.length));
  });

  it('does not gunzip what must not be transformed', async () => {
    const stored = gzipSync('hello');
    await server.putObject('bucket', 'as-is', stored, {
      contentEncoding: 'gzip',
      cacheControl: 'no-transform',
    });
    const answer = await call('GET', at('as-is', 'alt=media'));
    expect(answer.body.equals(stored)).toBe(true);
  });

  it('breaks off what is not gzip in spite of its encoding', async () => {
    await server.putObject('bucket', 'liar', 'not gzip', { contentEncoding: 'gzip' });
    await expect(call('GET', at('liar', 'alt=media'))).rejects.toMatchObject({
      code: 'ECONNRESET',
    });
  });

  it('answers only the fields that are asked for', async () => {
    await server.putObject('bucket', 'fields', 'hello', { metadata: { a: '1', b: '2' } });
    const fields = async (text: string) =>
      resource(await call('GET', at('fields', `fields=${encodeURIComponent(text)}`)));
    expect(await fields('name,size')).toEqual({ name: 'fields', size: '5' });
    expect(await fields('metadata/a')).toEqual({ metadata: { a: '1' } });
    expect(await fields('metadata(a),size')).toEqual({ metadata: { a: '1' }, size: '5' });
    expect(await fields('metadata/a,metadata/b')).toEqual({ metadata: { a: '1', b: '2' } });
    expect(Object.keys(await fields('*')).length).toBeGreaterThan(10);
    expect((await call('GET', at('fields', 'fields=a('))).status).toBe(400);
  });

  it('refuses parameters, conditions and headers it would have to ignore', async () => {
    await server.putObject('bucket', 'strict', 'hello');
    expect((await call('GET', at('strict', 'softDeleted=true'))).status).toBe(501);
    expect((await call('DELETE', at('strict', 'ifSourceGenerationMatch=1'))).status).toBe(501);
    const conditional = { headers: { 'if-match': 'x' } };
    expect((await call('DELETE', at('strict'), conditional)).status).toBe(501);
    const encrypted = { headers: { 'x-goog-encryption-algorithm': 'AES256' } };
    expect((await call('GET', at('strict'), encrypted)).status).toBe(501);
    expect((await call('POST', at('strict'))).status).toBe(501);
    expect((await call('GET', '/storage/v1/b?project=p&maxResults=1')).status).toBe(501);
    expect(server.object('bucket', 'strict')).toBeDefined();
  });

  it('knows its buckets', async () => {
    const bucket = resource(await call('GET', '/storage/v1/b/bucket'));
    expect(bucket).toMatchObject({ kind: 'storage#bucket', name: 'bucket' });
    const create = (name: string) =>
      call('POST', '/storage/v1/b?project=p', { body: JSON.stringify({ name }) });
    expect((await create('made')).status).toBe(200);
    expect((await create('made')).status).toBe(409);
    expect((await create('Not A Name')).status).toBe(400);
    const { items } = resource(await call('GET', '/storage/v1/b?project=p&prefix=ma'));
    expect(items).toMatchObject([{ name: 'made' }]);
    expect((await call('GET', '/storage/v1/b/other')).status).toBe(404);
    server.createBucket('second');
    expect((await call('GET', '/storage/v1/b/second')).status).toBe(200);
    await server.putObject('second', 'kept', 'hello');
    expect(() => server.createBucket('second')).toThrow('There is a bucket "second" already');
    expect(server.object('second', 'kept')?.size).toBe(5);
  });
});
