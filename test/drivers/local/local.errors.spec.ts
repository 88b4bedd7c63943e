import { StorageError } from '../../../lib/core/errors.js';
import { toStorageError } from '../../../lib/drivers/local/local.errors.js';

describe('errors of the file system', () => {
  it.each([
    ['ENOENT', 'FILE_NOT_FOUND', false],
    ['EACCES', 'PERMISSION_DENIED', false],
    ['EPERM', 'PERMISSION_DENIED', false],
    ['EROFS', 'PERMISSION_DENIED', false],
    ['ELOOP', 'PERMISSION_DENIED', false],
    ['ENOSPC', 'QUOTA_EXCEEDED', false],
    ['EDQUOT', 'QUOTA_EXCEEDED', false],
    ['EFBIG', 'TOO_LARGE', false],
    ['ENAMETOOLONG', 'INVALID_KEY', false],
    ['ENOTDIR', 'INVALID_KEY', false],
    ['EISDIR', 'INVALID_KEY', false],
    ['EMFILE', 'CONNECTION_FAILED', true],
    ['ENFILE', 'CONNECTION_FAILED', true],
    ['EXDEV', 'CONFIGURATION', false],
    ['EEXIST', 'FILE_EXISTS', false],
    ['ENXIO', 'PERMISSION_DENIED', false],
    ['EILSEQ', 'INVALID_KEY', false],
    ['EIO', 'UNKNOWN', false],
  ])('maps %s to %s, and keeps paths of the machine in the cause', (code, expected, retryable) => {
    const cause = Object.assign(new Error(`${code}: open '/srv/secret/place'`), { code });
    const error = toStorageError(cause, 'key');
    expect(error).toBeInstanceOf(StorageError);
    expect(error).toMatchObject({ code: expected, retryable, cause, key: 'key' });
    expect(JSON.stringify(error)).not.toContain('/srv/secret');
  });

  it.each(['ENOTDIR', 'EISDIR'])('names no key in %s where there is none', (code) => {
    expect(toStorageError({ code }).message).toContain('cannot be a file and a folder at once');
  });

  it('says that the driver failed where the system did not', () => {
    const error = toStorageError(new TypeError('x is undefined'));
    expect(error).toMatchObject({ code: 'UNKNOWN', message: 'The local driver failed' });
  });
});
