import { shown } from './arguments.js';
import { StorageInvalidArgumentError } from './errors.js';

/** A multipart upload under way. Plain JSON: save it, and go on in another process. */
export interface MultipartUpload {
  readonly key: string;
  readonly uploadId: string;
  /** Bytes of each part but the last that the storage advises for this upload. */
  readonly partSize: number;
}

/** A multipart upload that was started and is neither completed nor aborted, as a listing tells of it. */
export interface MultipartUploadInfo extends MultipartUpload {
  /** By the backend's clock. */
  readonly startedAt: Date;
}

/** Bytes. */
export const DEFAULT_PART_SIZE = 8 * 1024 * 1024;

/** A part that the backend has. Plain JSON. */
export interface MultipartPart {
  /** From 1. Parts are joined in the order of their numbers, whatever order they came in. */
  readonly partNumber: number;
  readonly etag: string;
  readonly size: number;
}

/** @throws StorageInvalidArgumentError when it is not what `startMultipartUpload` gave. */
export function parseMultipartUpload(upload: MultipartUpload): MultipartUpload {
  if (typeof upload?.key === 'string' && typeof upload.uploadId === 'string' && upload.uploadId) {
    return upload;
  }
  throw new StorageInvalidArgumentError(
    'The upload must be what startMultipartUpload() returned, or its JSON',
  );
}

/** @throws StorageInvalidArgumentError */
export function parsePartNumber(partNumber: number, maxParts: number): number {
  if (Number.isInteger(partNumber) && partNumber >= 1 && partNumber <= maxParts) return partNumber;
  throw new StorageInvalidArgumentError(
    `partNumber must be a whole number from 1 to ${maxParts}, not ${shown(partNumber)}`,
  );
}

/** The parts in the order of their numbers. @throws StorageInvalidArgumentError when there is none, or one twice. */
export function parseParts(
  parts: readonly Pick<MultipartPart, 'partNumber' | 'etag'>[],
  maxParts: number,
): Pick<MultipartPart, 'partNumber' | 'etag'>[] {
  if (!Array.isArray(parts)) {
    throw new StorageInvalidArgumentError('parts must be an array of what uploadPart() returned');
  }
  if (parts.length === 0) {
    throw new StorageInvalidArgumentError('A multipart upload needs at least one part');
  }
  for (const part of parts as typeof parts) {
    const partNumber = parsePartNumber(part?.partNumber, maxParts);
    if (typeof part.etag !== 'string' || part.etag === '') {
      throw new StorageInvalidArgumentError(`Part ${partNumber} has no etag`);
    }
  }
  const sorted = [...parts].sort((left, right) => left.partNumber - right.partNumber);
  for (const [index, { partNumber }] of sorted.entries()) {
    if (sorted[index + 1]?.partNumber === partNumber) {
      throw new StorageInvalidArgumentError(`Part ${partNumber} is named twice`);
    }
  }
  return sorted;
}
