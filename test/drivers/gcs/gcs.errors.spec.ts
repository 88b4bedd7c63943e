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
  expect(authorizationError(error, 'to sign with')).toBe(error);
});

test.each<[string, unknown, object]>([
  ['text', 'boom', { code: 'UNKNOWN', message: 'boom', cause: new Error('boom') }],
  ['a code that nobody knows', coded('EODD', 'odd'), { code: 'UNKNOWN', message: 'odd' }],
  [
    'a cause that has the code',
    new Error('fetch failed', { cause: coded('ECONNREFUSED') }),
    { code: 'CONNECTION_FAILED', message: expect.stringContaining('check apiEndpoint') },
  ],
  [
    'the end of a wait for a connection',
    coded('ENOCONNECTION', 'no connection came'),
    {
      code: 'TIMEOUT',
      retryable: false,
      message: 'no connection came',
      cause: { code: 'ENOCONNECTION' },
    },
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
  [
    'a silence',
    coded('ETIMEDOUT', 'silent'),
    { code: 'TIMEOUT', retryable: true, cause: { code: 'ETIMEDOUT', message: 'silent' } },
  ],
  ['a code within that of nobody', coded('X_HPE_'), { code: 'UNKNOWN', message: 'X_HPE_' }],
  ...['ERR_TLS_CERT_ALTNAME_INVALID', 'ERR_SSL_WRONG_VERSION_NUMBER', 'CERT_HAS_EXPIRED'].map(
    untrusted,
  ),
  ...['SELF_SIGNED_CERT_IN_CHAIN', 'UNABLE_TO_VERIFY_LEAF_SIGNATURE'].map(untrusted),
  ['a certificate, but not at its beginning', coded('X_CERT_'), { code: 'UNKNOWN' }],
])('what broke a request is told from %s', (_, thrown, told) => {
  expect(toStorageError(thrown)).toMatchObject(told);
});

test('an error of the storage stays that very one', () => {
  const error = new StorageFileNotFoundError();
  expect(toStorageError(error)).toBe(error);
});

test('a cause has the code that there was, and none where there was none', () => {
  const withCode = toStorageError(coded('EODD', 'odd')).cause;
  expect(withCode).toMatchObject({ code: 'EODD', message: 'odd' });
  expect(Object.keys(toStorageError(new Error('odd')).cause as Error)).toEqual([]);
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
const CLOCK =
  'Google refused the credentials for the bucket: set the clock of this machine right, by NTP for instance (400)';
const REVOKED =
  'Google refused the credentials for the bucket: they may have been revoked or have expired; renew them, or check keyFilename, credentials or what the default chain finds (401)';
const NO_KEY =
  'private_key cannot be read: it must be the PEM text of the key file, with real line breaks rather than "\\n"';
const NOWHERE =
  'No credentials for the bucket: set keyFilename or credentials, or provide Application Default Credentials';

test.each<[string, unknown, object]>([
  [
    'are refused too often',
    { response: { status: 429 }, message: 'slow' },
    { code: 'RATE_LIMITED', cause: { message: 'slow' } },
  ],
  [
    'meet a service that fails',
    { response: { status: 503 }, message: 'down' },
    {
      code: 'CONNECTION_FAILED',
      message: "Google's token service failed (503)",
      cause: { message: 'down' },
    },
  ],
  [
    'are refused for the time',
    { response: { status: 400, data: { error_description: 'must be in a reasonable timeframe' } } },
    { code: 'PERMISSION_DENIED', message: CLOCK },
  ],
  [
    'are refused, without an answer in the error',
    { status: 401, message: 'invalid_grant' },
    { code: 'PERMISSION_DENIED', message: REVOKED, cause: { message: 'invalid_grant' } },
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
    { code: 'CONFIGURATION', message: NO_KEY },
  ]),
  ...[
    'Could not load the default credentials. Browse to …',
    'Cannot sign data without `client_email`.',
  ].map((message): [string, unknown, object] => [
    `are nowhere: ${message}`,
    { message },
    { code: 'CONFIGURATION', message: NOWHERE, cause: { message } },
  ]),
  [
    'are waited for in vain',
    { message: 'The operation was aborted due to timeout' },
    {
      code: 'TIMEOUT',
      message: 'Google did not answer in time to the credentials for the bucket',
      cause: { message: 'The operation was aborted due to timeout' },
    },
  ],
  ['meet a service that is down', { status: 500 }, { code: 'CONNECTION_FAILED' }],
  [
    'are refused for the time of a token',
    { status: 400, message: 'a short-lived token is needed' },
    { code: 'PERMISSION_DENIED', message: CLOCK },
  ],
  [
    'may not sign',
    { ...SIGNING, message: 'Permission denied' },
    {
      code: 'PERMISSION_DENIED',
      message:
        "Google's IAM did not sign (the account needs the right iam.serviceAccounts.signBlob): Permission denied",
      cause: { message: 'Permission denied' },
    },
  ],
  [
    'cannot reach who signs',
    { ...SIGNING, message: 'connect ECONNREFUSED 127.0.0.1:1' },
    { code: 'CONNECTION_FAILED', cause: { code: 'ECONNREFUSED' } },
  ],
  [
    'cannot reach who signs, as the last of many words says',
    { ...SIGNING, message: 'ERROR: MY_ECONNREFUSED EPIPES read ECONNRESET' },
    { code: 'CONNECTION_FAILED', cause: { code: 'ECONNRESET' } },
  ],
  [
    'may not sign, for whom nothing but a word is like a code',
    { ...SIGNING, message: 'ERROR' },
    { code: 'PERMISSION_DENIED' },
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
    {
      code: 'CONFIGURATION',
      message: 'The credentials for the bucket cannot be used: odd',
      cause: { message: 'odd' },
    },
  ],
  [
    'fail without a word',
    undefined,
    { code: 'CONFIGURATION', message: 'The credentials for the bucket cannot be used: ' },
  ],
])('credentials that %s are told as such', (_, thrown, told) => {
  expect(authorizationError(thrown, 'for the bucket')).toMatchObject(told);
});

function coded(code: string, message = code): Error {
  return Object.assign(new Error(message), { code });
}

describe('an answer of the service', () => {
  const DENIED =
    'The service denied access; give the account a role such as Storage Object User on the bucket: because';
  const NOT_ACCEPTED =
    'The service does not accept the credentials, or none were sent; renew them, or check keyFilename, credentials or what the default chain finds: because';
  const SLOW_DOWN = 'The backend asked to slow down';
  const UNUSABLE = 'The project cannot be used: because';
  const USED_UP = 'The quota is used up: because';

  test.each([
    [400, 'invalid', 'INVALID_ARGUMENT', 1, 'The service refused the request: because'],
    // Once more with another token.
    [401, 'authError', 'PERMISSION_DENIED', 2, NOT_ACCEPTED],
    [403, 'forbidden', 'PERMISSION_DENIED', 1, DENIED],
    [403, 'insufficientPermissions', 'PERMISSION_DENIED', 1, DENIED],
    [403, 'retentionPolicyNotMet', 'PERMISSION_DENIED', 1, DENIED],
    [403, 'toString', 'PERMISSION_DENIED', 1, DENIED],
    [403, 'accountDisabled', 'CONFIGURATION', 1, UNUSABLE],
    [403, 'projectDisabled', 'CONFIGURATION', 1, UNUSABLE],
    [403, 'billingNotEnabled', 'CONFIGURATION', 1, UNUSABLE],
    [400, 'userProjectMissing', 'CONFIGURATION', 1, UNUSABLE],
    [403, 'quotaExceeded', 'QUOTA_EXCEEDED', 1, USED_UP],
    [403, 'dailyLimitExceeded', 'QUOTA_EXCEEDED', 1, USED_UP],
    [403, 'rateLimitExceeded', 'RATE_LIMITED', 2, SLOW_DOWN],
    [403, 'userRateLimitExceeded', 'RATE_LIMITED', 2, SLOW_DOWN],
    [404, 'notFound', 'FILE_NOT_FOUND', 1, 'File not found'],
    [408, 'requestTimeout', 'TIMEOUT', 2, 'The backend did not answer in time'],
    [409, 'conflict', 'UNKNOWN', 1, 'The service answered 409 conflict: because'],
    [410, 'gone', 'FILE_NOT_FOUND', 1, 'File not found'],
    [
      412,
      'conditionNotMet',
      'PRECONDITION_FAILED',
      1,
      'The file is not the version that the condition names',
    ],
    [413, 'uploadTooLarge', 'TOO_LARGE', 1, 'The file is larger than the service takes'],
    [
      416,
      'requestedRangeNotSatisfiable',
      'RANGE_NOT_SATISFIABLE',
      1,
      'The range lies outside the file',
    ],
    [429, 'rateLimitExceeded', 'RATE_LIMITED', 2, SLOW_DOWN],
    [499, 'cancelled', 'UNKNOWN', 1, 'The service answered 499 cancelled: because'],
    [500, 'internalError', 'CONNECTION_FAILED', 2, 'The service failed (500 internalError)'],
    [
      501,
      'notImplemented',
      'UNSUPPORTED',
      1,
      'The service does not implement the request: because',
    ],
    [503, 'backendError', 'CONNECTION_FAILED', 2, 'The service failed (503 backendError)'],
  ])('%i %s is %s, after %i attempts of 2', async (status, reason, code, attempts, message) => {
    await using gcs = await openGcs({ retry: { maxRetries: 1 } });
    const refused = { status, reason, message: 'because' };
    gcs.server.fail({ operation: 'objects.get', times: Infinity, with: refused });
    const error = (await rejection(gcs.driver.info('key', { signal }))) as StorageError;
    expect(error.code).toBe(code);
    expect(error.message).toBe(message);
    expect(error.cause).toMatchObject({ httpStatus: status, reason, message: 'because' });
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
    expect(answer(403, detailed)).toMatchObject({
      message: expect.stringMatching(/: why$/) as unknown,
      cause: { reason: 'AccessDenied' },
    });
    const brief = '<Error><Code>InvalidArgument</Code><Message>m</Message></Error>';
    expect(answer(400, brief).message).toBe('The service refused the request: m');
    expect(answer(400, ' \n plain \n').message).toBe('The service refused the request: plain');
    expect(answer(404, 'No such object: a/b').code).toBe('FILE_NOT_FOUND');
    expect(answer(400, '').message).toBe('The service refused the request: status 400');
    expect(answer(502, '').message).toBe('The service failed (502)');
    const sums = "Provided CRC32C doesn't match calculated CRC32C";
    for (const text of [sums, 'Hash mismatch']) {
      expect(answer(400, text)).toMatchObject({
        code: 'INTEGRITY',
        message: `The service received other bytes than were announced: ${text}`,
        cause: { message: text, reason: '' },
      });
    }
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

  test.each([{}, { errors: {} }, { errors: [] }, { errors: ['x'] }])(
    'in JSON may leave out the reason: %j',
    (more) => {
      const body = Buffer.from(JSON.stringify({ error: { message: 'because', ...more } }));
      expect(answerError({ status: 409, headers: {}, body }).message).toBe(
        'The service answered 409: because',
      );
    },
  );

  test('that names a size or a delay passes it on', () => {
    const answer = {
      status: 416,
      headers: { 'content-range': 'bytes */10' },
      body: Buffer.alloc(0),
    };
    expect(answerError(answer)).toMatchObject({ size: 10 });
    const busy = { status: 503, headers: { 'retry-after': '2' }, body: Buffer.alloc(0) };
    expect(answerError(busy).retryAfter).toBe(2000);
    expect(answerError({ ...busy, status: 429 }).retryAfter).toBe(2000);
    const twice = { 'content-range': ['bytes */1', 'bytes */12'] };
    expect(answerError({ ...answer, headers: twice })).toMatchObject({ size: 12 });
    for (const range of ['bytes */', 'bytes */10x', '']) {
      const odd = { ...answer, headers: { 'content-range': range } };
      expect(answerError(odd)).toMatchObject({ size: undefined });
    }
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
  expect(conditionError({ ifMatch: '*' }, true)).toMatchObject({
    code: 'PRECONDITION_FAILED',
    message: 'Nothing is stored under the key, so ifMatch cannot hold',
  });
  expect(conditionError({ ifMatch: '*' })).toMatchObject({
    code: 'PRECONDITION_FAILED',
    message: 'The file is not the version that the condition names',
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
    expect(error.message).toBe(
      'The bucket "nowhere" does not exist: create it, or check bucket, project and apiEndpoint',
    );
  }
  await driver.close();
  await expect(gcs.driver.info('key', { signal })).rejects.toThrow(StorageFileNotFoundError);
  expect(gcs.operations().slice(-1)).toEqual(['objects.get']);
});
