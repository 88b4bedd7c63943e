import { randomBytes } from 'node:crypto';
import { PutObjectCommand } from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { crc32 } from 'node:zlib';
import { startS3Server, type S3TestServer } from '../../../lib/testing/s3-server/index.js';
import { connect, send, sendTo, type RawResponse } from './s3-test-client.js';

// The worked examples of the "Signature Calculations for the Authorization
// Header: Transferring Payload in Multiple Chunks" pages of the S3 API
// reference: 65 KiB of "a" in two chunks.
const EXAMPLE = {
  accessKeyId: 'AKIAIOSFODNN7EXAMPLE',
  secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
  now: () => Date.parse('2013-05-24T00:00:00Z'),
};
const SCOPE = 'AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request';
const CHUNKS = [Buffer.alloc(65_536, 'a'), Buffer.alloc(1024, 'a'), Buffer.alloc(0)];

function frame(signatures: readonly string[]): Buffer {
  return Buffer.concat(
    CHUNKS.flatMap((chunk, index) => [
      Buffer.from(`${chunk.length.toString(16)};chunk-signature=${signatures[index]}\r\n`),
      chunk,
      // The last chunk has no bytes; what ends it are the trailers.
      Buffer.from(chunk.length > 0 ? '\r\n' : ''),
    ]),
  );
}

describe('aws-chunked uploads', () => {
  describe('with signed chunks', () => {
    let server: S3TestServer;

    beforeAll(async () => {
      server = await startS3Server({ ...EXAMPLE, buckets: ['examplebucket'] });
    });

    afterAll(() => server.close());

    const signatures = [
      'ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648',
      '0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497',
      'b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9',
    ];
    const put = (body: Buffer): Promise<RawResponse> =>
      send(server, '/examplebucket/chunkObject.txt', {
        method: 'PUT',
        headers: {
          host: 's3.amazonaws.com',
          'x-amz-date': '20130524T000000Z',
          'x-amz-storage-class': 'REDUCED_REDUNDANCY',
          authorization: `AWS4-HMAC-SHA256 Credential=${SCOPE},SignedHeaders=content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class,Signature=4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9`,
          'x-amz-content-sha256': 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD',
          'content-encoding': 'aws-chunked',
          'x-amz-decoded-content-length': '66560',
          'content-length': '66824',
        },
        body,
      });

    it('are stored without their framing', async () => {
      const body = Buffer.concat([frame(signatures), Buffer.from('\r\n')]);
      expect((await put(body)).status).toBe(200);
      const stored = server.objects('examplebucket').get('chunkObject.txt');
      expect(stored?.body.equals(Buffer.alloc(66_560, 'a'))).toBe(true);
      expect(stored?.headers).not.toHaveProperty('content-encoding');
    });

    it('are refused when a byte of a chunk was changed', async () => {
      const body = Buffer.concat([frame(signatures), Buffer.from('\r\n')]);
      body[1000] = 'b'.charCodeAt(0);
      expect((await put(body)).code).toBe('SignatureDoesNotMatch');
    });

    it('are refused when the last chunk was not signed for its place', async () => {
      const body = Buffer.concat([
        frame([signatures[0] ?? '', signatures[1] ?? '', signatures[0] ?? '']),
        Buffer.from('\r\n'),
      ]);
      expect((await put(body)).code).toBe('SignatureDoesNotMatch');
    });
  });

  describe('with signed chunks and trailers', () => {
    let server: S3TestServer;

    beforeAll(async () => {
      server = await startS3Server({ ...EXAMPLE, buckets: ['examplebucket'] });
    });

    afterAll(() => server.close());

    const put = (trailers: string): Promise<RawResponse> => {
      const body = Buffer.concat([
        frame([
          'b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2',
          '1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7',
          '2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992',
        ]),
        Buffer.from(trailers),
      ]);
      return send(server, '/examplebucket/chunkObject.txt', {
        method: 'PUT',
        headers: {
          host: 's3.amazonaws.com',
          'x-amz-date': '20130524T000000Z',
          'x-amz-storage-class': 'REDUCED_REDUNDANCY',
          authorization: `AWS4-HMAC-SHA256 Credential=${SCOPE},SignedHeaders=content-encoding;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class;x-amz-trailer,Signature=106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e`,
          'x-amz-content-sha256': 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER',
          'content-encoding': 'aws-chunked',
          'x-amz-decoded-content-length': '66560',
          'x-amz-trailer': 'x-amz-checksum-crc32c',
          'content-length': String(body.length),
        },
        body,
      });
    };
    const SIGNATURE = 'd81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435';

    it('are stored with the checksum of the trailer', async () => {
      const answer = await put(
        `x-amz-checksum-crc32c:sOO8/Q==\r\nx-amz-trailer-signature:${SIGNATURE}\r\n\r\n`,
      );
      expect(answer.status).toBe(200);
      expect(answer.headers['x-amz-checksum-crc32c']).toBe('sOO8/Q==');
    });

    it('are refused when a trailer was changed', async () => {
      const answer = await put(
        `x-amz-checksum-crc32c:AAAAAA==\r\nx-amz-trailer-signature:${SIGNATURE}\r\n\r\n`,
      );
      expect(answer.code).toBe('SignatureDoesNotMatch');
    });

    it('are refused when the trailers are not signed', async () => {
      const answer = await put('x-amz-checksum-crc32c:sOO8/Q==\r\n\r\n');
      expect(answer.code).toBe('MalformedTrailerError');
    });
  });

  describe('with unsigned chunks', () => {
    let server: S3TestServer;

    beforeAll(async () => {
      server = await startS3Server();
    });

    afterAll(() => server.close());

    const bytes = randomBytes(20_000);
    const crc = (body: Buffer): string => {
      const checksum = Buffer.alloc(4);
      checksum.writeUInt32BE(crc32(body));
      return checksum.toString('base64');
    };
    const chunk = (body: Buffer): Buffer =>
      Buffer.concat([Buffer.from(`${body.length.toString(16)}\r\n`), body, Buffer.from('\r\n')]);
    const put = async (
      body: Buffer,
      length: number | undefined = bytes.length,
    ): Promise<RawResponse> => {
      const client = connect(server, {
        requestChecksumCalculation: 'WHEN_REQUIRED',
      });
      const headers: Record<string, string> = {
        'x-amz-content-sha256': 'STREAMING-UNSIGNED-PAYLOAD-TRAILER',
        'x-amz-trailer': 'x-amz-checksum-crc32',
        ...(length < 0 ? {} : { 'x-amz-decoded-content-length': `${length}` }),
      };
      client.middlewareStack.add(
        (next) => (args) => {
          Object.assign((args.request as { headers: object }).headers, headers);
          return next(args);
        },
        { step: 'build', name: 'chunked' },
      );
      const names = new Set(Object.keys(headers));
      const url = await getSignedUrl(
        client,
        new PutObjectCommand({ Bucket: 'bucket', Key: 'chunked' }),
        { unhoistableHeaders: names, signableHeaders: names },
      );
      client.destroy();
      return sendTo(server, url, { method: 'PUT', headers, body });
    };
    const trailer = (value: string): Buffer =>
      Buffer.from(`0\r\nx-amz-checksum-crc32:${value}\r\n\r\n`);

    it('are stored when the checksum in the trailer is right', async () => {
      const answer = await put(
        Buffer.concat([
          chunk(bytes.subarray(0, 8192)),
          chunk(bytes.subarray(8192)),
          trailer(crc(bytes)),
        ]),
      );
      expect(answer.status).toBe(200);
      expect(server.objects('bucket').get('chunked')?.body).toEqual(bytes);
    });

    it.each<[string, () => Buffer, string]>([
      [
        'the checksum in the trailer is wrong',
        () => Buffer.concat([chunk(bytes), trailer('AAAAAA==')]),
        'BadDigest',
      ],
      [
        'the trailer is missing',
        () => Buffer.concat([chunk(bytes), Buffer.from('0\r\n\r\n')]),
        'MalformedTrailerError',
      ],
      [
        'there is a trailer nobody announced',
        () =>
          Buffer.concat([
            chunk(bytes),
            Buffer.from(`0\r\nx-amz-checksum-crc32:${crc(bytes)}\r\nx-amz-meta-a:b\r\n\r\n`),
          ]),
        'MalformedTrailerError',
      ],
      ['the last chunk is missing', () => chunk(bytes), 'IncompleteBody'],
      [
        'there are fewer bytes than announced',
        () => Buffer.concat([chunk(bytes.subarray(1)), trailer(crc(bytes.subarray(1)))]),
        'IncompleteBody',
      ],
      [
        'a chunk before the last is smaller than 8 KiB',
        () =>
          Buffer.concat([
            chunk(bytes.subarray(0, 100)),
            chunk(bytes.subarray(100)),
            trailer(crc(bytes)),
          ]),
        'InvalidChunkSizeError',
      ],
    ])('are refused when %s', async (_, body, code) => {
      expect((await put(body())).code).toBe(code);
    });

    it('are refused without the length of the content', async () => {
      const body = Buffer.concat([chunk(bytes), trailer(crc(bytes))]);
      expect(await put(body, -1)).toMatchObject({
        status: 411,
        code: 'MissingContentLength',
      });
    });
  });
});
