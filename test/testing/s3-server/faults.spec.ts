import {
  CopyObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  PutObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { startS3Server, type S3TestServer } from '../../../lib/testing/s3-server/index.js';
import { connect, refusal } from './s3-test-client.js';

const Bucket = 'bucket';

describe('faults', () => {
  let server: S3TestServer;
  let client: S3Client;

  beforeAll(async () => {
    server = await startS3Server();
    client = connect(server);
    await put('there');
  });

  // Before, and not after: the first one is not to see what was put for all.
  beforeEach(() => {
    server.clearFaults();
    server.clearRequests();
  });

  afterAll(async () => {
    client.destroy();
    await server.close();
  });

  const put = (Key: string, from = client) =>
    from.send(new PutObjectCommand({ Bucket, Key, Body: 'hello' }));
  const get = async (Key: string) => {
    const { Body } = await client.send(new GetObjectCommand({ Bucket, Key }));
    return Body?.transformToString();
  };

  it('strike the operation and key they name, as often as they say', async () => {
    const fault = server.fail({
      operation: 'PutObject',
      key: 'struck',
      after: 1,
      times: 1,
      with: { status: 503, code: 'SlowDown', retryAfter: 7 },
    });
    await put('struck');
    await put('other');
    await expect(refusal(put('struck'))).resolves.toEqual({
      code: 'SlowDown',
      status: 503,
    });
    await put('struck');
    expect(fault.hits).toBe(1);
  });

  it('strike every key that a pattern fits, whatever its flags', async () => {
    const fault = server.fail({
      operation: 'PutObject',
      key: /struck/g,
      times: Infinity,
      with: { status: 503, code: 'SlowDown' },
    });
    for (const key of ['struck-1', 'struck-2', 'other', 'struck-3']) {
      await put(key).catch(() => {});
    }
    expect(fault.hits).toBe(3);
  });

  it('do not hide a wrong signature', async () => {
    const fault = server.fail({ operation: '*', with: 'reset' });
    const stranger = connect(server, {
      credentials: { ...server.credentials, secretAccessKey: 'wrong' },
    });
    await expect(refusal(put('x', stranger))).resolves.toMatchObject({
      code: 'SignatureDoesNotMatch',
    });
    stranger.destroy();
    expect(fault.hits).toBe(0);
  });

  it('are survived by the retries of the SDK', async () => {
    const retrying = connect(server, { maxAttempts: 3 });
    server.fail({ operation: 'PutObject', times: 2, with: 'reset' });
    await put('retried', retrying);
    retrying.destroy();
    expect(server.objects(Bucket).has('retried')).toBe(true);
  });

  it('reset a connection and do nothing', async () => {
    server.fail({ operation: 'PutObject', with: 'reset' });
    await expect(put('reset')).rejects.toThrow('ECONNRESET');
    expect(server.objects(Bucket).has('reset')).toBe(false);
  });

  it('reset a connection in the middle of an upload', async () => {
    server.fail({ operation: 'PutObject', with: 'reset-mid-body' });
    await expect(put('cut')).rejects.toThrow('ECONNRESET');
    expect(server.requests[0]?.bodyBytes).toBeGreaterThan(0);
    expect(server.objects(Bucket).has('cut')).toBe(false);
  });

  it('reset a connection in the middle of a download', async () => {
    server.fail({ operation: 'GetObject', with: 'reset-mid-body' });
    await expect(get('there')).rejects.toThrow(/ECONNRESET|aborted/);
  });

  it('reset a connection once everything is done', async () => {
    server.fail({ operation: 'PutObject', with: 'reset-after-commit' });
    await expect(put('done')).rejects.toThrow('ECONNRESET');
    expect(server.objects(Bucket).has('done')).toBe(true);
  });

  it('cut an answer off after so many bytes', async () => {
    server.fail({ operation: 'GetObject', with: { truncateBodyAt: 2 } });
    await expect(get('there')).rejects.toThrow('aborted');
  });

  it('stall until the client gives up', async () => {
    server.fail({ operation: 'HeadObject', with: 'stall' });
    const controller = new AbortController();
    const outcome = client.send(new HeadObjectCommand({ Bucket, Key: 'there' }), {
      abortSignal: controller.signal,
    });
    await server.until(({ inFlight }) => inFlight === 1);
    controller.abort();
    await expect(outcome).rejects.toMatchObject({ name: 'AbortError' });
    await server.until(({ inFlight }) => inFlight === 0);
    expect(server.requests).toMatchObject([{ aborted: true }]);
  });

  it('stall a large upload until the client gives up', async () => {
    server.fail({ operation: 'PutObject', with: 'stall' });
    const controller = new AbortController();
    const Body = Buffer.alloc(16 * 1024 * 1024);
    const sending = client.send(new PutObjectCommand({ Bucket, Key: 'large', Body }), {
      abortSignal: controller.signal,
    });
    await server.until(({ requests }) => requests.some(({ key }) => key === 'large'));
    controller.abort();
    await expect(sending).rejects.toThrow(/abort/i);
    await server.until(({ inFlight }) => inFlight === 0);
    expect(server.requests.at(-1)?.aborted).toBe(true);
  });

  it('stall in the middle of an answer', async () => {
    server.fail({ operation: 'GetObject', with: 'stall-mid-body' });
    const answer = await client.send(new GetObjectCommand({ Bucket, Key: 'there' }));
    const body = answer.Body as Readable;
    const [chunk] = (await once(body, 'data')) as [Buffer];
    expect(chunk.toString()).toBe('hel');
    body.destroy();
    await server.until(({ inFlight }) => inFlight === 0);
    expect(server.requests).toMatchObject([{ status: 200 }]);
  });

  it('answer 200 with an error inside and do nothing', async () => {
    server.fail({ operation: 'CopyObject', with: '200-with-error' });
    const outcome = client.send(
      new CopyObjectCommand({
        Bucket,
        Key: 'copied',
        CopySource: 'bucket/there',
      }),
    );
    await expect(refusal(outcome)).resolves.toMatchObject({
      code: 'InternalError',
    });
    expect(server.requests[0]?.status).toBe(200);
    expect(server.objects(Bucket).has('copied')).toBe(false);
  });
});
