import {
  GetObjectCommand,
  HeadObjectCommand,
  PutObjectCommand,
  type PutObjectCommandInput,
  type S3Client,
} from '@aws-sdk/client-s3';
import { createHash } from 'node:crypto';
import { concatenatedCrc, createDigest } from '../../../lib/testing/s3-server/checksums.js';
import { startS3Server, type S3TestServer } from '../../../lib/testing/s3-server/index.js';
import { connect, refusal } from './s3-test-client.js';

describe('checksums', () => {
  let server: S3TestServer;
  let client: S3Client;

  beforeAll(async () => {
    server = await startS3Server();
    client = connect(server, { requestChecksumCalculation: 'WHEN_REQUIRED' });
  });

  afterAll(async () => {
    client.destroy();
    await server.close();
  });

  const put = (rest: Partial<PutObjectCommandInput>) =>
    client.send(
      new PutObjectCommand({
        Bucket: 'bucket',
        Key: 'checked',
        Body: '123456789',
        ...rest,
      }),
    );

  // The check values of the CRC catalogues, over "123456789".
  it.each([
    ['CRC32', 'cbf43926'],
    ['CRC32C', 'e3069283'],
    ['CRC64NVME', 'ae8b14860a799888'],
  ] as const)('computes %s', (algorithm, hex) => {
    const digest = createDigest(algorithm);
    digest.update(Buffer.from('1234'));
    digest.update(Buffer.from('56789'));
    expect(digest.digest().toString('hex')).toBe(hex);
  });

  it.each(['CRC32', 'CRC32C', 'CRC64NVME'] as const)(
    'joins %s of pieces without their bytes',
    (algorithm) => {
      const of = (text: string): string => {
        const digest = createDigest(algorithm);
        digest.update(Buffer.from(text));
        return digest.digest().toString('base64');
      };
      const pieces = ['12', '', '34567', '89'];
      expect(
        concatenatedCrc(
          algorithm,
          pieces.map((text) => ({ checksum: of(text), size: text.length })),
        ),
      ).toBe(of('123456789'));
    },
  );

  it.each([
    ['ChecksumCRC32', 'y/Q5Jg=='],
    ['ChecksumCRC32C', '4waSgw=='],
    ['ChecksumCRC64NVME', 'rosUhgp5mIg='],
    ['ChecksumSHA1', createHash('sha1').update('123456789').digest('base64')],
    ['ChecksumSHA256', createHash('sha256').update('123456789').digest('base64')],
  ])('verifies, keeps and returns %s', async (name, value) => {
    expect(await put({ [name]: value })).toMatchObject({ [name]: value });
    const answer = await client.send(
      new HeadObjectCommand({
        Bucket: 'bucket',
        Key: 'checked',
        ChecksumMode: 'ENABLED',
      }),
    );
    expect(answer).toMatchObject({
      [name]: value,
      ChecksumType: 'FULL_OBJECT',
    });
  });

  it.each([
    ['ChecksumCRC32', 'AAAAAA=='],
    ['ChecksumCRC32C', 'AAAAAA=='],
    ['ChecksumCRC64NVME', 'AAAAAAAAAAA='],
    ['ChecksumSHA1', Buffer.alloc(20).toString('base64')],
    ['ChecksumSHA256', Buffer.alloc(32).toString('base64')],
    ['ContentMD5', Buffer.alloc(16).toString('base64')],
  ])('refuses a body that does not match its %s', async (name, value) => {
    await expect(refusal(put({ Key: 'refused', [name]: value }))).resolves.toEqual({
      code: 'BadDigest',
      status: 400,
    });
    expect(server.objects('bucket').has('refused')).toBe(false);
  });

  it('refuses a Content-MD5 that is none', async () => {
    await expect(refusal(put({ ContentMD5: 'eA==' }))).resolves.toMatchObject({
      code: 'InvalidDigest',
    });
  });

  it('refuses a checksum of the wrong length', async () => {
    await expect(refusal(put({ ChecksumCRC32: 'eA==' }))).resolves.toMatchObject({
      code: 'InvalidRequest',
    });
  });

  it('refuses two kinds of checksum', async () => {
    await expect(
      refusal(put({ ChecksumCRC32: 'y/Q5Jg==', ChecksumCRC32C: '4waSgw==' })),
    ).resolves.toMatchObject({ code: 'InvalidRequest' });
  });

  it.each(['CRC32', 'CRC32C', 'CRC64NVME', 'SHA1', 'SHA256'] as const)(
    'accepts the %s the SDK computes',
    async (algorithm) => {
      await put({ ChecksumAlgorithm: algorithm });
      expect(server.objects('bucket').get('checked')?.checksum).toMatchObject({
        algorithm,
      });
    },
  );

  it('adds a CRC64NVME when the client declares none', async () => {
    const answer = await put({});
    expect(answer.ChecksumCRC64NVME).toBe('rosUhgp5mIg=');
  });

  it('returns none unless asked', async () => {
    await put({ ChecksumCRC32: 'y/Q5Jg==' });
    const answer = await client.send(new HeadObjectCommand({ Bucket: 'bucket', Key: 'checked' }));
    expect(answer.ChecksumCRC32).toBeUndefined();
  });

  it('lets the SDK find a corrupted download', async () => {
    await put({ ChecksumCRC32: 'y/Q5Jg==' });
    server.fail({ operation: 'GetObject', with: { corruptBodyAt: 3 } });
    const { Body } = await client.send(new GetObjectCommand({ Bucket: 'bucket', Key: 'checked' }));
    await expect(Body?.transformToString()).rejects.toThrow(/checksum mismatch/i);
  });
});
