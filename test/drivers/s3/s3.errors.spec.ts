import { inspect } from 'node:util';
import { StorageError, type StorageErrorCode } from '../../../lib/core/errors.js';
import { isRefusal, toStorageError } from '../../../lib/drivers/s3/s3.errors.js';
import { createS3Driver } from '../../../lib/drivers/s3/s3.driver.js';
import { parseRetryOptions } from '../../../lib/core/retry.js';
import type { S3FaultEffect } from '../../../lib/testing/s3-server/index.js';
import { openDriver, openS3, putOptions, signal } from './open-s3.js';

const NO_RETRY = { retry: { maxRetries: 0 } };

async function failure(call: () => Promise<unknown>): Promise<StorageError> {
  const error = await call().then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(StorageError);
  return error as StorageError;
}

describe('errors', () => {
  test.each<[StorageErrorCode, S3FaultEffect]>([
    ['FILE_NOT_FOUND', { status: 404, code: 'NoSuchKey' }],
    ['CONFIGURATION', { status: 404, code: 'NoSuchBucket' }],
    ['PERMISSION_DENIED', { status: 403, code: 'AccessDenied' }],
    ['PERMISSION_DENIED', { status: 403, code: 'SomethingNew' }],
    ['PERMISSION_DENIED', { status: 400, code: 'ExpiredToken' }],
    ['PERMISSION_DENIED', { status: 403, code: 'RequestTimeTooSkewed' }],
    ['RATE_LIMITED', { status: 503, code: 'SlowDown' }],
    ['RATE_LIMITED', { status: 429, code: 'TooManyRequests' }],
    ['CONNECTION_FAILED', { status: 500, code: 'InternalError' }],
    ['CONNECTION_FAILED', { status: 502, code: 'BadGateway' }],
    ['CONNECTION_FAILED', 'reset'],
    ['TIMEOUT', { status: 400, code: 'RequestTimeout' }],
    ['TOO_LARGE', { status: 400, code: 'EntityTooLarge' }],
    ['INTEGRITY', { status: 400, code: 'BadDigest' }],
    ['QUOTA_EXCEEDED', { status: 403, code: 'QuotaExceeded' }],
    ['QUOTA_EXCEEDED', { status: 507, code: 'StorageFull' }],
    ['UNSUPPORTED', { status: 501, code: 'NotImplemented' }],
    ['UNKNOWN', { status: 418, code: 'Teapot' }],
  ])('have the code %s for %j', async (code, effect) => {
    await using s3 = await openS3(NO_RETRY);
    s3.server.fail({ operation: 'GetObject', times: Infinity, with: effect });
    const error = await failure(() => s3.driver.get('key', { signal }));
    expect(error.code).toBe(code);
  });

  test('tell of a missing bucket after a check of it that failed in passing', async () => {
    await using s3 = await openS3({ ...NO_RETRY, bucket: 'elsewhere' });
    s3.server.fail({ operation: 'HeadBucket', with: { status: 500, code: 'InternalError' } });
    const codes = [];
    for (let call = 0; call < 2; call++) {
      codes.push((await failure(() => s3.driver.info('key', { signal }))).code);
    }
    expect(codes).toEqual(['CONNECTION_FAILED', 'CONFIGURATION']);
  });

  test('say of a version that was to be replaced that there is none', async () => {
    await using s3 = await openS3(NO_RETRY);
    const put = () => s3.driver.put('key', Buffer.from('a'), putOptions({ ifMatch: '"a"' }));
    expect(await failure(put)).toMatchObject({
      code: 'PRECONDITION_FAILED',
      message: 'Nothing is stored under the key, so ifMatch cannot hold',
      cause: { httpStatus: 404 },
    });
  });

  test('tell of a missing file whoever may not look at the bucket', async () => {
    await using s3 = await openS3(NO_RETRY);
    s3.server.fail({ operation: 'HeadBucket', with: { status: 403, code: 'AccessDenied' } });
    expect((await failure(() => s3.driver.info('key', { signal }))).code).toBe('FILE_NOT_FOUND');
  });

  test('tell of expired credentials, which an answer without a body cannot name', async () => {
    await using s3 = await openS3(NO_RETRY);
    await s3.driver.put('key', Buffer.from('x'), putOptions());
    const expired = { status: 400, code: 'ExpiredToken' };
    const head = s3.server.fail({ operation: 'HeadObject', times: Infinity, with: expired });
    const get = s3.server.fail({ operation: 'GetObject', times: Infinity, with: expired });
    expect((await failure(() => s3.driver.info('key', { signal }))).code).toBe('PERMISSION_DENIED');
    get.clear();
    expect((await failure(() => s3.driver.info('key', { signal }))).code).toBe('UNKNOWN');
    head.clear();
    expect((await s3.driver.info('key', { signal })).size).toBe(1);
    s3.server.fail({ operation: 'HeadBucket', with: expired });
    s3.server.fail({ operation: 'GetObject', with: expired });
    expect((await failure(() => s3.driver.info('missing', { signal }))).code).toBe(
      'PERMISSION_DENIED',
    );
  });

  test('of a service that failed tell how long to wait', async () => {
    await using s3 = await openS3(NO_RETRY);
    const with503 = { status: 503, code: 'ServiceUnavailable', retryAfter: 7 };
    s3.server.fail({ operation: 'GetObject', with: with503 });
    expect(await failure(() => s3.driver.get('key', { signal }))).toMatchObject({
      code: 'CONNECTION_FAILED',
      retryAfter: 7000,
    });
  });

  test('tell how long to wait', async () => {
    await using s3 = await openS3(NO_RETRY);
    s3.server.fail({
      operation: 'GetObject',
      with: { status: 503, code: 'SlowDown', retryAfter: 7 },
    });
    expect(await failure(() => s3.driver.get('key', { signal }))).toMatchObject({
      retryable: true,
      retryAfter: 7000,
    });
  });

  test('name the region that the bucket is in', async () => {
    await using s3 = await openS3(NO_RETRY);
    const headers = { 'x-amz-bucket-region': 'eu-north-1' };
    s3.server.fail({
      operation: 'GetObject',
      with: { status: 301, code: 'PermanentRedirect', headers },
    });
    expect((await failure(() => s3.driver.get('key', { signal }))).message).toContain(
      '"eu-north-1"',
    );
    const elsewhere = await openDriver(s3.server, { region: 'eu-west-1' });
    const error = await failure(() => elsewhere.get('key', { signal }));
    expect(error).toMatchObject({
      code: 'CONFIGURATION',
      message: expect.stringContaining('"us-east-1"'),
    });
    await elsewhere.close();
  });

  test('say when nobody listens, or nobody is called so', async () => {
    for (const endpoint of ['http://127.0.0.1:9', 'https://nowhere.invalid']) {
      const driver = await createS3Driver(
        { bucket: 'bucket', endpoint, accessKeyId: 'id', secretAccessKey: 'secret' },
        { storage: 'files', retry: parseRetryOptions({ maxRetries: 0 }), concurrency: 4 },
      );
      const error = await failure(() => driver.put('key', Buffer.from('x'), putOptions()));
      expect(error).toMatchObject({ code: 'CONNECTION_FAILED', retryable: true });
      await driver.close();
    }
  });

  test.each([
    ['AccessDenied', 403, true],
    ['SlowDown', 503, true],
    ['NotImplemented', 501, true],
    ['InternalError', 500, false],
    // What the SDK makes of an error within a 200: it came after the work had begun.
    ['InternalError', 503, false],
    ['InternalError', 400, false],
  ])('tell whether %s (%i) leaves everything as it was', (name, httpStatusCode, refusal) => {
    expect(isRefusal({ name, $metadata: { httpStatusCode } })).toBe(refusal);
  });

  test('keep the reason of an abort', () => {
    const abort = new AbortController();
    abort.abort('because');
    const error = toStorageError(Object.assign(new Error(), { name: 'AbortError' }), abort.signal);
    expect(error).toMatchObject({ code: 'ABORTED', cause: 'because' });
  });

  test('hold nothing secret, however they are shown', async () => {
    await using s3 = await openS3({
      ...NO_RETRY,
      server: { sessionToken: 'session-secret' },
      sessionToken: 'session-secret',
    });
    const wrong = await openDriver(s3.server, {
      ...NO_RETRY,
      sessionToken: 'session-secret',
      secretAccessKey: 'wrong-secret',
    });
    const stranger = await openDriver(s3.server, {
      ...NO_RETRY,
      accessKeyId: 'stranger',
      sessionToken: 'session-secret',
    });
    const errors: StorageError[] = [];
    for (const driver of [wrong, stranger]) {
      errors.push(await failure(() => driver.put('key', Buffer.from('x'), putOptions())));
      errors.push(await failure(() => driver.get('key', { signal })));
      errors.push(await failure(() => driver.info('key', { signal })));
      errors.push(await failure(() => driver.deleteMany(['a', 'b'], { signal })));
      await driver.close();
    }
    const effects: S3FaultEffect[] = [
      'reset',
      { status: 500, code: 'InternalError' },
      { status: 403, code: 'AccessDenied' },
      { status: 404, code: 'NoSuchKey' },
    ];
    for (const effect of effects) {
      s3.server.fail({ operation: '*', times: 2, with: effect });
      errors.push(await failure(() => s3.driver.get('key', { signal })));
      s3.server.clearFaults();
    }
    const { accessKeyId, secretAccessKey } = s3.server.credentials;
    const secrets = [
      accessKeyId,
      secretAccessKey,
      'stranger',
      'wrong-secret',
      'session-secret',
      'authorization',
      'Signature=',
    ];
    for (const error of errors) {
      const shown = [
        inspect(error, { showHidden: true, depth: Infinity }),
        JSON.stringify(error),
        JSON.stringify(error.cause, Object.getOwnPropertyNames(error.cause)),
      ].join('\n');
      for (const secret of secrets) expect(shown.toLowerCase()).not.toContain(secret.toLowerCase());
      expect(Object.getOwnPropertyNames(error.cause)).not.toContain('$response');
    }
  });
});

describe('retries', () => {
  test('come as often as the options say, and then tell the last error', async () => {
    await using s3 = await openS3({ retry: { maxRetries: 2 } });
    s3.server.fail({
      operation: 'GetObject',
      times: Infinity,
      with: { status: 500, code: 'InternalError' },
    });
    await failure(() => s3.driver.get('key', { signal }));
    expect(s3.server.requests).toHaveLength(3);
  });

  test('are not made of what will fail again', async () => {
    await using s3 = await openS3();
    s3.server.fail({
      operation: 'GetObject',
      times: Infinity,
      with: { status: 403, code: 'AccessDenied' },
    });
    await failure(() => s3.driver.get('key', { signal }));
    expect(s3.server.requests).toHaveLength(1);
  });

  test('start no later than the total time allows', async () => {
    await using s3 = await openS3({ retry: { baseDelay: 1000, jitter: false, totalTimeout: 500 } });
    s3.server.fail({
      operation: 'GetObject',
      times: Infinity,
      with: { status: 500, code: 'InternalError' },
    });
    await failure(() => s3.driver.get('key', { signal }));
    expect(s3.server.requests).toHaveLength(1);
  });

  test('wait as long as the service asks', async () => {
    await using s3 = await openS3();
    s3.server.fail({
      operation: 'HeadObject',
      with: { status: 503, code: 'SlowDown', retryAfter: 1 },
    });
    await s3.driver.put('key', Buffer.from('x'), putOptions());
    const start = performance.now();
    await s3.driver.info('key', { signal });
    expect(performance.now() - start).toBeGreaterThan(800);
  });

  test.each(['direct', 'sdk'] as const)(
    'do not wait for a service that asks for a year (%s)',
    async (engine) => {
      await using s3 = await openS3({ engine });
      const retryAfter = 365 * 24 * 60 * 60;
      s3.server.fail({
        operation: 'HeadObject',
        with: { status: 503, code: 'SlowDown', retryAfter },
      });
      const error = await failure(() => s3.driver.info('key', { signal }));
      expect(error).toMatchObject({ retryable: true, retryAfter: retryAfter * 1000 });
    },
  );

  test('end with an abort, at once', async () => {
    await using s3 = await openS3({ retry: { baseDelay: 60_000, jitter: false } });
    s3.server.fail({ operation: 'GetObject', with: { status: 500, code: 'InternalError' } });
    const abort = new AbortController();
    const getting = failure(() => s3.driver.get('key', { signal: abort.signal }));
    await s3.server.until(({ requests }) => requests.some(({ status }) => status === 500));
    abort.abort();
    expect((await getting).code).toBe('ABORTED');
  });
});
