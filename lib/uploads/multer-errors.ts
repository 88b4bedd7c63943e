import { HttpException, HttpStatus } from '@nestjs/common';
import { fileTooLarge, UploadException } from './upload.exceptions.js';

interface MulterError extends Error {
  readonly code?: string;
  readonly field?: string;
}

// Every code that multer 2.x gives to what the client did wrong; each is 400 unless it is about size.
const STATUS: Readonly<Record<string, HttpStatus>> = {
  LIMIT_FILE_SIZE: HttpStatus.PAYLOAD_TOO_LARGE,
  LIMIT_PART_COUNT: HttpStatus.BAD_REQUEST,
  LIMIT_FILE_COUNT: HttpStatus.BAD_REQUEST,
  LIMIT_FIELD_KEY: HttpStatus.BAD_REQUEST,
  LIMIT_FIELD_VALUE: HttpStatus.PAYLOAD_TOO_LARGE,
  LIMIT_FIELD_COUNT: HttpStatus.BAD_REQUEST,
  LIMIT_UNEXPECTED_FILE: HttpStatus.BAD_REQUEST,
  LIMIT_FIELD_NESTING: HttpStatus.BAD_REQUEST,
  LIMIT_FIELD_ARRAY_INDEX: HttpStatus.BAD_REQUEST,
  MISSING_FIELD_NAME: HttpStatus.BAD_REQUEST,
  INVALID_FIELD_NAME: HttpStatus.BAD_REQUEST,
};

// busboy's own complaints come without a code.
const MALFORMED =
  /^(?:Multipart: |Malformed |Unexpected end of |Missing Content-Type|Request aborted|Request closed)/;

/**
 * The HTTP exception for what multer or busboy rejects a request with; anything that is no fault of the client stays.
 *
 * @param maxSize the limit of a file that multer was told, in bytes
 */
export function toUploadException(error: unknown, maxSize: number): unknown {
  if (error instanceof HttpException || !(error instanceof Error)) return error;
  const { code, field, message } = error as MulterError;
  if (code === 'LIMIT_FILE_SIZE' && field !== undefined) return fileTooLarge(maxSize, field);
  const status = code === undefined ? undefined : STATUS[code];
  if (status !== undefined) {
    const text = field === undefined ? message : `${message}: ${field}`;
    return new UploadException(status, code!, text, { field, cause: error });
  }
  if (message.startsWith('Unsupported content type')) {
    return new UploadException(
      HttpStatus.UNSUPPORTED_MEDIA_TYPE,
      'UNSUPPORTED_CONTENT_TYPE',
      message,
      { cause: error },
    );
  }
  if (!MALFORMED.test(message)) return error;
  return new UploadException(HttpStatus.BAD_REQUEST, 'MALFORMED_FORM', message, { cause: error });
}
