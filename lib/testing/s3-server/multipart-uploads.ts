import { randomBytes } from 'node:crypto';
import { compareKeys } from '../servers/listing.js';
import { JoinedBody, type StoredBody } from '../servers/stored-body.js';
import {
  compositeChecksum,
  concatenatedCrc,
  createDigest,
  type Checksum,
  type ChecksumAlgorithm,
  type ChecksumType,
} from './checksums.js';
import { s3Error } from './errors.js';
import type { Bucket, ObjectAttributes } from './object-store.js';
import type { ProviderBehaviour } from './provider-behaviour.js';

export interface StoredPart {
  readonly partNumber: number;
  readonly body: StoredBody;
  /** Without quotes. */
  readonly etag: string;
  readonly lastModified: number;
  /** Base64, of the upload's algorithm. */
  readonly checksum: string | undefined;
}

export interface MultipartUpload {
  readonly key: string;
  readonly uploadId: string;
  readonly initiated: number;
  readonly attributes: ObjectAttributes;
  readonly checksumAlgorithm: ChecksumAlgorithm | undefined;
  readonly checksumType: ChecksumType;
  /** Whether the client chose the algorithm, and so answers for each part. */
  readonly checksumDeclared: boolean;
  readonly parts: Map<number, StoredPart>;
}

/** One line of a CompleteMultipartUpload. */
export interface NamedPart {
  readonly partNumber: number;
  readonly etag: string;
  readonly checksum: string | undefined;
}

/** @throws S3Error NoSuchUpload */
export function existingUpload(bucket: Bucket, key: string, uploadId: string): MultipartUpload {
  const upload = bucket.uploads.get(uploadId);
  if (upload?.key !== key) {
    throw s3Error(
      'NoSuchUpload',
      'The specified multipart upload does not exist. The upload ID might be invalid, or the multipart upload might have been aborted or completed.',
      { details: { UploadId: uploadId } },
    );
  }
  return upload;
}

/**
 * Puts a part in place of any earlier one of its number, unless the upload
 * has ended meanwhile; then nothing is kept.
 */
export function commitPart(bucket: Bucket, upload: MultipartUpload, part: StoredPart): void {
  try {
    existingUpload(bucket, upload.key, upload.uploadId);
  } catch (error) {
    part.body.release();
    throw error;
  }
  upload.parts.get(part.partNumber)?.body.release();
  upload.parts.set(part.partNumber, part);
}

/** Ends an upload and lets go of its parts. */
export function endUpload(bucket: Bucket, upload: MultipartUpload): void {
  bucket.uploads.delete(upload.uploadId);
  for (const { body } of upload.parts.values()) body.release();
  upload.parts.clear();
}

export function sortedParts(upload: MultipartUpload): StoredPart[] {
  return [...upload.parts.values()].toSorted((a, b) => a.partNumber - b.partNumber);
}

export function sortedUploads(bucket: Bucket): MultipartUpload[] {
  return [...bucket.uploads.values()].toSorted(
    (a, b) =>
      compareKeys(a.key, b.key) || a.initiated - b.initiated || compareKeys(a.uploadId, b.uploadId),
  );
}

/**
 * The parts a completion names, once they are known to be in order, to be
 * those uploaded, and to be big enough.
 *
 * @throws S3Error InvalidPartOrder, InvalidPart, EntityTooSmall, InvalidRequest
 */
export function chooseParts(
  upload: MultipartUpload,
  named: readonly NamedPart[],
  { minPartSize, equalParts }: { minPartSize: number; equalParts: boolean },
): StoredPart[] {
  named.forEach(({ partNumber }, index) => {
    const previous = named[index - 1];
    if (previous && partNumber <= previous.partNumber) {
      throw s3Error(
        'InvalidPartOrder',
        'The list of parts was not in ascending order. Parts must be ordered by part number.',
        { details: { UploadId: upload.uploadId } },
      );
    }
  });
  const chosen = named.map(({ partNumber, etag, checksum }) => {
    const part = upload.parts.get(partNumber);
    if (part?.etag !== etag || (checksum !== undefined && checksum !== part.checksum)) {
      throw s3Error(
        'InvalidPart',
        "One or more of the specified parts could not be found. The part may not have been uploaded, or the specified entity tag may not match the part's entity tag.",
        {
          details: {
            UploadId: upload.uploadId,
            PartNumber: partNumber,
            ETag: etag,
          },
        },
      );
    }
    if (checksum === undefined && upload.checksumDeclared && upload.checksumType === 'COMPOSITE') {
      throw s3Error(
        'InvalidRequest',
        `The upload was created using a ${upload.checksumAlgorithm?.toLowerCase()} checksum. The complete request must include the checksum for each part. It was missing for part ${partNumber} in the request.`,
      );
    }
    return part;
  });
  for (const part of chosen.slice(0, -1)) {
    if (part.body.size < minPartSize) {
      throw s3Error(
        'EntityTooSmall',
        'Your proposed upload is smaller than the minimum allowed size',
        {
          details: {
            ProposedSize: part.body.size,
            MinSizeAllowed: minPartSize,
            PartNumber: part.partNumber,
            ETag: part.etag,
          },
        },
      );
    }
  }
  if (equalParts) checkEqualSizes(chosen);
  return chosen;
}

/** @throws S3Error InvalidPart */
function checkEqualSizes(parts: readonly StoredPart[]): void {
  const size = parts[0]?.body.size ?? 0;
  const last = parts.at(-1)?.body.size ?? 0;
  if (parts.slice(0, -1).every(({ body }) => body.size === size) && last <= size) return;
  throw s3Error('InvalidPart', 'All non-trailing parts must have the same length.');
}

export function multipartEtag(
  parts: readonly StoredPart[],
  kind: ProviderBehaviour['multipartEtags'],
): string {
  if (kind === 'opaque') return `${randomBytes(16).toString('hex')}-${parts.length}`;
  const digest = createDigest('MD5');
  for (const { etag } of parts) digest.update(Buffer.from(etag, 'hex'));
  return `${digest.digest().toString('hex')}-${parts.length}`;
}

export function multipartChecksum(
  upload: MultipartUpload,
  parts: readonly StoredPart[],
): Checksum | undefined {
  const { checksumAlgorithm: algorithm, checksumType: type } = upload;
  if (!algorithm) return undefined;
  const checksums = parts.map(({ checksum = '', body }) => ({
    checksum,
    size: body.size,
  }));
  const value =
    type === 'COMPOSITE'
      ? compositeChecksum(
          algorithm,
          checksums.map(({ checksum }) => checksum),
        )
      : concatenatedCrc(algorithm, checksums);
  return { algorithm, type, value };
}

/** The parts' bytes as one body, which outlives the upload. */
export function joinParts(parts: readonly StoredPart[]): StoredBody {
  return new JoinedBody(parts.map(({ body }) => ({ body, start: 0, end: body.size })));
}
