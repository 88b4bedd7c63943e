import type { BlobHTTPHeaders } from '@azure/storage-blob';
import type { Checksum } from '../../core/checksum.js';
import { StorageInvalidArgumentError } from '../../core/errors.js';
import { type FileAttributes, type StoredFile, storedFile } from '../../core/stored-file.js';
import { unreadableAnswer } from './azure.errors.js';

/** In the metadata of a file: what the write that stored it is recognised by. Never shown. */
const WRITE_TOKEN = 'nestjs_storages_write';

// What no service or proxy trims or folds, and is not taken for the encoding below.
const PLAIN = /^(?!utf-8'')[\x21-\x7E]+(?: [\x21-\x7E]+)*$/i;
const EXTENDED_VALUE = /^utf-8''((?:[\w!'()*.~-]|%[0-9a-f]{2})*)$/i;

/** The attributes but the metadata, as the SDK names them. */
export function toHeaders(attributes: FileAttributes, checksum?: Checksum): BlobHTTPHeaders {
  const { contentType, cacheControl, contentDisposition, contentEncoding, contentLanguage } =
    attributes;
  return {
    ...(contentType !== undefined && { blobContentType: contentType }),
    ...(cacheControl !== undefined && { blobCacheControl: cacheControl }),
    ...(contentDisposition !== undefined && { blobContentDisposition: contentDisposition }),
    ...(contentEncoding !== undefined && { blobContentEncoding: contentEncoding }),
    ...(contentLanguage !== undefined && { blobContentLanguage: contentLanguage }),
    ...(checksum?.algorithm === 'md5' && {
      blobContentMD5: Buffer.from(checksum.value, 'base64'),
    }),
  };
}

/**
 * Azure's names are identifiers of C#: a dash goes as an underscore, and a digit at the start gets one before it, as does
 * a name that Azurite takes for a property of every object. No name of ours begins with a dash, so that they can be told
 * apart on the way back.
 *
 * @throws StorageInvalidArgumentError for the name that is the driver's own
 */
export function encodeMetadata(
  metadata: Readonly<Record<string, string>> = {},
  writeToken?: string,
): Record<string, string> {
  const encoded = Object.entries(metadata).map(([name, value]): [string, string] => {
    const identifier = name.replaceAll('-', '_').replace(/^(?=\d|constructor$)/, '_');
    if (identifier === WRITE_TOKEN) {
      throw new StorageInvalidArgumentError(
        `metadata key "${name}" is the azure driver's own; take another`,
      );
    }
    return [identifier, encodeMetadataValue(value)];
  });
  if (writeToken !== undefined) encoded.push([WRITE_TOKEN, writeToken]);
  return Object.fromEntries(encoded);
}

/** Metadata of a blob as it is, with the token of another write. */
export function withToken(
  metadata: Readonly<Record<string, string>> = {},
  writeToken: string,
): Record<string, string> {
  return { ...metadata, [WRITE_TOKEN]: writeToken };
}

/** Names keep no case in Azure; those that other programs wrote come as if they were ours. */
export function decodeMetadata(
  metadata: Readonly<Record<string, string>> = {},
): Record<string, string> {
  const decoded = Object.entries(metadata).flatMap(([name, value]): [string, string][] => {
    const identifier = name.toLowerCase();
    if (identifier === WRITE_TOKEN) return [];
    const key = identifier.replace(/^_(?=\d|constructor$)/, '').replaceAll('_', '-');
    return [[key, decodeMetadataValue(value)]];
  });
  return Object.fromEntries(decoded);
}

export function writeTokenOf({ metadata }: Pick<BlobDescription, 'metadata'>): string | undefined {
  return metadata?.[WRITE_TOKEN];
}

/** What the service tells of a blob: in the answers of a download, of its properties and of a write. */
export interface BlobDescription {
  readonly contentType?: string | undefined;
  readonly etag?: string | undefined;
  readonly lastModified?: Date | undefined;
  readonly metadata?: Record<string, string> | undefined;
  readonly cacheControl?: string | undefined;
  readonly contentDisposition?: string | undefined;
  readonly contentEncoding?: string | undefined;
  readonly contentLanguage?: string | undefined;
  readonly contentMD5?: Uint8Array | undefined;
  readonly versionId?: string | undefined;
}

/** What the answers to a download and of a blob's properties tell besides. */
export interface BlobProperties extends BlobDescription {
  readonly contentLength?: number | undefined;
  /** By the clock of the service. */
  readonly date?: Date | undefined;
  readonly copyStatus?: string | undefined;
  readonly accessTier?: string | undefined;
  /** Whether the tier is the default of the account. */
  readonly accessTierInferred?: boolean | undefined;
}

export type SizedProperties = BlobProperties & { readonly contentLength: number };

/** A row of a listing. */
export interface ListedBlob {
  readonly name: string;
  readonly metadata?: Record<string, string> | undefined;
  readonly versionId?: string | undefined;
  readonly properties: Omit<BlobDescription, 'metadata' | 'versionId'> & {
    readonly contentLength?: number | undefined;
    readonly createdOn?: Date | undefined;
  };
}

/** The file that a download or its properties tell about. */
export function fileOf(
  key: string,
  size: number,
  blob: BlobDescription,
  md5 = blob.contentMD5,
): StoredFile {
  return storedFile({
    key,
    size,
    contentType: blob.contentType,
    etag: toEtag(blob.etag),
    lastModified: blob.lastModified,
    metadata: decodeMetadata(blob.metadata),
    cacheControl: blob.cacheControl || undefined,
    contentDisposition: blob.contentDisposition || undefined,
    contentEncoding: blob.contentEncoding || undefined,
    contentLanguage: blob.contentLanguage || undefined,
    checksum: toChecksum(md5),
    version: blob.versionId,
  });
}

/** @throws StorageConnectionError when the row has no size */
export function listedFile({ name, metadata, properties, versionId }: ListedBlob): StoredFile {
  return fileOf(name, lengthOf(properties), { ...properties, metadata, versionId });
}

/**
 * Bytes of the blob. One of unknown size must not pass for empty: its copy would be.
 *
 * @throws StorageConnectionError when the answer does not tell
 */
export function lengthOf({ contentLength }: Pick<BlobProperties, 'contentLength'>): number {
  if (isLength(contentLength)) return contentLength;
  throw unreadableAnswer('The answer has no length');
}

export function isLength(length: number | undefined): length is number {
  return length !== undefined && Number.isSafeInteger(length) && length >= 0;
}

/** The etag as a strong validator in quotes, which listings leave out. */
export function toEtag(etag: string | undefined): string | undefined {
  return etag ? `"${etag.replace(/^W\//, '').replace(/^"|"$/g, '')}"` : undefined;
}

export function toChecksum(md5: Uint8Array | undefined): Checksum | undefined {
  if (md5?.byteLength !== 16) return undefined;
  return { algorithm: 'md5', value: Buffer.from(md5).toString('base64') };
}

/** Plain text goes as it is, so that other tools read it; the rest, and nothing at all, as an RFC 8187 extended value. */
function encodeMetadataValue(value: string): string {
  return PLAIN.test(value) ? value : `UTF-8''${encodeURIComponent(value)}`;
}

function decodeMetadataValue(value: string): string {
  const extended = EXTENDED_VALUE.exec(value)?.[1];
  if (extended === undefined) return value;
  try {
    return decodeURIComponent(extended);
  } catch {
    return value;
  }
}
