import { inspect } from 'node:util';
import {
  type StorageError,
  StorageConfigurationError,
  StorageFileNotFoundError,
} from '../../../lib/core/errors.js';
import {
  answerError,
  authorizationError,
  conditionError,
  isMissingObject,
  isWebPage,
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
  [
    'a process that has no descriptor left',
    coded('EMFILE'),
    {
      code: 'CONNECTION_FAILED',
      retryable: true,
      message: expect.stringContaining('raise that limit'),
    },
  ],
  ['an answer that is no HTTP', coded('HPE_INVALID_CONSTANT'), { code: 'CONNECTION_FAILED' }],
  ['a silence', coded('ETIMEDOUT'), { code: 'TIMEOUT', retryable: true }],
  ['a code within that of nobody', coded('X_HPE_'), { code: 'UNKNOWN', message: 'X_HPE_' }],
  ...['ERR_TLS_CERT_ALTNAME_INVALID', 'ERR_SSL_WRONG_VERSION_NUMBER', 'CERT_HAS_EXPIRED'].map(
    untrusted,
  ),
  ...['SELF_SIGNED_CERT_IN_CHAIN', 'UNABLE_TO_VERIFY_LEAF_SIGNATURE'].map(untrusted),
  ['a certificate, but not at its beginning', coded('X_CERT_'), { code: 'UNKNOWN' }],
])('what broke a request is told from %s', (_, thrown, told) => {
  expect(toStorageError(thrown)).toMatchObject(told);
});

function untrusted(code: string): [string, unknown, object] {
  const message = `The certificate of apiEndpoint is not accepted (${code})`;
  return [code, coded(code), { code: 'CONFIGURATION', message, cause: { code } }];
}

test('an abort is told from what broke at the same time', () => {
  const reason = new Error('enough');
  const aborted = AbortSignal.abort(reason);
  const given = new DOMException('aborted', 'AbortError');
  for (const error of [reason, given]) {
    expect(toStorageError(error, aborted)).toMatchObject({ code: 'ABORTED', cause: reason });
    expect(toStorageError(error, new AbortController().signal).code).toBe('UNKNOWN');
  }
  expect(toStorageError(coded('ECONNRESET'), aborted).code).toBe('CONNECTION_FAILED');
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
  ...[
    'error:1E08010C:DECODER routines::unsupported',
    'error:0909006C:PEM routines:get_name:no start line',
    'error:068000A8:asn1 encoding routines::wrong tag',
    'unsupported PKCS#8 attribute',
    'secretOrPrivateKey must have a value',
    'The key must be an asymmetric key',
  ].map((message): [string, unknown, object] => [
    `have a key that is none: ${message}`,
    { message },
    { code: 'CONFIGURATION', message: expect.stringContaining('private_key cannot be read') },
  ]),
  ...[
    'Could not load the default credentials. Browse to …',
    'Cannot sign data without `client_email`.',
  ].map((message): [string, unknown, object] => [
    `are nowhere: ${message}`,
    { message },
    {
      code: 'CONFIGURATION',
      message: expect.stringContaining('No credentials for the bucket: set keyFilename'),
      cause: { message },
    },
  ]),
  [
    'are waited for in vain',
    { message: 'The operation was aborted due to timeout' },
    { code: 'TIMEOUT', message: 'Google did not answer in time to the credentials for the bucket' },
  ],
  ['meet a service that is down', { status: 500 }, { code: 'CONNECTION_FAILED' }],
  [
    'are refused for the time of a token',
    { status: 400, message: 'a short-lived token is needed' },
    { code: 'PERMISSION_DENIED', message: expect.stringContaining('set the clock') },
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
    'lose a connection to who signs',
    { ...SIGNING, code: 'ECONNRESET', message: 'x' },
    { code: 'CONNECTION_FAILED' },
  ],
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
    [400, 'invalid', 'INVALID_ARGUMENT', 1, 'refused the request: because'],
    // Once more with another token.
    [401, 'authError', 'PERMISSION_DENIED', 2, 'does not accept the credentials'],
    [403, 'forbidden', 'PERMISSION_DENIED', 1, 'give the account a role'],
    [403, 'insufficientPermissions', 'PERMISSION_DENIED', 1, 'on the bucket: because'],
    [403, 'retentionPolicyNotMet', 'PERMISSION_DENIED', 1, ''],
    [403, 'accountDisabled', 'CONFIGURATION', 1, 'The project cannot be used: because'],
    [403, 'quotaExceeded', 'QUOTA_EXCEEDED', 1, 'The quota is used up: because'],
    [403, 'rateLimitExceeded', 'RATE_LIMITED', 2, ''],
    [404, 'notFound', 'FILE_NOT_FOUND', 1, ''],
    [408, 'requestTimeout', 'TIMEOUT', 2, ''],
    [409, 'conflict', 'UNKNOWN', 1, 'The service answered 409 conflict: because'],
    [412, 'conditionNotMet', 'PRECONDITION_FAILED', 1, ''],
    [413, 'uploadTooLarge', 'TOO_LARGE', 1, 'larger than the service takes'],
    [416, 'requestedRangeNotSatisfiable', 'RANGE_NOT_SATISFIABLE', 1, ''],
    [429, 'rateLimitExceeded', 'RATE_LIMITED', 2, ''],
    [500, 'internalError', 'CONNECTION_FAILED', 2, 'The service failed (500 internalError)'],
    [501, 'notImplemented', 'UNSUPPORTED', 1, 'does not implement the request: because'],
    [503, 'backendError', 'CONNECTION_FAILED', 2, 'The service failed (503 backendError)'],
  ])('%i %s is %s, after %i attempts of 2', async (status, reason, code, attempts, message) => {
    await using gcs = await openGcs({ retry: { maxRetries: 1 } });
    const refused = { status, reason, message: 'because' };
    gcs.server.fail({ operation: 'objects.get', times: Infinity, with: refused });
    const error = (await rejection(gcs.driver.info('key', { signal }))) as StorageError;
    expect(error.code).toBe(code);
    expect(error.message).toContain(message);
    expect(error.cause).toMatchObject({ httpStatus: status, reason });
    const asked = gcs.operations().filter((operation) => operation === 'objects.get');
    expect(asked).toHaveLength(attempts);
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
    expect(answer(502, '').message).toBe('The service failed (502)');
    const sums = "Provided CRC32C doesn't match calculated CRC32C";
    for (const text of [sums, 'Hash mismatch']) expect(answer(400, text).code).toBe('INTEGRITY');
    for (const text of [
      'Rate Limit Exceeded',
      'The object key exceeded the rate limit for object mutation operations',
      'You are exceeding the rate limit',
    ]) {
      expect(answer(403, text).code).toBe('RATE_LIMITED');
    }
    expect(answer(403, 'Your rate is denied').code).toBe('PERMISSION_DENIED');
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

test.each([
  ['text/html', '<html>', true],
  ['text/html; charset=UTF-8', '\n  <!doctype html>', true],
  ['text/html; charset=UTF-8', 'No such object: bucket/key', false],
  ['text/plain', '<html>', false],
  ['', '<html>', false],
])('what comes as %j with %j is a page for people: %s', (type, text, is) => {
  const headers = { ...(type && { 'content-type': type }) };
  expect(isWebPage({ status: 404, headers, body: Buffer.from(text) })).toBe(is);
});

test('that an object is missing is told by a 404 only', () => {
  const answer = { headers: {}, body: Buffer.from('No such object: bucket/key') };
  expect(isMissingObject({ ...answer, status: 404 })).toBe(true);
  expect(isMissingObject({ ...answer, status: 403 })).toBe(false);
  expect(isMissingObject({ ...answer, status: 404, body: Buffer.from('Not Found') })).toBe(false);
});

test('a write whose condition did not hold is told by it', () => {
  expect(conditionError({ ifNoneMatch: '*' }, true).code).toBe('FILE_EXISTS');
  const gone = conditionError({ ifMatch: '*' }, true);
  expect(gone.code).toBe('PRECONDITION_FAILED');
  expect(gone.message).toContain('Nothing is stored under the key');
  expect(conditionError({ ifMatch: '*' }).message).not.toContain('Nothing is stored');
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
