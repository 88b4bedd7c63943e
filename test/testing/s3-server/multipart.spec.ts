import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListPartsCommand,
  PutObjectCommand,
  UploadPartCommand,
  UploadPartCopyCommand,
  type CompletedPart,
  type ListMultipartUploadsCommandOutput,
  type CompleteMultipartUploadCommandInput,
  type CreateMultipartUploadCommandInput,
  type S3Client,
} from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import { createHash, randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { startS3Server, type S3TestServer } from '../../../lib/testing/s3-server/index.js';
import { connect, refusal } from './s3-test-client.js';

const Bucket = 'bucket';

describe('multipart uploads', () => {
  let server: S3TestServer;
  let client: S3Client;
  /** Computes no checksum of its own. */
  let plain: S3Client;

  beforeAll(async () => {
    server = await startS3Server({ minPartSize: 4 });
    client = connect(server);
    plain = connect(server, {
      requestChecksumCalculation: 'WHEN_REQUIRED',
      // It warns of streams that cannot be retried, which is the point here.
      logger: { debug() {}, info() {}, warn() {}, error() {} },
    });
  });

  afterEach(async () => {
    const left = server.multipartUploads(Bucket);
    await Promise.all(
      left.map(({ key: Key, uploadId: UploadId }) =>
        client.send(new AbortMultipartUploadCommand({ Bucket, Key, UploadId })),
      ),
    );
  });

  afterAll(async () => {
    client.destroy();
    plain.destroy();
    await server.close();
  });

  const create = async (
    Key: string,
    rest: Partial<CreateMultipartUploadCommandInput> = {},
    from = plain,
  ): Promise<string> => {
    const { UploadId } = await from.send(
      new CreateMultipartUploadCommand({ Bucket, Key, ...rest }),
    );
    return UploadId ?? '';
  };
  const part = async (
    Key: string,
    UploadId: string,
    PartNumber: number,
    Body: string,
    from = plain,
  ): Promise<CompletedPart> => {
    const answer = await from.send(
      new UploadPartCommand({ Bucket, Key, UploadId, PartNumber, Body }),
    );
    const { ETag, ChecksumCRC32, ChecksumSHA256 } = answer;
    return { PartNumber, ETag, ChecksumCRC32, ChecksumSHA256 };
  };
  const complete = (
    Key: string,
    UploadId: string,
    Parts: CompletedPart[],
    rest: Partial<CompleteMultipartUploadCommandInput> = {},
  ) =>
    plain.send(
      new CompleteMultipartUploadCommand({
        Bucket,
        Key,
        UploadId,
        MultipartUpload: { Parts },
        ...rest,
      }),
    );

  it('join their parts in order', async () => {
    const id = await create('joined', { ContentType: 'text/plain' });
    const second = await part('joined', id, 2, 'tail');
    const first = await part('joined', id, 1, 'head');
    await complete('joined', id, [first, second]);
    const stored = server.objects(Bucket).get('joined');
    expect(stored?.body.toString()).toBe('headtail');
    expect(stored?.contentType).toBe('text/plain');
    expect(server.multipartUploads(Bucket)).toEqual([]);
  });

  it('name the object by the MD5 of the MD5s', async () => {
    const id = await create('etag');
    const parts = [await part('etag', id, 1, 'head'), await part('etag', id, 7, 't')];
    const { ETag } = await complete('etag', id, parts);
    const md5 = (bytes: string | Buffer): Buffer => createHash('md5').update(bytes).digest();
    const expected = md5(Buffer.concat([md5('head'), md5('t')]));
    expect(ETag).toBe(`"${expected.toString('hex')}-2"`);
  });

  it('keep the last of several parts of one number', async () => {
    const id = await create('replaced');
    await part('replaced', id, 1, 'first');
    const again = await part('replaced', id, 1, 'again');
    await complete('replaced', id, [again]);
    expect(server.objects(Bucket).get('replaced')?.body.toString()).toBe('again');
  });

  it('serve ranges across parts', async () => {
    const id = await create('ranged');
    const parts = [
      await part('ranged', id, 1, '0123'),
      await part('ranged', id, 2, '4567'),
      await part('ranged', id, 3, '89'),
    ];
    await complete('ranged', id, parts);
    const { Body } = await client.send(
      new GetObjectCommand({ Bucket, Key: 'ranged', Range: 'bytes=3-8' }),
    );
    expect(await Body?.transformToString()).toBe('345678');
  });

  describe('when completed', () => {
    let id: string;
    let parts: CompletedPart[];

    beforeEach(async () => {
      id = await create('strict');
      parts = [
        await part('strict', id, 1, 'one-'),
        await part('strict', id, 2, '2'),
        await part('strict', id, 3, 'three'),
      ];
    });

    it.each<[string, () => CompletedPart[], string]>([
      ['parts in the wrong order', () => parts.toReversed(), 'InvalidPartOrder'],
      ['a part named twice', () => parts.slice(0, 1).concat(parts.slice(0, 1)), 'InvalidPartOrder'],
      ['a part with another ETag', () => [{ PartNumber: 1, ETag: '"0"' }], 'InvalidPart'],
      ['a part never uploaded', () => [{ ...parts[0], PartNumber: 9 }], 'InvalidPart'],
      ['a small part before the last', () => parts, 'EntityTooSmall'],
      ['no parts', () => [], 'MalformedXML'],
      [
        'a part number beyond 10000',
        () => [{ ...parts[0], PartNumber: 10_001 }],
        'InvalidArgument',
      ],
    ])('refuse %s', async (_, chosen, code) => {
      await expect(refusal(complete('strict', id, chosen()))).resolves.toMatchObject({ code });
      expect(server.multipartUploads(Bucket)).toHaveLength(1);
    });

    it('refuse a size that is not theirs', async () => {
      await expect(
        refusal(complete('strict', id, parts.slice(0, 1), { MpuObjectSize: 5 })),
      ).resolves.toMatchObject({ code: 'InvalidRequest' });
    });

    it('refuse another key', async () => {
      await expect(refusal(complete('other', id, parts.slice(0, 1)))).resolves.toEqual({
        code: 'NoSuchUpload',
        status: 404,
      });
    });

    it('do not need every part that was uploaded', async () => {
      await complete('strict', id, parts.slice(0, 2));
      expect(server.objects(Bucket).get('strict')?.body.toString()).toBe('one-2');
    });

    it('are gone', async () => {
      await complete('strict', id, parts.slice(0, 2));
      await expect(refusal(complete('strict', id, parts.slice(0, 2)))).resolves.toMatchObject({
        code: 'NoSuchUpload',
      });
    });
  });

  describe('with a condition', () => {
    it('let exactly one of many creators win', async () => {
      const uploads = await Promise.all(
        Array.from({ length: 5 }, async (_, index) => {
          const id = await create('race');
          return { id, parts: [await part('race', id, 1, `by ${index}`)] };
        }),
      );
      const outcomes = await Promise.allSettled(
        uploads.map(({ id, parts }) => complete('race', id, parts, { IfNoneMatch: '*' })),
      );
      const winners = outcomes.filter(({ status }) => status === 'fulfilled');
      expect(winners).toHaveLength(1);
    });

    it('keep the upload when the condition fails', async () => {
      await client.send(new PutObjectCommand({ Bucket, Key: 'held', Body: 'first' }));
      const id = await create('held');
      const parts = [await part('held', id, 1, 'second')];
      await expect(refusal(complete('held', id, parts, { IfMatch: '"0"' }))).resolves.toMatchObject(
        { status: 412 },
      );
      await complete('held', id, parts, {
        IfMatch: createHash('md5').update('first').digest('hex'),
      });
      expect(server.objects(Bucket).get('held')?.body.toString()).toBe('second');
    });
  });

  describe('when aborted', () => {
    it('leave nothing', async () => {
      const UploadId = await create('aborted');
      await part('aborted', UploadId, 1, 'part');
      await client.send(new AbortMultipartUploadCommand({ Bucket, Key: 'aborted', UploadId }));
      expect(server.multipartUploads(Bucket)).toEqual([]);
      await expect(refusal(part('aborted', UploadId, 2, 'part'))).resolves.toMatchObject({
        code: 'NoSuchUpload',
      });
    });

    it('refuse the parts still under way', async () => {
      const UploadId = await create('late');
      server.clearRequests();
      const body = new Readable({ read() {} });
      body.push(Buffer.alloc(70_000));
      const late = plain.send(
        new UploadPartCommand({
          Bucket,
          Key: 'late',
          UploadId,
          PartNumber: 1,
          Body: body,
          ContentLength: 80_000,
        }),
      );
      const outcome = refusal(late);
      await server.until(({ requests }) => requests.some(({ bodyBytes }) => bodyBytes > 0));
      await client.send(new AbortMultipartUploadCommand({ Bucket, Key: 'late', UploadId }));
      body.push(Buffer.alloc(10_000));
      body.push(null);
      await expect(outcome).resolves.toMatchObject({ code: 'NoSuchUpload' });
    });
  });

  describe('with checksums', () => {
    it('give the object a checksum of checksums', async () => {
      const id = await create('composite', { ChecksumAlgorithm: 'SHA256' });
      const sha256 = (bytes: string | Buffer): Buffer =>
        createHash('sha256').update(bytes).digest();
      const parts: CompletedPart[] = [];
      for (const [index, Body] of ['head', 'tail'].entries()) {
        const answer = await plain.send(
          new UploadPartCommand({
            Bucket,
            Key: 'composite',
            UploadId: id,
            PartNumber: index + 1,
            Body,
            ChecksumSHA256: sha256(Body).toString('base64'),
          }),
        );
        parts.push({
          PartNumber: index + 1,
          ETag: answer.ETag,
          ChecksumSHA256: answer.ChecksumSHA256,
        });
      }
      await complete('composite', id, parts);
      const whole = sha256(Buffer.concat([sha256('head'), sha256('tail')]));
      expect(
        await client.send(
          new HeadObjectCommand({
            Bucket,
            Key: 'composite',
            ChecksumMode: 'ENABLED',
          }),
        ),
      ).toMatchObject({
        ChecksumSHA256: `${whole.toString('base64')}-2`,
        ChecksumType: 'COMPOSITE',
      });
    });

    it('can have one checksum of all bytes', async () => {
      const id = await create('full', {
        ChecksumAlgorithm: 'CRC32',
        ChecksumType: 'FULL_OBJECT',
      });
      const parts = [await part('full', id, 1, '1234'), await part('full', id, 2, '56789')];
      const answer = await complete('full', id, parts, {
        ChecksumType: 'FULL_OBJECT',
        ChecksumCRC32: 'y/Q5Jg==',
      });
      expect(answer).toMatchObject({
        ChecksumCRC32: 'y/Q5Jg==',
        ChecksumType: 'FULL_OBJECT',
      });
    });

    it('are told a CRC64NVME nobody asked for, once', async () => {
      const id = await create('unasked');
      const parts = [await part('unasked', id, 1, '1234'), await part('unasked', id, 2, '56789')];
      expect(await complete('unasked', id, parts)).toMatchObject({
        ChecksumCRC64NVME: 'rosUhgp5mIg=',
        ChecksumType: 'FULL_OBJECT',
      });
      expect(server.objects(Bucket).get('unasked')).not.toHaveProperty('checksum');
    });

    it('refuse parts without the checksum the upload was created with', async () => {
      const id = await create('lacking', { ChecksumAlgorithm: 'CRC32' });
      await expect(refusal(part('lacking', id, 1, 'part'))).resolves.toMatchObject({
        code: 'InvalidRequest',
      });
    });

    it('refuse parts with another one', async () => {
      const id = await create('another', { ChecksumAlgorithm: 'SHA256' });
      await expect(refusal(part('another', id, 1, 'part', client))).resolves.toMatchObject({
        code: 'InvalidRequest',
      });
    });

    it('verify one nobody announced, and refuse it in the completion', async () => {
      const id = await create('surplus');
      const surplus = await part('surplus', id, 1, 'part', client);
      expect(surplus.ChecksumCRC32).toBeDefined();
      await expect(refusal(complete('surplus', id, [surplus]))).resolves.toMatchObject({
        code: 'InvalidPart',
      });
      const { PartNumber, ETag } = surplus;
      await complete('surplus', id, [{ PartNumber, ETag }]);
    });

    it('refuse a completion that leaves them out', async () => {
      const id = await create('forgotten', { ChecksumAlgorithm: 'CRC32' });
      const { ETag } = await part('forgotten', id, 1, 'part', client);
      await expect(
        refusal(complete('forgotten', id, [{ PartNumber: 1, ETag }])),
      ).resolves.toMatchObject({ code: 'InvalidRequest' });
    });
  });

  it('copy ranges of other objects as parts', async () => {
    await client.send(new PutObjectCommand({ Bucket, Key: 'größe+1', Body: '0123456789' }));
    const UploadId = await create('from-copies');
    const parts: CompletedPart[] = [];
    for (const [PartNumber, range] of [
      [1, 'bytes=0-3'],
      [2, 'bytes=8-9'],
    ] as const) {
      const { CopyPartResult } = await plain.send(
        new UploadPartCopyCommand({
          Bucket,
          Key: 'from-copies',
          UploadId,
          PartNumber,
          CopySource: `bucket/${encodeURIComponent('größe+1')}`,
          CopySourceRange: range,
        }),
      );
      parts.push({ PartNumber, ETag: CopyPartResult?.ETag });
    }
    await complete('from-copies', UploadId, parts);
    expect(server.objects(Bucket).get('from-copies')?.body.toString()).toBe('012389');
  });

  it('refuse to copy a range beyond the source', async () => {
    await client.send(new PutObjectCommand({ Bucket, Key: 'source', Body: '0123456789' }));
    const UploadId = await create('beyond');
    await expect(
      refusal(
        plain.send(
          new UploadPartCopyCommand({
            Bucket,
            Key: 'beyond',
            UploadId,
            PartNumber: 1,
            CopySource: 'bucket/source',
            CopySourceRange: 'bytes=5-10',
          }),
        ),
      ),
    ).resolves.toMatchObject({ code: 'InvalidArgument' });
  });

  it('list their parts in pages', async () => {
    const UploadId = await create('listed');
    for (const number of [3, 1, 2]) await part('listed', UploadId, number, 'p');
    const list = (PartNumberMarker?: string) =>
      client.send(
        new ListPartsCommand({
          Bucket,
          Key: 'listed',
          UploadId,
          MaxParts: 2,
          PartNumberMarker,
        }),
      );
    const first = await list();
    expect(first.Parts?.map(({ PartNumber }) => PartNumber)).toEqual([1, 2]);
    expect(first.IsTruncated).toBe(true);
    const second = await list(first.NextPartNumberMarker);
    expect(second.Parts?.map(({ PartNumber }) => PartNumber)).toEqual([3]);
    expect(second.IsTruncated).toBe(false);
  });

  it('are listed by prefix, in pages', async () => {
    const ids = [await create('pages/a'), await create('pages/b')];
    ids.push(await create('pages/b'));
    const found: (string | undefined)[] = [];
    let markers: { KeyMarker?: string; UploadIdMarker?: string } | undefined = {};
    while (markers) {
      const page: ListMultipartUploadsCommandOutput = await client.send(
        new ListMultipartUploadsCommand({
          Bucket,
          Prefix: 'pages/',
          MaxUploads: 1,
          ...markers,
        }),
      );
      found.push(...(page.Uploads ?? []).map(({ UploadId }) => UploadId));
      markers = page.IsTruncated
        ? {
            KeyMarker: page.NextKeyMarker ?? '',
            UploadIdMarker: page.NextUploadIdMarker ?? '',
          }
        : undefined;
    }
    expect(found).toHaveLength(3);
    expect(new Set(found)).toEqual(new Set(ids));
  });

  it('of lib-storage arrive whole, whatever their stream', async () => {
    await using real = await startS3Server();
    const from = connect(real);
    const bytes = randomBytes(11 * 1024 * 1024);
    await new Upload({
      client: from,
      params: { Bucket, Key: 'big', Body: Readable.from([bytes]) },
    }).done();
    from.destroy();
    const stored = real.objects(Bucket).get('big');
    expect(stored?.etag).toMatch(/-3$/);
    expect(stored?.body.equals(bytes)).toBe(true);
  });
});
