import type { UploadException } from '../../lib/uploads/upload.exceptions.js';
import {
  failedWithoutError,
  fileRejected,
  fileTooLarge,
  fileTooSmall,
  formTooLarge,
  imageRefused,
  invalidUploadId,
  malformedChecksum,
  malformedType,
  notAccepted,
  requestClosed,
  scanFailed,
  shuttingDown,
  tookTooLong,
  tooSlow,
  unknownChecksum,
  uploadNotFound,
  wrongChecksum,
} from '../../lib/uploads/upload.exceptions.js';

const cause = new Error('why');

test.each<[UploadException, number, string, string, object]>([
  [fileTooLarge(9, 'f'), 413, 'LIMIT_FILE_SIZE', 'limit of 9 bytes', { field: 'f' }],
  [formTooLarge(9), 413, 'LIMIT_TOTAL_SIZE', 'limit of 9 bytes', {}],
  [
    notAccepted('text/css', ['image/*', 'a/b'], 'f'),
    415,
    'UNSUPPORTED_MEDIA_TYPE',
    'The file is text/css; allowed is image/*, a/b',
    { field: 'f' },
  ],
  [shuttingDown(), 503, 'CLOSED', 'shutting down', {}],
  [tooSlow(), 408, 'UPLOAD_TOO_SLOW', 'too slowly', {}],
  [tookTooLong(9), 408, 'UPLOAD_TIMEOUT', 'longer than 9 ms', {}],
  [requestClosed(), 400, 'REQUEST_CLOSED', 'ended before', {}],
  [fileTooSmall(9, 'f'), 422, 'FILE_TOO_SMALL', 'least of 9 bytes', { field: 'f' }],
  [imageRefused('CODE', 'Words', 'f'), 422, 'CODE', 'Words', { field: 'f' }],
  [malformedChecksum('f', cause), 400, 'INVALID_CHECKSUM', 'is not one', { field: 'f' }],
  [unknownChecksum('f', ['a', 'b']), 400, 'INVALID_CHECKSUM', 'known are a, b', { field: 'f' }],
  [wrongChecksum('f'), 422, 'INTEGRITY', 'not what was announced', { field: 'f' }],
  [fileRejected('EICAR', 'f'), 422, 'FILE_REJECTED', 'refused', { field: 'f', reason: 'EICAR' }],
  [scanFailed('f', cause), 503, 'SCAN_FAILED', 'could not be examined', { field: 'f' }],
  [invalidUploadId(), 400, 'INVALID_UPLOAD_ID', '22 to 64 characters', {}],
  [uploadNotFound(), 404, 'UPLOAD_NOT_FOUND', 'no such upload', {}],
  [malformedType(), 400, 'MALFORMED_FORM', 'not well-formed', {}],
])('%s', (exception, statusCode, code, words, details) => {
  const { message } = exception;
  expect(message).toContain(words);
  expect(exception.getStatus()).toBe(statusCode);
  expect(JSON.parse(JSON.stringify(exception.getResponse()))).toEqual({
    statusCode,
    message,
    code,
    ...details,
  });
});

test('why a checksum or a scan failed is kept, and not told to the client', () => {
  for (const exception of [malformedChecksum('f', cause), scanFailed('f', cause)]) {
    expect(exception.cause).toBe(cause);
    expect(JSON.stringify(exception.getResponse())).not.toContain('why');
  }
  expect(tooSlow().cause).toBeUndefined();
});

test('what an option rejects with, and is no error, is told in words', () => {
  const error = failedWithoutError({ deep: { deeper: 1 } });
  expect(error.message).toContain('failed with { deep: [Object] } instead of an error');
  expect(error.cause).toEqual({ deep: { deeper: 1 } });
});
