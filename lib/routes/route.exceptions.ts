import { HttpException, HttpStatus } from '@nestjs/common';
import {
  StorageConfigurationError,
  StorageError,
  StorageIntegrityError,
  StorageTooLargeError,
} from '../core/errors.js';
import { toLoggedHttpException } from '../storage.exceptions.js';

/** The one answer to every signed URL that does not allow the request, whatever is wrong with it. */
export function urlRefused(): HttpException {
  return refusal(
    HttpStatus.FORBIDDEN,
    'URL_REFUSED',
    'The URL is not valid, or not any more; ask for a new one',
  );
}

export function readDenied(): HttpException {
  return refusal(HttpStatus.FORBIDDEN, 'PERMISSION_DENIED', 'Access to the file is denied');
}

export function malformedRequest(message: string): HttpException {
  return refusal(HttpStatus.BAD_REQUEST, 'INVALID_ARGUMENT', message);
}

export function wrongType(signed: string): HttpException {
  return refusal(
    HttpStatus.UNSUPPORTED_MEDIA_TYPE,
    'UNSUPPORTED_MEDIA_TYPE',
    `The upload must be sent with Content-Type: ${signed}`,
  );
}

export function tooLarge(maxSize: number): StorageTooLargeError {
  return new StorageTooLargeError(`The upload is larger than the signed ${maxSize} bytes`);
}

export function wrongSize(size: number): StorageIntegrityError {
  return new StorageIntegrityError(`The upload must have exactly ${size} bytes, as signed`);
}

/** For a body that should be unread here. */
export function alreadyRead(): StorageConfigurationError {
  return new StorageConfigurationError(
    'The body of the request was read before the storage route came to it; take away the middleware or plugin that reads bodies on this path',
  );
}

/** What the client is told of a failure. */
export function toRouteException(error: unknown): unknown {
  return error instanceof StorageError ? toLoggedHttpException(error) : error;
}

function refusal(statusCode: HttpStatus, code: string, message: string): HttpException {
  return new HttpException({ statusCode, message, code }, statusCode);
}
