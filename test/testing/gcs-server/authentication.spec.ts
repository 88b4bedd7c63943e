import { createSign, generateKeyPairSync, verify } from 'node:crypto';
import { startGcsServer, type GcsTestServer } from '../../../lib/testing/gcs-server/index.js';
import { accessToken, connect, SDK_VERSIONS, send, sendAuthorized } from './gcs-test-client.js';

const SCOPE = 'https://www.googleapis.com/auth/devstorage.full_control';
const JWT_GRANT = 'urn:ietf:params:oauth:grant-type:jwt-bearer';

describe('authentication', () => {
  let server: GcsTestServer;
  let now = Date.parse('2026-11-24T10:00:00Z');

  beforeAll(async () => {
    server = await startGcsServer({
      now: () => now,
      buckets: ['bucket', 'public'],
      publicBuckets: ['public'],
    });
    await server.putObject('bucket', 'a', 'hello');
    await server.putObject('public', 'a', 'hello');
  });
  afterAll(() => server.close());
  beforeEach(() => {
    now = Date.parse('2026-11-24T10:00:00Z');
  });

  function jwt(claims: object, key = server.credentials.private_key, alg = 'RS256'): string {
    const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const seconds = Math.floor(now / 1000);
    const payload = {
      iss: server.credentials.client_email,
      scope: SCOPE,
      aud: `${server.endpoint}/token`,
      iat: seconds,
      exp: seconds + 3600,
      ...claims,
    };
    const signed = `${encode({ alg, typ: 'JWT' })}.${encode(payload)}`;
    return `${signed}.${createSign('sha256').update(signed).sign(key, 'base64url')}`;
  }

  const ask = (assertion: string, grant = JWT_GRANT) =>
    send(server, '/token', {
      method: 'POST',
      body: new URLSearchParams({ grant_type: grant, assertion }).toString(),
    });
  const read = (token?: string) =>
    send(server, '/storage/v1/b/bucket/o/a', {
      headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
    });

  it('gives a token for a signed JWT, which opens the API until it expires', async () => {
    const answer = await ask(jwt({}));
    expect(answer.status).toBe(200);
    const token = JSON.parse(answer.text) as { access_token: string; expires_in: number };
    expect(token.expires_in).toBe(3600);
    expect((await read(token.access_token)).status).toBe(200);
    now += 3_600_000;
    const refused = await read(token.access_token);
    expect([refused.status, refused.reason]).toEqual([401, 'authError']);
    expect(refused.headers['www-authenticate']).toContain('invalid_token');
  });

  it.each([
    ['audience', { aud: 'https://example.com/token' }],
    ['issuer', { iss: 'somebody@example.com' }],
    ['expiry', { exp: 1 }],
    ['lifetime', { exp: Date.parse('2026-11-25T10:00:00Z') / 1000 }],
    ['time', { iat: Date.parse('2026-11-24T11:00:00Z') / 1000 }],
    ['scope', { scope: '' }],
  ])('refuses a JWT of the wrong %s', async (_what, claims) => {
    const answer = await ask(jwt(claims));
    expect(answer.status).toBe(400);
    expect(answer.text).toMatch(/invalid_(grant|scope)/);
  });

  it('refuses a JWT that another key has signed, or none', async () => {
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const other = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
    expect((await ask(jwt({}, other))).text).toContain('Invalid JWT Signature');
    expect((await ask(jwt({}, undefined, 'none'))).text).toContain('invalid_grant');
    expect((await ask('nonsense')).text).toContain('invalid_grant');
  });

  it('takes a JWT signed for the service itself in place of a token', async () => {
    expect((await read(jwt({ aud: 'https://storage.googleapis.com/' }))).status).toBe(200);
    const elsewhere = jwt({ aud: 'https://pubsub.googleapis.com/', scope: undefined });
    expect((await read(elsewhere)).reason).toBe('authError');
  });

  it('wants a token, and a known one', async () => {
    const missing = await read();
    expect([missing.status, missing.reason]).toEqual([401, 'required']);
    expect(JSON.parse(missing.text)).toMatchObject({
      error: {
        code: 401,
        message: expect.stringContaining('Anonymous caller does not have storage.objects.get'),
        errors: [{ domain: 'global', locationType: 'header', location: 'Authorization' }],
      },
    });
    expect((await read('unknown')).reason).toBe('authError');
  });

  it('forgets tokens that are revoked', async () => {
    const { text } = await ask(jwt({}));
    const { access_token: token } = JSON.parse(text) as { access_token: string };
    server.revokeTokens();
    expect((await read(token)).reason).toBe('authError');
  });

  it('lets a read-only scope read, and neither write nor sign', async () => {
    const { text } = await ask(jwt({ scope: SCOPE.replace('full_control', 'read_only') }));
    const { access_token: token } = JSON.parse(text) as { access_token: string };
    expect((await read(token)).status).toBe(200);
    const refused = await send(server, '/storage/v1/b/bucket/o/a', {
      method: 'DELETE',
      headers: { authorization: `Bearer ${token}` },
    });
    expect([refused.status, refused.reason]).toEqual([403, 'insufficientPermissions']);
    const account = `/v1/projects/-/serviceAccounts/${server.credentials.client_email}`;
    const signing = await send(server, `${account}:signBlob`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}` },
      body: JSON.stringify({ payload: '' }),
    });
    expect([signing.status, signing.reason]).toEqual([403, 'insufficientPermissions']);
  });

  it('lets anyone read, and nobody write, a public bucket', async () => {
    expect((await send(server, '/storage/v1/b/public/o/a')).status).toBe(200);
    expect((await send(server, '/public/a')).text).toBe('hello');
    expect((await send(server, '/public/a', { method: 'DELETE' })).status).toBe(403);
    expect((await send(server, '/bucket/a')).reason).toBe('AccessDenied');
  });

  it('takes a token on the XML API, too', async () => {
    await using fresh = await startGcsServer();
    await fresh.putObject('bucket', 'a/b', 'hello');
    expect((await sendAuthorized(fresh, '/bucket/a/b')).text).toBe('hello');
    expect((await sendAuthorized(fresh, '/bucket/a%2Fb')).text).toBe('hello');
  });

  it('signs for those who may', async () => {
    await using fresh = await startGcsServer();
    const path = `/v1/projects/-/serviceAccounts/${fresh.credentials.client_email}:signBlob`;
    const body = JSON.stringify({ payload: Buffer.from('text').toString('base64') });
    const answer = await sendAuthorized(fresh, path, { method: 'POST', body });
    const { signedBlob } = JSON.parse(answer.text) as { signedBlob: string };
    const signature = Buffer.from(signedBlob, 'base64');
    const key = fresh.credentials.private_key;
    expect(verify('sha256', Buffer.from('text'), key, signature)).toBe(true);
    expect((await send(fresh, path, { method: 'POST', body })).status).toBe(401);
    const other = path.replace('tester', 'other');
    expect((await sendAuthorized(fresh, other, { method: 'POST', body })).status).toBe(404);
  });

  it('answers JSON without a token when told to be anonymous, signed URLs still not', async () => {
    await using fresh = await startGcsServer({ anonymous: true });
    await fresh.putObject('bucket', 'a', 'hello');
    expect((await send(fresh, '/storage/v1/b/bucket/o/a')).status).toBe(200);
    expect((await send(fresh, '/bucket/a')).status).toBe(403);
    const wrong = { authorization: 'Bearer wrong' };
    expect((await send(fresh, '/storage/v1/b/bucket/o/a', { headers: wrong })).status).toBe(401);
  });
});

describe('the metadata server', () => {
  let server: GcsTestServer;
  const environment = { ...process.env };

  beforeAll(async () => {
    server = await startGcsServer();
    process.env['GCE_METADATA_HOST'] = `127.0.0.1:${server.port}`;
    // Nothing that happens to be on this machine.
    process.env['CLOUDSDK_CONFIG'] = '/nowhere';
    delete process.env['GOOGLE_APPLICATION_CREDENTIALS'];
  });
  afterAll(async () => {
    process.env = environment;
    await server.close();
  });

  it.each(SDK_VERSIONS)('is where @google-cloud/storage %s finds its account', async (_v, sdk) => {
    const client = connect(server, sdk, null);
    server.clearRequests();
    const [metadata] = await client.bucket('bucket').getMetadata();
    expect(metadata.name).toBe('bucket');
    expect(server.requests.map(({ operation }) => operation)).toContain('metadata');
    expect(await client.authClient.getCredentials()).toMatchObject({
      client_email: server.credentials.client_email,
    });
  });

  it('wants its header, and knows no other paths', async () => {
    const email = '/computeMetadata/v1/instance/service-accounts/default/email';
    expect((await send(server, email)).status).toBe(403);
    const headers = { 'metadata-flavor': 'Google' };
    expect((await send(server, email, { headers })).text).toBe(server.credentials.client_email);
    expect((await send(server, '/computeMetadata/v1/other', { headers })).status).toBe(404);
    expect(await accessToken(server)).toMatch(/^ya29\./);
  });
});
