import { randomBytes, randomUUID } from 'node:crypto';
import type { WriteConditions } from '../../core/conditions.js';
import { StorageFileNotFoundError, StorageInvalidArgumentError } from '../../core/errors.js';
import { RESERVED_FOLDER } from '../../core/key.js';
import type { MultipartPart } from '../../core/multipart.js';
import type {
  DriverListedUpload,
  DriverListUploadsOptions,
  DriverMultipartOptions,
  DriverOptions,
  DriverUpload,
} from '../../core/storage-driver.js';
import { pickAttributes, type StoredFile } from '../../core/stored-file.js';
import { CursorTrail } from '../remote/cursor.js';
import { toRecord, toText } from '../remote/answer-fields.js';
import { commitBlocks, stageBlock } from './azure.blocks.js';
import type { AzureContainer } from './azure.client.js';
import { type BlobVersion, copyVersion } from './azure.copies.js';
import { deleteOne } from './azure.deletes.js';
import { readProperties } from './azure.downloads.js';
import { areBlocksGone, isSourceChange, unreadableAnswer } from './azure.errors.js';
import { listSegment } from './azure.listing.js';
import { decodeMetadata, fileOf, isLength, type SizedProperties } from './azure.metadata.js';
import { send, sendWrite } from './azure.requests.js';
import { assertConditions, putBytes } from './azure.uploads.js';

/*
 * An upload is a blob of its own in the reserved folder, empty at first, with the attributes of the file to be. Its parts
 * wait beside it as blocks; they are joined there, and the service copies the whole to the key. Blocks that waited under
 * the key itself would be dropped by any other write to it, a second upload of the same file among them.
 */

/** In the metadata of the blob: the key, in base64url. */
const KEY = 'nestjs-storages-key';
const UPLOADS_FOLDER = `${RESERVED_FOLDER}/uploads/`;
const LIST_PAGE_SIZE = 1000;
const UPLOAD_ID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
/** Part number, time, chance, and whether the part is empty: a block cannot be. */
const BLOCK_NAME = /^(\d{5})\.([0-9a-z]{9})\.([0-9a-f]{16})\.([01])$/;
const CLEANUP_TIMEOUT = 10_000;
const MAX_ATTEMPTS = 3;

export async function startMultipartUpload(
  container: AzureContainer,
  key: string,
  options: DriverMultipartOptions,
): Promise<string> {
  if (Object.hasOwn(options.metadata, KEY)) {
    throw new StorageInvalidArgumentError(
      `metadata key "${KEY}" is the azure driver's own; take another`,
    );
  }
  const uploadId = randomUUID();
  await putBytes(container, blobName(uploadId), new Uint8Array(0), {
    ...options,
    metadata: { ...options.metadata, [KEY]: keyToBase64(key) },
  });
  return uploadId;
}

export async function uploadPart(
  container: AzureContainer,
  upload: DriverUpload,
  partNumber: number,
  body: Uint8Array,
  { signal }: DriverOptions,
): Promise<MultipartPart> {
  await openUpload(container, upload, signal);
  const empty = body.byteLength === 0;
  const name = [
    String(partNumber).padStart(5, '0'),
    Date.now().toString(36).padStart(9, '0'),
    randomBytes(8).toString('hex'),
    empty ? '1' : '0',
  ].join('.');
  const id = Buffer.from(name).toString('base64');
  const bytes = empty ? new Uint8Array(1) : body;
  await stageBlock(container, blobName(upload.uploadId), id, bytes, signal, sendWrite);
  return { partNumber, etag: etagOf(name), size: body.byteLength };
}

export async function listParts(
  container: AzureContainer,
  upload: DriverUpload,
  { signal }: DriverOptions,
): Promise<MultipartPart[]> {
  await openUpload(container, upload, signal);
  const latest = new Map<number, PartBlock>();
  for (const part of await readBlocks(container, upload, signal)) {
    const other = latest.get(part.partNumber);
    if (!other || part.name > other.name) latest.set(part.partNumber, part);
  }
  return [...latest.values()]
    .sort((left, right) => left.partNumber - right.partNumber)
    .map(({ partNumber, name, size }) => ({ partNumber, etag: etagOf(name), size }));
}

/**
 * Parts are those whose etags are named, to the byte, even where another one came later under the number: only the
 * clocks of the senders say which was later. Of two who complete an upload at once, one may find that it is over.
 */
export async function completeMultipartUpload(
  container: AzureContainer,
  upload: DriverUpload,
  parts: readonly Pick<MultipartPart, 'partNumber' | 'etag'>[],
  options: DriverOptions & WriteConditions,
): Promise<StoredFile> {
  const { signal } = options;
  for (let attempt = 1; ; attempt++) {
    const properties = await openUpload(container, upload, signal);
    const named = namedParts(await readBlocks(container, upload, signal), parts);
    // Before the parts are joined, which drops the others: an upload that is refused stays as it was.
    await assertConditions(container, upload.key, options);
    const { [KEY]: _, ...metadata } = decodeMetadata(properties.metadata);
    try {
      const joined = await join(container, upload, named, properties, signal);
      const file = await copyVersion(container, joined, upload.key, { ...options, metadata });
      await removeQuietly(container, upload.uploadId);
      return file;
    } catch (error) {
      const changed = isSourceChange(error) || areBlocksGone(error);
      if (!changed || attempt === MAX_ATTEMPTS) throw error;
    }
  }
}

/** @throws StorageInvalidArgumentError when one of them was not sent */
function namedParts(
  blocks: readonly PartBlock[],
  parts: readonly Pick<MultipartPart, 'partNumber' | 'etag'>[],
): PartBlock[] {
  const sent = new Map(blocks.map((part) => [etagOf(part.name), part]));
  return parts.map(({ partNumber, etag }) => {
    const part = sent.get(etag);
    if (part?.partNumber === partNumber) return part;
    throw new StorageInvalidArgumentError(
      `Part ${partNumber} was not sent, or is another one than its etag says`,
    );
  });
}

/** Removes the blob of the upload. The service itself drops its blocks within a week. */
export async function abortMultipartUpload(
  container: AzureContainer,
  upload: DriverUpload,
  { signal }: DriverOptions,
): Promise<void> {
  try {
    await openUpload(container, upload, signal);
  } catch (error) {
    if (error instanceof StorageFileNotFoundError) return;
    throw error;
  }
  await deleteOne(container, blobName(upload.uploadId), signal);
}

/** The key is in each blob's metadata, so that no blob has to be asked. */
export async function* listUploads(
  container: AzureContainer,
  { prefix, signal }: DriverListUploadsOptions,
): AsyncIterable<DriverListedUpload[]> {
  const segmentOptions = { prefix: UPLOADS_FOLDER, pageSize: LIST_PAGE_SIZE, signal };
  const trail = new CursorTrail();
  let token: string | undefined;
  do {
    const { blobs, next } = await listSegment(container, segmentOptions, token);
    trail.follow(next);
    yield blobs.flatMap(({ name, metadata, properties }) => {
      const key = Buffer.from(decodeMetadata(metadata)[KEY] ?? '', 'base64url').toString();
      const uploadId = name.slice(UPLOADS_FOLDER.length);
      if (key === '' || !key.startsWith(prefix) || !UPLOAD_ID.test(uploadId)) return [];
      const { createdOn, lastModified } = properties;
      // Of an age that nobody knows, it must not pass for an old one.
      return [{ key, uploadId, startedAt: createdOn ?? lastModified ?? new Date() }];
    });
    token = next;
  } while (token !== undefined);
}

/** What its blob tells. @throws StorageFileNotFoundError when it was never started, belongs to another key, or is over */
async function openUpload(
  container: AzureContainer,
  { key, uploadId }: DriverUpload,
  signal: AbortSignal,
): Promise<SizedProperties> {
  // The id becomes part of a name: nothing else may get there.
  if (!UPLOAD_ID.test(uploadId)) throw noUpload();
  try {
    const properties = await readProperties(container, blobName(uploadId), signal);
    if (decodeMetadata(properties.metadata)[KEY] !== keyToBase64(key)) throw noUpload();
    return properties;
  } catch (error) {
    throw error instanceof StorageFileNotFoundError ? noUpload() : error;
  }
}

/** The blob of the upload, made of the parts. */
async function join(
  container: AzureContainer,
  { uploadId }: DriverUpload,
  parts: readonly PartBlock[],
  properties: SizedProperties,
  signal: AbortSignal,
): Promise<BlobVersion> {
  const key = blobName(uploadId);
  const ids = parts.filter(({ size }) => size > 0).map(({ id }) => id);
  // No list of blocks says that there is nothing; whatever an earlier attempt has joined is not meant.
  if (ids.length === 0) return { key, properties: { ...properties, contentLength: 0 } };
  await commitBlocks(container, key, ids, {
    ...pickAttributes(fileOf(key, 0, properties)),
    signal,
  });
  return { key, properties: await readProperties(container, key, signal) };
}

interface PartBlock {
  readonly partNumber: number;
  /** Later ones of a number sort after earlier ones. */
  readonly name: string;
  readonly id: string;
  readonly size: number;
}

/** Those that wait, and those that an earlier attempt to complete has joined. */
async function readBlocks(
  container: AzureContainer,
  { uploadId }: DriverUpload,
  signal: AbortSignal,
): Promise<PartBlock[]> {
  const blob = container.client.getBlockBlobClient(blobName(uploadId));
  const { committedBlocks = [], uncommittedBlocks = [] } = await send(
    container,
    signal,
    async (abortSignal) => {
      const answer = await blob.getBlockList('all', { abortSignal });
      // Of any other document the SDK makes a list without blocks.
      if (!/<BlockList[\s/>]/.test(toText(toRecord(answer._response)['bodyAsText']) ?? '')) {
        throw unreadableAnswer('The answer is no list of blocks');
      }
      return answer;
    },
  );
  return [...committedBlocks, ...uncommittedBlocks].flatMap(({ name: id, size }) => {
    // A part that passes for empty would be left out of the file.
    if (!isLength(size) || size === 0) throw unreadableAnswer('A block has no size');
    const name = Buffer.from(id, 'base64').toString();
    const [, number, , , empty] = BLOCK_NAME.exec(name) ?? [];
    if (number === undefined) return [];
    return [{ partNumber: Number(number), name, id, size: empty === '1' ? 0 : size }];
  });
}

/** The file is stored: what is left of its upload must not make a failure of that. */
async function removeQuietly(container: AzureContainer, uploadId: string): Promise<void> {
  const signal = AbortSignal.timeout(CLEANUP_TIMEOUT);
  await deleteOne(container, blobName(uploadId), signal).catch(() => {});
}

function blobName(uploadId: string): string {
  return UPLOADS_FOLDER + uploadId;
}

/** A header takes less of Unicode than a key may have. */
function keyToBase64(key: string): string {
  return Buffer.from(key).toString('base64url');
}

function etagOf(name: string): string {
  return `"${name}"`;
}

function noUpload(): StorageFileNotFoundError {
  return new StorageFileNotFoundError('The multipart upload is not there');
}
