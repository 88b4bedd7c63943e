import { encodeStrictly } from '../servers/url-encoding.js';
import { invalid, notImplemented } from './errors.js';
import { etagOf, type StoredObject } from './object-store.js';

const TEXT_ATTRIBUTES = [
  'contentType',
  'cacheControl',
  'contentDisposition',
  'contentEncoding',
  'contentLanguage',
  'customTime',
] as const;

type TextAttribute = (typeof TEXT_ATTRIBUTES)[number];

/** What a client says about an object, beside its bytes. */
export interface ObjectAttributes extends Readonly<Partial<Record<TextAttribute, string>>> {
  readonly storageClass: string;
  readonly metadata: Readonly<Record<string, string>>;
}

/** The part of an object resource that clients write. `null` removes. */
export type GcsAttributes = Readonly<Partial<Record<TextAttribute, string | null>>> & {
  readonly storageClass?: string | null;
  readonly metadata?: Readonly<Record<string, string | null>> | null;
};

/** What an upload says of the content to come. */
export interface DeclaredContent {
  readonly name?: string;
  readonly md5Hash?: string;
  readonly crc32c?: string;
}

const STORAGE_CLASSES = ['STANDARD', 'NEARLINE', 'COLDLINE', 'ARCHIVE'];
const MAX_METADATA_BYTES = 8 * 1024;

/** Properties of a resource this server would have to ignore. */
const UNSUPPORTED = [
  'acl',
  'contexts',
  'eventBasedHold',
  'kmsKeyName',
  'retention',
  'temporaryHold',
];

const NO_ATTRIBUTES: ObjectAttributes = { storageClass: 'STANDARD', metadata: {} };

/**
 * The attributes an object resource describes, on top of those there are: what is left out stays, `null` goes.
 *
 * @throws GcsError invalid, notImplemented
 */
export function parseAttributes(
  resource: unknown,
  present: ObjectAttributes = NO_ATTRIBUTES,
): ObjectAttributes {
  if (!isRecord(resource)) throw invalid('The request body must be a JSON object.', 'parseError');
  for (const name of UNSUPPORTED) {
    const value = resource[name];
    if (value !== undefined && value !== null && value !== false) throw notImplemented(name);
  }
  const attributes: Partial<Record<TextAttribute, string>> = {};
  for (const name of TEXT_ATTRIBUTES) {
    const value = textOf(resource, name) ?? (resource[name] === null ? undefined : present[name]);
    if (value !== undefined && value !== '') attributes[name] = value;
  }
  checkCustomTime(attributes.customTime, present.customTime);
  const storageClass =
    textOf(resource, 'storageClass') ??
    (resource['storageClass'] === null ? 'STANDARD' : present.storageClass);
  if (!STORAGE_CLASSES.includes(storageClass)) {
    throw invalid(`Invalid storage class: ${storageClass}`, 'InvalidStorageClass');
  }
  return {
    ...attributes,
    storageClass,
    metadata: mergedMetadata(resource['metadata'], present.metadata),
  };
}

/** What an upload says beside attributes. @throws GcsError invalid */
export function parseDeclaredContent(resource: unknown): DeclaredContent {
  if (!isRecord(resource)) throw invalid('The request body must be a JSON object.', 'parseError');
  const [name, md5Hash, crc32c] = ['name', 'md5Hash', 'crc32c'].map((property) =>
    textOf(resource, property),
  );
  return {
    ...(name === undefined ? {} : { name }),
    ...(md5Hash === undefined ? {} : { md5Hash }),
    ...(crc32c === undefined ? {} : { crc32c }),
  };
}

function mergedMetadata(
  given: unknown,
  present: Readonly<Record<string, string>>,
): Record<string, string> {
  if (given === undefined) return { ...present };
  if (given === null) return {};
  if (!isRecord(given)) throw invalid('Invalid value for metadata: expected an object.');
  const merged = new Map(Object.entries(present));
  for (const [key, value] of Object.entries(given)) {
    if (value === null) merged.delete(key);
    else if (typeof value === 'string') merged.set(key, value);
    else throw invalid(`Invalid value for metadata.${key}: expected a string.`);
  }
  const bytes = [...merged].reduce(
    (sum, [key, value]) => sum + Buffer.byteLength(key) + Buffer.byteLength(value),
    0,
  );
  if (bytes > MAX_METADATA_BYTES) {
    throw invalid(
      `The total size of the custom metadata is ${bytes} bytes, more than ${MAX_METADATA_BYTES}.`,
      'MetadataTooLarge',
    );
  }
  return Object.fromEntries(merged);
}

function checkCustomTime(time: string | undefined, present: string | undefined): void {
  if (present !== undefined && (time === undefined || Date.parse(time) < Date.parse(present))) {
    throw invalid('Custom time cannot be removed or set to an earlier time.');
  }
  if (time !== undefined && Number.isNaN(Date.parse(time))) {
    throw invalid(`Invalid value for customTime: ${time}`);
  }
}

function textOf(resource: Record<string, unknown>, name: string): string | undefined {
  const value = resource[name];
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'string') throw invalid(`Invalid value for ${name}: expected a string.`);
  return value;
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The whole of what the JSON API tells of an object; `fields` may narrow it down. */
export function objectResource(object: StoredObject, endpoint: string): Record<string, unknown> {
  const { bucket, name, attributes } = object;
  const { storageClass, metadata, ...text } = attributes;
  const generation = String(object.generation);
  const path = `storage/v1/b/${bucket}/o/${encodeStrictly(name)}`;
  const created = new Date(object.timeCreated).toISOString();
  return {
    kind: 'storage#object',
    id: `${bucket}/${name}/${generation}`,
    selfLink: `${endpoint}/${path}`,
    mediaLink: `${endpoint}/download/${path}?generation=${generation}&alt=media`,
    name,
    bucket,
    generation,
    metageneration: String(object.metageneration),
    ...text,
    storageClass,
    size: String(object.body.size),
    ...(object.md5 === undefined ? {} : { md5Hash: object.md5 }),
    crc32c: object.crc32c,
    ...(object.componentCount === undefined ? {} : { componentCount: object.componentCount }),
    etag: etagOf(object),
    timeCreated: created,
    updated: new Date(object.updated).toISOString(),
    timeStorageClassUpdated: created,
    timeFinalized: created,
    ...(Object.keys(metadata).length === 0 ? {} : { metadata }),
  };
}
