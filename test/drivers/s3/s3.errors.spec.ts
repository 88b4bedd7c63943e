import { inspect } from 'node:util';
import { StorageError, type StorageErrorCode } from '../../../lib/core/errors.js';
import {
  conditionError,
  isAboutKey,
  isRefusal,
  toStorageError,
} from '../../../lib/drivers/s3/s3.errors.js';
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

function thrown(
  name: string,
  httpStatusCode?: number,
  fields: object = {},
  headers: Record<string, string> = {},
): Error {
  const $metadata = { httpStatusCode, requestId: 'id' };
  return Object.assign(new Error('because'), {
    name,
    $metadata,
    $response: { headers },
    ...fields,
  });
}

function coded(code: string, fields: object = {}): Error {
  return Object.assign(new Error(code), { code, ...fields });
}

test.each<[string, number | undefined, string]>([
  ['InvalidAccessKeyId', 403, 'check accessKeyId and secretAccessKey'],
  ['ExpiredToken', 400, 'The credentials have expired; renew them'],
  ['RequestTimeTooSkewed', 403, 'The clock of this machine differs'],
  ['SignatureDoesNotMatch', 403, 'computes another signature; check secretAccessKey'],
  ['AccessDenied', 403, 'that of the bucket allow (AccessDenied)'],
  ['Unknown', 403, 'that of the bucket allow'],
  ['InternalError', 500, 'The service failed (500 InternalError)'],
  ['Unknown', 502, 'The service failed (502)'],
  ['502', 502, 'The service failed (502)'],
  ['BadDigest', 400, 'other bytes than were announced (BadDigest)'],
  ['EntityTooLarge', 400, 'larger than the service takes'],
  ['PermanentRedirect', 301, 'not behind this endpoint: check region and endpoint'],
  ['InvalidBucketName', 400, 'a name that the service does not allow (InvalidBucketName)'],
  ['NotImplemented', 501, 'does not implement the request (NotImplemented)'],
  ['NoSuchUpload', 404, 'The multipart upload is not there'],
  ['KeyTooLongError', 400, 'it is longer than the service takes'],
  ['InvalidArgument', 400, 'The service refused the request: because'],
  ['ConditionalRequestConflict', 409, 'Another write to the key was under way'],
  ['Unknown', 302, 'answered with a redirect (302)'],
  ['SyntaxError', 200, 'The service answered 200 and something that is not the XML of S3'],
  ['Teapot', 418, 'The service answered 418 Teapot: because'],
  ['SyntaxError', 418, 'The service answered 418: The answer is not the XML of S3'],
  ['CredentialsProviderError', undefined, 'No credentials: set accessKeyId'],
])('%s (%s) is told in words', (name, status, words) => {
  const error = toStorageError(thrown(name, status));
  expect(error.message).toContain(words);
  expect(error.message.endsWith(words) || !words.endsWith('allow')).toBe(true);
  expect(error.cause).toMatchObject({ requestId: 'id', name });
});

test.each<[string, unknown, object]>([
  [
    'a host where nothing listens',
    coded('ECONNREFUSED'),
    { code: 'CONNECTION_FAILED', message: expect.stringContaining('check endpoint and region') },
  ],
  [
    'a process that has no descriptor left',
    coded('EMFILE'),
    {
      code: 'CONNECTION_FAILED',
      retryable: true,
      message: expect.stringContaining('raise that limit'),
    },
  ],
  [
    'a connection that was reset, which the SDK calls a timeout',
    coded('ECONNRESET', { name: 'TimeoutError' }),
    { code: 'CONNECTION_FAILED' },
  ],
  [
    'a cause that has the code',
    new Error('x', { cause: coded('ENOTFOUND') }),
    { code: 'CONNECTION_FAILED' },
  ],
  ['silence', coded('ETIMEDOUT'), { code: 'TIMEOUT', retryable: true }],
  ['what the SDK calls silence', thrown('TimeoutError'), { code: 'TIMEOUT' }],
  ['the end of a wait', coded('ENOCONNECTION'), { code: 'TIMEOUT', retryable: false }],
  ['a code of nobody', coded('EODD'), { code: 'UNKNOWN', message: 'EODD' }],
  ['a name alone', { name: 'Odd' }, { code: 'UNKNOWN' }],
  ['text', 'boom', { code: 'UNKNOWN', message: 'boom' }],
  [
    'a word that says nothing',
    { name: 'Odd', message: 'UnknownError' },
    { code: 'UNKNOWN', message: 'Odd' },
  ],
  [
    'a range that is too far, by its header',
    thrown('InvalidRange', 416, { ActualObjectSize: '7' }, { 'content-range': 'bytes */10' }),
    { code: 'RANGE_NOT_SATISFIABLE', size: 10 },
  ],
  [
    'a range that is too far, by its document',
    thrown('InvalidRange', 416, { ActualObjectSize: '7' }),
    { code: 'RANGE_NOT_SATISFIABLE', size: 7 },
  ],
  [
    'another region',
    thrown('AuthorizationHeaderMalformed', 400, { Region: 'eu-north-1' }),
    { code: 'CONFIGURATION', message: expect.stringContaining('set region to "eu-north-1"') },
  ],
  [
    'a page of somebody else',
    thrown('NotFound', 404, {}, { 'content-type': 'text/html; charset=utf-8' }),
    { code: 'CONFIGURATION', message: expect.stringContaining('A web page was answered') },
  ],
  [
    'a page of S3',
    thrown('NoSuchKey', 404, {}, { 'content-type': 'text/html' }),
    { code: 'FILE_NOT_FOUND' },
  ],
  [
    'a page that forbids',
    thrown('Unknown', 403, {}, { 'content-type': 'text/html' }),
    { code: 'PERMISSION_DENIED' },
  ],
])('what broke a request is told from %s', (_, error, told) => {
  expect(toStorageError(error)).toMatchObject(told);
});

test.each<[string, unknown, boolean]>([
  ['a host that was not reached', coded('ECONNREFUSED'), true],
  ['a process that has no descriptor left', coded('EMFILE'), true],
  ['a connection that broke', coded('ECONNRESET'), false],
  ['an error without a code', new Error('x'), false],
  ['no change', thrown('NotModified', 304), true],
  ['a success that cannot be read', thrown('SyntaxError', 200), false],
  ['a limit, whatever its status', thrown('SlowDown', 500), true],
  ['a service that is away', thrown('ServiceUnavailable', 503), true],
  ['a request that was too slow for it', thrown('RequestTimeout', 408), true],
  ['what stands before one that is away', thrown('Unknown', 503), false],
  ['the same, named by its status', thrown('503', 503), false],
  ['the same, with a page', thrown('SyntaxError', 503), false],
  ['what stands before the service, and has not the method', thrown('Unknown', 501), false],
  ['what stands before the service, and had no answer in time', thrown('Unknown', 408), false],
  ['a gateway that is broken', thrown('Unknown', 502), false],
  ['a redirect', thrown('Unknown', 300), true],
])('whether nothing was changed is told of %s', (_, error, is) => {
  expect(isRefusal(error)).toBe(is);
});

test.each<[string, Error, boolean]>([
  ['a right', thrown('AccessDenied', 403), true],
  ['a key that is too long', thrown('KeyTooLongError', 400), true],
  ['a condition', thrown('PreconditionFailed', 412), true],
  ['something new', thrown('Teapot', 418), true],
  ['credentials', thrown('InvalidAccessKeyId', 403), false],
  ['credentials that are over', thrown('ExpiredToken', 400), false],
  ['a clock', thrown('RequestTimeTooSkewed', 403), false],
  ['a signature', thrown('SignatureDoesNotMatch', 403), false],
  ['a bucket', thrown('NoSuchBucket', 404), false],
  ['a limit', thrown('TooManyRequests', 429), false],
  ['a failure', thrown('InternalError', 500), false],
  ['a connection', coded('ECONNRESET'), false],
])('whether a refusal is about the key is told of %s', (_, error, is) => {
  expect(isAboutKey(error)).toBe(is);
});

test('a refused write is told by its conditions', () => {
  const told = (error: Error, conditions: object): unknown =>
    conditionError(error, conditions)?.code;
  const html = { 'content-type': 'text/html' };
  for (const error of [
    thrown('PreconditionFailed', 412),
    thrown('ConditionalRequestConflict', 409),
  ]) {
    expect(told(error, { ifNoneMatch: '*' })).toBe('FILE_EXISTS');
    expect(told(error, { ifMatch: '"a"' })).toBe('PRECONDITION_FAILED');
    expect(told(error, {})).toBeUndefined();
  }
  for (const error of [thrown('NotFound', 404), thrown('NoSuchKey', 404)]) {
    expect(told(error, { ifMatch: '"a"' })).toBe('PRECONDITION_FAILED');
    expect(told(error, { ifNoneMatch: '*' })).toBeUndefined();
  }
  for (const error of [
    thrown('NotFound', 404, {}, html),
    thrown('NotFound', 400),
    thrown('NoSuchBucket', 404),
    thrown('AccessDenied', 403),
  ]) {
    expect(told(error, { ifMatch: '"a"' })).toBeUndefined();
  }
});

test('an abort is told from what broke at the same time', () => {
  const reason = new Error('enough');
  const aborted = AbortSignal.abort(reason);
  expect(toStorageError(reason, aborted)).toMatchObject({ code: 'ABORTED', cause: reason });
  expect(toStorageError(coded('ECONNRESET'), aborted).code).toBe('CONNECTION_FAILED');
  expect(toStorageError(reason, new AbortController().signal).code).toBe('UNKNOWN');
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
