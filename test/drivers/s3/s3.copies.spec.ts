import { HeadObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import {
  StorageAbortedError,
  StorageConnectionError,
  StorageFileExistsError,
  StorageFileNotFoundError,
} from '../../../lib/core/errors.js';
import { openStorage } from '../../../lib/drivers/open-storage.js';
import { startS3Server } from '../../../lib/testing/s3-server/index.js';
import { MIB, ODD_KEYS, openS3, PART, putOptions, randomBytes, signal } from './open-s3.js';

const ATTRIBUTES = {
  ...putOptions({ contentType: 'text/css', metadata: { author: 'Zoë', kind: 'x' } }),
  cacheControl: 'no-store',
};

/** A client whose calls are answered before they are sent, as of a file of two bytes, and the sources that it was told to copy. */
function answeringClient() {
  const client = new S3Client({
    region: 'us-east-1',
    credentials: { accessKeyId: 'id', secretAccessKey: 'secret' },
  });
  const sources: string[] = [];
  const ETag = '"0cc175b9c0f1b6a831c399e269772661"';
  const file = { ETag, ContentLength: 2, LastModified: new Date() };
  const copied = { UploadId: 'id', CopyObjectResult: { ETag }, CopyPartResult: { ETag } };
  client.middlewareStack.add(
    () => (args) => {
      const { headers } = args.request as { headers: Record<string, string> };
      const source = headers['x-amz-copy-source'];
      if (source !== undefined) sources.push(source);
      return Promise.resolve({ response: {}, output: { $metadata: {}, ...file, ...copied } });
    },
    { step: 'finalizeRequest', priority: 'low', name: 'answer' },
  );
  return { client, sources };
}

describe('copy', () => {
  test('keeps the attributes and tells what info tells', async () => {
    await using s3 = await openS3();
    await s3.driver.put('from', Buffer.from('body'), ATTRIBUTES);
    const file = await s3.driver.copy('from', 'to', { signal });
    expect(file).toEqual(await s3.driver.info('to', { signal }));
    expect(file).toMatchObject({
      contentType: 'text/css',
      cacheControl: 'no-store',
      metadata: ATTRIBUTES.metadata,
    });
  });

  test('replaces what is given and keeps the rest', async () => {
    await using s3 = await openS3();
    await s3.driver.put('from', Buffer.from('body'), ATTRIBUTES);
    const file = await s3.driver.copy('from', 'to', {
      signal,
      metadata: { other: '1' },
      contentLanguage: 'fr',
    });
    expect(file).toEqual(await s3.driver.info('to', { signal }));
    expect(file).toMatchObject({
      contentType: 'text/css',
      cacheControl: 'no-store',
      contentLanguage: 'fr',
    });
    expect(file.metadata).toEqual({ other: '1' });
  });

  test('copies odd keys onto odd keys', async () => {
    await using s3 = await openS3();
    for (const key of ODD_KEYS) {
      await s3.driver.put(key, Buffer.from(key), putOptions());
      await s3.driver.copy(key, `copy of/${key}`, { signal });
      expect(s3.server.objects('bucket').get(`copy of/${key}`)?.body.toString()).toBe(key);
    }
  });

  test.each([
    [
      'arn:aws:s3:us-east-1:123456789012:accesspoint/my-ap',
      'arn%3Aaws%3As3%3Aus-east-1%3A123456789012%3Aaccesspoint/my-ap/object/a/b%20%2B.txt',
    ],
    [
      'arn:aws:s3-outposts:us-east-1:123456789012:outpost:op-1:accesspoint:my-ap',
      'arn%3Aaws%3As3-outposts%3Aus-east-1%3A123456789012%3Aoutpost/op-1/accesspoint/my-ap/object/a/b%20%2B.txt',
    ],
  ])('names the object of the access point %s', async (bucket, source) => {
    const { client, sources } = answeringClient();
    for (const multipartCopyThreshold of [2, 1]) {
      const options = { driver: 's3', client, bucket, multipartCopyThreshold } as const;
      const storage = await openStorage('files', options);
      await storage.copy('a/b +.txt', 'to');
      await storage.close();
    }
    expect(sources).toEqual([source, source]);
    client.destroy();
  });

  test('refuses a source that is not there', async () => {
    await using s3 = await openS3();
    await expect(s3.driver.copy('none', 'to', { signal })).rejects.toThrow(
      StorageFileNotFoundError,
    );
  });

  test('copies the version that it has read, also when the source is replaced meanwhile', async () => {
    await using s3 = await openS3();
    await s3.driver.put('from', Buffer.from('old'), putOptions({ contentType: 'text/plain' }));
    const copying = s3.driver.copy('from', 'to', { signal });
    await s3.server.until(({ requests }) =>
      requests.some((r) => r.operation === 'HeadObject' && r.status === 200),
    );
    const [file] = await Promise.all([
      copying,
      s3.driver.put('from', Buffer.from('newer'), putOptions({ contentType: 'text/html' })),
    ]);
    expect(file).toEqual(await s3.driver.info('to', { signal }));
    const copied = s3.server.objects('bucket').get('to')!;
    expect([
      ['old', 'text/plain'],
      ['newer', 'text/html'],
    ]).toContainEqual([copied.body.toString(), copied.contentType]);
  });

  test('creates only, where it is asked to', async () => {
    await using s3 = await openS3({ multipartCopyThreshold: PART });
    await s3.driver.put('small', Buffer.from('s'), putOptions());
    await s3.driver.put('large', randomBytes(2 * PART), putOptions({ partSize: 16 * MIB }));
    for (const from of ['small', 'large']) {
      await s3.driver.copy(from, `${from} copy`, { signal, ifNoneMatch: '*' });
      const again = s3.driver.copy(from, `${from} copy`, { signal, ifNoneMatch: '*' });
      await expect(again).rejects.toThrow(StorageFileExistsError);
    }
    expect(s3.server.multipartUploads('bucket')).toEqual([]);
  });

  test('takes a 200 that carries an error for the error that it is', async () => {
    await using s3 = await openS3();
    await s3.driver.put('from', Buffer.from('body'), putOptions());
    s3.server.fail({ operation: 'CopyObject', with: '200-with-error' });
    await s3.driver.copy('from', 'to', { signal });
    s3.server.fail({ operation: 'CopyObject', times: Infinity, with: '200-with-error' });
    await expect(s3.driver.copy('from', 'other', { signal })).rejects.toThrow(
      StorageConnectionError,
    );
  });
});

describe('copy above the threshold', () => {
  test('goes in parts, with all attributes', async () => {
    await using s3 = await openS3({ multipartCopyThreshold: PART, server: { maxCopySize: PART } });
    const bytes = randomBytes(3 * PART + 100);
    await s3.driver.put('from', bytes, { ...ATTRIBUTES, partSize: 16 * MIB });
    const file = await s3.driver.copy('from', 'to', { signal, contentType: 'text/html' });
    expect(s3.server.objects('bucket').get('to')?.body.equals(bytes)).toBe(true);
    expect(file).toEqual(await s3.driver.info('to', { signal }));
    expect(file).toMatchObject({
      contentType: 'text/html',
      cacheControl: 'no-store',
      metadata: ATTRIBUTES.metadata,
    });
    expect(
      s3.server.requests.filter(({ operation }) => operation === 'UploadPartCopy'),
    ).toHaveLength(4);
  });

  test('leaves nothing when a part fails', async () => {
    await using s3 = await openS3({ multipartCopyThreshold: PART });
    await s3.driver.put('from', randomBytes(3 * PART), putOptions({ partSize: 16 * MIB }));
    s3.server.fail({ operation: 'UploadPartCopy', after: 1, times: Infinity, with: 'reset' });
    await expect(s3.driver.copy('from', 'to', { signal })).rejects.toThrow(StorageConnectionError);
    expect(s3.server.multipartUploads('bucket')).toEqual([]);
    expect(s3.server.objects('bucket').has('to')).toBe(false);
  });

  test.each(['CreateMultipartUpload', 'UploadPartCopy', 'CompleteMultipartUpload'] as const)(
    'leaves nothing when it is aborted during %s',
    async (operation) => {
      await using s3 = await openS3({
        multipartCopyThreshold: PART,
        server: { latency: 20 },
        timeout: 300,
      });
      await s3.driver.put('from', randomBytes(3 * PART), putOptions({ partSize: 16 * MIB }));
      if (operation !== 'CreateMultipartUpload')
        s3.server.fail({ operation, times: Infinity, with: 'stall' });
      const abort = new AbortController();
      const copying = s3.driver.copy('from', 'to', { signal: abort.signal });
      await s3.server.until(({ requests }) =>
        requests.some((request) => request.operation === operation),
      );
      abort.abort();
      await expect(copying).rejects.toThrow(StorageAbortedError);
      expect(s3.server.multipartUploads('bucket')).toEqual([]);
      expect(s3.server.objects('bucket').has('to')).toBe(false);
    },
  );
});

test.each([
  ['by one request', undefined],
  ['in parts', PART],
])(
  'a create-only copy %s keeps the Expires header that another program has set',
  async (_, size) => {
    await using s3 = await openS3(size === undefined ? {} : { multipartCopyThreshold: size });
    const expires = new Date('2030-01-01T00:00:00Z');
    const put = { Bucket: 'bucket', Key: 'from', Body: randomBytes(PART + 1), Expires: expires };
    await s3.driver.client.send(new PutObjectCommand(put));
    await s3.driver.copy('from', 'to', { signal, ifNoneMatch: '*' });
    const head = new HeadObjectCommand({ Bucket: 'bucket', Key: 'to' });
    const { ExpiresString } = await s3.driver.client.send(head);
    expect(ExpiresString).toBe(expires.toUTCString());
  },
);

describe('a copy whose answer is lost', () => {
  test.each([
    ['with retries', 3],
    ['without retries', 0],
  ])('succeeds, %s', async (_, maxRetries) => {
    await using s3 = await openS3({ retry: { maxRetries } });
    await s3.driver.put('small', Buffer.from('body'), ATTRIBUTES);
    await s3.driver.put('joined', randomBytes(PART + 1), { ...ATTRIBUTES, partSize: PART });
    const variants = [{}, { ifNoneMatch: '*' }, { contentType: 'text/html' }] as const;
    for (const from of ['small', 'joined']) {
      for (const [index, variant] of variants.entries()) {
        s3.server.fail({ operation: 'CopyObject', with: 'reset-after-commit' });
        const to = `${from} copy ${index}`;
        const file = await s3.driver.copy(from, to, { signal, ...variant });
        const { checksum: _sum, ...stored } = await s3.driver.info(to, { signal });
        expect(file).toMatchObject(stored);
      }
    }
  });

  test('is not taken for that of other attributes on equal bytes', async () => {
    await using s3 = await openS3({ retry: { maxRetries: 0 } });
    await s3.driver.put('from', Buffer.from('body'), ATTRIBUTES);
    await s3.driver.put('to', Buffer.from('body'), putOptions());
    s3.server.fail({ operation: 'CopyObject', with: 'reset' });
    await expect(s3.driver.copy('from', 'to', { signal })).rejects.toThrow(StorageConnectionError);
  });

  test('is not taken for that of another file that was joined from as many bytes', async () => {
    await using s3 = await openS3({ retry: { maxRetries: 0 } });
    const options = putOptions({ partSize: PART });
    await s3.driver.put('from', randomBytes(PART + 1), options);
    await s3.driver.put('to', randomBytes(PART + 1), options);
    s3.server.fail({ operation: 'CopyObject', with: 'reset' });
    await expect(s3.driver.copy('from', 'to', { signal })).rejects.toThrow(StorageConnectionError);
  });

  test('is not taken for that of somebody else who created the same', async () => {
    await using s3 = await openS3();
    await s3.driver.put('from', Buffer.from('body'), ATTRIBUTES);
    await s3.driver.copy('from', 'to', { signal, ifNoneMatch: '*' });
    s3.server.fail({ operation: 'CopyObject', with: 'reset' });
    const copying = s3.driver.copy('from', 'to', { signal, ifNoneMatch: '*' });
    await expect(copying).rejects.toMatchObject({ code: 'CONNECTION_FAILED', retryable: false });
  });

  test('does not keep a move from removing its source', async () => {
    await using server = await startS3Server({ buckets: ['bucket'] });
    const storage = await openStorage('files', {
      driver: 's3',
      bucket: 'bucket',
      endpoint: server.endpoint,
      region: server.region,
      provider: 'aws',
      forcePathStyle: true,
      ...server.credentials,
    });
    await storage.put('from', 'body');
    server.fail({ operation: 'CopyObject', with: 'reset-after-commit' });
    await storage.move('from', 'to', { ifNoneMatch: '*' });
    expect([...server.objects('bucket').keys()]).toEqual(['to']);
    await storage.close();
  });
});
