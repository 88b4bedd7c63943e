import type { Checksum } from './checksum.js';

/** What a file is served and described with; stored with the bytes on every driver. */
export interface FileAttributes {
  /** Media type, RFC 9110 §8.3. Default: by the key's extension, else `application/octet-stream`. */
  contentType?: string;
  /** Keys of `[a-z0-9-]`, values any Unicode text; 2 KB in all as the backend encodes it (S3 needs more for what is not ASCII). */
  metadata?: Readonly<Record<string, string>>;
  /** RFC 9111 §5.2. */
  cacheControl?: string;
  /** RFC 6266. */
  contentDisposition?: string;
  /** RFC 9110 §8.4. The bytes are stored as given: nothing is compressed or decompressed. */
  contentEncoding?: string;
  /** RFC 9110 §8.5. */
  contentLanguage?: string;
}

/**
 * A file as the backend holds it. Frozen; the same shape from `put`, `get`, `info`, `copy` and `list`.
 * A listing carries only what the backend lists: `key`, `size`, `etag` and `lastModified` on every driver.
 */
export interface StoredFile {
  readonly key: string;
  /** Size of the whole file in bytes. */
  readonly size: number;
  readonly contentType?: string;
  /** A strong validator in quotes, RFC 9110 §8.8.3: it changes whenever the bytes change. */
  readonly etag?: string;
  readonly lastModified?: Date;
  readonly metadata: Readonly<Record<string, string>>;
  readonly cacheControl?: string;
  readonly contentDisposition?: string;
  readonly contentEncoding?: string;
  readonly contentLanguage?: string;
  /** Of the whole file, where the backend keeps one. */
  readonly checksum?: Checksum;
  /** The backend's version or generation id, where it keeps versions. */
  readonly version?: string;
}

type Loose<T> = { [P in keyof T]: T[P] | undefined };

/** Builds the frozen value; fields that are `undefined` are left out. */
export function storedFile(
  fields: Loose<Omit<StoredFile, 'metadata' | 'key' | 'size'>> & {
    key: string;
    size: number;
    metadata?: Readonly<Record<string, string>> | undefined;
  },
): StoredFile {
  const { key, size, contentType, etag, lastModified, metadata, checksum, version } = fields;
  const { cacheControl, contentDisposition, contentEncoding, contentLanguage } = fields;
  // One by one: a loop over names takes twice as long, and a listing does this for each file.
  const file: { -readonly [P in keyof StoredFile]: StoredFile[P] } = {
    key,
    size,
    metadata: metadata ? frozenCopy(metadata) : NO_METADATA,
  };
  if (contentType !== undefined) file.contentType = contentType;
  if (etag !== undefined) file.etag = etag;
  if (lastModified !== undefined) file.lastModified = lastModified;
  if (cacheControl !== undefined) file.cacheControl = cacheControl;
  if (contentDisposition !== undefined) file.contentDisposition = contentDisposition;
  if (contentEncoding !== undefined) file.contentEncoding = contentEncoding;
  if (contentLanguage !== undefined) file.contentLanguage = contentLanguage;
  if (checksum) file.checksum = Object.freeze({ ...checksum });
  if (version !== undefined) file.version = version;
  return Object.freeze(file);
}

/** The attributes among the fields, without those that are `undefined`. */
export function pickAttributes(fields: FileAttributes): FileAttributes {
  const { contentType, cacheControl, contentDisposition, contentEncoding, contentLanguage } =
    fields;
  return {
    ...(contentType !== undefined && { contentType }),
    ...(cacheControl !== undefined && { cacheControl }),
    ...(contentDisposition !== undefined && { contentDisposition }),
    ...(contentEncoding !== undefined && { contentEncoding }),
    ...(contentLanguage !== undefined && { contentLanguage }),
    ...(fields.metadata !== undefined && { metadata: fields.metadata }),
  };
}

function frozenCopy(metadata: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const copy = { ...metadata };
  return Object.keys(copy).length === 0 ? NO_METADATA : Object.freeze(copy);
}

/** Of every file in a listing. */
const NO_METADATA = Object.freeze({});
