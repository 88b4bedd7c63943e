import { Upload } from '@aws-sdk/lib-storage';
import { Readable } from 'node:stream';
import { type OpenS3, openS3, PART, putOptions, randomBytes } from './open-s3.js';

describe('an upload in parts, beside that of the SDK', () => {
  let s3: OpenS3;

  beforeAll(async () => {
    s3 = await openS3({ provider: 'aws' });
  });

  afterAll(() => s3[Symbol.asyncDispose]());

  it.each([
    ['a little more than a part', PART + 1],
    ['two parts', 2 * PART],
    ['two parts and a half', 2.5 * PART],
  ])('stores the same bytes in the same parts: %s', async (_name, size) => {
    const bytes = randomBytes(size);
    const ours = await s3.driver.put('ours', Readable.from([bytes]), {
      ...putOptions({ contentType: 'image/png', metadata: { a: 'b' } }),
      partSize: PART,
    });
    const upload = new Upload({
      client: s3.driver.client,
      params: {
        Bucket: 'bucket',
        Key: 'theirs',
        Body: Readable.from([bytes]),
        ContentType: 'image/png',
        Metadata: { a: 'b' },
      },
      partSize: PART,
    });
    const { ETag } = await upload.done();
    expect(ours.etag).toBe(ETag);
    const [stored, theirs] = ['ours', 'theirs'].map((key) => s3.server.objects('bucket').get(key)!);
    expect(stored!.body.equals(theirs!.body)).toBe(true);
    expect(stored).toMatchObject({
      etag: theirs!.etag,
      contentType: theirs!.contentType,
      metadata: theirs!.metadata,
    });
  });
});
