import { inspect } from 'node:util';
import * as errors from '../../lib/core/errors.js';
import { addErrorContext, StorageError, StorageFileNotFoundError } from '../../lib/core/errors.js';

type Constructor = new (reason?: string, context?: errors.StorageErrorContext) => StorageError;

const classes = Object.entries(errors).filter(
  (entry): entry is [string, Constructor & (typeof entry)[1]] =>
    entry[0].endsWith('Error') && entry[0] !== 'StorageError',
);

describe('the error classes', () => {
  it.each(classes)('%s is a StorageError that goes by its own name', (name, Class) => {
    const error = new (Class as Constructor)('It failed');
    expect(error).toBeInstanceOf(StorageError);
    expect(error).toBeInstanceOf(Error);
    expect(error.name).toBe(name);
    expect(String(error)).toBe(`${name}: It failed`);
  });

  it('have a code each, none of them twice', () => {
    const codes = classes.map(([, Class]) => new (Class as Constructor)('a').code);
    expect(codes).not.toContain('UNKNOWN');
    expect(new Set(codes).size).toBe(codes.length);
  });

  it('say their code, and what has happened where nobody says more', () => {
    const said = classes.map(([name, Class]) => {
      const { code, reason } = new (Class as Constructor)();
      return [name, [code, reason]];
    });
    expect(Object.fromEntries(said)).toEqual({
      StorageAbortedError: ['ABORTED', 'The operation was aborted'],
      StorageClosedError: ['CLOSED', 'The storage is closed'],
      StorageConfigurationError: ['CONFIGURATION', undefined],
      StorageConnectionError: ['CONNECTION_FAILED', 'The backend cannot be reached'],
      StorageFileExistsError: ['FILE_EXISTS', 'A file with this key exists already'],
      StorageFileNotFoundError: ['FILE_NOT_FOUND', 'File not found'],
      StorageIntegrityError: ['INTEGRITY', 'The bytes do not match what was announced'],
      StorageInvalidArgumentError: ['INVALID_ARGUMENT', undefined],
      StorageInvalidKeyError: ['INVALID_KEY', undefined],
      StorageNotModifiedError: [
        'NOT_MODIFIED',
        'The file has not changed since the version that the condition names',
      ],
      StoragePermissionError: ['PERMISSION_DENIED', 'The backend denied access'],
      StoragePreconditionFailedError: [
        'PRECONDITION_FAILED',
        'The file is not the version that the condition names',
      ],
      StorageQuotaExceededError: ['QUOTA_EXCEEDED', 'The storage is full'],
      StorageRangeNotSatisfiableError: ['RANGE_NOT_SATISFIABLE', 'The range lies outside the file'],
      StorageRateLimitedError: ['RATE_LIMITED', 'The backend asked to slow down'],
      StorageTimeoutError: ['TIMEOUT', 'The backend did not answer in time'],
      StorageTooLargeError: ['TOO_LARGE', 'The file is too large'],
      StorageUnsupportedError: ['UNSUPPORTED', undefined],
    });
  });

  it('say which failures may pass: connection, timeout, rate limit', () => {
    const retryable = classes.filter(([, Class]) => new (Class as Constructor)('a').retryable);
    expect(retryable.map(([name]) => name).sort()).toEqual([
      'StorageConnectionError',
      'StorageRateLimitedError',
      'StorageTimeoutError',
    ]);
  });

  it('take the word of a driver that knows better', () => {
    for (const [, Class] of classes) {
      const error = new (Class as Constructor)('a', { retryable: false, retryAfter: 5 });
      expect([error.name, error.retryable, error.retryAfter]).toEqual([error.name, false, 5]);
    }
    expect(new StorageError('a', { retryable: true }).retryable).toBe(true);
  });
});

describe('a StorageError', () => {
  const context = { storage: 'uploads', driver: 's3', operation: 'put', key: 'a "b".txt' };

  it('tells in its message where it happened', () => {
    const { message, reason } = new StorageFileNotFoundError('Not there', context);
    expect(message).toBe('Not there (put "a \\"b\\".txt", storage "uploads")');
    expect(reason).toBe('Not there');
  });

  it('tells only what is known', () => {
    expect(new StorageError('a', { operation: 'list' }).message).toBe('a (list)');
    expect(new StorageError('a', { storage: 'uploads' }).message).toBe('a (storage "uploads")');
    expect(new StorageError('a').message).toBe('a');
  });

  it('writes no control character of a key into a log', () => {
    const { message } = new StorageError('a', { operation: 'get', key: 'a\n\u001b[31mb' });
    expect(message).not.toMatch(/[\u0000-\u001f]/);
  });

  it('becomes JSON without its cause', () => {
    const cause = Object.assign(new Error('secret'), { secretAccessKey: 'secret' });
    const error = new StorageFileNotFoundError('Not there', { ...context, cause });
    expect(JSON.parse(JSON.stringify(error))).toEqual({
      ...context,
      name: 'StorageFileNotFoundError',
      code: 'FILE_NOT_FOUND',
      message: error.message,
      retryable: false,
    });
  });

  it('keeps the cause for those who look for it', () => {
    const cause = new Error('the reason');
    expect(new StorageError('a', { cause }).cause).toBe(cause);
    expect('cause' in new StorageError('a')).toBe(false);
  });

  it('can be inspected, and tells its reason once', () => {
    const error = new StorageFileNotFoundError('Not there', context);
    expect(inspect(error)).toContain('Not there (put');
    expect(inspect(error).split('Not there')).toHaveLength(2);
  });
});

describe('addErrorContext', () => {
  it('fills in what is missing, in message and stack', () => {
    const error = new StorageFileNotFoundError('Not there');
    addErrorContext(error, { storage: 'uploads', driver: 's3', operation: 'get', key: 'a' });
    expect(error).toMatchObject({ storage: 'uploads', driver: 's3', operation: 'get', key: 'a' });
    expect(error.message).toBe('Not there (get "a", storage "uploads")');
    expect(error.stack).toContain(error.message);
  });

  it('leaves what the thrower knew, except for the key', () => {
    const error = new StorageFileNotFoundError('Not there', {
      storage: 'inner',
      operation: 'info',
      key: 'prefix/a',
    });
    addErrorContext(error, { storage: 'outer', operation: 'get', key: 'a' });
    expect(error).toMatchObject({ storage: 'inner', operation: 'info', key: 'a' });
    expect(error.message).not.toContain('prefix/');
    expect(error.stack).not.toContain('prefix/');
  });

  it('leaves the key where the caller has none', () => {
    const error = new StorageFileNotFoundError('Not there', { key: 'a' });
    expect(addErrorContext(error, { operation: 'list' })).toMatchObject({ key: 'a' });
  });

  it('changes nothing the second time', () => {
    const error = new StorageFileNotFoundError('$& $1 Not there');
    const context = { storage: '$&', operation: 'get', key: '$1' };
    const { message, stack } = addErrorContext(error, context);
    addErrorContext(error, context);
    expect(error.message).toBe(message);
    expect(error.stack).toBe(stack);
    expect(message).toBe('$& $1 Not there (get "$1", storage "$&")');
  });

  it('does without a stack', () => {
    const error = new StorageFileNotFoundError('Not there');
    delete error.stack;
    expect(addErrorContext(error, { operation: 'get' }).message).toBe('Not there (get)');
    expect(error.stack).toBeUndefined();
  });

  it('gives the same error back', () => {
    const error = new StorageError('a');
    expect(addErrorContext(error, {})).toBe(error);
  });
});
