import { StorageConnectionError, StorageInvalidArgumentError } from '../../core/errors.js';
import { type FileAttributes, type StoredFile, storedFile } from '../../core/stored-file.js';
import { toNumber, toRecord, toText } from '../remote/answer-fields.js';

/** In the metadata of a file: what the write that stored it is recognised by. Never shown. */
const WRITE_TOKEN = 'nestjs-storages-write';

/** An object as the JSON API describes it: what of it concerns us. */
export interface GcsObject {
  readonly name: string;
  readonly size: number;
  /** Which bytes these are: another number whenever they are stored anew. */
  readonly generation: string;
  readonly updated: Date | undefined;
  readonly crc32c: string | undefined;
  /** Base64. Objects that were joined from others have none. */
  readonly md5: string | undefined;
  readonly attributes: FileAttributes;
  readonly writeToken: string | undefined;
  readonly customTime: string | undefined;
}

/** The fields of an answer that make up a `GcsObject`. */
export const OBJECT_FIELDS =
  'name,size,generation,updated,crc32c,md5Hash,contentType,cacheControl,contentDisposition,contentEncoding,contentLanguage,customTime,metadata';

const HEADERS = [
  'contentType',
  'cacheControl',
  'contentDisposition',
  'contentEncoding',
  'contentLanguage',
] as const;

/** @throws StorageConnectionError when the answer is no object */
export function parseObject(resource: unknown): GcsObject {
  const fields = toRecord(resource);
  const name = toText(fields['name']);
  const size = toNumber(fields['size']);
  const generation = toText(fields['generation']);
  if (name === undefined || size === undefined || generation === undefined) {
    throw new StorageConnectionError('The service described an object without its generation');
  }
  const updated = new Date(toText(fields['updated']) ?? '');
  const attributes: FileAttributes = {};
  for (const header of HEADERS) {
    const value = toText(fields[header]);
    if (value !== undefined) attributes[header] = value;
  }
  const { [WRITE_TOKEN]: writeToken, ...metadata } = toRecord(fields['metadata']);
  attributes.metadata = metadata as Record<string, string>;
  return {
    name,
    size,
    generation,
    attributes,
    updated: Number.isNaN(updated.getTime()) ? undefined : updated,
    crc32c: toText(fields['crc32c']),
    md5: toText(fields['md5Hash']),
    writeToken: toText(writeToken),
    customTime: toText(fields['customTime']),
  };
}

/**
 * The file that an object is. Its etag is its generation: Google's own changes with the metadata, too, and no precondition
 * of the JSON API's writes names it, while one by generation is decided with the write.
 */
export function fileOf(object: GcsObject): StoredFile {
  const { name, size, generation, updated, crc32c, attributes } = object;
  return storedFile({
    key: name,
    size,
    contentType: attributes.contentType,
    etag: `"${generation}"`,
    lastModified: updated,
    metadata: attributes.metadata,
    cacheControl: attributes.cacheControl,
    contentDisposition: attributes.contentDisposition,
    contentEncoding: attributes.contentEncoding,
    contentLanguage: attributes.contentLanguage,
    checksum: crc32c === undefined ? undefined : { algorithm: 'crc32c', value: crc32c },
    version: generation,
  });
}

/** The generation that an etag of ours names; none of another kind can be that of a file here. */
export function generationOf(etag: string): string | undefined {
  return /^"(\d+)"$/.exec(etag)?.[1];
}

/** The attributes as the JSON API takes them. */
export function toResource(
  attributes: FileAttributes,
  writeToken?: string,
): Record<string, unknown> {
  const resource: Record<string, unknown> = {};
  for (const header of HEADERS) {
    // An empty header is no header: the service keeps none.
    if (attributes[header]) resource[header] = attributes[header];
  }
  resource['metadata'] = {
    ...attributes.metadata,
    ...(writeToken !== undefined && { [WRITE_TOKEN]: writeToken }),
  };
  return resource;
}

/** @throws StorageInvalidArgumentError */
export function assertMetadata(
  metadata: Readonly<Record<string, string>> = {},
  ...reserved: readonly string[]
): void {
  const taken = [WRITE_TOKEN, ...reserved].find((name) => Object.hasOwn(metadata, name));
  if (taken === undefined) return;
  throw new StorageInvalidArgumentError(
    `metadata key "${taken}" is the gcs driver's own; take another`,
  );
}
