import {
  StorageConnectionError,
  StorageFileExistsError,
  StorageFileNotFoundError,
  StorageRateLimitedError,
} from '../../../lib/core/errors.js';
import type { S3FaultEffect } from '../../../lib/testing/s3-server/index.js';
import {
  chunks,
  expectSameFile,
  openDriver,
  type OpenS3,
  openS3,
  PART,
  putOptions,
  randomBytes,
  read,
  signal,
} from './open-s3.js';

const SLOW_DOWN = { status: 503, code: 'SlowDown' } as const;
const INTERNAL_ERROR = { status: 500, code: 'InternalError' } as const;
const UNCERTAIN = { code: 'CONNECTION_FAILED', retryable: false };
const CREATE_ONLY = putOptions({ ifNoneMatch: '*' });

describe('a create-only put of bytes that somebody else has stored already', () => {
  test.each<[string, S3FaultEffect]>([
    ['the service was busy', SLOW_DOWN],
    ['the service had no room', { status: 503, code: 'ServiceUnavailable' }],
  ])('is refused, also after %s', async (_, effect) => {
    await using s3 = await openS3();
    await s3.driver.put('lock', Buffer.from(''), CREATE_ONLY);
    s3.server.fail({ operation: 'PutObject', with: effect });
    const put = s3.driver.put('lock', Buffer.from(''), CREATE_ONLY);
    await expect(put).rejects.toThrow(StorageFileExistsError);
  });

  test.each<[string, S3FaultEffect]>([
    ['the service failed', INTERNAL_ERROR],
    ['the connection broke', 'reset'],
  ])('is refused after %s, for theirs is older', async (_, effect) => {
    let now = Date.now() - 60_000;
    await using s3 = await openS3({ server: { now: () => now } });
    await s3.driver.put('lock', Buffer.from(''), CREATE_ONLY);
    now += 60_000;
    s3.server.fail({ operation: 'PutObject', with: effect });
    const put = s3.driver.put('lock', Buffer.from(''), CREATE_ONLY);
    await expect(put).rejects.toThrow(StorageFileExistsError);
  });

  test('is told to be uncertain when it goes up in parts and its answer is lost', async () => {
    await using s3 = await openS3();
    const bytes = randomBytes(PART + 1);
    const options = putOptions({ ifNoneMatch: '*', partSize: PART });
    await s3.driver.put('lock', chunks(bytes), options);
    s3.server.fail({ operation: 'CompleteMultipartUpload', with: INTERNAL_ERROR });
    const put = s3.driver.put('lock', chunks(bytes), options);
    await expect(put).rejects.toMatchObject(UNCERTAIN);
    expect(s3.server.multipartUploads('bucket')).toEqual([]);
  });

  test('needs no look when every earlier attempt was refused', async () => {
    await using s3 = await openS3();
    await s3.driver.put('lock', Buffer.from(''), CREATE_ONLY);
    s3.server.clearRequests();
    s3.server.fail({ operation: 'PutObject', times: 2, with: SLOW_DOWN });
    const put = s3.driver.put('lock', Buffer.from(''), CREATE_ONLY);
    await expect(put).rejects.toThrow(StorageFileExistsError);
    expect(s3.server.requests.map(({ status }) => status)).toEqual([503, 503, 412]);
  });
});

test('a conditional replacement is not taken for that of somebody else with equal bytes', async () => {
  await using s3 = await openS3();
  const { etag } = await s3.driver.put('state', Buffer.from('free'), putOptions());
  const take = putOptions({ ifMatch: etag! });
  await s3.driver.put('state', Buffer.from('taken'), take);
  s3.server.fail({ operation: 'PutObject', with: INTERNAL_ERROR });
  const put = s3.driver.put('state', Buffer.from('taken'), take);
  await expect(put).rejects.toMatchObject(UNCERTAIN);
});

describe('a conditional write whose answer is lost', () => {
  test('is not called refused when another one came after it', async () => {
    await using s3 = await openS3({ engine: 'sdk' });
    const theirs = await openDriver(s3.server);
    const { etag } = await theirs.put('n', Buffer.from('0'), putOptions());
    s3.server.fail({ operation: 'PutObject', with: 'reset-after-commit' });
    let attempts = 0;
    s3.driver.client.middlewareStack.add(
      (next) => async (args) => {
        if (++attempts === 2) {
          const mine = await theirs.info('n', { signal });
          await theirs.put('n', Buffer.from('theirs'), putOptions({ ifMatch: mine.etag! }));
        }
        return next(args);
      },
      { step: 'finalizeRequest', priority: 'low' },
    );
    const put = s3.driver.put('n', Buffer.from('mine'), putOptions({ ifMatch: etag! }));
    await expect(put).rejects.toMatchObject(UNCERTAIN);
    expect(attempts).toBeGreaterThanOrEqual(2);
    expect(String(await read(await theirs.get('n', { signal })))).toBe('theirs');
    await theirs.close();
  });

  test.each([
    ['ifNoneMatch', async () => ({ ifNoneMatch: '*' as const })],
    [
      'ifMatch',
      async ({ driver }: OpenS3) => ({
        ifMatch: (await driver.put('key', Buffer.from('0'), putOptions())).etag!,
      }),
    ],
  ])('is not called refused when nobody may look at the file (%s)', async (_, condition) => {
    await using s3 = await openS3();
    const options = putOptions(await condition(s3));
    s3.server.fail({
      operation: 'HeadObject',
      times: Infinity,
      with: { status: 403, code: 'AccessDenied' },
    });
    s3.server.fail({ operation: 'PutObject', with: 'reset-after-commit' });
    const put = s3.driver.put('key', Buffer.from('mine'), options);
    await expect(put).rejects.toMatchObject(UNCERTAIN);
  });

  test('may be repeated while the version is there that it was to replace', async () => {
    await using s3 = await openS3({ retry: { maxRetries: 0 } });
    const { etag } = await s3.driver.put('n', Buffer.from('0'), putOptions());
    s3.server.fail({ operation: 'PutObject', with: 'reset' });
    const put = s3.driver.put('n', Buffer.from('1'), putOptions({ ifMatch: etag! }));
    await expect(put).rejects.toMatchObject({ code: 'CONNECTION_FAILED', retryable: true });
  });

  test('is uncertain, too, when nobody may look for its upload', async () => {
    await using s3 = await openS3();
    const uploadId = await s3.driver.startMultipartUpload('key', putOptions());
    const upload = { key: 'key', uploadId };
    const part = await s3.driver.uploadPart(upload, 1, randomBytes(10), { signal });
    s3.server.fail({
      operation: 'ListParts',
      times: Infinity,
      with: { status: 403, code: 'AccessDenied' },
    });
    s3.server.fail({ operation: 'CompleteMultipartUpload', with: 'reset-after-commit' });
    const completing = s3.driver.completeMultipartUpload(upload, [part], {
      signal,
      ifNoneMatch: '*',
    });
    await expect(completing).rejects.toMatchObject(UNCERTAIN);
  });
});

test.each(['r2', 'generic', 'seaweedfs'] as const)(
  'a completion whose answer is lost is made up for where no etag tells the file (%s)',
  async (provider) => {
    await using s3 = await openS3({ provider, server: { provider } });
    const uploadId = await s3.driver.startMultipartUpload('key', putOptions());
    const upload = { key: 'key', uploadId };
    const part = await s3.driver.uploadPart(upload, 1, randomBytes(10), { signal });
    s3.server.fail({ operation: 'CompleteMultipartUpload', with: 'reset-after-commit' });
    const file = await s3.driver.completeMultipartUpload(upload, [part], { signal });
    expect(file).toEqual(await s3.driver.info('key', { signal }));
    // Who comes later does not learn from an older file that its upload was completed.
    const again = s3.driver.completeMultipartUpload(upload, [part], { signal });
    await expect(again).rejects.toThrow(StorageFileNotFoundError);
  },
);

test.each([
  ['content type', putOptions({ contentType: 'text/html' })],
  ['metadata', putOptions({ metadata: { v: '2' } })],
  ['a header', { ...putOptions(), cacheControl: 'no-store' }],
])('a failed put of equal bytes with another %s rejects', async (_, options) => {
  await using s3 = await openS3();
  const before = await s3.driver.put('m', Buffer.from('same'), putOptions());
  s3.server.fail({ operation: 'PutObject', times: Infinity, with: INTERNAL_ERROR });
  const put = s3.driver.put('m', Buffer.from('same'), options);
  await expect(put).rejects.toThrow(StorageConnectionError);
  expectSameFile(before, await s3.driver.info('m', { signal }));
});

describe('a lost answer', () => {
  test.each([
    ['with retries', 3],
    ['without retries', 0],
  ])('is made up for, %s', async (_, maxRetries) => {
    await using s3 = await openS3({ retry: { maxRetries } });
    const lose = () => s3.server.fail({ operation: 'PutObject', with: 'reset-after-commit' });
    const attributes = { contentType: 'text/html', metadata: { author: ' Zoë ', empty: '' } };
    lose();
    const plain = await s3.driver.put('a', Buffer.from('1'), {
      ...putOptions(attributes),
      cacheControl: ' no-store',
    });
    expectSameFile({ ...plain, cacheControl: 'no-store' }, await s3.driver.info('a', { signal }));
    lose();
    const created = await s3.driver.put(
      'b',
      Buffer.from('1'),
      putOptions({ ...attributes, ifNoneMatch: '*' }),
    );
    expect(created).toEqual(await s3.driver.info('b', { signal }));
    lose();
    const replaced = await s3.driver.put(
      'b',
      Buffer.from('2'),
      putOptions({ ...attributes, ifMatch: created.etag! }),
    );
    expect(replaced).toEqual(await s3.driver.info('b', { signal }));
  });

  test('is made up for when the service calls the next attempt a conflict', async () => {
    await using s3 = await openS3();
    s3.server.fail({ operation: 'PutObject', with: 'reset-after-commit' });
    s3.server.fail({
      operation: 'PutObject',
      with: { status: 409, code: 'ConditionalRequestConflict' },
    });
    const file = await s3.driver.put('key', Buffer.from('x'), CREATE_ONLY);
    expect(file).toEqual(await s3.driver.info('key', { signal }));
  });

  test('of an explicit upload is not made up for while the upload is still there', async () => {
    await using s3 = await openS3();
    const bytes = randomBytes(10);
    const begin = async () => {
      const uploadId = await s3.driver.startMultipartUpload('key', putOptions());
      const upload = { key: 'key', uploadId };
      return { upload, part: await s3.driver.uploadPart(upload, 1, bytes, { signal }) };
    };
    const [theirs, mine] = [await begin(), await begin()];
    await s3.driver.completeMultipartUpload(theirs.upload, [theirs.part], { signal });
    s3.server.fail({ operation: 'CompleteMultipartUpload', with: INTERNAL_ERROR });
    const completing = s3.driver.completeMultipartUpload(mine.upload, [mine.part], {
      signal,
      ifNoneMatch: '*',
    });
    await expect(completing).rejects.toThrow(StorageFileExistsError);
  });

  test('of a body in parts is looked into once its upload is given up, so that nothing can come of it later', async () => {
    await using s3 = await openS3({ retry: { maxRetries: 0 } });
    s3.server.fail({ operation: 'CompleteMultipartUpload', with: 'reset' });
    const put = s3.driver.put('key', chunks(randomBytes(PART + 1)), putOptions({ partSize: PART }));
    await expect(put).rejects.toThrow(StorageConnectionError);
    const operations = s3.server.requests.map(({ operation }) => operation);
    const after = operations.slice(operations.indexOf('CompleteMultipartUpload') + 1);
    const [given, looked] = ['AbortMultipartUpload', 'HeadObject'].map((operation) =>
      after.findIndex((seen) => seen === operation),
    );
    expect(given).toBe(0);
    expect(looked).toBeGreaterThan(0);
  });

  test('of an upload that is gone is not made up for by any file, where no etag tells', async () => {
    await using s3 = await openS3();
    const uploadId = await s3.driver.startMultipartUpload('key', putOptions());
    const upload = { key: 'key', uploadId };
    await s3.driver.abortMultipartUpload(upload, { signal });
    await s3.driver.put('key', Buffer.from('theirs'), putOptions());
    // So that it comes to the completion.
    s3.server.fail({ operation: 'ListParts', with: { status: 403, code: 'AccessDenied' } });
    const part = { partNumber: 1, etag: '"of no digest"' };
    const completing = s3.driver.completeMultipartUpload(upload, [part], { signal });
    await expect(completing).rejects.toThrow(StorageFileNotFoundError);
  });

  test('is none when the upload was not there to begin with', async () => {
    await using s3 = await openS3();
    const bytes = randomBytes(10);
    const uploadId = await s3.driver.startMultipartUpload('key', putOptions());
    const upload = { key: 'key', uploadId };
    const part = await s3.driver.uploadPart(upload, 1, bytes, { signal });
    await s3.driver.completeMultipartUpload(upload, [part], { signal });
    const again = s3.driver.completeMultipartUpload(upload, [part], { signal, ifNoneMatch: '*' });
    await expect(again).rejects.toThrow(StorageFileNotFoundError);
  });
});

describe('the token of a conditional write', () => {
  test('goes with no other write', async () => {
    await using s3 = await openS3();
    await s3.driver.put('plain', Buffer.from('x'), putOptions());
    const { etag } = await s3.driver.put('key', Buffer.from('x'), CREATE_ONLY);
    await s3.driver.put('key', Buffer.from('y'), putOptions({ ifMatch: etag! }));
    const sent = s3.server.requests.map(
      ({ headers }) => headers['x-amz-meta-nestjs-storages-write'],
    );
    expect(sent[0]).toBeUndefined();
    expect(new Set(sent).size).toBe(3);
  });

  test('is shown to nobody, and not handed on by a copy', async () => {
    await using s3 = await openS3();
    const metadata = { author: 'Zoë' };
    const options = putOptions({ ifNoneMatch: '*', metadata });
    expect((await s3.driver.put('key', Buffer.from('x'), options)).metadata).toEqual(metadata);
    expect((await s3.driver.info('key', { signal })).metadata).toEqual(metadata);
    const download = await s3.driver.get('key', { signal });
    expect(download.file.metadata).toEqual(metadata);
    const copied = await s3.driver.copy('key', 'copy', { signal, ifNoneMatch: '*' });
    expect(copied.metadata).toEqual(metadata);
    expect((await s3.driver.info('copy', { signal })).metadata).toEqual(metadata);
  });

  test('gives way to metadata that leaves no room for it', async () => {
    await using s3 = await openS3();
    const metadata = { big: 'x'.repeat(2045) };
    const file = await s3.driver.put(
      'key',
      Buffer.from('x'),
      putOptions({ ifNoneMatch: '*', metadata }),
    );
    expect(file.metadata).toEqual(metadata);
    const copied = await s3.driver.copy('key', 'copy', { signal, ifNoneMatch: '*' });
    expect(copied.metadata).toEqual(metadata);
  });
});

test('a put that is only ever refused tells so', async () => {
  await using s3 = await openS3();
  await s3.driver.put('key', Buffer.from('x'), putOptions());
  s3.server.fail({ operation: 'PutObject', times: Infinity, with: SLOW_DOWN });
  const put = s3.driver.put('key', Buffer.from('x'), putOptions());
  await expect(put).rejects.toThrow(StorageRateLimitedError);
});

describe('an unconditional write whose answer is lost, and which another one has replaced,', () => {
  const LOST = { code: 'CONNECTION_FAILED', retryable: true };

  /** The answer that comes is no other than that of a write that never happened. */
  const lose = ({ server }: OpenS3, operation: 'PutObject' | 'CompleteMultipartUpload'): void =>
    void server.fail({ operation, with: INTERNAL_ERROR });

  test('may be repeated', async () => {
    await using s3 = await openS3({ retry: { maxRetries: 0 } });
    await s3.driver.put('key', Buffer.from('theirs'), putOptions());
    lose(s3, 'PutObject');
    const put = s3.driver.put('key', Buffer.from('mine'), putOptions());
    await expect(put).rejects.toMatchObject(LOST);
  });

  test('may not when it was to create only, or to replace a version', async () => {
    await using s3 = await openS3({ retry: { maxRetries: 0 } });
    await s3.driver.put('key', Buffer.from('theirs'), putOptions());
    for (const condition of [{ ifNoneMatch: '*' as const }, { ifMatch: '"gone"' }]) {
      lose(s3, 'PutObject');
      const put = s3.driver.put('key', Buffer.from('mine'), putOptions(condition));
      await expect(put).rejects.toMatchObject(UNCERTAIN);
    }
  });
});

test('a create-only write whose answer is lost, and of which nothing is there, is uncertain only when it was refused', async () => {
  await using s3 = await openS3({ retry: { maxRetries: 1 } });
  s3.server.fail({ operation: 'PutObject', times: 2, with: INTERNAL_ERROR });
  const failed = s3.driver.put('key', Buffer.from('x'), CREATE_ONLY);
  // Nothing was stored, so whoever repeats it does no harm.
  await expect(failed).rejects.toMatchObject({ code: 'CONNECTION_FAILED', retryable: true });
  s3.server.fail({ operation: 'PutObject', with: INTERNAL_ERROR });
  s3.server.fail({ operation: 'PutObject', with: { status: 412, code: 'PreconditionFailed' } });
  // It may have been stored, and deleted since.
  const refused = s3.driver.put('key', Buffer.from('x'), CREATE_ONLY);
  await expect(refused).rejects.toMatchObject(UNCERTAIN);
});
