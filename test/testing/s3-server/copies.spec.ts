import {
  CopyObjectCommand,
  PutObjectCommand,
  type CopyObjectCommandInput,
  type S3Client,
} from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import { createHash } from 'node:crypto';
import { startS3Server, type S3TestServer } from '../../../lib/testing/s3-server/index.js';
import { connect, refusal } from './s3-test-client.js';

const Bucket = 'bucket';

describe('copies', () => {
  let server: S3TestServer;
  let client: S3Client;
  let etag: string | undefined;

  beforeAll(async () => {
    server = await startS3Server({
      buckets: ['bucket', 'elsewhere'],
      maxCopySize: 12 * 1024 * 1024,
    });
    client = connect(server);
    const answer = await client.send(
      new PutObjectCommand({
        Bucket,
        Key: 'source +%41',
        Body: 'hello',
        ContentType: 'text/plain',
        Metadata: { owner: 'somebody' },
      }),
    );
    etag = answer.ETag;
  });

  afterAll(async () => {
    client.destroy();
    await server.close();
  });

  const CopySource = `bucket/${encodeURIComponent('source +%41')}`;
  const copy = (Key: string, rest: Partial<CopyObjectCommandInput> = {}) =>
    client.send(new CopyObjectCommand({ Bucket, Key, CopySource, ...rest }));

  it('carry bytes and attributes over', async () => {
    const { CopyObjectResult } = await copy('copied');
    expect(CopyObjectResult?.ETag).toBe(etag);
    const stored = server.objects(Bucket).get('copied');
    expect(stored?.body.toString()).toBe('hello');
    expect(stored).toMatchObject({
      contentType: 'text/plain',
      metadata: { owner: 'somebody' },
    });
  });

  it('go from bucket to bucket', async () => {
    await copy('copied', { Bucket: 'elsewhere' });
    expect(server.objects('elsewhere').has('copied')).toBe(true);
  });

  it('replace the attributes when told to', async () => {
    await copy('replaced', {
      MetadataDirective: 'REPLACE',
      ContentType: 'text/html',
    });
    expect(server.objects(Bucket).get('replaced')).toMatchObject({
      contentType: 'text/html',
      metadata: {},
    });
  });

  it('outlive their source', async () => {
    await copy('first');
    await copy('second', { CopySource: 'bucket/first' });
    await client.send(new PutObjectCommand({ Bucket, Key: 'first', Body: 'changed' }));
    expect(server.objects(Bucket).get('second')?.body.toString()).toBe('hello');
  });

  it('onto themselves must change something', async () => {
    await expect(refusal(copy('source +%41'))).resolves.toEqual({
      code: 'InvalidRequest',
      status: 400,
    });
  });

  it('refuse a source that is not there', async () => {
    await expect(refusal(copy('x', { CopySource: 'bucket/missing' }))).resolves.toMatchObject({
      code: 'NoSuchKey',
    });
  });

  it.each<[string, () => Partial<CopyObjectCommandInput>]>([
    ['its ETag is another', () => ({ CopySourceIfMatch: '"0"' })],
    ['its ETag is the one', () => ({ CopySourceIfNoneMatch: etag })],
    [
      'it did not change since',
      () => ({ CopySourceIfModifiedSince: new Date(Date.now() + 60_000) }),
    ],
    ['it changed since', () => ({ CopySourceIfUnmodifiedSince: new Date(0) })],
  ])('refuse a source when %s', async (_, condition) => {
    await expect(refusal(copy('x', condition()))).resolves.toMatchObject({
      code: 'PreconditionFailed',
    });
  });

  it('refuse to overwrite under If-None-Match', async () => {
    await copy('existing');
    await expect(refusal(copy('existing', { IfNoneMatch: '*' }))).resolves.toMatchObject({
      code: 'PreconditionFailed',
    });
  });

  it('of a multipart object are one piece', async () => {
    const bytes = Buffer.alloc(6 * 1024 * 1024, 'x');
    await new Upload({
      client,
      params: { Bucket, Key: 'parts', Body: bytes },
    }).done();
    await copy('whole', { CopySource: 'bucket/parts' });
    expect(server.objects(Bucket).get('whole')).toMatchObject({
      etag: createHash('md5').update(bytes).digest('hex'),
      checksum: { type: 'FULL_OBJECT' },
    });
  });

  it('refuse a source beyond the limit', async () => {
    await client.send(
      new PutObjectCommand({
        Bucket,
        Key: 'huge',
        Body: Buffer.alloc(12 * 1024 * 1024 + 1),
      }),
    );
    await expect(refusal(copy('x', { CopySource: 'bucket/huge' }))).resolves.toMatchObject({
      code: 'InvalidRequest',
    });
  });
});
