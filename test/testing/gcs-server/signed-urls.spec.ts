import type { GetSignedUrlConfig } from '@google-cloud/storage';
import { createHash, createSign, generateKeyPairSync } from 'node:crypto';
import { startGcsServer, type GcsTestServer } from '../../../lib/testing/gcs-server/index.js';
import { connect, send, sendTo } from './gcs-test-client.js';

const NAME = `folder/ä +#?&%41!'()*.txt`;
const CHUNK = 256 * 1024;

describe('signed URLs', () => {
  let server: GcsTestServer;
  let skew = 0;

  beforeAll(async () => {
    server = await startGcsServer({ now: () => Date.now() + skew });
  });
  afterAll(() => server.close());
  beforeEach(async () => {
    skew = 0;
    await server.putObject('bucket', NAME, 'hello', {
      contentType: 'text/plain',
      metadata: { owner: 'Žluť' },
    });
  });

  async function sign(
    action: GetSignedUrlConfig['action'],
    options: Partial<GetSignedUrlConfig> & { name?: string } = {},
  ): Promise<string> {
    const { name = NAME, ...rest } = options;
    const file = connect(server).bucket('bucket').file(name);
    const expires = Date.now() + 60_000;
    const [url] = await file.getSignedUrl({ version: 'v4', action, expires, ...rest });
    return url;
  }

  it('open reading', async () => {
    const { generation } = server.object('bucket', NAME) ?? {};
    const answer = await sendTo(server, await sign('read'));
    expect([answer.status, answer.text]).toEqual([200, 'hello']);
    expect(answer.headers).toMatchObject({
      etag: '"5d41402abc4b2a76b9719d911017c592"',
      'content-type': 'text/plain',
      'x-goog-generation': generation,
      'x-goog-hash': 'crc32c=mnG7TA==,md5=XUFAKrxLKna5cZ2REBfFkg==',
      'x-goog-meta-owner': Buffer.from('Žluť').toString('latin1'),
    });
  });

  it('open nothing but their own method and object', async () => {
    const url = await sign('read');
    expect((await sendTo(server, url, { method: 'DELETE' })).reason).toBe('SignatureDoesNotMatch');
    expect((await sendTo(server, url, { method: 'HEAD' })).status).toBe(403);
    const other = url.replace('folder', 'holder');
    expect((await sendTo(server, other)).reason).toBe('SignatureDoesNotMatch');
    expect(server.object('bucket', NAME)).toBeDefined();
  });

  it.each([
    ['a parameter added', (url: string) => `${url}&response-content-type=text%2Fhtml`],
    ['a longer life', (url: string) => url.replace('X-Goog-Expires=60', 'X-Goog-Expires=61')],
    ['another signature', (url: string) => url.replace(/Signature=..../, 'Signature=0000')],
    ['no hexadecimal signature', (url: string) => url.replace(/Signature=./, 'Signature=x')],
  ])('do not hold with %s', async (_what, forge) => {
    const url = signByHand(server, 'GET', NAME);
    expect((await sendTo(server, url)).status).toBe(200);
    const forged = forge(url);
    expect(forged).not.toBe(url);
    const answer = await sendTo(server, forged);
    expect([answer.status, answer.reason]).toEqual([403, 'SignatureDoesNotMatch']);
    expect(answer.text).toContain('<StringToSign>GOOG4-RSA-SHA256');
  });

  it.each([
    ['an unknown account', /tester/, 'somebody', 403],
    ['another service', /storage%2Fgoog4/, 's3%2Fgoog4', 400],
    ['another day', /X-Goog-Date=\d{8}/, 'X-Goog-Date=20200101', 400],
    ['no time', /X-Goog-Date=[^&]*&/, '', 400],
    ['an hour too many', /X-Goog-Expires=\d+/, 'X-Goog-Expires=608400', 400],
    ['an algorithm of S3', /GOOG4-RSA/, 'GOOG4-HMAC', 501],
  ])('do not hold for %s', async (_what, pattern, replacement, status) => {
    const url = await sign('read');
    const forged = url.replace(pattern, replacement);
    expect(forged).not.toBe(url);
    expect((await sendTo(server, forged)).status).toBe(status);
  });

  it('do not hold when another key has signed', async () => {
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const credentials = {
      client_email: server.credentials.client_email,
      private_key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    };
    const file = connect(server, undefined, credentials).bucket('bucket').file(NAME);
    const expires = Date.now() + 60_000;
    const [url] = await file.getSignedUrl({ version: 'v4', action: 'read', expires });
    expect((await sendTo(server, url)).reason).toBe('SignatureDoesNotMatch');
  });

  it('end when their time is over, and do not begin before it', async () => {
    const url = await sign('read');
    skew = 61_000;
    const late = await sendTo(server, url);
    expect([late.status, late.reason]).toEqual([400, 'ExpiredToken']);
    skew = -16 * 60_000;
    expect((await sendTo(server, url)).status).toBe(403);
    skew = 0;
    expect((await sendTo(server, url)).status).toBe(200);
  });

  it('say what the answer is to be called', async () => {
    const url = await sign('read', {
      responseType: 'text/html',
      responseDisposition: `attachment; filename="ä.txt"`,
    });
    const { headers } = await sendTo(server, url);
    expect(headers['content-type']).toBe('text/html');
    expect(Buffer.from(String(headers['content-disposition']), 'latin1').toString()).toBe(
      'attachment; filename="ä.txt"',
    );
  });

  it('open reading of ranges and on conditions', async () => {
    const url = await sign('read');
    const part = await sendTo(server, url, { headers: { range: 'bytes=1-2' } });
    expect([part.status, part.text]).toEqual([206, 'el']);
    const etag = '"5d41402abc4b2a76b9719d911017c592"';
    const status = async (headers: Record<string, string>) =>
      (await sendTo(server, url, { headers })).status;
    expect(await status({ 'if-none-match': etag })).toBe(304);
    expect(await status({ 'if-none-match': '"other"' })).toBe(200);
    expect(await status({ 'if-match': '"other"' })).toBe(412);
    const future = new Date(Date.now() + 10_000).toUTCString();
    expect(await status({ 'if-modified-since': future })).toBe(304);
    expect(await status({ 'if-unmodified-since': new Date(0).toUTCString() })).toBe(412);
    expect(await status({ range: 'bytes=9-' })).toBe(416);
  });

  it('open reading of the head only, too', async () => {
    // The SDK signs no HEAD: it is signed as what the protocol says.
    const answer = await sendTo(server, signByHand(server, 'HEAD', NAME), { method: 'HEAD' });
    expect([answer.status, answer.text]).toEqual([200, '']);
    expect(answer.headers['content-length']).toBe('5');
  });

  it('open writing of what was signed only', async () => {
    const url = await sign('write', {
      contentType: 'image/png',
      extensionHeaders: { 'x-goog-meta-a': '1', 'x-goog-if-generation-match': '0' },
      name: 'new',
    });
    const put = (headers: Record<string, string>) =>
      sendTo(server, url, { method: 'PUT', body: 'hello', headers });
    const right = {
      'content-type': 'image/png',
      'x-goog-meta-a': '1',
      'x-goog-if-generation-match': '0',
    };
    expect((await put({ ...right, 'content-type': 'text/html' })).status).toBe(403);
    const { 'x-goog-meta-a': _, ...without } = right;
    expect((await put(without)).reason).toBe('MalformedSecurityHeader');
    expect((await put({ ...right, 'x-goog-meta-b': '2' })).reason).toBe('MalformedSecurityHeader');
    expect(server.object('bucket', 'new')).toBeUndefined();
    const stored = await put(right);
    expect([stored.status, stored.headers.etag]).toEqual([
      200,
      '"5d41402abc4b2a76b9719d911017c592"',
    ]);
    expect(server.object('bucket', 'new')).toMatchObject({
      contentType: 'image/png',
      metadata: { a: '1' },
    });
    expect((await put(right)).reason).toBe('PreconditionFailed');
  });

  it('hold an upload to the signed size and checksums', async () => {
    const limit = { 'x-goog-content-length-range': '2,4' };
    const url = await sign('write', { name: 'sized', extensionHeaders: limit });
    const put = (body: string) => sendTo(server, url, { method: 'PUT', body, headers: limit });
    expect((await put('hello')).reason).toBe('EntityTooLarge');
    expect((await put('h')).reason).toBe('EntityTooSmall');
    expect((await put('hell')).status).toBe(200);
    const hash = { 'x-goog-hash': 'crc32c=mnG7TA==' };
    const checked = await sign('write', { name: 'checked', extensionHeaders: hash });
    const send = (body: string) => sendTo(server, checked, { method: 'PUT', body, headers: hash });
    expect((await send('hallo')).reason).toBe('BadDigest');
    expect((await send('hello')).status).toBe(200);
    expect([...server.objects('bucket').keys()]).toEqual(
      expect.arrayContaining(['sized', 'checked']),
    );
  });

  it('open deleting', async () => {
    expect((await sendTo(server, await sign('delete'), { method: 'DELETE' })).status).toBe(204);
    const again = await sendTo(server, await sign('delete'), { method: 'DELETE' });
    expect([again.status, again.reason]).toEqual([404, 'NoSuchKey']);
    expect(again.text).toContain(`<Details>No such object: bucket/folder`);
  });

  it('open a resumable session, whose address is secret enough for the chunks', async () => {
    const headers = { 'x-goog-resumable': 'start', 'content-type': 'video/mp4' };
    const url = await sign('resumable', { name: 'film/ä', contentType: 'video/mp4' });
    const refused = await sendTo(server, url, {
      method: 'POST',
      headers: { ...headers, 'content-type': 'text/html' },
    });
    expect(refused.status).toBe(403);
    const started = await sendTo(server, url, { method: 'POST', headers });
    expect(started.status).toBe(201);
    const session = String(started.headers.location);
    const chunk = (range: string, body: Buffer) =>
      sendTo(server, session, { method: 'PUT', body, headers: { 'content-range': range } });
    const first = await chunk(`bytes 0-${CHUNK - 1}/*`, Buffer.alloc(CHUNK, 'a'));
    expect([first.status, first.headers.range]).toEqual([308, `bytes=0-${CHUNK - 1}`]);
    const last = await chunk(`bytes ${CHUNK}-${CHUNK}/${CHUNK + 1}`, Buffer.from('b'));
    expect(last.status).toBe(200);
    const stored = server.object('bucket', 'film/ä');
    expect(stored).toMatchObject({ size: CHUNK + 1, contentType: 'video/mp4' });
    expect(last.headers['x-goog-generation']).toBe(stored?.generation);
  });

  it('hold a resumable upload to the size signed with its start', async () => {
    const extensionHeaders = { 'x-goog-content-length-range': '1,4' };
    const url = await sign('resumable', { name: 'limited', extensionHeaders });
    const { headers } = await sendTo(server, url, {
      method: 'POST',
      headers: { 'x-goog-resumable': 'start', ...extensionHeaders },
    });
    const answer = await sendTo(server, String(headers.location), { method: 'PUT', body: 'hello' });
    expect([answer.status, answer.reason]).toEqual([400, 'EntityTooLarge']);
    expect(server.object('bucket', 'limited')).toBeUndefined();
  });

  it('may cover the host with its port, too', async () => {
    const url = signByHand(server, 'GET', NAME, `127.0.0.1:${server.port}`);
    expect((await sendTo(server, url)).status).toBe(200);
    const elsewhere = signByHand(server, 'GET', NAME, 'example.com');
    expect((await sendTo(server, elsewhere)).status).toBe(403);
  });

  it('must cover the host', async () => {
    const url = signByHand(server, 'GET', NAME).replace(
      'SignedHeaders=host',
      'SignedHeaders=accept',
    );
    const answer = await sendTo(server, url, { headers: { accept: '*/*' } });
    expect([answer.status, answer.reason]).toEqual([400, 'MalformedSecurityHeader']);
  });

  it('reach a bucket whose name is that of a path of the JSON API', async () => {
    await using named = await startGcsServer({ buckets: ['storage'] });
    await named.putObject('storage', 'v2/b', 'hello');
    const file = connect(named).bucket('storage').file('v2/b');
    const expires = Date.now() + 60_000;
    const [url] = await file.getSignedUrl({ version: 'v4', action: 'read', expires });
    expect((await sendTo(named, url)).text).toBe('hello');
  });

  it('do not open the JSON API', async () => {
    const { search } = new URL(await sign('read'));
    const path = `/storage/v1/b/bucket/o/${encodeURIComponent(NAME)}${search}`;
    expect((await send(server, path)).status).toBe(403);
  });

  it('are refused in the second version of signatures', async () => {
    const url = await sign('read', { version: 'v2' });
    expect((await sendTo(server, url)).reason).toBe('NotImplemented');
  });
});

/** A V4 signature as the protocol describes it, of a request that signs nothing but its host. */
function signByHand(
  server: GcsTestServer,
  method: string,
  name: string,
  host = '127.0.0.1',
): string {
  const { client_email: email, private_key: key } = server.credentials;
  const strict = (text: string) =>
    encodeURIComponent(text).replace(
      /[!'()*]/g,
      (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`,
    );
  const date = new Date().toISOString().replace(/[-:]|\.\d+/g, '');
  const scope = `${date.slice(0, 8)}/auto/storage/goog4_request`;
  const path = `/bucket/${name.split('/').map(strict).join('/')}`;
  const query = [
    'X-Goog-Algorithm=GOOG4-RSA-SHA256',
    `X-Goog-Credential=${strict(`${email}/${scope}`)}`,
    `X-Goog-Date=${date}`,
    'X-Goog-Expires=60',
    'X-Goog-SignedHeaders=host',
  ].join('&');
  const request = `${method}\n${path}\n${query}\nhost:${host}\n\nhost\nUNSIGNED-PAYLOAD`;
  const hash = createHash('sha256').update(request).digest('hex');
  const signature = createSign('sha256')
    .update(`GOOG4-RSA-SHA256\n${date}\n${scope}\n${hash}`)
    .sign(key, 'hex');
  return `${server.endpoint}${path}?${query}&X-Goog-Signature=${signature}`;
}
