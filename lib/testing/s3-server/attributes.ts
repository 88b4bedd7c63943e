import type { S3Call } from './call.js';
import { checksumHeader, type Checksum } from './checksums.js';
import { notImplemented, s3Error } from './errors.js';
import type { ObjectAttributes, StoredObject } from './object-store.js';

const SYSTEM_HEADERS = [
  'content-type',
  'cache-control',
  'content-disposition',
  'content-encoding',
  'content-language',
  'expires',
] as const;

const METADATA_PREFIX = 'x-amz-meta-';
const METADATA_LIMIT = 2048;

const STORAGE_CLASSES: ReadonlySet<string> = new Set([
  'STANDARD',
  'REDUCED_REDUNDANCY',
  'STANDARD_IA',
  'ONEZONE_IA',
  'INTELLIGENT_TIERING',
  'GLACIER_IR',
]);

/** What the headers of an upload, or the fields of a form, say of an object. */
export function parseAttributes(headers: ReadonlyMap<string, string>): ObjectAttributes {
  const system = new Map<string, string>();
  for (const name of SYSTEM_HEADERS) {
    const value =
      name === 'content-encoding' ? withoutAwsChunked(headers.get(name)) : headers.get(name);
    if (value) system.set(name, value);
  }
  if (!system.has('content-type')) {
    system.set('content-type', 'binary/octet-stream');
  }

  const metadata = new Map<string, string>();
  let size = 0;
  for (const [name, value] of headers) {
    if (!name.startsWith(METADATA_PREFIX)) continue;
    const short = name.slice(METADATA_PREFIX.length);
    metadata.set(short, decodeWords(value));
    size += Buffer.byteLength(short) + Buffer.byteLength(value);
  }
  if (size > METADATA_LIMIT) {
    throw s3Error(
      'MetadataTooLarge',
      'Your metadata headers exceed the maximum allowed metadata size',
      { details: { Size: size, MaxSizeAllowed: METADATA_LIMIT } },
    );
  }
  return { system, metadata, storageClass: parseStorageClass(headers) };
}

/**
 * Refuses what would have to be silently dropped: ACLs (off on new buckets)
 * and keys of one's own.
 */
export function refuseUnsupportedAttributes(call: S3Call): void {
  const acl = call.headers.get('x-amz-acl');
  if (acl !== undefined && acl !== 'bucket-owner-full-control') {
    throw s3Error('AccessControlListNotSupported', 'The bucket does not allow ACLs');
  }
  const encryption = call.headers.get('x-amz-server-side-encryption');
  if (encryption !== undefined && encryption !== 'AES256') {
    throw notImplemented(`x-amz-server-side-encryption: ${encryption}`);
  }
}

function parseStorageClass(headers: ReadonlyMap<string, string>): string {
  const storageClass = headers.get('x-amz-storage-class') ?? 'STANDARD';
  if (!STORAGE_CLASSES.has(storageClass)) {
    throw s3Error('InvalidStorageClass', 'The storage class you specified is not valid', {
      details: { StorageClassRequested: storageClass },
    });
  }
  return storageClass;
}

/** The headers of a GET or HEAD that tell of the object as stored. */
export function objectHeaders(object: StoredObject): Record<string, string> {
  const headers: Record<string, string> = {
    ...validatorHeaders(object),
    'accept-ranges': 'bytes',
    'x-amz-server-side-encryption': 'AES256',
    ...Object.fromEntries(object.system),
  };
  for (const [name, value] of object.metadata) {
    headers[METADATA_PREFIX + name] = encodeWords(value);
  }
  if (object.storageClass !== 'STANDARD') {
    headers['x-amz-storage-class'] = object.storageClass;
  }
  return headers;
}

export function validatorHeaders(object: StoredObject): Record<string, string> {
  return {
    etag: `"${object.etag}"`,
    'last-modified': new Date(object.lastModified).toUTCString(),
  };
}

export function checksumHeaders(checksum: Checksum | undefined): Record<string, string> {
  return checksum
    ? {
        [checksumHeader(checksum.algorithm)]: checksum.value,
        'x-amz-checksum-type': checksum.type,
      }
    : {};
}

function withoutAwsChunked(encoding: string | undefined): string | undefined {
  return encoding
    ?.split(',')
    .map((coding) => coding.trim())
    .filter((coding) => coding !== '' && coding !== 'aws-chunked')
    .join(',');
}

// S3 reads metadata as Latin-1 or as RFC 2047 words, and answers words
// whenever the value is not plain ASCII.
function decodeWords(value: string): string {
  return value.replace(
    /=\?utf-8\?(?:b\?([A-Za-z0-9+/=]*)|q\?([^?\s]*))\?=/gi,
    (_, base64?: string, quoted?: string) =>
      (base64 === undefined
        ? Buffer.from(
            (quoted ?? '')
              .replaceAll('_', ' ')
              .replace(/=([0-9A-Fa-f]{2})/g, (__, hex: string) =>
                String.fromCharCode(Number.parseInt(hex, 16)),
              ),
            'latin1',
          )
        : Buffer.from(base64, 'base64')
      ).toString('utf8'),
  );
}

function encodeWords(value: string): string {
  return /^[\u0020-\u007e\t]*$/.test(value)
    ? value
    : `=?UTF-8?B?${Buffer.from(value).toString('base64')}?=`;
}
