import { StorageUnsupportedError } from '../../core/errors.js';
import type {
  DriverUploadUrlOptions,
  DriverUrlOptions,
  UploadUrl,
} from '../../core/storage-driver.js';
import type { GcsBucket } from './gcs.client.js';
import { authorizing } from './gcs.authorization.js';

/** The SDK signs with the private key or, where there is none, lets Google's IAM sign (`signBlob`): that is a request. */
export async function url(
  bucket: GcsBucket,
  key: string,
  options: DriverUrlOptions,
): Promise<string> {
  const { contentDisposition, contentType, signal } = options;
  const [signed] = await signing(bucket, signal, () =>
    bucket.client
      .bucket(bucket.name)
      .file(key)
      .getSignedUrl({
        version: 'v4',
        action: 'read',
        ...lifetime(options.expiresIn),
        ...(contentDisposition !== undefined && { responseDisposition: contentDisposition }),
        ...(contentType !== undefined && { responseType: contentType }),
      }),
  );
  return signed;
}

export function uploadUrl(
  bucket: GcsBucket,
  key: string,
  options: DriverUploadUrlOptions,
): Promise<UploadUrl> {
  return options.method === 'PUT'
    ? signedPut(bucket, key, options)
    : signedPost(bucket, key, options);
}

/** Every header of it is signed: the service refuses a request without them, or with others. */
async function signedPut(
  bucket: GcsBucket,
  key: string,
  options: DriverUploadUrlOptions,
): Promise<UploadUrl> {
  const { contentType, ifNoneMatch, checksum, expiresIn, signal } = options;
  const sizes = sizeRange(options);
  const headers: Record<string, string> = {
    ...(contentType !== undefined && { 'content-type': contentType }),
    ...(ifNoneMatch !== undefined && { 'x-goog-if-generation-match': '0' }),
    ...(sizes && { 'x-goog-content-length-range': sizes.join(',') }),
    ...(checksum && checksumHeader(checksum)),
  };
  const { 'content-type': _, ...extensionHeaders } = headers;
  const times = lifetime(expiresIn);
  const [signed] = await signing(bucket, signal, () =>
    bucket.client
      .bucket(bucket.name)
      .file(key)
      .getSignedUrl({
        version: 'v4',
        action: 'write',
        ...times,
        ...(contentType !== undefined && { contentType }),
        extensionHeaders,
      }),
  );
  return { method: 'PUT', url: signed, headers, expiresAt: new Date(times.expires) };
}

/** A form for browsers, whose policy is signed. */
async function signedPost(
  bucket: GcsBucket,
  key: string,
  options: DriverUploadUrlOptions,
): Promise<UploadUrl> {
  const { contentType, expiresIn, signal } = options;
  if (options.checksum || options.ifNoneMatch !== undefined) {
    throw new StorageUnsupportedError(
      'A signed GCS form can be bound to type and size only; take PUT to bind it to more',
    );
  }
  // https://cloud.google.com/storage/docs/xml-api/post-object-forms
  if (key.includes('${filename}')) {
    throw new StorageUnsupportedError(
      'A form cannot be bound to a key with ${filename}, which GCS replaces by the name of the file; use method PUT',
    );
  }
  const sizes = sizeRange(options);
  const expiresAt = new Date(Date.now() + expiresIn * 1000);
  const [{ fields }] = await signing(bucket, signal, () =>
    bucket.client
      .bucket(bucket.name)
      .file(key)
      .generateSignedPostPolicyV4({
        expires: expiresAt,
        ...(sizes && { conditions: [['content-length-range', ...sizes]] }),
        ...(contentType !== undefined && { fields: { 'content-type': contentType } }),
      }),
  );
  // The SDK's own URL lacks the bucket where the endpoint is not Google's.
  const url = `${bucket.endpoint}/${encodeURIComponent(bucket.name)}/`;
  return { method: 'POST', url, headers: {}, fields, expiresAt };
}

/** Least and greatest length of the body. */
function sizeRange({ size, maxSize }: DriverUploadUrlOptions): [number, number] | undefined {
  if (size !== undefined) return [size, size];
  return maxSize === undefined ? undefined : [0, maxSize];
}

function checksumHeader({
  algorithm,
  value,
}: NonNullable<DriverUploadUrlOptions['checksum']>): Record<string, string> {
  if (algorithm === 'md5') return { 'content-md5': value };
  if (algorithm === 'crc32c') return { 'x-goog-hash': `crc32c=${value}` };
  throw new StorageUnsupportedError(
    `GCS verifies crc32c and md5 on signed uploads, not ${algorithm}`,
  );
}

/** In whole seconds, which is what is signed: half of one more would be beyond the longest life. */
function lifetime(expiresIn: number): { accessibleAt: number; expires: number } {
  const accessibleAt = Math.floor(Date.now() / 1000) * 1000;
  return { accessibleAt, expires: accessibleAt + expiresIn * 1000 };
}

function signing<Result>(
  bucket: GcsBucket,
  signal: AbortSignal,
  sign: () => Promise<Result>,
): Promise<Result> {
  return authorizing(bucket, 'to sign with', signal, sign);
}
