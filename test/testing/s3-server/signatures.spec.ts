import {
  GetObjectCommand,
  HeadObjectCommand,
  ListBucketsCommand,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { startS3Server, type S3TestServer } from '../../../lib/testing/s3-server/index.js';
import { connect, refusal, send, sendTo } from './s3-test-client.js';

type Headers = Record<string, string>;

describe('signatures', () => {
  let server: S3TestServer;
  let client: S3Client;

  beforeAll(async () => {
    server = await startS3Server({ publicBuckets: ['public'], buckets: ['bucket', 'public'] });
    client = connect(server, { requestChecksumCalculation: 'WHEN_REQUIRED' });
    for (const Bucket of ['bucket', 'public']) {
      await client.send(new PutObjectCommand({ Bucket, Key: 'there', Body: 'hello' }));
    }
  });

  afterAll(async () => {
    client.destroy();
    await server.close();
  });

  describe('in the Authorization header', () => {
    /** A client whose requests are changed once they are signed. */
    const tampering = (change: (headers: Headers) => void): S3Client => {
      const tampered = connect(server, {
        requestChecksumCalculation: 'WHEN_REQUIRED',
      });
      // This step comes after the one that signs.
      tampered.middlewareStack.add(
        (next) => (args) => {
          change((args.request as { headers: Headers }).headers);
          return next(args);
        },
        { step: 'deserialize', name: 'tamper' },
      );
      return tampered;
    };
    const put = async (from: S3Client) => {
      try {
        await from.send(new PutObjectCommand({ Bucket: 'bucket', Key: 'new', Body: 'hello' }));
      } finally {
        from.destroy();
      }
    };
    const credentials = { accessKeyId: 'test-access-key', secretAccessKey: '' };

    it('refuse a wrong secret', async () => {
      await expect(
        refusal(
          put(
            connect(server, {
              credentials: { ...credentials, secretAccessKey: 'wrong' },
            }),
          ),
        ),
      ).resolves.toEqual({ code: 'SignatureDoesNotMatch', status: 403 });
    });

    it('refuse an unknown access key', async () => {
      await expect(
        refusal(
          put(
            connect(server, {
              credentials: { accessKeyId: 'who', secretAccessKey: 'x' },
            }),
          ),
        ),
      ).resolves.toEqual({ code: 'InvalidAccessKeyId', status: 403 });
    });

    it('refuse another region', async () => {
      await expect(refusal(put(connect(server, { region: 'eu-west-1' })))).resolves.toEqual({
        code: 'AuthorizationHeaderMalformed',
        status: 400,
      });
    });

    it('refuse a session token nobody issued', async () => {
      await expect(
        refusal(
          put(
            connect(server, {
              credentials: { ...server.credentials, sessionToken: 'made up' },
            }),
          ),
        ),
      ).resolves.toEqual({ code: 'InvalidToken', status: 400 });
    });

    it('refuse a clock more than 15 minutes off', async () => {
      await expect(
        refusal(put(connect(server, { systemClockOffset: -16 * 60_000 }))),
      ).resolves.toEqual({ code: 'RequestTimeTooSkewed', status: 403 });
    });

    it.each<[string, (headers: Headers) => void, string]>([
      [
        'a signed header that was changed',
        (headers) => (headers['content-type'] = 'text/html'),
        'SignatureDoesNotMatch',
      ],
      [
        'an x-amz-* header that was not signed',
        (headers) => (headers['x-amz-meta-extra'] = 'x'),
        'AccessDenied',
      ],
      [
        'a payload hash that was changed',
        (headers) => (headers['x-amz-content-sha256'] = 'UNSIGNED-PAYLOAD'),
        'SignatureDoesNotMatch',
      ],
      ['no payload hash', (headers) => delete headers['x-amz-content-sha256'], 'InvalidRequest'],
      [
        'a header without its signature',
        (headers) =>
          (headers['authorization'] =
            headers['authorization']?.replace(/, Signature=.*/, '') ?? ''),
        'AuthorizationHeaderMalformed',
      ],
      [
        'another kind of authorization',
        (headers) => (headers['authorization'] = 'Basic eDp5'),
        'InvalidArgument',
      ],
      ['no authorization', (headers) => delete headers['authorization'], 'AccessDenied'],
    ])('refuse %s', async (_, change, code) => {
      await expect(refusal(put(tampering(change)))).resolves.toMatchObject({
        code,
      });
    });

    it('refuse a body other than the one that was signed', async () => {
      const signed: { headers: Headers } = { headers: {} };
      await put(tampering((headers) => (signed.headers = { ...headers })));
      const answer = await send(server, '/bucket/new?x-id=PutObject', {
        method: 'PUT',
        headers: signed.headers,
        body: 'HELLO',
      });
      expect(answer.code).toBe('XAmzContentSHA256Mismatch');
      expect(server.objects('bucket').get('new')?.body.toString()).toBe('hello');
    });

    it('refuse a key other than the one that was signed', async () => {
      const signed: { headers: Headers } = { headers: {} };
      await put(tampering((headers) => (signed.headers = { ...headers })));
      const answer = await send(server, '/bucket/other?x-id=PutObject', {
        method: 'PUT',
        headers: signed.headers,
        body: 'hello',
      });
      expect(answer.code).toBe('SignatureDoesNotMatch');
    });
  });

  describe('of presigned URLs', () => {
    const presignGet = (options: Parameters<typeof getSignedUrl>[2] = {}) =>
      getSignedUrl(client, new GetObjectCommand({ Bucket: 'bucket', Key: 'there' }), options);
    const presignPut = (rest: { ContentType?: string } = {}, signed?: string) =>
      getSignedUrl(
        client,
        new PutObjectCommand({ Bucket: 'bucket', Key: 'presigned', ...rest }),
        signed === undefined ? {} : { signableHeaders: new Set([signed]) },
      );

    it('let anyone read who has the URL', async () => {
      const answer = await sendTo(server, await presignGet());
      expect(answer).toMatchObject({ status: 200, text: 'hello' });
    });

    it('let anyone write who has the URL', async () => {
      const url = await presignPut();
      const answer = await sendTo(server, url, { method: 'PUT', body: 'new' });
      expect(answer.status).toBe(200);
      expect(server.objects('bucket').get('presigned')?.body.toString()).toBe('new');
    });

    it('hold for the method they were made for', async () => {
      const answer = await sendTo(server, await presignGet(), {
        method: 'PUT',
        body: 'x',
      });
      expect(answer.code).toBe('SignatureDoesNotMatch');
    });

    it('hold for the key they were made for', async () => {
      const url = await presignGet();
      const answer = await sendTo(server, url.replace('there', 'other'));
      expect(answer.code).toBe('SignatureDoesNotMatch');
    });

    it('end when they expire', async () => {
      const signingDate = new Date(Date.now() - 61_000);
      const url = await presignGet({ signingDate, expiresIn: 60 });
      const answer = await sendTo(server, url);
      expect(answer).toMatchObject({ status: 403, code: 'AccessDenied' });
      expect(answer.text).toContain('Request has expired');
    });

    it('cannot be prolonged', async () => {
      const url = await presignGet({ expiresIn: 60 });
      const answer = await sendTo(server, url.replace('X-Amz-Expires=60', 'X-Amz-Expires=6000'));
      expect(answer.code).toBe('SignatureDoesNotMatch');
    });

    it('last a week at most', async () => {
      const url = await presignGet({ expiresIn: 60 });
      const answer = await sendTo(server, url.replace('X-Amz-Expires=60', 'X-Amz-Expires=604801'));
      expect(answer).toMatchObject({
        status: 400,
        code: 'AuthorizationQueryParametersError',
      });
    });

    it('cannot be given parameters', async () => {
      const answer = await sendTo(server, `${await presignGet()}&response-content-type=text/html`);
      expect(answer.code).toBe('SignatureDoesNotMatch');
    });

    it('insist on the headers they signed', async () => {
      const url = await presignPut({ ContentType: 'image/png' }, 'content-type');
      const answer = await sendTo(server, url, {
        method: 'PUT',
        body: 'x',
        headers: { 'content-type': 'text/html' },
      });
      expect(answer.code).toBe('SignatureDoesNotMatch');
    });

    it('refuse x-amz-* headers they did not sign', async () => {
      const answer = await sendTo(server, await presignPut(), {
        method: 'PUT',
        body: 'x',
        headers: { 'x-amz-meta-owner': 'somebody' },
      });
      expect(answer.code).toBe('AccessDenied');
      expect(answer.text).toContain('x-amz-meta-owner');
    });

    it('count x-amz-* parameters as headers', async () => {
      const url = await getSignedUrl(
        client,
        new PutObjectCommand({
          Bucket: 'bucket',
          Key: 'presigned-metadata',
          Metadata: { owner: 'somebody' },
        }),
      );
      await sendTo(server, url, { method: 'PUT', body: 'x' });
      expect(server.objects('bucket').get('presigned-metadata')?.metadata).toEqual({
        owner: 'somebody',
      });
    });

    it('hold a body to the checksum signed with them', async () => {
      const byDefault = connect(server);
      const url = await getSignedUrl(
        byDefault,
        new PutObjectCommand({ Bucket: 'bucket', Key: 'default-checksum' }),
      );
      byDefault.destroy();
      // The default client signs the CRC32 of a body it does not have.
      expect(url).toContain('x-amz-checksum-crc32=AAAAAA');
      const answer = await sendTo(server, url, { method: 'PUT', body: 'x' });
      expect(answer.code).toBe('BadDigest');
    });

    it('cannot be mixed with an Authorization header', async () => {
      const answer = await sendTo(server, await presignGet(), {
        headers: { authorization: 'AWS4-HMAC-SHA256 x' },
      });
      expect(answer.code).toBe('InvalidArgument');
    });
  });

  describe('without any', () => {
    it('a private object is refused', async () => {
      const answer = await send(server, '/bucket/there');
      expect(answer).toMatchObject({ status: 403, code: 'AccessDenied' });
    });

    it('a public object is sent', async () => {
      const answer = await send(server, '/public/there');
      expect(answer).toMatchObject({ status: 200, text: 'hello' });
    });

    it('headers of a public object cannot be overridden', async () => {
      const answer = await send(server, '/public/there?response-content-type=text/html');
      expect(answer.code).toBe('InvalidRequest');
    });

    it('nothing public can be written', async () => {
      const answer = await send(server, '/public/there', {
        method: 'PUT',
        body: 'x',
      });
      expect(answer.code).toBe('AccessDenied');
    });
  });

  it('refuse temporary credentials without their token', async () => {
    await using temporary = await startS3Server({ sessionToken: 'token' });
    const { accessKeyId, secretAccessKey } = temporary.credentials;
    const without = connect(temporary, {
      credentials: { accessKeyId, secretAccessKey },
    });
    const withToken = connect(temporary);
    await expect(refusal(without.send(new ListBucketsCommand({})))).resolves.toMatchObject({
      code: 'InvalidAccessKeyId',
    });
    await expect(withToken.send(new ListBucketsCommand({}))).resolves.toMatchObject({
      Buckets: [{ Name: 'bucket' }],
    });
    without.destroy();
    withToken.destroy();
  });

  it('hold on their own day and for their own region, whatever was signed before', async () => {
    let now = Date.UTC(2026, 0, 31, 23, 59);
    await using anywhere = await startS3Server({ provider: 'ceph', now: () => now });
    const list = async (region: string) => {
      const there = connect(anywhere, { region, systemClockOffset: now - Date.now() });
      const { Buckets } = await there.send(new ListBucketsCommand({}));
      there.destroy();
      return Buckets?.length;
    };
    const seen = [await list('us-east-1'), await list('eu-west-1'), await list('us-east-1')];
    now += 120_000;
    expect([...seen, await list('us-east-1')]).toEqual([1, 1, 1, 1]);
  });

  it('cover virtual hosts, with and without s3 in them', async () => {
    for (const host of ['bucket.localhost', 'bucket.s3.localhost']) {
      const virtual = connect(server, {
        endpoint: `http://${host.replace('bucket.', '')}:${server.port}`,
        forcePathStyle: false,
        requestChecksumCalculation: 'WHEN_REQUIRED',
      });
      const url = await getSignedUrl(
        virtual,
        new GetObjectCommand({ Bucket: 'bucket', Key: 'there' }),
      );
      virtual.destroy();
      expect(new URL(url).hostname).toBe(host);
      const answer = await sendTo(server, url, {
        headers: { host: new URL(url).host },
      });
      expect(answer.text).toBe('hello');
    }
  });

  it('send no body with a refused HEAD', async () => {
    const outcome = client.send(new HeadObjectCommand({ Bucket: 'bucket', Key: 'missing' }));
    await expect(refusal(outcome)).resolves.toEqual({
      code: 'NotFound',
      status: 404,
    });
  });
});
