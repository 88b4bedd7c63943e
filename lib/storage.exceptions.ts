import {
  type ArgumentsHost,
  Catch,
  type ExceptionFilter,
  HttpException,
  HttpStatus,
  Logger,
} from '@nestjs/common';
import { BaseExceptionFilter } from '@nestjs/core';
import { StorageError, type StorageErrorCode } from './core/errors.js';

/** nginx's status for a client that went away; only ever seen in logs. */
const CLIENT_CLOSED_REQUEST = 499;

// Messages name no key and no path: they go to strangers. The error itself is the exception's cause.
const RESPONSES: Readonly<Record<StorageErrorCode, readonly [status: number, message: string]>> = {
  FILE_NOT_FOUND: [HttpStatus.NOT_FOUND, 'File not found'],
  FILE_EXISTS: [HttpStatus.CONFLICT, 'The file exists already'],
  PRECONDITION_FAILED: [HttpStatus.PRECONDITION_FAILED, 'The file is not the expected version'],
  NOT_MODIFIED: [HttpStatus.NOT_MODIFIED, 'Not modified'],
  RANGE_NOT_SATISFIABLE: [
    HttpStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
    'The range lies outside the file',
  ],
  PERMISSION_DENIED: [HttpStatus.FORBIDDEN, 'Access to the file is denied'],
  INVALID_KEY: [HttpStatus.BAD_REQUEST, 'The file key is not valid'],
  INVALID_ARGUMENT: [HttpStatus.BAD_REQUEST, 'The request is not valid'],
  UNSUPPORTED: [HttpStatus.NOT_IMPLEMENTED, 'The file storage does not support this'],
  CONNECTION_FAILED: [HttpStatus.BAD_GATEWAY, 'The file storage cannot be reached'],
  TIMEOUT: [HttpStatus.GATEWAY_TIMEOUT, 'The file storage did not answer in time'],
  RATE_LIMITED: [HttpStatus.TOO_MANY_REQUESTS, 'The file storage is busy'],
  ABORTED: [CLIENT_CLOSED_REQUEST, 'The request was aborted'],
  TOO_LARGE: [HttpStatus.PAYLOAD_TOO_LARGE, 'The file is too large'],
  QUOTA_EXCEEDED: [507, 'The file storage is full'],
  INTEGRITY: [HttpStatus.UNPROCESSABLE_ENTITY, 'The bytes are not what was announced'],
  CONFIGURATION: [HttpStatus.INTERNAL_SERVER_ERROR, 'Internal server error'],
  CLOSED: [HttpStatus.SERVICE_UNAVAILABLE, 'The file storage is shutting down'],
  UNKNOWN: [HttpStatus.INTERNAL_SERVER_ERROR, 'Internal server error'],
};

/** The HTTP exception that stands for a storage error; its `cause` is the error, its body has the stable `code`. */
export function toHttpException(error: StorageError): HttpException {
  const [statusCode, message] = RESPONSES[error.code];
  return new HttpException({ statusCode, message, code: error.code }, statusCode, { cause: error });
}

const logger = new Logger('Storage');

/** The same, with an entry in the log when the client is not to blame: Nest logs no HTTP exception. */
export function toLoggedHttpException(error: StorageError): HttpException {
  const exception = toHttpException(error);
  if (exception.getStatus() >= 500 || isRefusedByBackend(error)) logger.error(error);
  // The client is not told which argument it is: most often it is the app's own.
  else if (error.code === 'INVALID_ARGUMENT') logger.warn(error.message);
  return exception;
}

/** Credentials that are wrong or allow too little, and requests that a service refuses, are the app's affair. */
function isRefusedByBackend({ code, cause }: StorageError): boolean {
  return (code === 'PERMISSION_DENIED' || code === 'INVALID_ARGUMENT') && cause !== undefined;
}

/**
 * Answers a storage error that a handler lets through with its HTTP status and a JSON body with a stable `code`.
 * Register it with `APP_FILTER` or `@UseFilters()`. Outside HTTP the error passes unchanged.
 */
@Catch(StorageError)
export class StorageExceptionFilter extends BaseExceptionFilter implements ExceptionFilter {
  override catch(error: StorageError, host: ArgumentsHost): void {
    if (host.getType() !== 'http') throw error;
    super.catch(toLoggedHttpException(error), host);
  }
}
