import {
  GetObjectCommand,
  HeadBucketCommand,
  PutObjectCommand,
  type S3Client,
  type ServiceInputTypes,
  type ServiceOutputTypes,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import type { Checksum } from '../../core/checksum.js';
import { StorageUnsupportedError } from '../../core/errors.js';
import type {
  DriverPartUrlOptions,
  DriverUpload,
  DriverUploadUrlOptions,
  DriverUrlOptions,
  UploadUrl,
} from '../../core/storage-driver.js';
import { S3Call } from './s3.call.js';
import { checksumHeader, partChecksum } from './s3.checksums.js';
import type { S3Bucket } from './s3.client.js';
import { type PolicyCondition, signPolicy } from './s3.post-policies.js';
import { sdkCommand } from './s3.sdk-engine.js';

export function url(bucket: S3Bucket, key: string, options: DriverUrlOptions): Promise<string> {
  const { contentDisposition, contentType, cacheControl, expiresIn } = options;
  const command = new GetObjectCommand({
    Bucket: bucket.bucket,
    Key: key,
    ...(contentDisposition !== undefined && { ResponseContentDisposition: contentDisposition }),
    ...(contentType !== undefined && { ResponseContentType: contentType }),
    ...(cacheControl !== undefined && { ResponseCacheControl: cacheControl }),
  });
  return presign(bucket, new S3Call(command), expiresIn);
}

/** An upload that is bound to what was asked, by the headers that a PUT is signed with or by the policy of a POST. */
export function uploadUrl(
  bucket: S3Bucket,
  key: string,
  options: DriverUploadUrlOptions,
): Promise<UploadUrl> {
  return options.method === 'PUT' ? signPut(bucket, key, options) : signPost(bucket, key, options);
}

/** Without `contentType` the uploader is free to choose one. */
function signPut(
  bucket: S3Bucket,
  key: string,
  { contentType, size, checksum, ifNoneMatch, expiresIn }: DriverUploadUrlOptions,
): Promise<UploadUrl> {
  const { createOnly } = bucket.profile;
  const headers: Record<string, string> = {
    ...(contentType !== undefined && { 'content-type': contentType }),
    ...(ifNoneMatch !== undefined && createOnly && { [createOnly.name]: createOnly.value }),
    ...(checksum && { [boundChecksum(bucket, 'PUT', checksum)]: checksum.value }),
  };
  const command = new PutObjectCommand({
    Bucket: bucket.bucket,
    Key: key,
    ...(size !== undefined && { ContentLength: size }),
  });
  return presignUpload(bucket, new S3Call(command), headers, expiresIn);
}

/** A PUT of one part. A checksum has to be of the upload's own algorithm, as that of every part, or an MD5. */
export function uploadPartUrl(
  bucket: S3Bucket,
  { key, uploadId }: DriverUpload,
  partNumber: number,
  { size, checksum, expiresIn }: DriverPartUrlOptions,
): Promise<UploadUrl> {
  const command = new UploadPartCommand({
    Bucket: bucket.bucket,
    Key: key,
    UploadId: uploadId,
    PartNumber: partNumber,
    ...(size !== undefined && { ContentLength: size }),
  });
  const headers: Record<string, string> = {
    ...(checksum && { [boundPartChecksum(bucket, checksum)]: checksum.value }),
  };
  return presignUpload(bucket, new S3Call(command), headers, expiresIn);
}

/** Without `contentType` the form may not carry one, and the file is `application/octet-stream`. */
async function signPost(
  bucket: S3Bucket,
  key: string,
  { contentType, size, maxSize, checksum, expiresIn }: DriverUploadUrlOptions,
): Promise<UploadUrl> {
  if (key.includes('${filename}')) {
    throw new StorageUnsupportedError(
      'A form cannot be bound to a key with ${filename}, which S3 replaces by the name of the file; use method PUT',
    );
  }
  const fields: Record<string, string> = {
    key,
    success_action_status: '201',
    ...(contentType !== undefined && { 'Content-Type': contentType }),
    ...(checksum && { [boundChecksum(bucket, 'POST', checksum)]: checksum.value }),
  };
  const greatest = size ?? maxSize;
  const conditions: PolicyCondition[] = [
    { bucket: bucket.bucket },
    ...(greatest === undefined
      ? []
      : [['content-length-range', size ?? 0, greatest] satisfies PolicyCondition]),
  ];
  const { config } = bucket.client;
  const signedAt = signingTime(bucket);
  const signed = signPolicy(fields, conditions, {
    credentials: await config.credentials(),
    region: await config.region(),
    signedAt,
    expiresIn,
  });
  const expiresAt = new Date(Date.now() + expiresIn * 1000);
  return { method: 'POST', url: await bucketUrl(bucket), headers: {}, fields: signed, expiresAt };
}

/** @throws StorageUnsupportedError when the service would not compare it, so that the upload was not bound to it. */
function boundChecksum(bucket: S3Bucket, method: 'PUT' | 'POST', checksum: Checksum): string {
  const header = checksumHeader(bucket, checksum);
  if (header !== undefined && (method === 'PUT' || header !== 'content-md5')) return header;
  throw new StorageUnsupportedError(
    `A signed ${method} cannot be bound to a checksum of algorithm ${checksum.algorithm}; take ` +
      `${bucket.profile.checksums.join(', ')}`,
  );
}

/** @throws StorageUnsupportedError as `boundChecksum` */
function boundPartChecksum(bucket: S3Bucket, checksum: Checksum): string {
  const known = [partChecksum(bucket)?.toLowerCase(), 'md5'];
  const header = known.includes(checksum.algorithm) ? checksumHeader(bucket, checksum) : undefined;
  if (header !== undefined) return header;
  throw new StorageUnsupportedError(
    `The signed URL of a part cannot be bound to a checksum of algorithm ${checksum.algorithm}; take ` +
      known.filter(Boolean).join(', '),
  );
}

/** By the clock of the service, as far as its answers told it. */
function signingTime({ client }: S3Bucket): Date {
  return new Date(Date.now() + client.config.systemClockOffset);
}

/** Where forms are sent to: the bucket itself, in the style of the client's other requests. */
async function bucketUrl(bucket: S3Bucket): Promise<string> {
  const signed = await presign(
    bucket,
    new S3Call(new HeadBucketCommand({ Bucket: bucket.bucket })),
    1,
  );
  return signed.slice(0, signed.indexOf('?'));
}

/** @param headers those that the uploader has to send, just so */
async function presignUpload<Input extends ServiceInputTypes, Output extends ServiceOutputTypes>(
  bucket: S3Bucket,
  call: S3Call<Input, Output>,
  headers: Readonly<Record<string, string>>,
  expiresIn: number,
): Promise<UploadUrl> {
  call.withHeaders((signed) => Object.assign(signed, headers));
  const expiresAt = new Date(Date.now() + expiresIn * 1000);
  const signed = await presign(bucket, call, expiresIn, Object.keys(headers));
  return { method: 'PUT', url: signed, headers, expiresAt };
}

/** @param headers those that the uploader has to send */
function presign<Input extends ServiceInputTypes, Output extends ServiceOutputTypes>(
  bucket: S3Bucket,
  call: S3Call<Input, Output>,
  expiresIn: number,
  headers: readonly string[] = [],
): Promise<string> {
  const names = new Set(headers);
  return getSignedUrl(presigner(bucket.client), sdkCommand(call), {
    expiresIn,
    signingDate: signingTime(bucket),
    // The presigner leaves Content-Type unsigned, and moves x-amz-* headers to the query, unless told otherwise.
    signableHeaders: names,
    unhoistableHeaders: names,
  });
}

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
