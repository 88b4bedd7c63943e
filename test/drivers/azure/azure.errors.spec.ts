import { inspect } from 'node:util';
import {
  StorageAbortedError,
  StorageConnectionError,
  type StorageErrorCode,
  StorageError,
  StorageRateLimitedError,
} from '../../../lib/core/errors.js';
import {
  areBlocksGone,
  beforeSending,
  conditionError,
  isAboutKey,
  isRefusal,
  isSourceChange,
  toStorageError,
} from '../../../lib/drivers/azure/azure.errors.js';
import { openDriver, putOptions, signal, until, useAzurite, rejected } from './open-azure.js';

const fixture = useAzurite();
const { open } = fixture;

describe('answers of the service', () => {
  const ANSWERS: [number, string | undefined, StorageErrorCode, boolean][] = [
    [400, 'InvalidMetadata', 'INVALID_ARGUMENT', false],
    [400, 'InvalidResourceName', 'INVALID_KEY', false],
    [400, 'Md5Mismatch', 'INTEGRITY', false],
    [400, 'InvalidBlobOrBlock', 'UNKNOWN', false],
    [401, undefined, 'PERMISSION_DENIED', false],
    [403, 'AuthenticationFailed', 'PERMISSION_DENIED', false],
    [403, 'AuthorizationPermissionMismatch', 'PERMISSION_DENIED', false],
    [403, undefined, 'PERMISSION_DENIED', false],
    [404, 'BlobNotFound', 'FILE_NOT_FOUND', false],
    [404, 'ContainerNotFound', 'CONFIGURATION', false],
    [404, undefined, 'FILE_NOT_FOUND', false],
    [408, undefined, 'TIMEOUT', true],
    [409, 'BlobAlreadyExists', 'FILE_EXISTS', false],
    [409, 'BlobArchived', 'UNKNOWN', false],
    [409, 'ContainerBeingDeleted', 'CONFIGURATION', false],
    [409, 'SomethingNew', 'UNKNOWN', false],
    [412, 'ConditionNotMet', 'PRECONDITION_FAILED', false],
    [412, 'LeaseIdMissing', 'PERMISSION_DENIED', false],
    [413, 'RequestBodyTooLarge', 'TOO_LARGE', false],
    [429, undefined, 'RATE_LIMITED', true],
    [500, 'InternalError', 'CONNECTION_FAILED', true],
    [500, 'OperationTimedOut', 'TIMEOUT', true],
    [501, 'NotImplemented', 'UNSUPPORTED', false],
    [502, undefined, 'CONNECTION_FAILED', true],
    [503, 'ServerBusy', 'RATE_LIMITED', true],
  ];
  test.each(ANSWERS)('%i %s is %s', async (status, name, code, retryable) => {
    await using azure = await open({ retry: { maxRetries: 0 } });
    const headers = {
      'x-ms-request-id': 'id',
      ...(name !== undefined && { 'x-ms-error-code': name }),
    };
    azure.proxy.fail({ with: { status, headers } });
    const error = await rejected(azure.driver.info('key', { signal }));
    expect([error.code, error.retryable]).toEqual([code, retryable]);
    expect(error.cause).toMatchObject({ httpStatus: status, name: name ?? 'RestError' });
  });

  test('tell how long to wait', async () => {
    await using azure = await open({ retry: { maxRetries: 0 } });
    azure.proxy.fail({ with: { status: 503, headers: { 'retry-after': '7' } } });
    const error = await rejected(azure.driver.info('key', { signal }));
    expect((error as StorageRateLimitedError).retryAfter).toBe(7000);
    azure.proxy.fail({ with: { status: 502, headers: { 'retry-after': '7' } } });
    await expect(azure.driver.info('key', { signal })).rejects.toMatchObject({
      code: 'CONNECTION_FAILED',
      retryAfter: 7000,
    });
  });
});

test('nobody who listens is a failed connection', async () => {
  const driver = await openDriver({
    container: 'files',
    accountUrl: 'http://127.0.0.1:1/ann',
    accountName: 'ann',
    accountKey: 'a2V5',
    retry: { maxRetries: 0 },
  });
  expect((await rejected(driver.info('key', { signal }))).code).toBe('CONNECTION_FAILED');
  await driver.close();
});

test('an abort keeps its reason', () => {
  const reason = new Error('enough');
  const error = toStorageError(new DOMException('', 'AbortError'), AbortSignal.abort(reason));
  expect(error).toBeInstanceOf(StorageAbortedError);
  expect(error.cause).toBe(reason);
});

test('errors hold nothing secret, however they are shown', async () => {
  await using azure = await open({ retry: { maxRetries: 0 } });
  const { accountKey, endpoint, accountName } = fixture.azurite;
  const wrongKey = await openDriver({
    container: azure.container,
    accountUrl: endpoint,
    accountName,
    accountKey: Buffer.from('a secret of 32 bytes, which is wrong').toString('base64'),
  });
  const wrongSas = await openDriver({
    container: azure.container,
    accountUrl: endpoint,
    sasToken: 'sv=2024-11-04&sp=r&sr=c&se=2099-01-01T00:00:00Z&sig=c2VjcmV0LXNpZ25hdHVyZQ%3D%3D',
  });
  azure.proxy.fail({ times: Infinity, with: 'reset' });
  const errors: StorageError[] = [];
  for (const driver of [wrongKey, wrongSas, azure.driver]) {
    errors.push(await rejected(driver.put('key', Buffer.from('a'), putOptions())));
    errors.push(await rejected(driver.info('key', { signal })));
    // Azurite judges only what is in a batch.
    const { failed } = await driver
      .deleteMany(['a', 'b'], { signal })
      .catch((error: StorageError) => ({ failed: [{ error }] }));
    errors.push(...failed.map(({ error }) => error));
  }
  const secrets = [
    accountKey,
    'c2VjcmV0LXNpZ25hdHVyZQ',
    'sig=',
    'SharedKey',
    'authorization:',
    'string to sign',
    'a secret of',
  ];
  for (const error of errors) {
    const shown = [
      inspect(error, { showHidden: true, depth: Infinity }),
      JSON.stringify(error),
      JSON.stringify(error.cause, Object.getOwnPropertyNames(error.cause)),
    ].join('\n');
    for (const secret of secrets) expect(shown.toLowerCase()).not.toContain(secret.toLowerCase());
  }
  await wrongKey.close();
  await wrongSas.close();
});

test('a driver shows no key and no signature, however it is shown', async () => {
  await using azure = await open();
  const { accountKey, accountName, endpoint } = fixture.azurite;
  const sasToken =
    'sv=2024-11-04&sp=r&sr=c&se=2099-01-01T00:00:00Z&sig=c2VjcmV0LXNpZ25hdHVyZQ%3D%3D';
  const bytes = Buffer.from(accountKey, 'base64').toString('hex').match(/../g)!.slice(0, 8);
  for (const options of [{ accountName, accountKey }, { sasToken }]) {
    const driver = await openDriver({
      container: azure.container,
      accountUrl: endpoint,
      ...options,
    });
    const shown = [
      inspect(driver, { showHidden: true, depth: Infinity, maxArrayLength: Infinity }),
      JSON.stringify(driver),
    ].join('\n');
    for (const secret of [accountKey, bytes.join(' '), 'sig=']) expect(shown).not.toContain(secret);
    await driver.close();
  }
});

describe('retries', () => {
  test('come as often as the options say, and then tell the last error', async () => {
    await using azure = await open({ retry: { maxRetries: 2 } });
    azure.proxy.fail({ times: Infinity, with: { status: 500 } });
    await rejected(azure.driver.get('key', { signal }));
    expect(azure.proxy.requests).toHaveLength(3);
  });

  test('are not made of what will fail again', async () => {
    await using azure = await open();
    azure.proxy.fail({ times: Infinity, with: { status: 403 } });
    await rejected(azure.driver.get('key', { signal }));
    expect(azure.proxy.requests).toHaveLength(1);
  });

  test('start no later than the total time allows', async () => {
    await using azure = await open({
      retry: { baseDelay: 1000, jitter: false, totalTimeout: 500 },
    });
    azure.proxy.fail({ times: Infinity, with: { status: 500 } });
    await rejected(azure.driver.get('key', { signal }));
    expect(azure.proxy.requests).toHaveLength(1);
  });

  test('wait as long as the service asks', async () => {
    await using azure = await open();
    await azure.other.put('key', Buffer.from('a'), putOptions());
    azure.proxy.fail({ with: { status: 503, headers: { 'retry-after': '1' } } });
    const start = performance.now();
    await azure.driver.info('key', { signal });
    expect(performance.now() - start).toBeGreaterThan(900);
  });

  test('end with an abort, at once', async () => {
    await using azure = await open({ retry: { baseDelay: 60_000, jitter: false } });
    azure.proxy.fail({ times: Infinity, with: { status: 500 } });
    const abort = new AbortController();
    const info = rejected(azure.driver.info('key', { signal: abort.signal }));
    await until(() => azure.proxy.requests.length === 1 && azure.proxy.inFlight === 0);
    abort.abort();
    expect(await info).toBeInstanceOf(StorageAbortedError);
    expect(azure.proxy.requests).toHaveLength(1);
  });
});

test.each<[number, string, string]>([
  [400, 'InvalidMetadata', 'The service refused the request: because'],
  [400, 'InvalidResourceName', 'the service does not take it as a name'],
  [400, 'Md5Mismatch', 'other bytes than were announced (Md5Mismatch)'],
  [400, 'InvalidBlobOrBlock', 'Blocks with ids of another length wait under the key'],
  [401, 'NoAuthenticationInformation', 'check them, that they have not expired, and the clock'],
  [403, 'AuthorizationFailure', 'give them a role such as Storage Blob Data Contributor'],
  [403, 'AccountIsDisabled', 'The account does not allow this (AccountIsDisabled)'],
  [404, 'ContainerNotFound', 'The container does not exist: create it, or check'],
  [409, 'BlobArchived', 'must be rehydrated before it is read (BlobArchived)'],
  [409, 'InvalidBlobType', 'an append or page blob'],
  [409, 'BlobImmutableDueToPolicy', 'A policy of the container keeps the file'],
  [409, 'SomethingNew', 'The service answered 409 SomethingNew: because'],
  [409, 'RestError', 'The service answered 409: because'],
  [412, 'LeaseIdMissing', 'Somebody else holds a lease on the file (LeaseIdMissing)'],
  [413, 'RequestBodyTooLarge', 'larger than the service takes'],
  [500, 'InternalError', 'The service failed (500 InternalError)'],
  [501, 'NotImplemented', 'does not implement the request (NotImplemented)'],
  [502, 'RestError', 'The service failed (502)'],
  [507, 'AccountCapacityExceeded', ''],
])('%i %s is told in words', (statusCode, errorCode, words) => {
  const error = toStorageError({ name: 'RestError', message: 'because', statusCode, errorCode });
  expect(error.message).toContain(words);
  expect(error.cause).toMatchObject({ httpStatus: statusCode, name: errorCode });
});

test.each<[string, unknown, boolean]>([
  ['a refusal', { statusCode: 403 }, true],
  ['a version that is not another one', { statusCode: 304 }, true],
  ['a limit of requests', { statusCode: 429 }, true],
  ['what the service has not', { statusCode: 501, errorCode: 'APINotImplemented' }, true],
  ['what something before the service has not', { statusCode: 501 }, false],
  ['a service that is busy', { statusCode: 503, errorCode: 'ServerBusy' }, true],
  ['what stands before one that is away', { statusCode: 503, name: 'RestError' }, false],
  ['one that was too slow', { statusCode: 503, errorCode: 'OperationTimedOut' }, false],
  ['a request that was too slow', { statusCode: 408 }, false],
  ['a failure', { statusCode: 500 }, false],
  ['a success that cannot be read', { statusCode: 200, code: 'PARSE_ERROR' }, false],
  ['a host that was not reached', coded('ECONNREFUSED'), true],
  ['a process that has no descriptor left', coded('EMFILE'), true],
  ['a connection that broke', coded('ECONNRESET'), false],
  ['an error without a code', new Error('x'), false],
])('whether nothing was changed is told of %s', (_, thrown, is) => {
  expect(isRefusal(toStorageError(thrown))).toBe(is);
});

test('whether nothing was changed is told of what was not sent, and not of what nobody knows', () => {
  expect(isRefusal(toStorageError(beforeSending(coded('ECONNRESET'))))).toBe(true);
  expect(isRefusal(beforeSending(new Error('x')))).toBe(true);
  for (const unknown of [new Error('x'), undefined, null, 'text']) {
    expect(isRefusal(unknown)).toBe(false);
    expect(beforeSending(unknown)).toBe(unknown);
  }
});

test('a deletion is refused for its key, unless the service is busy, the caller has no right or nobody knows', () => {
  const refusals = [
    { statusCode: 409, errorCode: 'BlobImmutableDueToPolicy' },
    { statusCode: 429 },
    { statusCode: 408 },
    { statusCode: 503, errorCode: 'ServerBusy' },
    { statusCode: 403, errorCode: 'AuthenticationFailed' },
  ].map((failure) => isAboutKey(toStorageError(failure)));
  expect(refusals).toEqual([true, false, false, false, false]);
  expect(isAboutKey(new StorageConnectionError('lost'))).toBe(false);
});

test('what a refused write means is told by its code or its conditions', () => {
  const unmet = toStorageError({ statusCode: 412, errorCode: 'ConditionNotMet' });
  const unreadable = toStorageError({ statusCode: 403, errorCode: 'CannotVerifyCopySource' });
  const blocks = toStorageError({ statusCode: 400, errorCode: 'InvalidBlockList' });
  const others = [undefined, null, new Error('x')];
  expect([unmet, unreadable, blocks, ...others].map(isSourceChange)).toEqual([
    true,
    true,
    ...[blocks, ...others].map(() => false),
  ]);
  expect([blocks, unmet, ...others].map(areBlocksGone)).toEqual([
    true,
    ...[unmet, ...others].map(() => false),
  ]);
  expect(conditionError(unmet, { ifNoneMatch: '*' })).toMatchObject({
    code: 'FILE_EXISTS',
    cause: unmet.cause,
  });
  expect(conditionError(unmet, {})).toBeUndefined();
  expect(conditionError(blocks, { ifNoneMatch: '*' })).toBeUndefined();
});

test('an abort is told from what broke at the same time', () => {
  const reason = new Error('enough');
  const aborted = AbortSignal.abort(reason);
  expect(toStorageError(reason, aborted)).toMatchObject({ code: 'ABORTED', cause: reason });
  expect(toStorageError(coded('ECONNRESET'), aborted).code).toBe('CONNECTION_FAILED');
  expect(toStorageError(reason).code).toBe('UNKNOWN');
  expect(toStorageError(reason, new AbortController().signal).code).toBe('UNKNOWN');
});

function coded(code: string, message = code): Error {
  return Object.assign(new Error(message), { code });
}

/** As the SDK's errors have them. */
function headers(given: Readonly<Record<string, string>>): {
  get(name: string): string | undefined;
} {
  return { get: (name) => given[name] };
}

const refused = (detail: string) => ({
  statusCode: 403,
  message: 'Server failed to authenticate the request.',
  response: {
    headers: headers({ 'x-ms-error-code': 'AuthenticationFailed' }),
    bodyAsText: `<Error><AuthenticationErrorDetail>${detail}</AuthenticationErrorDetail></Error>`,
  },
});

test.each<[string, unknown, object]>([
  ['text', 'boom', { code: 'UNKNOWN', message: 'boom' }],
  ['a name without a message', { name: 'Odd' }, { code: 'UNKNOWN' }],
  ['an error without a word', new Error(), { code: 'UNKNOWN', message: 'Error' }],
  ['more than one line', new Error('first\nsecret'), { code: 'UNKNOWN', message: 'first' }],
  ['a page', new Error(' <html>'), { code: 'UNKNOWN', message: 'Error' }],
  ['another trip', new TypeError('x'), { code: 'CONNECTION_FAILED' }],
  ['a URI that is none', new URIError('x'), { code: 'CONNECTION_FAILED' }],
  [
    'what only sounds like it',
    Object.assign(new Error('x'), { name: 'OddTypeError' }),
    { code: 'UNKNOWN', message: 'x' },
  ],
  ['a trip with a code', Object.assign(new TypeError('x'), { code: 'EODD' }), { code: 'UNKNOWN' }],
  [
    'another batch that broke off',
    new Error('Invalid state: find non-empty line before x'),
    { code: 'CONNECTION_FAILED' },
  ],
  [
    'another invalid state',
    new Error('Invalid state: x'),
    { code: 'UNKNOWN', message: 'Invalid state: x' },
  ],
  ['no change', { statusCode: 304, errorCode: 'ConditionNotMet' }, { code: 'NOT_MODIFIED' }],
  [
    'a range that is too far',
    {
      statusCode: 416,
      response: { headers: headers({ 'content-range': 'bytes */10' }) },
    },
    { code: 'RANGE_NOT_SATISFIABLE', size: 10 },
  ],
  [
    'the status of its answer alone',
    { response: { status: 404, headers: headers({ 'x-ms-request-id': 'id' }) } },
    { code: 'FILE_NOT_FOUND', cause: { requestId: 'id' } },
  ],
  [
    'its own headers',
    { status: 409, headers: headers({ 'x-ms-error-code': 'BlobAlreadyExists' }) },
    { code: 'FILE_EXISTS' },
  ],
  [
    'what the SDK trips over',
    new RangeError('Invalid time value'),
    {
      code: 'CONNECTION_FAILED',
      message: expect.stringMatching(/^What came is no answer of Azure/),
    },
  ],
  [
    'a batch that broke off',
    new Error('Invalid state: sub responses count is 1'),
    { code: 'CONNECTION_FAILED', message: 'The service failed (no answer)' },
  ],
  ['silence', coded('ETIMEDOUT'), { code: 'TIMEOUT', retryable: true }],
  [
    'the end of a wait for a connection',
    coded('ENOCONNECTION'),
    { code: 'TIMEOUT', retryable: false },
  ],
  [
    'a host where nothing listens',
    coded('ECONNREFUSED'),
    {
      code: 'CONNECTION_FAILED',
      message: expect.stringContaining('check connectionString, accountUrl'),
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
  [
    'a success that cannot be read',
    { statusCode: 200, code: 'PARSE_ERROR', message: '<html>' },
    { code: 'CONNECTION_FAILED', message: expect.stringMatching(/^What came with status 200/) },
  ],
  [
    'a status alone',
    Object.assign(new Error(), { statusCode: 418 }),
    { code: 'UNKNOWN', message: 'The service answered 418' },
  ],
  [
    'a code in its details',
    { statusCode: 404, details: { errorCode: 'ContainerNotFound' } },
    { code: 'CONFIGURATION' },
  ],
  [
    'the source of a copy',
    {
      statusCode: 403,
      response: {
        headers: headers({
          'x-ms-error-code': 'CannotVerifyCopySource',
          'x-ms-copy-source-error-code': 'BlobArchived',
          'x-ms-request-id': 'id',
        }),
      },
    },
    { message: expect.stringContaining('(BlobArchived)') },
  ],
  [
    'a signature that is over',
    refused('Signed expiry time must be after signed start time'),
    {
      code: 'PERMISSION_DENIED',
      message: expect.stringContaining('shared access signature has expired'),
    },
  ],
  [
    'a token that is over',
    refused('Lifetime validation failed. The token is expired.'),
    { code: 'PERMISSION_DENIED', message: expect.stringContaining('The token has expired') },
  ],
  [
    'a clock that is wrong',
    refused('Date header too old'),
    {
      code: 'PERMISSION_DENIED',
      message: expect.stringContaining('The clock of this machine differs'),
    },
  ],
  [
    'credentials that are wrong',
    refused('The MAC signature found in the HTTP request is not the same'),
    {
      code: 'PERMISSION_DENIED',
      message: expect.stringContaining('does not accept the credentials'),
    },
  ],
])('what broke a request is told from %s', (_, thrown, told) => {
  expect(toStorageError(thrown)).toMatchObject(told);
});
