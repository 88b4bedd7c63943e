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
 *
 * @publicApi
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
  const { metadata, checksum } = fields;
  const file: Record<string, unknown> = {};
  const given: Readonly<Record<string, unknown>> = fields;
  for (const name of Object.keys(given)) {
    const value = given[name];
    if (value !== undefined) file[name] = value;
  }
  file['metadata'] = metadata ? Object.freeze({ ...metadata }) : NO_METADATA;
  if (checksum) file['checksum'] = Object.freeze({ ...checksum });
  return Object.freeze(file) as unknown as StoredFile;
}

/** Of every file in a listing. */
const NO_METADATA = Object.freeze({});
