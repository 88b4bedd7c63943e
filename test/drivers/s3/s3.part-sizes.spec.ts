import { parseRetryOptions } from '../../../lib/core/retry.js';
import type { DriverBody } from '../../../lib/core/body.js';
import { StorageTooLargeError } from '../../../lib/core/errors.js';
import { openBucket } from '../../../lib/drivers/s3/s3.client.js';
import type { S3Profile } from '../../../lib/drivers/s3/s3.profiles.js';
import { put } from '../../../lib/drivers/s3/s3.uploads.js';
import { startS3Server } from '../../../lib/testing/s3-server/index.js';
import { chunks, putOptions, randomBytes } from './open-s3.js';

/** A service of 22 parts of a hundred bytes or more, so that a test reaches its limits. */
const SMALL: Partial<S3Profile> = { minPartSize: 100, maxPartSize: 500, maxParts: 22 };

/** The sizes of the parts that go up, or the one size of what goes up in one request. */
async function sizesOf(
  body: DriverBody,
  options: { size?: number; partSize?: number } = {},
  changes: Partial<S3Profile> = {},
): Promise<number[]> {
  await using server = await startS3Server({ minPartSize: 100 });
  const bucket = await openBucket(
    {
      bucket: 'bucket',
      provider: 'aws',
      endpoint: server.endpoint,
      region: server.region,
      forcePathStyle: true,
      ...server.credentials,
    },
    { storage: 'files', retry: parseRetryOptions(), concurrency: 1 },
  );
  try {
    const small = { ...bucket, profile: { ...bucket.profile, ...SMALL, ...changes } };
    await put(small, 'key', body, putOptions(options));
    expect(server.multipartUploads('bucket')).toEqual([]);
    return server.requests
      .filter(({ operation }) => operation === 'UploadPart' || operation === 'PutObject')
      .map(({ headers }) => Number(headers['content-length']));
  } finally {
    bucket.close();
  }
}

function times(count: number, size: number): number[] {
  return Array<number>(count).fill(size);
}

describe('the parts of a body', () => {
  test('of unknown length are as small as the service takes them, and grow', async () => {
    const sizes = await sizesOf(chunks(randomBytes(7250), 64));
    // Doubled after every second part, up to the largest that the service takes.
    expect(sizes).toEqual([
      ...times(2, 100),
      ...times(2, 200),
      ...times(2, 400),
      ...times(11, 500),
      350,
    ]);
  });

  test('of unknown length stay equal where they must', async () => {
    const equal = { equalParts: true };
    expect(await sizesOf(chunks(randomBytes(2150), 64), {}, equal)).toEqual([
      ...times(21, 100),
      50,
    ]);
    await expect(sizesOf(chunks(randomBytes(2201), 64), {}, equal)).rejects.toThrow(
      StorageTooLargeError,
    );
  });

  test('of known length are equal, and large enough for all of it', async () => {
    expect(await sizesOf(chunks(randomBytes(1000), 64), { size: 1000 })).toEqual(times(10, 100));
    expect(await sizesOf(chunks(randomBytes(4400), 64), { size: 4400 })).toEqual(times(22, 200));
    expect(await sizesOf(chunks(randomBytes(4401), 64), { size: 4401 })).toEqual([
      ...times(21, 201),
      180,
    ]);
  });

  test('have the size that was asked for, or one that all of it fits into', async () => {
    expect(await sizesOf(randomBytes(1000), { partSize: 300 })).toEqual([300, 300, 300, 100]);
    expect(await sizesOf(randomBytes(1000), { partSize: 10 })).toEqual(times(10, 100));
    expect(await sizesOf(randomBytes(4400), { partSize: 100 })).toEqual(times(22, 200));
  });

  test('are none when it fits into one', async () => {
    expect(await sizesOf(chunks(randomBytes(100), 64))).toEqual([100]);
    expect(await sizesOf(randomBytes(300), { partSize: 300 })).toEqual([300]);
  });
});
