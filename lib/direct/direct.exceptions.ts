import { HttpStatus } from '@nestjs/common';
import { UploadException } from '../uploads/upload.exceptions.js';

/** A refusal that has not to do with the file: what was sent stays. */
export class UploadConflict extends UploadException {
  constructor(code: string, message: string) {
    super(HttpStatus.CONFLICT, code, message);
  }
}

export function invalidRequest(message: string): UploadException {
  return new UploadException(HttpStatus.BAD_REQUEST, 'INVALID_UPLOAD_REQUEST', message);
}

/** Of what is well-formed, but no object, too: the parser of one framework takes it for malformed, that of the other hands it on. */
export function malformedBody(): UploadException {
  return invalidRequest('The body must be a JSON object');
}

export function invalidPartNumber(most: number): UploadException {
  return new UploadException(
    HttpStatus.BAD_REQUEST,
    'INVALID_PART_NUMBER',
    `The parts of this upload have the numbers 1 to ${most}`,
  );
}

/** The file, or a part of it, has not come yet: nothing is lost. */
export function notUploaded(what: string): UploadConflict {
  return new UploadConflict('NOT_UPLOADED', `${what}; send it and complete the upload again`);
}

/** Another request is at it. */
export function uploadBusy(): UploadConflict {
  return new UploadConflict('UPLOAD_BUSY', 'Another request is about this upload; try again');
}

export function alreadyCompleted(): UploadConflict {
  return new UploadConflict('ALREADY_COMPLETED', 'The upload is completed, its file is published');
}

export function keyTaken(cause: unknown): UploadException {
  return new UploadException(HttpStatus.CONFLICT, 'FILE_EXISTS', 'The file exists already', {
    cause,
  });
}

export function wrongBytes(message: string): UploadException {
  return new UploadException(HttpStatus.UNPROCESSABLE_ENTITY, 'INTEGRITY', message);
}

/** They would go into the answers with which the file is served. */
export function unexpectedHeaders(names: readonly string[]): UploadException {
  return new UploadException(
    HttpStatus.UNPROCESSABLE_ENTITY,
    'UNEXPECTED_HEADERS',
    `The file was sent with headers that were not asked for: ${names.join(', ')}`,
  );
}
