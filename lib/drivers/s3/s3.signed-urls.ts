import { GetObjectCommand, PutObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { StorageUnsupportedError } from '../../core/errors.js';
import type {
  DriverUploadUrlOptions,
  DriverUrlOptions,
  UploadUrl,
} from '../../core/storage-driver.js';
import type { S3Bucket } from './s3.client.js';
import { checksumInput } from './s3.uploads.js';

export async function url(
  bucket: S3Bucket,
  key: string,
  options: DriverUrlOptions,
): Promise<string> {
  const { contentDisposition, contentType } = options;
  const command = new GetObjectCommand({
    Bucket: bucket.bucket,
    Key: key,
    ...(contentDisposition !== undefined && { ResponseContentDisposition: contentDisposition }),
    ...(contentType !== undefined && { ResponseContentType: contentType }),
  });
  return getSignedUrl(presigner(bucket.client), command, { expiresIn: options.expiresIn });
}

/**
 * A PUT that is bound to what was asked: the signature covers Content-Type, Content-Length, the checksum and the
 * condition. Without `contentType` the uploader is free to choose one.
 */
export async function uploadUrl(
  bucket: S3Bucket,
  key: string,
  options: DriverUploadUrlOptions,
): Promise<UploadUrl> {
  const { method, contentType, size, checksum, ifNoneMatch, expiresIn } = options;
  if (method !== 'PUT' || options.maxSize !== undefined) {
    throw new StorageUnsupportedError(
      'A signed S3 upload is a PUT, which can be bound to an exact size but not to a greatest one',
    );
  }
  const checksums = checksumInput(bucket, checksum);
  const headers: Record<string, string> = {
    ...(contentType !== undefined && { 'content-type': contentType }),
    ...(ifNoneMatch !== undefined && { 'if-none-match': ifNoneMatch }),
  };
  for (const [name, header] of Object.entries(CHECKSUM_HEADERS)) {
    const value = checksums[name as keyof typeof checksums];
    if (value !== undefined) headers[header] = value;
  }
  const command = new PutObjectCommand({
    Bucket: bucket.bucket,
    Key: key,
    ...checksums,
    ...(contentType !== undefined && { ContentType: contentType }),
    ...(size !== undefined && { ContentLength: size }),
    ...(ifNoneMatch !== undefined && { IfNoneMatch: ifNoneMatch }),
  });
  const names = new Set(Object.keys(headers));
  const expiresAt = new Date(Date.now() + expiresIn * 1000);
  const signed = await getSignedUrl(presigner(bucket.client), command, {
    expiresIn,
    // The presigner leaves Content-Type unsigned, and moves x-amz-* headers to the query, unless told otherwise.
    signableHeaders: names,
    unhoistableHeaders: names,
  });
  return { method, url: signed, headers, expiresAt };
}

const CHECKSUM_HEADERS = {
  ChecksumCRC32: 'x-amz-checksum-crc32',
  ChecksumSHA1: 'x-amz-checksum-sha1',
  ChecksumSHA256: 'x-amz-checksum-sha256',
  ContentMD5: 'content-md5',
} as const;

/**
 * The client, but without the checksums that it adds by itself: those of an upload that is only signed would be of no
 * bytes at all, and no real upload would be accepted.
 */
function presigner(client: S3Client): S3Client {
  const config = {
    ...client.config,
    requestChecksumCalculation: () => Promise.resolve('WHEN_REQUIRED'),
    responseChecksumValidation: () => Promise.resolve('WHEN_REQUIRED'),
  };
  return Object.create(client, { config: { value: config } }) as S3Client;
}
