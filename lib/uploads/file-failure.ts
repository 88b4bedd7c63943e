import { Logger } from '@nestjs/common';
import { StorageError } from '../core/errors.js';
import { toLoggedHttpException } from '../storage.exceptions.js';
import { failedWithoutError, UploadException } from './upload.exceptions.js';

const logger = new Logger('StorageUploads');

/** Why a file could not be written, for who answers the request: what a storage says of it is told with the field. */
export function fileFailure(error: unknown, field: string): Error {
  if (!(error instanceof Error)) return failedWithoutError(error);
  if (!(error instanceof StorageError)) return error;
  // The client is not told what is wrong with the key: the app has made it, of the client's words or not.
  if (error.code === 'INVALID_KEY') logger.warn(error.message);
  const exception = toLoggedHttpException(error);
  return new UploadException(exception.getStatus(), error.code, exception.message, {
    field,
    cause: error,
  });
}
