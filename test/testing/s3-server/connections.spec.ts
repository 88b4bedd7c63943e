import { jest } from '@jest/globals';
import {
  CreateBucketCommand,
  GetBucketLocationCommand,
  GetBucketVersioningCommand,
  GetObjectCommand,
  HeadBucketCommand,
  PutObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { createHash, randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startS3Server, type S3TestServer } from '../../../lib/testing/s3-server/index.js';
import { fakeOnly } from '../../fake-timers.js';
import { connect, refusal, send, sendTo } from './s3-test-client.js';

const Bucket = 'bucket';

describe('the server', () => {
  let server: S3TestServer;
  let client: S3Client;
  let plain: S3Client;

  beforeEach(async () => {
    server = await startS3Server();
    client = connect(server);
    plain = connect(server, { requestChecksumCalculation: 'WHEN_REQUIRED' });
  });

  afterEach(async () => {
    client.destroy();
    plain.destroy();
    await server.close();
  });

  const put = (Key: string) => client.send(new PutObjectCommand({ Bucket, Key, Body: 'hello' }));
  const presignPut = (Key: string) => getSignedUrl(plain, new PutObjectCommand({ Bucket, Key }));

  it('dates its answers by the clock that its files have', async () => {
    fakeOnly(['Date'], new Date('2040-01-01'));
    try {
      const { headers } = await fetch(server.endpoint);
      expect(headers.get('date')).toBe('Sun, 01 Jan 2040 00:00:00 GMT');
    } finally {
      jest.useRealTimers();
    }
  });

  it('records what was asked and answered', async () => {
    await put('recorded');
    expect(server.requests).toMatchObject([
      {
        operation: 'PutObject',
        method: 'PUT',
        bucket: 'bucket',
        key: 'recorded',
        query: { 'x-id': 'PutObject' },
        headers: { 'content-length': '5' },
        status: 200,
        aborted: false,
        bodyBytes: 5,
      },
    ]);
    server.clearRequests();
    expect(server.requests).toEqual([]);
  });

  it('keeps connections alive', async () => {
    for (const key of ['a', 'b', 'c']) await put(key);
    expect(server.totalConnections).toBe(1);
    expect(server.connections).toBe(1);
  });

  it('keeps a connection whose upload it refused', async () => {
    const oversized = () =>
      plain.send(
        new PutObjectCommand({
          Bucket: 'nowhere',
          Key: 'x',
          Body: Buffer.alloc(1024 * 1024),
        }),
      );
    await expect(refusal(oversized())).resolves.toMatchObject({ status: 404 });
    await expect(refusal(oversized())).resolves.toMatchObject({ status: 404 });
    expect(server.totalConnections).toBe(1);
  });

  it('never commits an upload whose client went away', async () => {
    const { pathname, search } = new URL(await presignPut('half'));
    const outgoing = request({
      host: '127.0.0.1',
      port: server.port,
      path: pathname + search,
      method: 'PUT',
      headers: { 'content-length': 10 },
    });
    outgoing.on('error', () => {});
    outgoing.write('half ');
    await server.until(({ requests }) => requests[0]?.bodyBytes === 5);
    outgoing.destroy();
    await server.until(({ inFlight }) => inFlight === 0);
    expect(server.requests).toMatchObject([{ aborted: true, bodyBytes: 5 }]);
    expect(server.objects(Bucket).has('half')).toBe(false);
  });

  it('invites the body of a client that waits for it', async () => {
    const { pathname, search } = new URL(await presignPut('invited'));
    const status = await new Promise((resolve, reject) => {
      const outgoing = request({
        host: '127.0.0.1',
        port: server.port,
        path: pathname + search,
        method: 'PUT',
        headers: { 'content-length': 5, expect: '100-continue' },
      });
      outgoing.on('continue', () => outgoing.end('hello'));
      outgoing.on('response', ({ statusCode }) => resolve(statusCode));
      outgoing.on('error', reject);
      outgoing.flushHeaders();
    });
    expect(status).toBe(200);
    expect(server.objects(Bucket).get('invited')?.size).toBe(5);
  });

  it('refuses an upload of unknown length', async () => {
    const answer = await sendTo(server, await presignPut('endless'), {
      method: 'PUT',
      headers: { 'transfer-encoding': 'chunked' },
      body: 'hello',
    });
    expect(answer).toMatchObject({ status: 411, code: 'MissingContentLength' });
  });

  it('marks every answer with a request id', async () => {
    const answer = await send(server, '/bucket/x');
    expect(answer.headers['x-amz-request-id']).toMatch(/^[0-9A-F]{16}$/);
    expect(answer.text).toContain(
      `<RequestId>${String(answer.headers['x-amz-request-id'])}</RequestId>`,
    );
  });

  it('answers 501 to operations it does not have', async () => {
    await expect(refusal(client.send(new GetBucketVersioningCommand({ Bucket })))).resolves.toEqual(
      { code: 'NotImplemented', status: 501 },
    );
  });

  it('answers 400 to a path that is not UTF-8', async () => {
    const answer = await send(server, '/bucket/%ff');
    expect(answer).toMatchObject({ status: 400, code: 'InvalidURI' });
  });

  it('creates buckets, and each once', async () => {
    const create = (name: string) => client.send(new CreateBucketCommand({ Bucket: name }));
    await create('second');
    await client.send(new HeadBucketCommand({ Bucket: 'second' }));
    await expect(refusal(create('second'))).resolves.toMatchObject({
      code: 'BucketAlreadyOwnedByYou',
    });
    await expect(refusal(create('No'))).resolves.toMatchObject({
      code: 'InvalidBucketName',
    });
  });

  it('tells where a bucket is', async () => {
    await using far = await startS3Server({ region: 'eu-central-1' });
    const there = connect(far);
    expect(await there.send(new GetBucketLocationCommand({ Bucket }))).toMatchObject({
      LocationConstraint: 'eu-central-1',
    });
    there.destroy();
  });

  it('closes with downloads and stalled requests under way', async () => {
    await client.send(
      new PutObjectCommand({
        Bucket,
        Key: 'big',
        // More than the buffers of a connection hold, so that it is under way until somebody reads it.
        Body: Buffer.alloc(32 * 1024 * 1024),
      }),
    );
    const { Body } = await client.send(new GetObjectCommand({ Bucket, Key: 'big' }));
    server.fail({ operation: 'PutObject', with: 'stall' });
    const stalled = put('stalled');
    await Promise.all([
      expect(stalled).rejects.toThrow(/ECONNRESET|hang up/),
      server.until(({ requests }) => requests.at(-1)?.key === 'stalled').then(() => server.close()),
    ]);
    await expect(Body?.transformToByteArray()).rejects.toThrow(/ECONNRESET|aborted/);
    expect(server).toMatchObject({ connections: 0, inFlight: 0 });
  });

  it('waits as long as it is told', async () => {
    const seen: (string | undefined)[] = [];
    await using slow = await startS3Server({
      latency: ({ operation }) => {
        seen.push(operation);
        return 1;
      },
    });
    const patient = connect(slow);
    await patient.send(new HeadBucketCommand({ Bucket }));
    patient.destroy();
    expect(seen).toEqual(['HeadBucket']);
  });

  it('gives the bytes of an object as long as it is there, and no others', async () => {
    await using own = await startS3Server();
    const there = connect(own);
    const store = (Body: string) => there.send(new PutObjectCommand({ Bucket, Key: 'x', Body }));
    await store('first');
    const first = own.objects(Bucket).get('x');
    expect(first?.body.toString()).toBe('first');
    await store('second');
    expect(() => first?.body).toThrow('The bytes are gone');
    expect(first?.size).toBe(5);
    there.destroy();
  });

  describe('storing on disk', () => {
    let folder: string;

    beforeEach(() => {
      folder = mkdtempSync(join(tmpdir(), 's3-server-'));
    });

    afterEach(() => rmSync(folder, { recursive: true, force: true }));

    it('keeps bytes exactly and leaves no file behind', async () => {
      const onDisk = await startS3Server({ storeOnDisk: folder });
      const there = connect(onDisk);
      const bytes = randomBytes(3 * 1024 * 1024 + 1);
      const sha256 = (data: Uint8Array): string => createHash('sha256').update(data).digest('hex');
      await there.send(new PutObjectCommand({ Bucket, Key: 'x', Body: bytes }));
      const { Body } = await there.send(new GetObjectCommand({ Bucket, Key: 'x' }));
      const received = await Body?.transformToByteArray();
      expect(sha256(received ?? Buffer.alloc(0))).toBe(sha256(bytes));
      expect(onDisk.objects(Bucket).get('x')?.body.equals(bytes)).toBe(true);
      there.destroy();
      await onDisk.close();
      expect(existsSync(folder)).toBe(true);
      expect(readdirSync(folder)).toEqual([]);
    });

    it('drops the file of a body that was replaced', async () => {
      await using onDisk = await startS3Server({ storeOnDisk: folder });
      const there = connect(onDisk);
      for (const text of ['one', 'two', 'three']) {
        await there.send(new PutObjectCommand({ Bucket, Key: 'x', Body: text }));
      }
      there.destroy();
      const [own = ''] = readdirSync(folder);
      expect(readdirSync(join(folder, own))).toHaveLength(1);
    });
  });
});
