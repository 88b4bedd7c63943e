import {
  ListObjectsCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  type ListObjectsV2CommandInput,
  type S3Client,
} from '@aws-sdk/client-s3';
import { startS3Server, type S3TestServer } from '../../../lib/testing/s3-server/index.js';
import { connect, refusal } from './s3-test-client.js';

const Bucket = 'bucket';
// In the order of their UTF-8 bytes; JavaScript would sort the last two the
// other way round.
const KEYS = ['a', 'b/1', 'b/2', 'b/c/3', 'c d', 'd::1', 'd::2', 'z&<>', '\uff5e', '😀'];

// The same with everything folded at the first slash.
const FOLDED = new Set(['a', 'b/', ...KEYS.slice(4)]);

describe('listings', () => {
  let server: S3TestServer;
  let client: S3Client;

  beforeAll(async () => {
    server = await startS3Server();
    client = connect(server);
    for (const Key of KEYS.toReversed()) {
      await client.send(new PutObjectCommand({ Bucket, Key, Body: 'x' }));
    }
  });

  afterAll(async () => {
    client.destroy();
    await server.close();
  });

  const list = async (rest: Partial<ListObjectsV2CommandInput> = {}) => {
    const page = await client.send(new ListObjectsV2Command({ Bucket, ...rest }));
    return {
      page,
      keys: page.Contents?.map(({ Key }) => Key) ?? [],
      prefixes: page.CommonPrefixes?.map(({ Prefix }) => Prefix) ?? [],
    };
  };

  it('are in the order of UTF-8 bytes', async () => {
    expect((await list()).keys).toEqual(KEYS);
  });

  it('tell size, ETag and time of each object', async () => {
    const { page } = await list({ MaxKeys: 1 });
    expect(page.Contents).toMatchObject([
      {
        Key: 'a',
        Size: 1,
        ETag: '"9dd4e461268c8034f5c8564e155c67a6"',
        StorageClass: 'STANDARD',
        LastModified: server.objects(Bucket).get('a')?.lastModified,
      },
    ]);
  });

  it('keep to a prefix', async () => {
    expect((await list({ Prefix: 'b/' })).keys).toEqual(['b/1', 'b/2', 'b/c/3']);
  });

  it('fold keys at a delimiter', async () => {
    const { keys, prefixes } = await list({ Prefix: 'b/', Delimiter: '/' });
    expect(keys).toEqual(['b/1', 'b/2']);
    expect(prefixes).toEqual(['b/c/']);
  });

  it('take a delimiter of several characters', async () => {
    const { prefixes } = await list({ Delimiter: '::' });
    expect(prefixes).toEqual(['d::']);
  });

  it('start after a key', async () => {
    const { keys } = await list({ StartAfter: 'd::1' });
    expect(keys).toEqual(['d::2', 'z&<>', '\uff5e', '😀']);
  });

  it.each([1, 2, 3, 100])(
    'are the same in pages of %d, common prefixes counted',
    async (MaxKeys) => {
      const found: (string | undefined)[] = [];
      let token: string | undefined;
      do {
        const { page, keys, prefixes } = await list({
          MaxKeys,
          Delimiter: '/',
          ContinuationToken: token,
        });
        expect(page.KeyCount).toBe(keys.length + prefixes.length);
        expect(page.KeyCount).toBeLessThanOrEqual(MaxKeys);
        found.push(...keys, ...prefixes);
        token = page.NextContinuationToken;
        expect(page.IsTruncated).toBe(token !== undefined);
      } while (token !== undefined);
      expect(found).toHaveLength(FOLDED.size);
      expect(new Set(found)).toEqual(FOLDED);
    },
  );

  it('answer nothing to max-keys 0', async () => {
    const { page } = await list({ MaxKeys: 0 });
    expect(page).toMatchObject({ KeyCount: 0, IsTruncated: false });
  });

  it('refuse a made-up continuation token', async () => {
    await expect(refusal(list({ ContinuationToken: 'a' }))).resolves.toMatchObject({
      code: 'InvalidArgument',
    });
  });

  it('escape keys when asked to', async () => {
    const { page, keys } = await list({ EncodingType: 'url', Prefix: 'c' });
    expect(page.EncodingType).toBe('url');
    expect(keys).toEqual(['c+d']);
  });

  it('page by marker in version 1', async () => {
    const found: (string | undefined)[] = [];
    let Marker: string | undefined;
    do {
      const page = await client.send(
        new ListObjectsCommand({ Bucket, Delimiter: '/', MaxKeys: 3, Marker }),
      );
      found.push(...(page.Contents ?? []).map(({ Key }) => Key));
      found.push(...(page.CommonPrefixes ?? []).map(({ Prefix }) => Prefix));
      Marker = page.NextMarker;
    } while (Marker !== undefined);
    expect(found).toHaveLength(FOLDED.size);
    expect(new Set(found)).toEqual(FOLDED);
  });
});
