import { inspect } from 'node:util';
import {
  type StorageError,
  StorageConfigurationError,
  StorageFileNotFoundError,
} from '../../../lib/core/errors.js';
import {
  answerError,
  authorizationError,
  toStorageError,
} from '../../../lib/drivers/gcs/gcs.errors.js';
import {
  CHUNK,
  chunks,
  openDriver,
  openGcs,
  putOptions,
  randomBytes,
  read,
  rejection,
  signal,
} from './open-gcs.js';

test('credentials that the SDK has given up waiting for are a timeout, which may be tried again', () => {
  const given = new DOMException('The operation was aborted due to timeout', 'TimeoutError');
  const error = authorizationError(given, 'for the bucket');
  expect(error).toMatchObject({ code: 'TIMEOUT', retryable: true });
});

test.each<[string, unknown, object]>([
  ['text', 'boom', { code: 'UNKNOWN', message: 'boom' }],
  ['a code that nobody knows', coded('EODD', 'odd'), { code: 'UNKNOWN', message: 'odd' }],
  [
    'a cause that has the code',
    new Error('fetch failed', { cause: coded('ECONNREFUSED') }),
    { code: 'CONNECTION_FAILED', message: expect.stringContaining('check apiEndpoint') },
  ],
  [
    'the end of a wait for a connection',
    coded('ENOCONNECTION'),
    { code: 'TIMEOUT', retryable: false },
  ],
  ['an answer that is no HTTP', coded('HPE_INVALID_CONSTANT'), { code: 'CONNECTION_FAILED' }],
])('what broke a request is told from %s', (_, thrown, told) => {
  expect(toStorageError(thrown)).toMatchObject(told);
});

const SIGNING = { name: 'SigningError' };
test.each<[string, unknown, object]>([
  ['are refused too often', { response: { status: 429 } }, { code: 'RATE_LIMITED' }],
  [
    'meet a service that fails',
    { response: { status: 503 } },
    { code: 'CONNECTION_FAILED', message: "Google's token service failed (503)" },
  ],
  [
    'are refused for the time',
    { response: { status: 400, data: { error_description: 'must be in a reasonable timeframe' } } },
    { code: 'PERMISSION_DENIED', message: expect.stringContaining('set the clock') },
  ],
  [
    'are refused, without an answer in the error',
    { status: 401, message: 'invalid_grant' },
    { code: 'PERMISSION_DENIED', message: expect.stringContaining('may have been revoked') },
  ],
  [
    'have a key that is none',
    { message: 'error:1E08010C:DECODER routines::unsupported' },
    { code: 'CONFIGURATION', message: expect.stringContaining('private_key cannot be read') },
  ],
  [
    'may not sign',
    { ...SIGNING, message: 'Permission denied' },
    { code: 'PERMISSION_DENIED', message: expect.stringContaining('iam.serviceAccounts.signBlob') },
  ],
  [
    'cannot reach who signs',
    { ...SIGNING, message: 'connect ECONNREFUSED 127.0.0.1:1' },
    { code: 'CONNECTION_FAILED' },
  ],
  ['lose a connection', { code: 'ECONNRESET', message: 'x' }, { code: 'CONNECTION_FAILED' }],
  [
    'fail in another way',
    { message: 'odd' },
    { code: 'CONFIGURATION', message: 'The credentials for the bucket cannot be used: odd' },
  ],
  ['fail without a word', undefined, { code: 'CONFIGURATION' }],
])('credentials that %s are told as such', (_, thrown, told) => {
  expect(authorizationError(thrown, 'for the bucket')).toMatchObject(told);
});

function coded(code: string, message = code): Error {
  return Object.assign(new Error(message), { code });
}

describe('an answer of the service', () => {
  test.each([
    [400, 'invalid', 'INVALID_ARGUMENT'],
    [401, 'authError', 'PERMISSION_DENIED'],
    [403, 'forbidden', 'PERMISSION_DENIED'],
    [403, 'insufficientPermissions', 'PERMISSION_DENIED'],
    [403, 'retentionPolicyNotMet', 'PERMISSION_DENIED'],
    [403, 'accountDisabled', 'CONFIGURATION'],
    [403, 'quotaExceeded', 'QUOTA_EXCEEDED'],
    [403, 'rateLimitExceeded', 'RATE_LIMITED'],
    [404, 'notFound', 'FILE_NOT_FOUND'],
    [408, 'requestTimeout', 'TIMEOUT'],
    [409, 'conflict', 'UNKNOWN'],
    [412, 'conditionNotMet', 'PRECONDITION_FAILED'],
    [413, 'uploadTooLarge', 'TOO_LARGE'],
    [416, 'requestedRangeNotSatisfiable', 'RANGE_NOT_SATISFIABLE'],
    [429, 'rateLimitExceeded', 'RATE_LIMITED'],
    [500, 'internalError', 'CONNECTION_FAILED'],
    [501, 'notImplemented', 'UNSUPPORTED'],
    [503, 'backendError', 'CONNECTION_FAILED'],
  ])('%i %s is %s', async (status, reason, code) => {
    await using gcs = await openGcs({ retry: { maxRetries: 0 } });
    gcs.server.fail({ operation: 'objects.get', times: Infinity, with: { status, reason } });
    const error = (await rejection(gcs.driver.info('No such object', { signal }))) as StorageError;
    expect(error.code).toBe(code);
    expect(error.cause).toMatchObject({ httpStatus: status, reason });
  });

  test('may be XML, plain text, or nothing at all', () => {
    const answer = (status: number, body: string) =>
      answerError({ status, headers: {}, body: Buffer.from(body) });
    const xml = '<?xml version="1.0"?><Error><Code>SlowDown</Code><Message>m</Message></Error>';
    expect(answer(400, xml).code).toBe('RATE_LIMITED');
    const detailed =
      '<Error><Code>AccessDenied</Code><Message>m</Message><Details>why</Details></Error>';
    expect(answer(403, detailed).message).toContain('why');
    expect(answer(404, 'No such object: a/b').code).toBe('FILE_NOT_FOUND');
    expect(answer(403, '').message).toContain('status 403');
    expect(answer(502, '<html>Bad Gateway</html>').retryable).toBe(true);
  });

  test('that names a size or a delay passes it on', () => {
    const answer = {
      status: 416,
      headers: { 'content-range': 'bytes */10' },
      body: Buffer.alloc(0),
    };
    expect(answerError(answer)).toMatchObject({ size: 10 });
    const busy = { status: 503, headers: { 'retry-after': '2' }, body: Buffer.alloc(0) };
    expect(answerError(busy).retryAfter).toBe(2000);
  });
});

test('no error shows a token, a signature or the address of a session', async () => {
  await using gcs = await openGcs({ retry: { maxRetries: 0 } });
  const errors: unknown[] = [];
  const message = 'ya29.secret and Bearer secret and upload_id=secret&x X-Goog-Signature=secret';
  for (const operation of ['objects.insert', 'resumable.upload', 'objects.get'] as const) {
    const refused = { status: 403, reason: 'forbidden', message };
    for (const effect of [refused, 'reset'] as const) {
      gcs.server.fail({ operation, with: effect });
      const call =
        operation === 'objects.get'
          ? gcs.driver.info('key', { signal })
          : gcs.driver.put(
              'key',
              operation === 'objects.insert' ? Buffer.from('x') : chunks(randomBytes(2 * CHUNK)),
              putOptions({ partSize: CHUNK }),
            );
      errors.push(await rejection(call));
    }
  }
  const shown = inspect(errors, { depth: 10, showHidden: true }) + JSON.stringify(errors);
  expect(shown).not.toMatch(/secret|ya29\.[\w-]{5}|upload_id=\w/);
});

test('a wrong certificate is a wrong configuration', () => {
  const error = Object.assign(new Error('self-signed certificate'), {
    code: 'DEPTH_ZERO_SELF_SIGNED_CERT',
  });
  expect(toStorageError(error)).toBeInstanceOf(StorageConfigurationError);
});

test('a missing bucket is told from a missing file, in every method', async () => {
  await using gcs = await openGcs();
  const driver = await openDriver(gcs.server, { bucket: 'nowhere' });
  const large = randomBytes(2 * CHUNK);
  for (const call of [
    driver.get('key', { signal }).then(read),
    driver.info('key', { signal }),
    driver.put('key', Buffer.from('x'), putOptions()),
    driver.put('key', large, putOptions({ partSize: CHUNK })),
    driver.copy('a', 'b', { signal }),
    driver.startMultipartUpload('key', putOptions()),
  ]) {
    const error = (await rejection(call)) as Error;
    expect(error).toBeInstanceOf(StorageConfigurationError);
    expect(error.message).toContain('"nowhere"');
  }
  await driver.close();
  await expect(gcs.driver.info('key', { signal })).rejects.toThrow(StorageFileNotFoundError);
  expect(gcs.operations().slice(-1)).toEqual(['objects.get']);
});
