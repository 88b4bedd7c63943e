import { createHash } from 'node:crypto';
import type { GetObjectCommandOutput, HeadObjectCommandOutput } from '@aws-sdk/client-s3';
import type { Checksum } from '../../core/checksum.js';
import { StorageInvalidArgumentError } from '../../core/errors.js';
import { type FileAttributes, type StoredFile, storedFile } from '../../core/stored-file.js';

/** In the metadata of a file: what the conditional write that stored it is recognised by. Never shown. */
const WRITE_TOKEN = 'nestjs-storages-write';
const WRITE_TOKEN_SIZE = WRITE_TOKEN.length + 16;
/** Bytes of names and values, as they are sent. */
const MAX_METADATA_SIZE = 2048;

// What survives SigV4, which trims and folds spaces, and is not taken for one of the encodings below.
const PLAIN = /^(?!utf-8'')(?!.*=\?)[\x21-\x7E]+(?: [\x21-\x7E]+)*$/i;
const ASCII = /^[\x00-\x7F]*$/;
const EXTENDED_VALUE = /^utf-8''((?:[\w!'()*.~-]|%[0-9a-f]{2})*)$/i;
const ENCODED_WORD = /=\?utf-8\?(b|q)\?([^?]*)\?=/gi;
const ENCODED_WORDS = /^=\?utf-8\?[bq]\?[^?]*\?=(?:\s+=\?utf-8\?[bq]\?[^?]*\?=)*$/i;

/** The attributes as the SDK names them, for PutObject, CreateMultipartUpload and CopyObject. */
export interface S3Attributes {
  ContentType?: string;
  CacheControl?: string;
  ContentDisposition?: string;
  ContentEncoding?: string;
  ContentLanguage?: string;
  Metadata?: Record<string, string>;
  Expires?: Date;
}

/**
 * @param writeToken is left out where the metadata leaves no room for it
 * @throws StorageInvalidArgumentError for metadata that the service would refuse
 */
export function toS3Attributes(attributes: FileAttributes, writeToken?: string): S3Attributes {
  const { contentType, cacheControl, contentDisposition, contentEncoding, contentLanguage } =
    attributes;
  const metadata = attributes.metadata && encodeMetadata(attributes.metadata);
  const withToken = writeToken !== undefined && hasRoomForToken(attributes.metadata);
  return {
    ...(contentType !== undefined && { ContentType: contentType }),
    ...(cacheControl !== undefined && { CacheControl: cacheControl }),
    ...(contentDisposition !== undefined && { ContentDisposition: contentDisposition }),
    ...(contentEncoding !== undefined && { ContentEncoding: contentEncoding }),
    ...(contentLanguage !== undefined && { ContentLanguage: contentLanguage }),
    ...((metadata || withToken) && {
      Metadata: { ...metadata, ...(withToken && { [WRITE_TOKEN]: writeToken }) },
    }),
  };
}

/** @throws StorageInvalidArgumentError for metadata that the service would refuse */
export function encodeMetadata(metadata: Readonly<Record<string, string>>): Record<string, string> {
  if (Object.hasOwn(metadata, WRITE_TOKEN)) {
    throw new StorageInvalidArgumentError(
      `metadata key "${WRITE_TOKEN}" is the s3 driver's own; take another`,
    );
  }
  const encoded = mapValues(metadata, encodeMetadataValue);
  const size = sizeOf(encoded);
  if (size > MAX_METADATA_SIZE) {
    throw new StorageInvalidArgumentError(
      `metadata is ${size} bytes as S3 encodes it; the limit is ${MAX_METADATA_SIZE}`,
    );
  }
  return encoded;
}

export function hasRoomForToken(metadata: Readonly<Record<string, string>> = {}): boolean {
  return sizeOf(mapValues(metadata, encodeMetadataValue)) + WRITE_TOKEN_SIZE <= MAX_METADATA_SIZE;
}

export function writeTokenOf({ Metadata }: ReadOutput): string | undefined {
  return Metadata?.[WRITE_TOKEN];
}

function sizeOf(encoded: Readonly<Record<string, string>>): number {
  return Object.entries(encoded).reduce(
    (size, [name, value]) => size + name.length + value.length,
    0,
  );
}

type ReadOutput = Partial<Omit<HeadObjectCommandOutput, 'Body'>> &
  Partial<Omit<GetObjectCommandOutput, 'Body'>>;

/** The file that a GetObject or HeadObject tells about. */
export function fileOf(key: string, size: number, output: ReadOutput): StoredFile {
  return storedFile({
    key,
    size,
    contentType: output.ContentType,
    etag: toEtag(output.ETag),
    lastModified: output.LastModified,
    metadata: metadataOf(output),
    // An empty header is no header: some services answer those that were never set.
    cacheControl: output.CacheControl || undefined,
    contentDisposition: output.ContentDisposition || undefined,
    contentEncoding: output.ContentEncoding || undefined,
    contentLanguage: output.ContentLanguage || undefined,
    checksum: toChecksum(output),
    version: toVersion(output.VersionId),
  });
}

function metadataOf({ Metadata }: ReadOutput): Record<string, string> | undefined {
  if (!Metadata) return undefined;
  let decoded: Record<string, string> | undefined;
  for (const name of Object.keys(Metadata)) {
    if (name !== WRITE_TOKEN) (decoded ??= {})[name] = decodeMetadataValue(Metadata[name]!);
  }
  return decoded;
}

/** The etag as a strong validator in quotes; a service may leave them out, or call it weak. */
export function toEtag(etag: string | undefined): string | undefined {
  if (!etag) return undefined;
  if (etag.length > 1 && etag.startsWith('"') && etag.endsWith('"')) return etag;
  return `"${etag.replace(/^W\//, '').replace(/^"|"$/g, '')}"`;
}

/** The etag that services which hash plainly give to a file sent in one request. */
export function etagOf(bytes: Uint8Array): string {
  return `"${createHash('md5').update(bytes).digest('hex')}"`;
}

/** In whole seconds, as headers tell it: some services tell more in listings, and in their answers to copies. */
export function toLastModified(date: Date | undefined): Date | undefined {
  if (!date || date.getMilliseconds() === 0) return date;
  return new Date(Math.floor(date.getTime() / 1000) * 1000);
}

/** `null` is the id of what was stored before the bucket kept versions. */
export function toVersion(versionId: string | undefined): string | undefined {
  return versionId === 'null' ? undefined : versionId;
}

interface S3Checksums {
  readonly ChecksumType?: string | undefined;
  readonly ChecksumCRC32?: string | undefined;
  readonly ChecksumCRC32C?: string | undefined;
  readonly ChecksumSHA1?: string | undefined;
  readonly ChecksumSHA256?: string | undefined;
}

/** The checksum of the whole file; one over the checksums of its parts (`…-3`) is none. */
export function toChecksum(output: S3Checksums): Checksum | undefined {
  if (output.ChecksumType === 'COMPOSITE') return undefined;
  const kept = [
    ['sha256', output.ChecksumSHA256],
    ['sha1', output.ChecksumSHA1],
    ['crc32c', output.ChecksumCRC32C],
    ['crc32', output.ChecksumCRC32],
  ] as const;
  for (const [algorithm, value] of kept) {
    if (value && !value.includes('-')) return { algorithm, value };
  }
  return undefined;
}

/**
 * Header values are ASCII on the wire. Plain text goes as it is, so that other tools read it, and Unicode as an RFC 2047
 * encoded word, which S3 takes for the Unicode that it is. Since S3 answers whatever turns out to be ASCII bare, spaces
 * that would be lost and text that looks encoded go as an RFC 8187 extended value, which no service touches.
 */
export function encodeMetadataValue(value: string): string {
  if (PLAIN.test(value)) return value;
  if (ASCII.test(value)) return `UTF-8''${encodeURIComponent(value)}`;
  return `=?UTF-8?B?${Buffer.from(value).toString('base64')}?=`;
}

export function decodeMetadataValue(value: string): string {
  const extended = EXTENDED_VALUE.exec(value)?.[1];
  if (extended !== undefined) return decodePercent(extended) ?? value;
  if (!ENCODED_WORDS.test(value)) return value;
  const words = [...value.matchAll(ENCODED_WORD)].map(([, encoding, text]) =>
    encoding!.toLowerCase() === 'b' ? Buffer.from(text!, 'base64') : decodeQ(text!),
  );
  return Buffer.concat(words).toString('utf8');
}

function decodePercent(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

// RFC 2047 §4.2.
function decodeQ(text: string): Buffer {
  const bytes = text
    .replaceAll('_', ' ')
    .replace(/=([0-9A-F]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return Buffer.from(bytes, 'latin1');
}

function mapValues(
  record: Readonly<Record<string, string>>,
  change: (value: string) => string,
): Record<string, string> {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [name, change(value)]));
}
