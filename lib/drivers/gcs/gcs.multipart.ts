import { createHash, randomBytes } from 'node:crypto';
import type { WriteConditions } from '../../core/conditions.js';
import {
  StorageError,
  StorageFileNotFoundError,
  StorageInvalidArgumentError,
} from '../../core/errors.js';
import type { MultipartPart } from '../../core/multipart.js';
import type {
  DriverListedUpload,
  DriverListUploadsOptions,
  DriverMultipartOptions,
  DriverOptions,
  DriverPartUrlOptions,
  DriverUpload,
  UploadUrl,
} from '../../core/storage-driver.js';
import type { StoredFile } from '../../core/stored-file.js';
import { inParallel } from '../../core/in-parallel.js';
import { deleteMany } from './gcs.deletes.js';
import type { GcsBucket } from './gcs.client.js';
import { ABSENT, commit, newWriteToken } from './gcs.commits.js';
import { listObjects, UPLOADS_FOLDER } from './gcs.listing.js';
import {
  assertMetadata,
  fileOf,
  type GcsObject,
  OBJECT_FIELDS,
  toResource,
} from './gcs.metadata.js';
import { deleteObject, findObject } from './gcs.objects.js';
import { jsonBody, objectPath, send, type SentAnswer } from './gcs.requests.js';
import { uploadUrl } from './gcs.signed-urls.js';
import { putBytes } from './gcs.uploads.js';

// In the metadata of a manifest: whose it is, which its name does not give away.
const KEY = 'nestjs-storages-key';
const UPLOAD_ID = 'nestjs-storages-upload';
/** Objects that one call joins. */
const MAX_SOURCES = 32;
const CLEANUP_TIMEOUT = 60_000;
const CLEANUP_ROUNDS = 5;

/**
 * An upload is a folder of objects that are joined in the end: parts may come in any order, at once and again, which a
 * resumable session does not take, and the joining has preconditions, which the XML API's multipart uploads do not have.
 */
interface UploadFolder {
  /** An empty object with the attributes of the file to come. As long as it is there, so is the upload. */
  readonly manifest: string;
  /** Below it lies a part by its number. */
  readonly parts: string;
  /** Below it lie parts that are joined already. */
  readonly joined: string;
  readonly path: string;
}

/** The name tells the key, so that the id with another key leads nowhere. */
function folderOf({ key, uploadId }: DriverUpload): UploadFolder {
  const name = createHash('sha256').update(`${uploadId}\0${key}`).digest('hex').slice(0, 40);
  const path = `${UPLOADS_FOLDER}${name}/`;
  return { path, manifest: `${path}manifest`, parts: `${path}parts/`, joined: `${path}joined/` };
}

export async function startMultipartUpload(
  bucket: GcsBucket,
  key: string,
  options: DriverMultipartOptions,
): Promise<string> {
  assertMetadata(options.metadata, KEY, UPLOAD_ID);
  const uploadId = randomBytes(18).toString('base64url');
  const { manifest } = folderOf({ key, uploadId });
  await putBytes(bucket, manifest, new Uint8Array(0), {
    ...options,
    metadata: { ...options.metadata, [KEY]: key, [UPLOAD_ID]: uploadId },
  });
  return uploadId;
}

/** A part that arrives when the upload is over takes itself away again, so that none is left behind. */
export async function uploadPart(
  bucket: GcsBucket,
  upload: DriverUpload,
  partNumber: number,
  body: Uint8Array,
  { signal }: DriverOptions,
): Promise<MultipartPart> {
  const folder = folderOf(upload);
  const name = partName(folder, partNumber);
  const part = await putBytes(bucket, name, body, { signal }, ABSENT);
  // The part is stored, and an abort now comes too late.
  const ending = AbortSignal.timeout(CLEANUP_TIMEOUT);
  if (!(await findObject(bucket, folder.manifest, ending))) {
    await deleteObject(bucket, name, ending, part.generation);
    throw noSuchUpload();
  }
  return partOf(part, folder);
}

/**
 * A PUT of the part's object. Google does not know that it belongs to an upload: one that comes when that is over stays,
 * seen by nobody, until the upload is aborted once more or the bucket's lifecycle rule removes it.
 */
export function uploadPartUrl(
  bucket: GcsBucket,
  upload: DriverUpload,
  partNumber: number,
  options: DriverPartUrlOptions,
): Promise<UploadUrl> {
  const name = partName(folderOf(upload), partNumber);
  return uploadUrl(bucket, name, { ...options, method: 'PUT' });
}

export async function listParts(
  bucket: GcsBucket,
  upload: DriverUpload,
  { signal }: DriverOptions,
): Promise<MultipartPart[]> {
  const folder = folderOf(upload);
  await readManifest(bucket, folder, signal);
  const objects = await listAll(bucket, folder.parts, signal);
  return objects.map((object) => partOf(object, folder));
}

export async function completeMultipartUpload(
  bucket: GcsBucket,
  upload: DriverUpload,
  parts: readonly Pick<MultipartPart, 'partNumber' | 'etag'>[],
  options: DriverOptions & WriteConditions,
): Promise<StoredFile> {
  const { signal } = options;
  const folder = folderOf(upload);
  const manifest = await readManifest(bucket, folder, signal);
  let object: GcsObject;
  try {
    object = await join(bucket, upload, parts, manifest, options);
  } catch (error) {
    // Parts are missing, too, when another call has completed or aborted the upload meanwhile.
    if (error instanceof StorageInvalidArgumentError) await readManifest(bucket, folder, signal);
    throw error;
  }
  await removeFolder(bucket, folder, AbortSignal.timeout(CLEANUP_TIMEOUT)).catch(() => {
    // The file is there. What could not be removed is for the bucket's lifecycle rule.
  });
  return fileOf(object);
}

async function join(
  bucket: GcsBucket,
  upload: DriverUpload,
  parts: readonly Pick<MultipartPart, 'partNumber' | 'etag'>[],
  { attributes }: GcsObject,
  { signal, ifNoneMatch, ifMatch }: DriverOptions & WriteConditions,
): Promise<GcsObject> {
  const folder = folderOf(upload);
  const { [KEY]: _key, [UPLOAD_ID]: _id, ...metadata } = attributes.metadata ?? {};
  const sources = chosenParts(await listAll(bucket, folder.parts, signal), parts, folder);
  const joined = await joinBeforehand(bucket, sources, folder, signal);
  const token = newWriteToken();
  return commit(bucket, {
    key: upload.key,
    token,
    signal,
    guess: 'current',
    ...(ifNoneMatch !== undefined && { ifNoneMatch }),
    ...(ifMatch !== undefined && { ifMatch }),
    write: (generation) =>
      compose(
        bucket,
        upload.key,
        joined,
        toResource({ ...attributes, metadata }, token),
        generation,
        signal,
      ),
  });
}

export async function abortMultipartUpload(
  bucket: GcsBucket,
  upload: DriverUpload,
  { signal }: DriverOptions,
): Promise<void> {
  await removeFolder(bucket, folderOf(upload), signal);
}

/** By their manifests. What is left of an upload without one is for the bucket's lifecycle rule. */
export async function* listUploads(
  bucket: GcsBucket,
  { prefix, signal }: DriverListUploadsOptions,
): AsyncIterable<DriverListedUpload[]> {
  for await (const page of listObjects(bucket, UPLOADS_FOLDER, signal)) {
    yield page.flatMap(({ name, updated, attributes }) => {
      const { [KEY]: key, [UPLOAD_ID]: uploadId } = attributes.metadata ?? {};
      if (key === undefined || uploadId === undefined || updated === undefined) return [];
      const isManifest = folderOf({ key, uploadId }).manifest === name;
      return isManifest && key.startsWith(prefix) ? [{ key, uploadId, startedAt: updated }] : [];
    });
  }
}

/** The parts that are named, of those that are there. @throws StorageInvalidArgumentError */
function chosenParts(
  objects: readonly GcsObject[],
  parts: readonly Pick<MultipartPart, 'partNumber' | 'etag'>[],
  folder: UploadFolder,
): GcsObject[] {
  const byNumber = new Map(objects.map((object) => [partOf(object, folder).partNumber, object]));
  return parts.map(({ partNumber, etag }) => {
    const object = byNumber.get(partNumber);
    if (object && partOf(object, folder).etag === etag) return object;
    throw new StorageInvalidArgumentError(
      `Part ${partNumber} was not uploaded, or not with this etag`,
    );
  });
}

/** Joins groups of parts until one call takes what is left. */
async function joinBeforehand(
  bucket: GcsBucket,
  parts: GcsObject[],
  folder: UploadFolder,
  signal: AbortSignal,
): Promise<GcsObject[]> {
  const { concurrency } = bucket.settings;
  let left = parts;
  while (left.length > MAX_SOURCES) {
    const groups: GcsObject[][] = [];
    for (let start = 0; start < left.length; start += MAX_SOURCES) {
      groups.push(left.slice(start, start + MAX_SOURCES));
    }
    left = await inParallel(groups, concurrency, signal, (group, stopped) => {
      if (group.length === 1) return Promise.resolve(group[0]!);
      const token = newWriteToken();
      const name = folder.joined + token;
      return commit(bucket, {
        key: name,
        token,
        signal: stopped,
        guess: ABSENT,
        ifNoneMatch: '*',
        write: (generation) =>
          compose(bucket, name, group, toResource({}, token), generation, stopped),
      });
    });
  }
  return left;
}

async function compose(
  bucket: GcsBucket,
  key: string,
  sources: readonly GcsObject[],
  destination: Record<string, unknown>,
  ifGenerationMatch: string,
  signal: AbortSignal,
): Promise<SentAnswer> {
  const answer = await send(bucket, {
    method: 'POST',
    path: `${objectPath(bucket, key)}/compose`,
    query: { ifGenerationMatch, fields: OBJECT_FIELDS },
    // By generation and without a precondition: a part that has changed is a 404 then, and the destination a 412.
    ...jsonBody({
      sourceObjects: sources.map(({ name, generation }) => ({ name, generation })),
      destination,
    }),
    signal,
  });
  if (answer.status !== 404) return answer;
  throw new StorageInvalidArgumentError(
    'A part was replaced or removed while the upload was completed',
  );
}

/** The manifest goes first: from then on the upload is over, and parts that still arrive remove themselves. */
async function removeFolder(
  bucket: GcsBucket,
  folder: UploadFolder,
  signal: AbortSignal,
): Promise<void> {
  await deleteObject(bucket, folder.manifest, signal);
  for (let round = 1; round <= CLEANUP_ROUNDS; round++) {
    const names = (await listAll(bucket, folder.path, signal)).map(({ name }) => name);
    if (names.length === 0) return;
    const { failed } = await deleteMany(bucket, names, { signal });
    if (failed[0] && round === CLEANUP_ROUNDS) throw failed[0].error;
  }
}

/** @throws StorageFileNotFoundError */
async function readManifest(
  bucket: GcsBucket,
  { manifest }: UploadFolder,
  signal: AbortSignal,
): Promise<GcsObject> {
  const object = await findObject(bucket, manifest, signal);
  if (!object) throw noSuchUpload();
  return object;
}

async function listAll(
  bucket: GcsBucket,
  prefix: string,
  signal: AbortSignal,
): Promise<GcsObject[]> {
  const objects: GcsObject[] = [];
  for await (const page of listObjects(bucket, prefix, signal)) objects.push(...page);
  return objects;
}

function partName({ parts }: UploadFolder, partNumber: number): string {
  return parts + String(partNumber).padStart(5, '0');
}

/** Its etag is the MD5, which is what Google answers to a signed PUT. */
function partOf(object: GcsObject, { parts }: UploadFolder): MultipartPart {
  const { name, size, md5, generation } = object;
  const etag = md5 === undefined ? generation : Buffer.from(md5, 'base64').toString('hex');
  return { partNumber: Number(name.slice(parts.length)), etag: `"${etag}"`, size };
}

function noSuchUpload(): StorageError {
  return new StorageFileNotFoundError('The multipart upload is not there');
}
