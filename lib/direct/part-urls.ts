import { StorageFileNotFoundError } from '../core/errors.js';
import type { MultipartPart, MultipartUpload } from '../core/multipart.js';
import type { Storage } from '../core/storage.js';
import { uploadNotFound } from '../uploads/upload.exceptions.js';
import { invalidPartNumber, invalidRequest, notUploaded, wrongBytes } from './direct.exceptions.js';
import type { MultipartClaims, UploadClaims } from './upload-claims.js';
import { assertSize } from './upload-verification.js';

/** Where the client sends one part to. */
export interface PartUrl {
  readonly partNumber: number;
  readonly url: string;
  /** Headers that must be sent along. */
  readonly headers: Readonly<Record<string, string>>;
  /** Bytes; absent where the client divides the file. */
  readonly size?: number;
  readonly expiresAt: Date;
}

/** Seconds that the URL of a part lives, at most: a new one is a request away. */
const PART_LIFETIME = 3600;
/** Parts in one request. */
const MOST_AT_ONCE = 1000;

/** The parts of uploads that are sent in such. */
export class PartUrls {
  constructor(private readonly staging: Storage) {}

  /** @throws UploadException 400 for numbers that no part of the upload has, 404 when it is not sent in parts */
  async sign(claims: UploadClaims, partNumbers: unknown): Promise<PartUrl[]> {
    const multipart = multipartOf(claims);
    const { partCount } = multipart;
    if (!Array.isArray(partNumbers) || partNumbers.length > MOST_AT_ONCE) {
      throw invalidRequest(`partNumbers must be a list of at most ${MOST_AT_ONCE} numbers`);
    }
    for (const each of partNumbers as readonly unknown[]) {
      const isPart =
        Number.isInteger(each) && (each as number) >= 1 && (each as number) <= partCount;
      if (!isPart) throw invalidPartNumber(partCount);
    }
    const left = Math.floor((claims.expires - Date.now()) / 1000);
    if (left < 1) throw uploadNotFound();
    await this.staging.open();
    const { signedParts } = this.staging.capabilities;
    const bindsSize = signedParts && signedParts.includes('size');
    return Promise.all(
      (partNumbers as readonly number[]).map(async (partNumber) => {
        const size = sizeOf(claims, multipart, partNumber);
        const { url, headers, expiresAt } = await this.staging.uploadPartUrl(
          uploadOf(claims, multipart),
          partNumber,
          {
            expiresIn: Math.min(left, PART_LIFETIME),
            ...(bindsSize && size !== undefined && { size }),
          },
        );
        return { partNumber, url, headers, ...(size !== undefined && { size }), expiresAt };
      }),
    );
  }

  /** The parts that are there; none when the upload is over. */
  async sent(claims: UploadClaims): Promise<MultipartPart[]> {
    try {
      return await this.staging.listParts(uploadOf(claims, multipartOf(claims)));
    } catch (error) {
      if (error instanceof StorageFileNotFoundError) return [];
      throw error;
    }
  }

  /**
   * Makes one file of the parts, out of the reach of who sent them.
   *
   * @throws UploadException 409 while some are missing, and others when they are not as they should be
   */
  async join(claims: UploadClaims): Promise<void> {
    const multipart = multipartOf(claims);
    const parts = await this.sent(claims);
    if (multipart.partSize !== undefined) {
      const sent = new Set(parts.map(({ partNumber }) => partNumber));
      const missing = numbersOf(multipart).filter((number) => !sent.has(number));
      if (missing.length > 0) throw notUploaded(`Parts are missing: ${shownNumbers(missing)}`);
    }
    if (parts.length === 0) throw notUploaded('No part was sent yet');
    const wrong = parts.find(({ partNumber, size }) => {
      const expected = sizeOf(claims, multipart, partNumber);
      return partNumber > multipart.partCount || (expected !== undefined && size !== expected);
    });
    if (wrong) throw wrongBytes(`Part ${wrong.partNumber} is not one of this upload`);
    assertSize(
      claims,
      parts.reduce((sum, { size }) => sum + size, 0),
    );
    await this.staging.completeMultipartUpload(uploadOf(claims, multipart), parts);
  }

  /** Removes the parts. */
  async abort(claims: UploadClaims): Promise<void> {
    await this.staging.abortMultipartUpload(uploadOf(claims, multipartOf(claims)));
  }
}

function multipartOf({ multipart }: UploadClaims): MultipartClaims {
  if (!multipart) throw uploadNotFound();
  return multipart;
}

function uploadOf(
  { name }: UploadClaims,
  { uploadId, partSize }: MultipartClaims,
): MultipartUpload {
  return { key: name, uploadId, partSize: partSize ?? 0 };
}

function numbersOf({ partCount }: MultipartClaims): number[] {
  return Array.from({ length: partCount }, (_, index) => index + 1);
}

/** Bytes; `undefined` where the client divides the file. */
function sizeOf(
  { size }: UploadClaims,
  { partSize, partCount }: MultipartClaims,
  partNumber: number,
): number | undefined {
  if (size === undefined || partSize === undefined) return undefined;
  return partNumber < partCount ? partSize : size - partSize * (partCount - 1);
}

function shownNumbers(numbers: readonly number[]): string {
  const shown = numbers.slice(0, 10).join(', ');
  return numbers.length > 10 ? `${shown} and ${numbers.length - 10} more` : shown;
}
