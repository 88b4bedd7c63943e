import type { GenerateSignedPostPolicyV4Options } from '@google-cloud/storage';
import { startGcsServer, type GcsTestServer } from '../../../lib/testing/gcs-server/index.js';
import { connect, send, type RawResponse } from './gcs-test-client.js';

describe('browser forms', () => {
  let server: GcsTestServer;
  let skew = 0;
  beforeAll(async () => {
    server = await startGcsServer({ now: () => Date.now() + skew, buckets: ['bucket', 'other'] });
  });
  afterAll(() => server.close());
  beforeEach(() => {
    skew = 0;
  });

  type Fields = Record<string, string>;

  async function policy(
    name: string,
    options: Partial<GenerateSignedPostPolicyV4Options> = {},
  ): Promise<Fields> {
    const file = connect(server).bucket('bucket').file(name);
    const expires = Date.now() + 60_000;
    const [{ fields }] = await file.generateSignedPostPolicyV4({ expires, ...options });
    return fields as Fields;
  }

  function post(fields: Fields, body: string | undefined, path = '/bucket'): Promise<RawResponse> {
    const disposition = 'Content-Disposition: form-data; name=';
    const parts = Object.entries(fields).map(
      ([name, value]) => `--b\r\n${disposition}"${name}"\r\n\r\n${value}\r\n`,
    );
    if (body !== undefined) {
      parts.push(`--b\r\n${disposition}"file"; filename="ü.txt"\r\n\r\n${body}\r\n`);
    }
    return send(server, path, {
      method: 'POST',
      headers: { 'content-type': 'multipart/form-data; boundary=b' },
      body: `${parts.join('')}--b--\r\n`,
    });
  }

  it('store what their policy allows', async () => {
    const fields = await policy('forms/${filename}', {
      fields: { 'content-type': 'text/plain', 'x-goog-meta-a': 'ž', 'cache-control': 'no-store' },
    });
    const answer = await post(fields, 'hello');
    expect([answer.status, answer.headers.etag]).toEqual([
      204,
      '"5d41402abc4b2a76b9719d911017c592"',
    ]);
    expect(server.object('bucket', 'forms/ü.txt')).toMatchObject({
      size: 5,
      contentType: 'text/plain',
      cacheControl: 'no-store',
      metadata: { a: 'ž' },
    });
  });

  it.each([
    ['200', 200, /^$/],
    ['201', 201, /<PostResponse>.*<Key>status<.Key>/],
    ['204', 204, /^$/],
    ['500', 204, /^$/],
  ])('answer success_action_status %s by %i', async (wanted, status, text) => {
    const fields = await policy('status', { fields: { success_action_status: wanted } });
    const answer = await post(fields, 'hello');
    expect(answer.status).toBe(status);
    expect(answer.text).toMatch(text);
  });

  it('lead to where success_action_redirect says', async () => {
    const fields = await policy('redirect', {
      fields: { success_action_redirect: 'https://example.com/done?a=1' },
    });
    const answer = await post(fields, 'hello');
    expect(answer.status).toBe(303);
    const location = new URL(String(answer.headers.location));
    expect(Object.fromEntries(location.searchParams)).toMatchObject({ a: '1', key: 'redirect' });
  });

  it('hold the file to its sizes', async () => {
    const fields = await policy('sized', { conditions: [['content-length-range', 2, 4]] });
    expect((await post(fields, 'h')).reason).toBe('EntityTooSmall');
    expect((await post(fields, 'hello')).reason).toBe('EntityTooLarge');
    expect(server.object('bucket', 'sized')).toBeUndefined();
    expect((await post(fields, 'hell')).status).toBe(204);
  });

  it('hold fields to what they must be or begin with', async () => {
    const fields = await policy('types', {
      conditions: [['starts-with', '$content-type', 'image/']],
    });
    expect((await post({ ...fields, 'content-type': 'text/html' }, 'x')).status).toBe(403);
    expect((await post(fields, 'x')).status).toBe(403);
    expect((await post({ ...fields, key: 'other' }, 'x')).status).toBe(403);
    expect((await post({ ...fields, 'content-type': 'image/png' }, 'x')).status).toBe(204);
  });

  it('have no fields the policy does not know, but ignored ones', async () => {
    const fields = await policy('extra');
    expect((await post({ ...fields, 'x-goog-meta-b': '1' }, 'x')).text).toContain('Extra input');
    expect((await post({ ...fields, 'cache-control': 'no-store' }, 'x')).status).toBe(403);
    expect((await post({ ...fields, 'x-ignore-me': '1' }, 'x')).status).toBe(204);
    const acl = await policy('extra', { fields: { acl: 'public-read' } });
    expect((await post(acl, 'x')).reason).toBe('NotImplemented');
  });

  it('go to the bucket they were signed for', async () => {
    expect((await post(await policy('a'), 'x', '/other')).status).toBe(403);
    expect((await post(await policy('a'), 'x', '/nowhere')).reason).toBe('NoSuchBucket');
    expect((await post(await policy('a'), 'x', '/bucket/')).status).toBe(204);
  });

  it.each([
    ['policy', (fields: Fields) => ({ ...fields, policy: `${fields['policy']}AA` }), 403],
    [
      'signature',
      (fields: Fields) => ({
        ...fields,
        'x-goog-signature': String(fields['x-goog-signature']).replace(/^..../, '0000'),
      }),
      403,
    ],
    [
      'account',
      (fields: Fields) => ({
        ...fields,
        'x-goog-credential': String(fields['x-goog-credential']).replace('tester', 'other'),
      }),
      403,
    ],
    ['date', (fields: Fields) => ({ ...fields, 'x-goog-date': 'today' }), 400],
    ['algorithm', (fields: Fields) => ({ ...fields, 'x-goog-algorithm': 'NONE' }), 400],
  ])('do not hold with another %s', async (_what, forge, status) => {
    const fields = await policy('forged');
    expect((await post(forge(fields), 'x')).status).toBe(status);
    expect(server.object('bucket', 'forged')).toBeUndefined();
  });

  it.each(['policy', 'x-goog-signature', 'x-goog-credential', 'x-goog-date', 'x-goog-algorithm'])(
    'do not hold without %s',
    async (name) => {
      const { [name]: _, ...fields } = await policy('unsigned');
      expect((await post(fields, 'x')).status).toBe(403);
    },
  );

  it('end when their time is over', async () => {
    const fields = await policy('late');
    skew = 61_000;
    const answer = await post(fields, 'x');
    expect(answer.status).toBe(403);
    expect(answer.text).toContain('Policy expired');
  });

  it('need a file, which comes last', async () => {
    const fields = await policy('no-file');
    expect((await post(fields, undefined)).status).toBe(400);
    const { key, ...rest } = fields;
    const answer = await send(server, '/bucket', {
      method: 'POST',
      headers: { 'content-type': 'multipart/form-data; boundary=b' },
      body: [...Object.entries(rest), ['file', 'hello'], ['key', key]]
        .map(
          ([name, value]) =>
            `--b\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`,
        )
        .concat('--b--\r\n')
        .join(''),
    });
    expect(answer.status).toBe(403);
    expect(server.object('bucket', 'no-file')).toBeUndefined();
  });
});
