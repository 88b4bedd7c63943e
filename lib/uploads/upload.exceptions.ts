import { HttpException, HttpStatus } from '@nestjs/common';
import { inspect } from 'node:util';

/** Why an upload is refused: a status, and a body with a stable `code`. */
export class UploadException extends HttpException {
  constructor(
    statusCode: HttpStatus,
    code: string,
    message: string,
    {
      cause,
      ...details
    }: { field?: string | undefined; reason?: string | undefined; cause?: unknown } = {},
  ) {
    // As JSON, what is undefined is not there.
    super(
      { statusCode, message, code, ...details },
      statusCode,
      cause === undefined ? {} : { cause },
    );
  }
}

export function fileTooLarge(maxSize: number, field: string): UploadException {
  return new UploadException(
    HttpStatus.PAYLOAD_TOO_LARGE,
    'LIMIT_FILE_SIZE',
    `The file is larger than the limit of ${maxSize} bytes`,
    { field },
  );
}

export function formTooLarge(maxTotalSize: number): UploadException {
  return new UploadException(
    HttpStatus.PAYLOAD_TOO_LARGE,
    'LIMIT_TOTAL_SIZE',
    `The form is larger than the limit of ${maxTotalSize} bytes`,
  );
}

export function notAccepted(type: string, accept: readonly string[], field: string) {
  return new UploadException(
    HttpStatus.UNSUPPORTED_MEDIA_TYPE,
    'UNSUPPORTED_MEDIA_TYPE',
    `The file is ${type}; allowed is ${accept.join(', ')}`,
    { field },
  );
}

export function shuttingDown(): UploadException {
  return new UploadException(
    HttpStatus.SERVICE_UNAVAILABLE,
    'CLOSED',
    'The server is shutting down',
  );
}

export function tooSlow(): UploadException {
  return new UploadException(
    HttpStatus.REQUEST_TIMEOUT,
    'UPLOAD_TOO_SLOW',
    'The upload came too slowly',
  );
}

export function tookTooLong(timeout: number): UploadException {
  return new UploadException(
    HttpStatus.REQUEST_TIMEOUT,
    'UPLOAD_TIMEOUT',
    `The upload took longer than ${timeout} ms`,
  );
}

export function requestClosed(): UploadException {
  return new UploadException(
    HttpStatus.BAD_REQUEST,
    'REQUEST_CLOSED',
    'The request ended before its uploads were handled',
  );
}

export function fileTooSmall(minSize: number, field: string): UploadException {
  return new UploadException(
    HttpStatus.UNPROCESSABLE_ENTITY,
    'FILE_TOO_SMALL',
    `The file is smaller than the least of ${minSize} bytes`,
    { field },
  );
}

export function imageRefused(code: string, message: string, field: string): UploadException {
  return new UploadException(HttpStatus.UNPROCESSABLE_ENTITY, code, message, { field });
}

export function malformedChecksum(field: string, cause: unknown): UploadException {
  return new UploadException(
    HttpStatus.BAD_REQUEST,
    'INVALID_CHECKSUM',
    'The checksum that is announced for the file is not one',
    { field, cause },
  );
}

export function unknownChecksum(field: string, known: readonly string[]): UploadException {
  return new UploadException(
    HttpStatus.BAD_REQUEST,
    'INVALID_CHECKSUM',
    `The checksum that is announced for the file is of an unknown algorithm; known are ${known.join(', ')}`,
    { field },
  );
}

/** As the storage refuses those that it compares. */
export function wrongChecksum(field: string): UploadException {
  return new UploadException(
    HttpStatus.UNPROCESSABLE_ENTITY,
    'INTEGRITY',
    'The bytes are not what was announced',
    { field },
  );
}

/** @param reason what the scanner found, as it names it */
export function fileRejected(reason: string, field: string): UploadException {
  return new UploadException(
    HttpStatus.UNPROCESSABLE_ENTITY,
    'FILE_REJECTED',
    'The file was examined and refused',
    { field, reason },
  );
}

export function scanFailed(field: string, cause: unknown): UploadException {
  return new UploadException(
    HttpStatus.SERVICE_UNAVAILABLE,
    'SCAN_FAILED',
    'The file could not be examined',
    { field, cause },
  );
}

export function invalidUploadId(): UploadException {
  return new UploadException(
    HttpStatus.BAD_REQUEST,
    'INVALID_UPLOAD_ID',
    'An upload id has 22 to 64 characters of A to Z, a to z, 0 to 9, - and _',
  );
}

/** The one answer to every id that is none or is another's, and to an upload that is not there any more: nothing can be learned from it. */
export function uploadNotFound(): UploadException {
  return new UploadException(HttpStatus.NOT_FOUND, 'UPLOAD_NOT_FOUND', 'There is no such upload');
}

/** For a function of the app that rejects with `undefined`, or with what else is no error. */
export function failedWithoutError(thrown: unknown): Error {
  return new Error(
    `A function among the upload options failed with ${inspect(thrown, { depth: 0 })} instead of an error`,
    { cause: thrown },
  );
}

export function malformedType(): UploadException {
  return new UploadException(
    HttpStatus.BAD_REQUEST,
    'MALFORMED_FORM',
    'The Content-Type of the form is not well-formed',
  );
}
