import {
  BadRequestException,
  HttpException,
  HttpStatus,
  UnsupportedMediaTypeException,
} from '@nestjs/common';

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
  /^(?:Multipart: |Malformed |Unexpected end of |Missing Content-Type|Request aborted|Request closed|Unsupported content type)/;

/** The HTTP exception for what multer or busboy rejects a request with; anything that is no fault of the client stays. */
export function toUploadException(error: unknown): unknown {
  if (error instanceof HttpException || !(error instanceof Error)) return error;
  const { code, field, message } = error as MulterError;
  const status = code === undefined ? undefined : STATUS[code];
  if (status !== undefined) {
    return new HttpException(
      { statusCode: status, message: field === undefined ? message : `${message}: ${field}`, code },
      status,
      { cause: error },
    );
  }
  if (message.startsWith('Unsupported content type')) {
    return new UnsupportedMediaTypeException(message, { cause: error });
  }
  if (!MALFORMED.test(message)) return error;
  const response = { statusCode: 400, message, code: 'MALFORMED_FORM' };
  return new BadRequestException(response, { cause: error });
}
