import { jest } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import { startGcsServer, type GcsTestServer } from '../../../lib/testing/gcs-server/index.js';
import { connect, refusal, SDK_VERSIONS } from './gcs-test-client.js';

describe.each(SDK_VERSIONS)('@google-cloud/storage %s', (_version, sdk) => {
  let server: GcsTestServer;

  beforeAll(async () => {
    server = await startGcsServer({ rewriteChunk: 4 });
  });
  afterAll(() => server.close());

  const bucket = () => connect(server, sdk).bucket('bucket');

  it('authenticates with what clientOptions says, by a token for a signed JWT', async () => {
    const warn = jest.spyOn(console, 'warn').mockImplementation(() => undefined);
    server.clearRequests();
    try {
      const client = new sdk.Storage({ ...server.clientOptions });
      await client.bucket('bucket').getMetadata();
    } finally {
      warn.mockRestore();
    }
    expect(Object.keys(server.credentials)).toEqual(['client_email', 'private_key']);
    expect(server.requests.map(({ operation }) => operation)).toEqual([
      'auth.token',
      'buckets.get',
    ]);
    expect(server.requests[1]?.headers['authorization']).toMatch(/^Bearer ya29\./);
  });

  it('sends no token to an endpoint of its own unless told to, which is refused', async () => {
    const client = new sdk.Storage({ apiEndpoint: server.endpoint, projectId: 'p' });
    await expect(refusal(client.bucket('bucket').getMetadata())).resolves.toMatchObject({
      status: 401,
    });
  });

  it('stores and reads in one request', async () => {
    const file = bucket().file('simple/ä #?.txt');
    await file.save('hello', { resumable: false, metadata: { metadata: { Owner: 'Žluť' } } });
    const [bytes] = await file.download();
    expect(bytes.toString()).toBe('hello');
    const [metadata] = await file.getMetadata();
    expect(metadata).toMatchObject({
      name: 'simple/ä #?.txt',
      size: '5',
      contentType: 'text/plain',
      crc32c: 'mnG7TA==',
      md5Hash: 'XUFAKrxLKna5cZ2REBfFkg==',
      metadata: { Owner: 'Žluť' },
    });
  });

  it('opens a resumable session with a token and fills it without one', async () => {
    const body = randomBytes(700_000);
    const file = bucket().file('session');
    const [uri] = await file.createResumableUpload({ metadata: { contentType: 'image/png' } });
    await file.save(body, { uri, chunkSize: 256 * 1024 });
    expect(server.object('bucket', 'session')).toMatchObject({ contentType: 'image/png' });
    expect(server.object('bucket', 'session')?.body.equals(body)).toBe(true);
    expect(server.resumableSessions('bucket')).toEqual([]);
  });

  it.each([{ chunkSize: 512 * 1024 }, {}])('streams into a session, %j', async (options) => {
    // The SDK's own upload stream sends no token to an endpoint of its own, whatever it is told.
    await using emulator = await startGcsServer({ anonymous: true });
    const body = randomBytes(700_000);
    const file = connect(emulator, sdk).bucket('bucket').file('streamed');
    await file.save(body, { resumable: true, ...options });
    expect(emulator.object('bucket', 'streamed')?.body.equals(body)).toBe(true);
    const [bytes] = await file.download({ start: 10, end: 19 });
    expect(bytes.equals(body.subarray(10, 20))).toBe(true);
  });

  it('lists, copies in several calls, composes and deletes', async () => {
    const client = bucket();
    await client.file('a/1').save('hello', { resumable: false });
    await client.file('a/2').save('world', { resumable: false });
    server.clearRequests();
    await client.file('a/1').copy(client.file('b/1'));
    expect(server.requests.map(({ operation }) => operation).slice(-2)).toEqual([
      'objects.rewrite',
      'objects.rewrite',
    ]);
    await client.combine(['a/1', 'a/2'], 'b/2');
    expect(server.object('bucket', 'b/2')?.body.toString()).toBe('helloworld');
    const [files] = await client.getFiles({ prefix: 'b/' });
    expect(files.map(({ name }) => name)).toEqual(['b/1', 'b/2']);
    await client.file('b/1').delete();
    expect(server.object('bucket', 'b/1')).toBeUndefined();
    await expect(refusal(client.file('b/1').delete())).resolves.toMatchObject({
      status: 404,
      reason: 'notFound',
      message: 'No such object: bucket/b/1',
    });
  });

  it('is told what conditions forbid', async () => {
    const file = bucket().file('once');
    const options = { resumable: false, preconditionOpts: { ifGenerationMatch: 0 } };
    await file.save('1', options);
    await expect(refusal(file.save('2', options))).resolves.toMatchObject({
      status: 412,
      reason: 'conditionNotMet',
    });
  });

  it('notices a download that was corrupted on the way', async () => {
    await server.putObject('bucket', 'corrupted', 'hello');
    server.fail({ operation: 'objects.download', with: { corruptBodyAt: 2 } });
    await expect(bucket().file('corrupted').download()).rejects.toMatchObject({
      code: 'CONTENT_DOWNLOAD_MISMATCH',
    });
  });

  it('authenticates as a workload identity', async () => {
    const client = connect(server, sdk, server.workloadIdentity);
    const warn = jest.spyOn(console, 'warn').mockImplementation(() => undefined);
    server.clearRequests();
    try {
      await client.bucket('bucket').getMetadata();
    } finally {
      warn.mockRestore();
    }
    expect(server.requests.map(({ operation }) => operation)).toEqual([
      'auth.subjectToken',
      'auth.exchange',
      'auth.generateAccessToken',
      'buckets.get',
    ]);
  });

  it('signs URLs with its key', async () => {
    await server.putObject('bucket', 'signed/ä +.txt', 'signed');
    const file = bucket().file('signed/ä +.txt');
    const [url] = await file.getSignedUrl({
      version: 'v4',
      action: 'read',
      expires: Date.now() + 60_000,
      responseType: 'text/y',
    });
    const answer = await fetch(url);
    expect([answer.status, await answer.text()]).toEqual([200, 'signed']);
    expect(answer.headers.get('content-type')).toBe('text/y');
  });

  it('has URLs signed by the IAM service when it has no key', async () => {
    await server.putObject('bucket', 'signed', 'signed');
    const client = connect(server, sdk, server.workloadIdentity);
    const warn = jest.spyOn(console, 'warn').mockImplementation(() => undefined);
    server.clearRequests();
    try {
      const [url] = await client
        .bucket('bucket')
        .file('signed')
        .getSignedUrl({
          version: 'v4',
          action: 'read',
          expires: Date.now() + 60_000,
          signingEndpoint: server.signingEndpoint,
        });
      expect((await fetch(url)).status).toBe(200);
    } finally {
      warn.mockRestore();
    }
    expect(server.requests.map(({ operation }) => operation)).toContain('auth.signBlob');
  });

  it('signs policies for forms', async () => {
    const file = bucket().file('form/${filename}');
    const [policy] = await file.generateSignedPostPolicyV4({
      expires: Date.now() + 60_000,
      conditions: [['content-length-range', 1, 10]],
      fields: { success_action_status: '201' },
    });
    const form = new FormData();
    for (const [name, value] of Object.entries(policy.fields)) form.append(name, String(value));
    form.append('file', new Blob(['hello']), 'x.txt');
    // The SDK leaves the bucket out of the URL of an endpoint of one's own.
    const answer = await fetch(`${policy.url}/bucket`, { method: 'POST', body: form });
    expect(answer.status).toBe(201);
    expect(server.object('bucket', 'form/x.txt')?.size).toBe(5);
  });
});
