import { Readable } from 'node:stream';
import {
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateMultipartUploadCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  type PutObjectCommandInput,
  S3Client,
  type S3ClientConfig,
  UploadPartCommand,
  UploadPartCopyCommand,
  type ServiceInputTypes,
  type ServiceOutputTypes,
} from '@aws-sdk/client-s3';
import { createPresignedPost } from '@aws-sdk/s3-presigned-post';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { S3_PROFILES } from '../../../lib/drivers/s3/s3.profiles.js';
import { S3Call, type S3Command } from '../../../lib/drivers/s3/s3.call.js';
import { sdkCommand } from '../../../lib/drivers/s3/s3.sdk-engine.js';
import {
  type S3ServerOptions,
  type S3ServerProvider,
  type S3TestServer,
  startS3Server,
} from '../../../lib/testing/s3-server/index.js';
import { PROVIDERS } from '../../../lib/testing/s3-server/providers.js';
import { resolveLoopbackNames } from './loopback-names.js';
import { connect, refusal, send, sendTo } from './s3-test-client.js';

const Bucket = 'bucket';
const Key = 'a';
const MIB = 1024 ** 2;
const MD5_OF_NOTHING = '1B2M2Y8AsgTpgAmY7PhCfg==';

let undo: () => void;
beforeAll(() => {
  undo = resolveLoopbackNames();
});
afterAll(() => undo());

const opened: { close: () => void | Promise<void> }[] = [];
afterEach(async () => {
  for (const resource of opened.splice(0).toReversed()) await resource.close();
});

/** A server, and a client that adds nothing by itself. Both are closed after the test. */
async function play(
  provider: S3ServerProvider,
  config: S3ClientConfig = {},
  options: S3ServerOptions = {},
): Promise<{ server: S3TestServer; client: S3Client }> {
  const server = await startS3Server({ provider, ...options });
  opened.push(server);
  return { server, client: clientOf(server, provider, config) };
}

function clientOf(
  server: S3TestServer,
  provider: S3ServerProvider,
  config: S3ClientConfig = {},
): S3Client {
  const client = connect(server, {
    forcePathStyle: PROVIDERS[provider].addressing.includes('path'),
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    logger: { debug() {}, info() {}, warn() {}, error() {} },
    ...config,
  });
  if (PROVIDERS[provider].operationIds !== 'honoured') withoutOperationIds(client);
  opened.push({ close: () => client.destroy() });
  return client;
}

function withoutOperationIds(client: S3Client): void {
  client.middlewareStack.add(
    (next) => (args) => {
      delete (args.request as { query: Record<string, unknown> }).query['x-id'];
      return next(args);
    },
    { step: 'build', priority: 'low' },
  );
}

function put(rest: Partial<PutObjectCommandInput> = {}): PutObjectCommand {
  return new PutObjectCommand({ Bucket, Key, Body: 'hello', ...rest });
}

/** An upload of two parts, not completed yet. */
async function upload(
  client: S3Client,
  sizes: readonly number[] = [5 * MIB, 1],
): Promise<ConstructorParameters<typeof CompleteMultipartUploadCommand>[0]> {
  const { UploadId } = await client.send(new CreateMultipartUploadCommand({ Bucket, Key }));
  const Parts = [];
  for (const [index, size] of sizes.entries()) {
    const PartNumber = index + 1;
    const { ETag } = await client.send(
      new UploadPartCommand({ Bucket, Key, UploadId, PartNumber, Body: Buffer.alloc(size) }),
    );
    Parts.push({ PartNumber, ETag });
  }
  return { Bucket, Key, UploadId, MultipartUpload: { Parts } };
}

function text(server: S3TestServer, key = Key): string | undefined {
  return server.objects(Bucket).get(key)?.body.toString();
}

describe('providers', () => {
  it('are those that the driver has profiles for', () => {
    expect(Object.keys(PROVIDERS).toSorted()).toEqual(Object.keys(S3_PROFILES).toSorted());
  });

  it('are told by name when there is no such one', async () => {
    const provider = 'azure' as S3ServerProvider;
    await expect(startS3Server({ provider })).rejects.toThrow(
      /^provider must be one of aws, .*, not "azure"$/,
    );
  });
});

describe('regions', () => {
  it.each<[S3ServerProvider, string]>([
    ['aws', 'us-east-1'],
    ['r2', 'auto'],
    ['gcs', 'auto'],
    ['garage', 'garage'],
    ['oss', 'cn-hangzhou'],
  ])('are those of the provider: %s is in %s', async (provider, region) => {
    const { server, client } = await play(provider);
    expect(server.region).toBe(region);
    await client.send(put());
    expect(text(server)).toBe('hello');
  });

  it('have other names where the provider takes them', async () => {
    const { server, client } = await play('r2', { region: 'us-east-1' });
    await client.send(put());
    expect(text(server)).toBe('hello');
  });

  it('are refused under any other name', async () => {
    const { client } = await play('r2', { region: 'eu-west-1' });
    expect((await refusal(client.send(put()))).code).toBe('AuthorizationHeaderMalformed');
  });

  it('are anything where the provider does not look', async () => {
    const { server, client } = await play('ceph', { region: 'nowhere' });
    await client.send(put());
    expect(text(server)).toBe('hello');
  });

  it('are one when the server was given one', async () => {
    const { server, client } = await play('r2', { region: 'auto' }, { region: 'weur' });
    expect(server.region).toBe('weur');
    expect((await refusal(client.send(put()))).code).toBe('AuthorizationHeaderMalformed');
  });
});

describe('addresses', () => {
  it('are host names only with OSS', async () => {
    const { server, client } = await play('oss');
    expect(server.endpoint).toBe(`http://localhost:${server.port}`);
    await client.send(put());
    expect(server.requests[0]).toMatchObject({
      url: '/a?x-id=PutObject',
      headers: { host: `bucket.localhost:${server.port}` },
    });
    const byPath = clientOf(server, 'oss', { forcePathStyle: true });
    expect(await refusal(byPath.send(put()))).toEqual({
      code: 'SecondLevelDomainForbidden',
      status: 403,
    });
  });

  it('are paths only with MinIO, whatever the host', async () => {
    const { server } = await play('minio', {}, { publicBuckets: [Bucket] });
    const byHost = clientOf(server, 'minio', {
      endpoint: `http://localhost:${server.port}`,
      forcePathStyle: false,
    });
    // What would be the key is taken for the bucket.
    await byHost.send(new GetObjectCommand({ Bucket, Key: 'a/b' })).catch(() => {});
    expect(server.requests[0]).toMatchObject({ bucket: 'a', key: 'b' });
  });

  it('begin with the path of the endpoint with Supabase', async () => {
    const { server, client } = await play('supabase');
    expect(server.endpoint).toBe(`http://127.0.0.1:${server.port}/storage/v1/s3`);
    await client.send(put());
    expect(server.requests[0]).toMatchObject({
      url: '/storage/v1/s3/bucket/a?x-id=PutObject',
      bucket: Bucket,
      key: Key,
    });
    const url = await getSignedUrl(client, new GetObjectCommand({ Bucket, Key }));
    expect((await sendTo(server, url)).text).toBe('hello');
    expect((await send(server, '/bucket/a')).code).toBe('InvalidURI');
    expect((await send(server, '/')).code).toBe('InvalidURI');
  });
});

describe('keys', () => {
  it('are a byte shorter with OSS', async () => {
    const { server, client } = await play('oss');
    await client.send(put({ Key: 'k'.repeat(1023) }));
    const longer = client.send(put({ Key: 'k'.repeat(1024) }));
    expect((await refusal(longer)).code).toBe('KeyTooLongError');
    expect(server.objects(Bucket).size).toBe(1);
  });
});

describe('checksums', () => {
  it.each<[S3ServerProvider, string, number]>([
    ['b2', 'InvalidArgument', 400],
    ['ovh', 'InvalidArgument', 400],
    ['scaleway', 'InvalidArgument', 400],
    ['gcs', 'SignatureDoesNotMatch', 403],
    ['generic', 'InvalidArgument', 400],
  ])('are refused by %s', async (provider, code, status) => {
    const { server, client } = await play(provider);
    const sent = put({ ChecksumAlgorithm: 'CRC32' });
    expect(await refusal(client.send(sent))).toEqual({ code, status });
    const asked = new GetObjectCommand({ Bucket, Key, ChecksumMode: 'ENABLED' });
    expect(await refusal(client.send(asked))).toEqual({ code, status });
    expect(server.objects(Bucket).size).toBe(0);
  });

  it('are refused in the query of a presigned URL, too', async () => {
    const { server, client } = await play('b2', { requestChecksumCalculation: 'WHEN_SUPPORTED' });
    const url = await getSignedUrl(client, new PutObjectCommand({ Bucket, Key }));
    expect(url).toContain('x-amz-checksum-crc32=');
    expect((await sendTo(server, url, { method: 'PUT' })).code).toBe('InvalidArgument');
  });

  it('are verified by R2, but those of parts do not make one of the whole', async () => {
    const { server, client } = await play('r2');
    await client.send(put({ ChecksumAlgorithm: 'CRC32' }));
    expect(server.objects(Bucket).get(Key)?.checksum?.algorithm).toBe('CRC32');
    const wrong = client.send(put({ ChecksumCRC32: 'AAAAAA==' }));
    expect((await refusal(wrong)).code).toBe('BadDigest');
    const whole = (algorithm: 'CRC32' | 'CRC64NVME') =>
      client.send(
        new CreateMultipartUploadCommand({
          Bucket,
          Key,
          ChecksumAlgorithm: algorithm,
          ChecksumType: 'FULL_OBJECT',
        }),
      );
    expect((await refusal(whole('CRC32'))).code).toBe('InvalidRequest');
    await whole('CRC64NVME');
  });

  it('are verified by Garage but for the one it does not know', async () => {
    const { client } = await play('garage');
    await client.send(put({ ChecksumAlgorithm: 'SHA256' }));
    const unknown = client.send(put({ ChecksumCRC64NVME: 'AAAAAAAAAAA=' }));
    expect((await refusal(unknown)).code).toBe('NotImplemented');
  });

  it('are not looked at by Ceph, nor kept', async () => {
    const { server, client } = await play('ceph');
    await client.send(put({ ChecksumCRC32: 'AAAAAA==' }));
    expect(text(server)).toBe('hello');
    expect(server.objects(Bucket).get(Key)?.checksum).toBeUndefined();
  });

  it('are computed unasked by S3 alone', async () => {
    const checksumOf = async (provider: S3ServerProvider) => {
      const { server, client } = await play(provider);
      await client.send(put());
      return server.objects(Bucket).get(Key)?.checksum?.algorithm;
    };
    expect(await checksumOf('aws')).toBe('CRC64NVME');
    expect(await checksumOf('r2')).toBeUndefined();
  });

  it('leave Content-MD5 unverified with Supabase', async () => {
    const { server, client } = await play('supabase');
    await client.send(put({ ContentMD5: MD5_OF_NOTHING }));
    expect(text(server)).toBe('hello');
    const strict = await play('b2');
    const wrong = strict.client.send(put({ ContentMD5: MD5_OF_NOTHING }));
    expect((await refusal(wrong)).code).toBe('BadDigest');
  });
});

describe('bodies in chunks', () => {
  const stream = (): PutObjectCommand =>
    put({ Body: Readable.from([Buffer.from('hello')]), ContentLength: 5 });

  it.each<[S3ServerProvider, string, number]>([
    ['r2', 'NotImplemented', 501],
    ['ceph', 'MissingContentLength', 411],
    ['gcs', 'SignatureDoesNotMatch', 403],
    ['oss', 'NotImplemented', 501],
    ['generic', 'NotImplemented', 501],
  ])('with a checksum at their end are refused by %s', async (provider, code, status) => {
    const { client } = await play(provider, { requestChecksumCalculation: 'WHEN_SUPPORTED' });
    expect(await refusal(client.send(stream()))).toEqual({ code, status });
  });

  it('with a checksum at their end are taken by Tigris', async () => {
    const { server, client } = await play('tigris', {
      requestChecksumCalculation: 'WHEN_SUPPORTED',
    });
    await client.send(stream());
    expect(text(server)).toBe('hello');
  });

  // The worked example of the S3 API reference for a payload in signed chunks.
  const signedChunks = (server: S3TestServer) =>
    send(server, '/examplebucket/chunkObject.txt', {
      method: 'PUT',
      headers: {
        host: 's3.amazonaws.com',
        'x-amz-date': '20130524T000000Z',
        'x-amz-storage-class': 'REDUCED_REDUNDANCY',
        authorization:
          'AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,SignedHeaders=content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class,Signature=4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9',
        'x-amz-content-sha256': 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD',
        'content-encoding': 'aws-chunked',
        'x-amz-decoded-content-length': '66560',
        'content-length': '66824',
      },
      body: Buffer.alloc(66_824),
    });

  it.each<[S3ServerProvider, string]>([
    ['generic', 'NotImplemented'],
    ['gcs', 'SignatureDoesNotMatch'],
    // Taken, and found to be no chunks.
    ['wasabi', 'IncompleteBody'],
  ])('that are signed meet %s, which answers %s', async (provider, code) => {
    const { server } = await play(
      provider,
      {},
      {
        accessKeyId: 'AKIAIOSFODNN7EXAMPLE',
        secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
        region: 'us-east-1',
        buckets: ['examplebucket'],
        now: () => Date.parse('2013-05-24T00:00:00Z'),
      },
    );
    expect((await signedChunks(server)).code).toBe(code);
  });
});

describe('DeleteObjects', () => {
  const remove = (count: number): DeleteObjectsCommand =>
    new DeleteObjectsCommand({
      Bucket,
      Delete: { Objects: Array.from({ length: count }, (_, index) => ({ Key: `k${index}` })) },
    });

  it.each<S3ServerProvider>(['minio', 'oss', 'wasabi', 'generic'])(
    'needs Content-MD5 with %s',
    async (provider) => {
      const { client } = await play(provider);
      await client.send(withContentMd5(remove(1)));
      const without = withHeaders(remove(1), (headers) => {
        delete headers['x-amz-sdk-checksum-algorithm'];
        delete headers['x-amz-checksum-crc32'];
      });
      expect((await refusal(client.send(without))).code).toBe('InvalidRequest');
    },
  );

  it('is not vouched for by a checksum that Ceph does not look at', async () => {
    const { client } = await play('ceph');
    expect((await refusal(client.send(remove(1)))).code).toBe('InvalidRequest');
    const garage = await play('garage');
    await garage.client.send(remove(1));
  });

  it('takes 700 keys with R2, and 1,000 with the others', async () => {
    const r2 = await play('r2');
    await r2.client.send(remove(700));
    expect((await refusal(r2.client.send(remove(701)))).code).toBe('MalformedXML');
    const b2 = await play('b2');
    await b2.client.send(withContentMd5(remove(1000)));
  });

  it('is not there with GCS', async () => {
    const { client } = await play('gcs');
    expect(await refusal(client.send(withContentMd5(remove(1))))).toEqual({
      code: 'NotImplemented',
      status: 501,
    });
  });
});

describe('conditions of writes', () => {
  it.each<S3ServerProvider>(['r2', 'minio', 'tigris', 'scaleway', 'ceph'])(
    'decide a put with %s',
    async (provider) => {
      const { server, client } = await play(provider);
      await client.send(put());
      const again = client.send(put({ Body: 'other', IfNoneMatch: '*' }));
      expect((await refusal(again)).code).toBe('PreconditionFailed');
      expect(text(server)).toBe('hello');
    },
  );

  it('are refused by B2', async () => {
    const { client } = await play('b2');
    for (const condition of [{ IfNoneMatch: '*' }, { IfMatch: '"x"' }]) {
      expect(await refusal(client.send(put(condition)))).toEqual({
        code: 'NotImplemented',
        status: 501,
      });
    }
  });

  it.each<S3ServerProvider>([
    'gcs',
    'wasabi',
    'spaces',
    'hetzner',
    'ovh',
    'supabase',
    'garage',
    'seaweedfs',
    'oss',
    'generic',
  ])('are left out in silence by %s', async (provider) => {
    const { server, client } = await play(provider);
    await client.send(put());
    await client.send(put({ Body: 'other', IfNoneMatch: '*' }));
    expect(text(server)).toBe('other');
  });

  it('are left out by Ceph when an upload in parts is completed', async () => {
    const { server, client } = await play('ceph');
    await client.send(put());
    const completion = await upload(client);
    await client.send(new CompleteMultipartUploadCommand({ ...completion, IfNoneMatch: '*' }));
    expect(server.objects(Bucket).get(Key)?.size).toBe(5 * MIB + 1);
  });

  it('meet no object: a 404 of S3, a 412 of R2', async () => {
    const codeOf = async (provider: S3ServerProvider) => {
      const { client } = await play(provider);
      return refusal(client.send(put({ IfMatch: '"x"' })));
    };
    expect(await codeOf('aws')).toEqual({ code: 'NoSuchKey', status: 404 });
    expect(await codeOf('r2')).toEqual({ code: 'PreconditionFailed', status: 412 });
  });

  it('have names of their own on copies with R2', async () => {
    const { server, client } = await play('r2');
    await client.send(put({ Key: 'source' }));
    await client.send(put({ Body: 'taken' }));
    const copy = (): CopyObjectCommand =>
      new CopyObjectCommand({ Bucket, Key, CopySource: 'bucket/source' });
    const plain = withHeaders(copy(), (headers) => {
      headers['if-none-match'] = '*';
    });
    expect((await refusal(client.send(plain))).code).toBe('NotImplemented');
    const own = withHeaders(copy(), (headers) => {
      headers['cf-copy-destination-if-none-match'] = '*';
    });
    expect((await refusal(client.send(own))).code).toBe('PreconditionFailed');
    expect(text(server)).toBe('taken');
    await client.send(copy());
    expect(text(server)).toBe('hello');
  });

  it('are a header of its own with OSS, on puts, copies and completions', async () => {
    const { server, client } = await play('oss');
    const forbid = (headers: Record<string, string>): void => {
      headers['x-oss-forbid-overwrite'] = 'true';
    };
    await client.send(withHeaders(put(), forbid));
    const taken = { code: 'FileAlreadyExists', status: 409 };
    expect(await refusal(client.send(withHeaders(put(), forbid)))).toEqual(taken);
    await client.send(put({ Key: 'source' }));
    const copy = new CopyObjectCommand({ Bucket, Key, CopySource: 'bucket/source' });
    expect(await refusal(client.send(withHeaders(copy, forbid)))).toEqual(taken);
    const completion = new CompleteMultipartUploadCommand(await upload(client));
    expect(await refusal(client.send(withHeaders(completion, forbid)))).toEqual(taken);
    const allow = withHeaders(put({ Body: 'other' }), (headers) => {
      headers['x-oss-forbid-overwrite'] = 'false';
    });
    await client.send(allow);
    expect(text(server)).toBe('other');
  });
});

describe('copies', () => {
  it('do not look at the conditions of the source with Ceph', async () => {
    const copy = (): CopyObjectCommand =>
      new CopyObjectCommand({
        Bucket,
        Key: 'b',
        CopySource: 'bucket/a',
        CopySourceIfMatch: '"another"',
      });
    const ceph = await play('ceph');
    await ceph.client.send(put());
    await ceph.client.send(copy());
    expect(text(ceph.server, 'b')).toBe('hello');
    const b2 = await play('b2');
    await b2.client.send(put());
    expect((await refusal(b2.client.send(copy()))).code).toBe('PreconditionFailed');
  });

  it('are not done part by part with GCS', async () => {
    const { client } = await play('gcs');
    await client.send(put());
    const { UploadId } = await client.send(new CreateMultipartUploadCommand({ Bucket, Key: 'b' }));
    const copied = client.send(
      new UploadPartCopyCommand({
        Bucket,
        Key: 'b',
        UploadId,
        PartNumber: 1,
        CopySource: 'bucket/a',
      }),
    );
    expect((await refusal(copied)).code).toBe('NotImplemented');
  });
});

describe('parts', () => {
  const complete = async (client: S3Client, sizes: readonly number[]) =>
    client.send(new CompleteMultipartUploadCommand(await upload(client, sizes)));

  it.each<S3ServerProvider>(['r2', 'generic'])('have one size with %s', async (provider) => {
    const { client } = await play(provider, {}, { minPartSize: 2 });
    await complete(client, [4, 4, 3]);
    await complete(client, [4]);
    expect((await refusal(complete(client, [4, 5, 4]))).code).toBe('InvalidPart');
    expect((await refusal(complete(client, [4, 5]))).code).toBe('InvalidPart');
    const free = await play('aws', {}, { minPartSize: 2 });
    await complete(free.client, [4, 5, 4]);
  });

  it.each<[S3ServerProvider, number]>([
    ['scaleway', 1000],
    ['aws', 10_000],
  ])('of one upload are limited: with %s %i', async (provider, most) => {
    const { client } = await play(provider);
    const { UploadId } = await client.send(new CreateMultipartUploadCommand({ Bucket, Key }));
    const part = (PartNumber: number) =>
      client.send(new UploadPartCommand({ Bucket, Key, UploadId, PartNumber, Body: 'x' }));
    await part(most);
    expect((await refusal(part(most + 1))).code).toBe('InvalidArgument');
  });

  it('make an etag that says nothing with R2, SeaweedFS, GCS and OSS', async () => {
    const etagOf = async (provider: S3ServerProvider) => {
      const { server, client } = await play(provider, {}, { minPartSize: 1 });
      await complete(client, [1, 1]);
      return server.objects(Bucket).get(Key)!.etag;
    };
    const md5 = await etagOf('aws');
    expect(await etagOf('minio')).toBe(md5);
    for (const provider of ['r2', 'seaweedfs', 'gcs', 'oss'] as const) {
      const etag = await etagOf(provider);
      expect(etag).toMatch(/^[0-9a-f]{32}-2$/);
      expect(etag).not.toBe(md5);
    }
  });

  it('of uploads are listed by their whole key with MinIO', async () => {
    const listed = async (provider: S3ServerProvider, Prefix?: string) => {
      const { client } = await play(provider);
      for (const key of ['a', 'ab']) {
        await client.send(new CreateMultipartUploadCommand({ Bucket, Key: key }));
      }
      const { Uploads = [] } = await client.send(
        new ListMultipartUploadsCommand({ Bucket, ...(Prefix !== undefined && { Prefix }) }),
      );
      return Uploads.map(({ Key: key }) => key);
    };
    expect(await listed('minio', 'a')).toEqual(['a']);
    expect(await listed('minio')).toEqual(['a', 'ab']);
    expect(await listed('aws', 'a')).toEqual(['a', 'ab']);
  });
});

describe('parameters', () => {
  it.each<S3ServerProvider>(['spaces', 'generic'])(
    'of listings are not encoding-type with %s',
    async (provider) => {
      const { client } = await play(provider);
      await client.send(new ListObjectsV2Command({ Bucket }));
      const encoded = client.send(new ListObjectsV2Command({ Bucket, EncodingType: 'url' }));
      expect((await refusal(encoded)).code).toBe('InvalidArgument');
    },
  );

  it('that override headers are for GetObject alone with R2', async () => {
    const { client } = await play('r2');
    await client.send(put());
    const override = { Bucket, Key, ResponseContentType: 'text/css' };
    const { ContentType } = await client.send(new GetObjectCommand(override));
    expect(ContentType).toBe('text/css');
    const { status } = await refusal(client.send(new HeadObjectCommand(override)));
    expect(status).toBe(501);
  });

  it('do not name the operation with GCS', async () => {
    const { server, client } = await play('gcs');
    await client.send(put());
    const url = new URL(await getSignedUrl(client, new GetObjectCommand({ Bucket, Key })));
    expect(url.searchParams.has('x-id')).toBe(false);
    expect((await sendTo(server, url.href)).text).toBe('hello');
    const usual = connect(server, { requestChecksumCalculation: 'WHEN_REQUIRED' });
    opened.push({ close: () => usual.destroy() });
    expect((await refusal(usual.send(put()))).code).toBe('InvalidArgument');
  });
});

describe('access', () => {
  it.each<S3ServerProvider>(['r2', 'minio', 'supabase', 'garage', 'generic'])(
    'by ACL is not there with %s',
    async (provider) => {
      const { client } = await play(provider);
      const owned = put({ ACL: 'bucket-owner-full-control' });
      expect((await refusal(client.send(owned))).code).toBe('NotImplemented');
    },
  );

  it.each<[S3ServerProvider, boolean]>([
    ['aws', true],
    ['minio', true],
    ['ceph', true],
    ['r2', false],
    ['supabase', false],
    ['gcs', false],
    ['generic', false],
  ])('by the form of a browser is given by %s: %s', async (provider, taken) => {
    const { server, client } = await play(provider);
    const { url, fields } = await createPresignedPost(client, { Bucket, Key });
    const form = new FormData();
    for (const [name, value] of Object.entries(fields)) form.append(name, value);
    form.append('file', new Blob(['hello']));
    const answer = await fetch(url, { method: 'POST', body: form });
    expect(answer.status).toBe(taken ? 204 : 501);
    expect(text(server)).toBe(taken ? 'hello' : undefined);
  });
});

function withHeaders<Input extends ServiceInputTypes, Output extends ServiceOutputTypes>(
  command: S3Command<Input, Output>,
  change: (headers: Record<string, string>) => void,
): S3Command<Input, Output> {
  return sdkCommand(new S3Call(command).withHeaders(change));
}

function withContentMd5<Input extends ServiceInputTypes, Output extends ServiceOutputTypes>(
  command: S3Command<Input, Output>,
): S3Command<Input, Output> {
  return sdkCommand(new S3Call(command).withContentMd5());
}
