import { StorageError } from '../../../lib/core/errors.js';
import { toStorageError } from '../../../lib/drivers/local/local.errors.js';

describe('errors of the file system', () => {
  it.each([
    ['ENOENT', 'FILE_NOT_FOUND', false, 'not found'],
    ['EACCES', 'PERMISSION_DENIED', false, 'denied access'],
    ['EPERM', 'PERMISSION_DENIED', false, 'denied access'],
    ['EROFS', 'PERMISSION_DENIED', false, 'read-only'],
    ['ELOOP', 'PERMISSION_DENIED', false, 'symbolic link'],
    ['ENOSPC', 'QUOTA_EXCEEDED', false, 'disk is full'],
    ['EDQUOT', 'QUOTA_EXCEEDED', false, 'disk is full'],
    ['EFBIG', 'TOO_LARGE', false, 'no file so large'],
    ['ENAMETOOLONG', 'INVALID_KEY', false, 'too long'],
    ['ENOTDIR', 'INVALID_KEY', false, 'a file and a folder at once'],
    ['EISDIR', 'INVALID_KEY', false, 'a file and a folder at once'],
    ['EMFILE', 'CONNECTION_FAILED', true, 'files are open'],
    ['ENFILE', 'CONNECTION_FAILED', true, 'files are open'],
    ['EXDEV', 'CONFIGURATION', false, 'a storage of its own'],
    ['EEXIST', 'FILE_EXISTS', false, 'exists'],
    ['ENXIO', 'PERMISSION_DENIED', false, 'no regular file'],
    ['EILSEQ', 'INVALID_KEY', false, 'a character of the key'],
    ['EIO', 'UNKNOWN', false, 'EIO'],
  ])('maps %s to %s, and keeps paths of the machine in the cause', (...row) => {
    const [code, expected, retryable, message] = row;
    const cause = Object.assign(new Error(`${code}: open '/srv/secret/place'`), { code });
    const error = toStorageError(cause, 'key');
    expect(error).toBeInstanceOf(StorageError);
    expect(error).toMatchObject({ code: expected, retryable, cause, key: 'key' });
    expect(error.message).toContain(message);
    expect(JSON.stringify(error)).not.toContain('/srv/secret');
  });

  it.each(['ENOTDIR', 'EISDIR'])('names no key in %s where there is none', (code) => {
    expect(toStorageError({ code }).message).toContain('cannot be a file and a folder at once');
  });

  it.each([new TypeError('x is undefined'), 'text', null, undefined])(
    'says that the driver failed where the system did not: %s',
    (cause) => {
      const error = toStorageError(cause);
      expect(error).toMatchObject({ code: 'UNKNOWN', message: 'The local driver failed' });
      expect(error.cause).toBe(cause);
    },
  );
});
