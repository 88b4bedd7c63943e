import { startGcsServer, type GcsTestServer } from '../../../lib/testing/gcs-server/index.js';
import { sendAuthorized } from './gcs-test-client.js';

describe('uploads in one request', () => {
  let server: GcsTestServer;
  beforeAll(async () => {
    server = await startGcsServer();
  });
  afterAll(() => server.close());

  type Headers = Record<string, string>;
  const upload = (name: string, body: string | Buffer, query = '', headers: Headers = {}) =>
    sendAuthorized(
      server,
      `/upload/storage/v1/b/bucket/o?uploadType=media&name=${encodeURIComponent(name)}${query}`,
      { method: 'POST', body, headers },
    );
  const multipart = (body: string | Buffer, type = 'multipart/related; boundary=b', query = '') =>
    sendAuthorized(server, `/upload/storage/v1/b/bucket/o?uploadType=multipart${query}`, {
      method: 'POST',
      body,
      headers: { 'content-type': type },
    });
  const parts = (resource: object, media: string, type = 'text/plain') =>
    `--b\r\nContent-Type: application/json\r\n\r\n${JSON.stringify(resource)}\r\n--b\r\nContent-Type: ${type}\r\n\r\n${media}\r\n--b--`;

  it('takes plain media', async () => {
    const answer = await upload('media', 'hello', '', { 'content-type': 'text/plain' });
    expect(answer.status).toBe(200);
    expect(JSON.parse(answer.text)).toMatchObject({
      name: 'media',
      size: '5',
      metageneration: '1',
    });
    expect(server.object('bucket', 'media')).toMatchObject({ contentType: 'text/plain' });
  });

  it('takes metadata and media together, whatever is in them', async () => {
    const media = 'a\r\n--\r\n-b\r\n\r\nz\r\n';
    const resource = { name: 'multi', metadata: { Key: 'ä' }, cacheControl: 'no-store' };
    expect((await multipart(parts(resource, media))).status).toBe(200);
    const stored = server.object('bucket', 'multi');
    expect(stored).toMatchObject({
      contentType: 'text/plain',
      metadata: { Key: 'ä' },
      cacheControl: 'no-store',
    });
    expect(stored?.body.toString()).toBe(media);
  });

  it.each([
    ['no boundary', 'x', 'multipart/related'],
    ['another type', parts({ name: 'x' }, ''), 'multipart/form-data; boundary=b'],
    ['one part', '--b\r\n\r\n{"name":"x"}\r\n--b--', undefined],
    ['no end', parts({ name: 'x' }, 'hello').slice(0, -6), undefined],
    ['three parts', `${parts({ name: 'x' }, 'hello').slice(0, -2)}\r\n\r\nx\r\n--b--`, undefined],
    ['broken JSON', '--b\r\n\r\n{\r\n--b\r\n\r\nx\r\n--b--', undefined],
    ['no name', parts({}, 'hello'), undefined],
    ['two types', parts({ name: 'x', contentType: 'a/b' }, 'hello', 'c/d'), undefined],
  ])('refuses a multipart body with %s', async (_what, body, type) => {
    expect((await multipart(body, type)).status).toBe(400);
    expect(server.object('bucket', 'x')).toBeUndefined();
  });

  it.each([
    ['md5 in the metadata', { md5Hash: 'XUFAKrxLKna5cZ2REBfFkg==' }, 200],
    ['crc32c in the metadata', { crc32c: 'mnG7TA==' }, 200],
    ['a wrong md5', { md5Hash: 'AAAAAAAAAAAAAAAAAAAAAA==' }, 400],
    ['a wrong crc32c', { crc32c: 'AAAAAA==' }, 400],
  ])('verifies %s', async (_what, declared, status) => {
    const answer = await multipart(parts({ name: `verify-${status}`, ...declared }, 'hello'));
    expect(answer.status).toBe(status);
    expect(server.object('bucket', 'verify-400')).toBeUndefined();
  });

  it.each([
    [{ 'x-goog-hash': 'crc32c=mnG7TA==,md5=XUFAKrxLKna5cZ2REBfFkg==' }, 200],
    [{ 'content-md5': 'XUFAKrxLKna5cZ2REBfFkg==' }, 200],
    [{ 'x-goog-hash': 'crc32c=AAAAAA==' }, 400],
    [{ 'x-goog-hash': 'crc32c=mnG7TA==, md5=AAAAAAAAAAAAAAAAAAAAAA==' }, 400],
    [{ 'x-goog-hash': 'sha1=AAAA' }, 400],
    [{ 'content-md5': 'AAAAAAAAAAAAAAAAAAAAAA==' }, 400],
  ])('verifies the header %j', async (headers, status) => {
    const answer = await upload(`header-${status}`, 'hello', '', headers);
    expect(answer.status).toBe(status);
    expect(server.object('bucket', 'header-400')).toBeUndefined();
  });

  it('tells both checksums of a mismatch', async () => {
    const answer = await upload('x', 'hello', '', { 'x-goog-hash': 'crc32c=AAAAAA==' });
    expect(JSON.parse(answer.text)).toMatchObject({
      error: {
        message: `Provided CRC32C hash "AAAAAA==" doesn't match calculated CRC32C hash "mnG7TA==".`,
      },
    });
  });

  it('lets exactly one of many creators win, decided when the bytes are there', async () => {
    const answers = await Promise.all(
      Array.from({ length: 8 }, (_, index) =>
        upload('race', `writer ${index}`, '&ifGenerationMatch=0'),
      ),
    );
    const winners = answers.flatMap(({ status }, index) => (status === 200 ? [index] : []));
    expect(winners).toHaveLength(1);
    expect(answers.filter(({ status }) => status === 412)).toHaveLength(7);
    expect(server.object('bucket', 'race')?.body.toString()).toBe(`writer ${winners[0]}`);
  });

  it('replaces only the generation that is named', async () => {
    const { generation } = await server.putObject('bucket', 'cas', '1');
    expect((await upload('cas', '2', '&ifGenerationMatch=1')).status).toBe(412);
    expect((await upload('cas', '2', `&ifGenerationNotMatch=${generation}`)).status).toBe(412);
    expect((await upload('cas', '2', '&ifMetagenerationMatch=2')).status).toBe(412);
    expect((await upload('cas', '2', '&ifMetagenerationNotMatch=1')).status).toBe(412);
    expect((await upload('cas', '2', `&ifGenerationMatch=${generation}`)).status).toBe(200);
    expect((await upload('none', '2', '&ifMetagenerationMatch=1')).status).toBe(412);
    expect((await upload('none', '2', '&ifGenerationNotMatch=0')).status).toBe(412);
  });

  it.each([
    ['a name of 1024 bytes', 'x'.repeat(1024), 200],
    ['a name of 1025 bytes', `${'é'.repeat(512)}x`, 400],
    ['.', '.', 400],
    ['..', '..', 400],
    ['a dot segment', 'a/../b', 200],
    ['a line feed', 'a\nb', 400],
    ['no name', '', 400],
    ['every sign there is', `ü/😀#%?&+'"=;:@$,!*()~ `, 200],
  ])('answers %s as Google would', async (_what, name, status) => {
    expect((await upload(name, 'x')).status).toBe(status);
    expect(server.objects('bucket').has(name)).toBe(status === 200);
  });

  it('refuses more than 8 KiB of metadata, and what is no metadata', async () => {
    const status = async (resource: object) =>
      (await multipart(parts({ name: 'metadata', ...resource }, 'x'))).status;
    expect(await status({ metadata: { a: 'x'.repeat(8 * 1024 - 1) } })).toBe(200);
    expect(await status({ metadata: { a: 'x'.repeat(8 * 1024) } })).toBe(400);
    expect(await status({ metadata: { a: 1 } })).toBe(400);
    expect(await status({ storageClass: 'FAST' })).toBe(400);
    expect(await status({ customTime: 'yesterday' })).toBe(400);
    expect(await status({ contexts: { custom: {} } })).toBe(501);
    expect(await status({ acl: [] })).toBe(501);
  });

  it('keeps nothing of a request that breaks off', async () => {
    const body = parts({ name: 'broken' }, 'hello'.repeat(50_000));
    const controller = new AbortController();
    const pending = sendAuthorized(server, '/upload/storage/v1/b/bucket/o?uploadType=multipart', {
      method: 'POST',
      headers: {
        'content-type': 'multipart/related; boundary=b',
        'content-length': body.length + 1,
      },
      body,
      signal: controller.signal,
    });
    await server.until(({ requests }) => (requests.at(-1)?.bodyBytes ?? 0) >= body.length);
    controller.abort();
    await expect(pending).rejects.toMatchObject({ name: 'AbortError' });
    await server.until(({ inFlight }) => inFlight === 0);
    expect(server.object('bucket', 'broken')).toBeUndefined();
    expect(server.requests.at(-1)).toMatchObject({ aborted: true, bodyBytes: body.length });
  });

  it('wants a bucket that is there', async () => {
    const answer = await sendAuthorized(
      server,
      '/upload/storage/v1/b/other/o?uploadType=media&name=a',
      { method: 'POST', body: 'x' },
    );
    expect([answer.status, answer.reason]).toEqual([404, 'notFound']);
  });
});
