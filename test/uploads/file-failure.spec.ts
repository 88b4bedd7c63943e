import { Logger } from '@nestjs/common';
import { jest } from '@jest/globals';
import {
  StorageConnectionError,
  StorageInvalidKeyError,
  StorageTooLargeError,
} from '../../lib/core/errors.js';
import { fileFailure } from '../../lib/uploads/file-failure.js';
import { UploadException } from '../../lib/uploads/upload.exceptions.js';

let warned: unknown[];
beforeEach(() => {
  warned = [];
  jest.spyOn(Logger.prototype, 'warn').mockImplementation((text) => void warned.push(text));
  jest.spyOn(Logger.prototype, 'error').mockImplementation(() => {});
});
afterEach(() => jest.restoreAllMocks());

test('what is no error of a storage stays as it is', () => {
  const error = new TypeError('mine');
  expect(fileFailure(error, 'photo')).toBe(error);
});

test.each([undefined, null, 'no'])('%j becomes an error', (thrown) => {
  expect(fileFailure(thrown, 'photo').message).toContain('instead of an error');
});

test.each([
  [new StorageTooLargeError('The file is too large here'), 413, 'TOO_LARGE'],
  [new StorageConnectionError('down'), 502, 'CONNECTION_FAILED'],
])('an error of the storage is told with its code and the field: %s', (error, status, code) => {
  const failure = fileFailure(error, 'photo');
  expect(failure).toBeInstanceOf(UploadException);
  const exception = failure as UploadException;
  expect(exception.cause).toBe(error);
  expect(exception.getStatus()).toBe(status);
  expect(exception.getResponse()).toMatchObject({
    statusCode: status,
    code,
    field: 'photo',
    message: exception.message,
  });
  expect(exception.message).not.toBe('');
  expect(warned).toEqual([]);
});

test('a key that is none is told in the log, too', () => {
  const failure = fileFailure(new StorageInvalidKeyError('Invalid key: it is empty'), 'photo');
  expect((failure as UploadException).getResponse()).toMatchObject({ code: 'INVALID_KEY' });
  expect(warned).toEqual(['Invalid key: it is empty']);
});
