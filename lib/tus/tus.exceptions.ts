import { HttpException, HttpStatus } from '@nestjs/common';
import { StorageError, StorageIntegrityError } from '../core/errors.js';
import { toLoggedHttpException } from '../storage.exceptions.js';
import { UploadException, uploadNotFound } from '../uploads/upload.exceptions.js';

/** Of the checksum extension of tus 1.0. */
const CHECKSUM_MISMATCH: number = 460;

const CODES: Readonly<Record<number, string>> = {
  [HttpStatus.FORBIDDEN]: 'INVALID_UPLOAD_REQUEST',
  [HttpStatus.CONFLICT]: 'UPLOAD_OFFSET_CONFLICT',
  [HttpStatus.GONE]: 'UPLOAD_EXPIRED',
  [HttpStatus.PAYLOAD_TOO_LARGE]: 'LIMIT_FILE_SIZE',
};

export function uploadExpired(): UploadException {
  return new UploadException(HttpStatus.GONE, 'UPLOAD_EXPIRED', 'The upload took too long');
}

export function uploadLocked(): UploadException {
  return new UploadException(423, 'UPLOAD_LOCKED', 'Another request is about this upload');
}

/** 409: clients ask for the offset then, and go on from there. */
export function uploadChanged(): UploadException {
  return new UploadException(
    HttpStatus.CONFLICT,
    'UPLOAD_OFFSET_CONFLICT',
    'Another request has changed the upload meanwhile; ask for its offset and go on from there',
  );
}

export function invalidUploadRequest(message: string): UploadException {
  return new UploadException(HttpStatus.BAD_REQUEST, 'INVALID_UPLOAD_REQUEST', message);
}

export function ambiguousLength(): UploadException {
  return invalidUploadRequest(
    'An upload is created with one of both: Upload-Length, or Upload-Defer-Length: 1',
  );
}

export function finalUploadHasBytes(): UploadException {
  return invalidUploadRequest(
    'An upload with "Upload-Concat: final" is joined from others, and the request for it has no body',
  );
}

export function versionNotSupported(): UploadException {
  return new UploadException(
    HttpStatus.PRECONDITION_FAILED,
    'TUS_VERSION_NOT_SUPPORTED',
    'The request must have the header Tus-Resumable: 1.0.0',
  );
}

export function notAChunk(): UploadException {
  return new UploadException(
    HttpStatus.UNSUPPORTED_MEDIA_TYPE,
    'INVALID_UPLOAD_REQUEST',
    'The request must have the header Content-Type: application/offset+octet-stream',
  );
}

export function finalUploadIsWhole(): UploadException {
  return new UploadException(
    HttpStatus.FORBIDDEN,
    'INVALID_UPLOAD_REQUEST',
    'An upload that was joined from others takes no bytes',
  );
}

function checksumMismatch(): UploadException {
  return new UploadException(
    CHECKSUM_MISMATCH,
    'INTEGRITY',
    'The bytes do not have the announced checksum; they were not stored',
  );
}

export function joinedTooLarge(maxSize: number): UploadException {
  return new UploadException(
    HttpStatus.PAYLOAD_TOO_LARGE,
    'LIMIT_FILE_SIZE',
    `The file is larger than the limit of ${maxSize} bytes`,
  );
}

/** Not 409: clients take that for an offset to be asked for again, and would start anew for ever. */
export function keyInUse(cause: unknown): UploadException {
  return new UploadException(
    HttpStatus.UNPROCESSABLE_ENTITY,
    'FILE_EXISTS',
    'The file exists already',
    { cause },
  );
}

/** Whether it is how `@tus/server` ends a body that is longer than the upload. */
export function isOverflow(error: unknown): boolean {
  const { status_code: status } = (error ?? {}) as { status_code?: number };
  return status === Number(HttpStatus.PAYLOAD_TOO_LARGE);
}

/** What the client is told of a failure: one of ours, or one that `@tus/server` has as a status and a text. */
export function toTusException(error: unknown): unknown {
  if (error instanceof HttpException) return error;
  if (error instanceof StorageIntegrityError) return checksumMismatch();
  if (error instanceof StorageError) return toLoggedHttpException(error);
  const { status_code: status, body } = (error ?? {}) as { status_code?: number; body?: string };
  return typeof status === 'number' ? refusal(status, body ?? '') : error;
}

/** A refusal of `@tus/server`. */
export function refusal(status: number, text: string): UploadException {
  if (status === 404) return uploadNotFound();
  // A lock that was not to be had in time, or that another request wanted.
  if (/\block\b/.test(text)) return uploadLocked();
  return new UploadException(status, CODES[status] ?? 'INVALID_UPLOAD_REQUEST', text.trim());
}
