import { setTimeout as sleep } from 'node:timers/promises';
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  type CompletedPart,
  type CompleteMultipartUploadCommandOutput,
  CreateMultipartUploadCommand,
  type HeadObjectCommandOutput,
  ListMultipartUploadsCommand,
  ListPartsCommand,
  UploadPartCommand,
  type UploadPartCommandInput,
  type UploadPartCommandOutput,
} from '@aws-sdk/client-s3';
import type { WriteConditions } from '../../core/conditions.js';
import { StorageConnectionError } from '../../core/errors.js';
import type { MultipartPart } from '../../core/multipart.js';
import type {
  DriverListedUpload,
  DriverListUploadsOptions,
  DriverMultipartOptions,
  DriverOptions,
  DriverUpload,
} from '../../core/storage-driver.js';
import { type FileAttributes, type StoredFile, storedFile } from '../../core/stored-file.js';
import { CursorTrail } from '../remote/cursor.js';
import { S3Call } from './s3.call.js';
import { type ChecksumInput, type PartChecksum, partChecksum } from './s3.checksums.js';
import type { S3Bucket } from './s3.client.js';
import { commit, joinedEtag, type WrittenFile } from './s3.commits.js';
import {
  isNoSuchUpload,
  missingListing,
  noSuchUpload,
  readFailure,
  toStorageError,
  unconfirmed,
} from './s3.errors.js';
import { readFile } from './s3.downloads.js';
import { decodeListed, nextMarker } from './s3.listing.js';
import { toChecksum, toEtag, toS3Attributes, toVersion } from './s3.metadata.js';
import { send, sendWrite } from './s3.requests.js';

const DESCRIBE_TIMEOUT = 30_000;
const ABANDON_TIMEOUT = 30_000;
const ABANDON_ROUNDS = 8;

export async function startMultipartUpload(
  bucket: S3Bucket,
  key: string,
  options: DriverMultipartOptions,
): Promise<string> {
  return createUpload(bucket, key, toS3Attributes(options), options.signal);
}

/**
 * An abort waits for the answer: an upload whose id did not arrive could not be aborted. One whose answer is lost stays
 * until the bucket's lifecycle rule removes it, for nothing tells it from an upload of somebody else.
 */
export async function createUpload(
  bucket: S3Bucket,
  key: string,
  attributes: ReturnType<typeof toS3Attributes>,
  signal: AbortSignal,
  algorithm = partChecksum(bucket),
): Promise<string> {
  const command = new CreateMultipartUploadCommand({
    Bucket: bucket.bucket,
    Key: key,
    ...attributes,
    ...(algorithm && { ChecksumAlgorithm: algorithm, ChecksumType: 'FULL_OBJECT' }),
  });
  const { UploadId } = await sendWrite(bucket, command, signal);
  if (!UploadId) throw unconfirmed('the start of the upload');
  return UploadId;
}

export async function uploadPart(
  bucket: S3Bucket,
  upload: DriverUpload,
  partNumber: number,
  body: Uint8Array,
  { signal }: DriverOptions,
): Promise<MultipartPart> {
  const size = body.byteLength;
  const call = partCall(bucket, upload, partNumber, body);
  // One that arrived after its abort would take the place of the one that is sent again.
  const { ETag } = await sendWrite(bucket, call, signal);
  return { partNumber, etag: partEtag(partNumber, ETag), size };
}

/** A part of an upload that is given up as a whole: an abort cuts it at once. */
export async function sendPart(
  bucket: S3Bucket,
  upload: DriverUpload,
  partNumber: number,
  body: Uint8Array,
  signal: AbortSignal,
  algorithm: PartChecksum | undefined,
): Promise<UploadPartCommandOutput> {
  const call = partCall(bucket, upload, partNumber, body, algorithm);
  const sent = await send(bucket, call, signal);
  if (!sent.ETag) throw unconfirmed(`part ${partNumber}`);
  return sent;
}

function partCall(
  bucket: S3Bucket,
  { key, uploadId }: DriverUpload,
  partNumber: number,
  body: Uint8Array,
  algorithm = partChecksum(bucket),
): S3Call<UploadPartCommandInput, UploadPartCommandOutput> {
  const command = new UploadPartCommand({
    Bucket: bucket.bucket,
    Key: key,
    UploadId: uploadId,
    PartNumber: partNumber,
    Body: body,
    ContentLength: body.byteLength,
    ...(algorithm && { ChecksumAlgorithm: algorithm }),
  });
  const call = new S3Call(command);
  if (algorithm) call.withUnsignedPayload();
  return call;
}

export async function listParts(
  bucket: S3Bucket,
  { key, uploadId }: DriverUpload,
  { signal }: DriverOptions,
): Promise<MultipartPart[]> {
  const parts: MultipartPart[] = [];
  const trail = new CursorTrail();
  let marker: string | undefined;
  for (;;) {
    const command = new ListPartsCommand({
      Bucket: bucket.bucket,
      Key: key,
      UploadId: uploadId,
      ...(marker !== undefined && { PartNumberMarker: marker }),
    });
    const page = await send(bucket, command, signal);
    if (page.UploadId === undefined && page.IsTruncated === undefined) {
      throw unconfirmed('the list of parts');
    }
    for (const { PartNumber, ETag, Size } of page.Parts ?? []) {
      // Whoever resumes the upload goes on where the sizes say.
      if (!PartNumber || Size === undefined || !(Size >= 0)) throw unconfirmed('the list of parts');
      parts.push({ partNumber: PartNumber, etag: partEtag(PartNumber, ETag), size: Size });
    }
    if (!page.IsTruncated) return parts;
    marker = nextMarker(page.NextPartNumberMarker, 'the list of parts');
    trail.follow(marker);
  }
}

/** Some services complete an upload that is over once more; that it is over shows in the list of its parts. */
export async function completeMultipartUpload(
  bucket: S3Bucket,
  upload: DriverUpload,
  parts: readonly Pick<MultipartPart, 'partNumber' | 'etag'>[],
  options: DriverOptions & WriteConditions,
): Promise<StoredFile> {
  const known = { token: undefined, size: undefined, since: undefined, attributes: undefined };
  const named = parts.map(({ partNumber, etag }) => ({ PartNumber: partNumber, ETag: etag }));
  const size = await joinedSize(bucket, upload, parts, options);
  let completed: CompletedUpload;
  try {
    completed = await completeUpload(bucket, upload, named, { ...options, ...known });
  } catch (error) {
    // radosgw answers 500 for an upload that is not there.
    if (readFailure(error).status === 500 && (await isGone(bucket, upload))) {
      throw noSuchUpload({ cause: toStorageError(error).cause });
    }
    throw error;
  }
  return completedFile(bucket, upload.key, completed, size === undefined ? undefined : { size });
}

/**
 * Bytes of the file that the parts are to be; `undefined` where the service does not tell.
 *
 * @throws StorageFileNotFoundError when the upload is over
 */
async function joinedSize(
  bucket: S3Bucket,
  upload: DriverUpload,
  parts: readonly Pick<MultipartPart, 'partNumber'>[],
  options: DriverOptions,
): Promise<number | undefined> {
  let sent: MultipartPart[];
  try {
    sent = await listParts(bucket, upload, options);
  } catch (error) {
    if (options.signal.aborted || isNoSuchUpload(error)) throw error;
    // Who may not list parts may still complete uploads.
    return undefined;
  }
  const sizes = new Map(sent.map(({ partNumber, size }) => [partNumber, size]));
  const joined = parts.map(({ partNumber }) => sizes.get(partNumber));
  return joined.reduce<number | undefined>(
    (sum, size) => (sum === undefined || size === undefined ? undefined : sum + size),
    0,
  );
}

interface CompleteOptions extends DriverOptions, WriteConditions {
  /** What the upload carries if it is conditional; none when the conditions come with its completion. */
  readonly token: string | undefined;
  /** Of the whole file, if known. */
  readonly size: number | undefined;
  readonly since: number | undefined;
  readonly attributes: FileAttributes | undefined;
  /** Of the whole file, for the service to compare with what it has joined from the parts. */
  readonly checksum?: ChecksumInput | undefined;
  /** Makes sure that an uncertain commit can no longer happen, by giving the upload up. */
  readonly fence?: () => Promise<void>;
}

export type CompletedUpload = CompleteMultipartUploadCommandOutput | HeadObjectCommandOutput;

/** Joins the parts, and answers what is stored even when the answer to the commit was lost. */
export function completeUpload(
  bucket: S3Bucket,
  { key, uploadId }: DriverUpload,
  parts: CompletedPart[],
  options: CompleteOptions,
): Promise<CompletedUpload> {
  const { signal, ifNoneMatch, ifMatch, token, checksum, fence } = options;
  const { size, since, attributes } = options;
  const { createOnly, md5OfParts } = bucket.profile;
  const begun = Date.now();
  const written = (answerLost: boolean): WrittenFile => {
    if (token !== undefined) return { token, since };
    const etag = md5OfParts ? joinedEtag(parts.map(({ ETag }) => ETag ?? '')) : undefined;
    // Where no etag tells: the upload is gone since it was asked for, and what was stored since then is its file. Whoever
    // sets a condition wants to know for certain.
    const recent = etag === undefined && answerLost && ifNoneMatch === undefined && !ifMatch;
    return { etag, size, since: since ?? (recent ? begun : undefined), attributes };
  };
  const settle = async (): Promise<boolean | undefined> => {
    if (!fence) return isGone(bucket, { key, uploadId });
    await fence();
    return true;
  };
  const request = async (): Promise<CompleteMultipartUploadCommandOutput> => {
    const command = new CompleteMultipartUploadCommand({
      Bucket: bucket.bucket,
      Key: key,
      UploadId: uploadId,
      MultipartUpload: { Parts: parts },
      ...(ifMatch !== undefined && { IfMatch: ifMatch }),
      ...(checksum && { ChecksumType: 'FULL_OBJECT', ...checksum }),
    });
    const call = new S3Call(command);
    if (ifNoneMatch !== undefined && createOnly) call.onlyCreating(createOnly);
    const completed = await sendWrite(bucket, call, signal);
    // radosgw names the file, but tells no etag.
    if (!completed.ETag && !completed.Key && !completed.Location && !completed.Bucket) {
      throw unconfirmed('the completion of the upload');
    }
    return completed;
  };
  return commit(bucket, key, request, {
    signal,
    ...(ifNoneMatch !== undefined && { ifNoneMatch }),
    ...(ifMatch !== undefined && { ifMatch }),
    settle,
    written,
  });
}

/** An upload that was completed is gone. `undefined`: nothing could be learnt. */
async function isGone(bucket: S3Bucket, upload: DriverUpload): Promise<boolean | undefined> {
  try {
    await listParts(bucket, upload, { signal: AbortSignal.timeout(DESCRIBE_TIMEOUT) });
    return false;
  } catch (error) {
    // Of whatever kind: radosgw misses a key.
    return readFailure(error).status === 404 ? true : undefined;
  }
}

/**
 * The file that was completed, as HeadObject describes it: its Last-Modified is in no other answer. When the look
 * fails, or finds a newer version, the file is what the upload itself knows.
 *
 * @throws StorageConnectionError that is not retryable when nothing knows how large the file is
 */
export async function completedFile(
  bucket: S3Bucket,
  key: string,
  completed: CompletedUpload,
  known: (Pick<StoredFile, 'size'> & FileAttributes) | undefined,
): Promise<StoredFile> {
  const etag = toEtag(completed.ETag);
  let cause: unknown;
  try {
    // The file is committed, and no abort undoes that: the caller's signal has no say here.
    const file = await readFile(bucket, key, AbortSignal.timeout(DESCRIBE_TIMEOUT));
    if (etag === undefined || file.etag === etag) return file;
  } catch (error) {
    cause = toStorageError(error).cause;
  }
  if (!known) {
    throw new StorageConnectionError(
      'The upload is completed and the file is stored, but what is stored now cannot be read, or is a newer file',
      { cause, retryable: false },
    );
  }
  return storedFile({
    ...known,
    key,
    etag,
    checksum: toChecksum(completed),
    version: toVersion(completed.VersionId),
  });
}

export async function abortMultipartUpload(
  bucket: S3Bucket,
  { key, uploadId }: DriverUpload,
  { signal }: DriverOptions,
): Promise<void> {
  const command = new AbortMultipartUploadCommand({
    Bucket: bucket.bucket,
    Key: key,
    UploadId: uploadId,
  });
  try {
    await sendWrite(bucket, command, signal);
  } catch (error) {
    if (!isNoSuchUpload(error)) throw error;
  }
}

/**
 * A page is handed out when the one behind it was read: where an upload that marks a page is gone, the service would leave out what
 * else is under way to the same key.
 */
export async function* listUploads(
  bucket: S3Bucket,
  { prefix, signal }: DriverListUploadsOptions,
): AsyncIterable<DriverListedUpload[]> {
  const trail = new CursorTrail();
  let page = await listUploadPage(bucket, prefix, undefined, signal);
  for (;;) {
    trail.follow(page.marker && JSON.stringify(page.marker));
    const next = page.marker && (await listUploadPage(bucket, prefix, page.marker, signal));
    yield page.uploads;
    if (!next) return;
    page = next;
  }
}

interface UploadMarker {
  readonly KeyMarker: string;
  readonly UploadIdMarker: string | undefined;
}

async function listUploadPage(
  bucket: S3Bucket,
  prefix: string,
  marker: UploadMarker | undefined,
  signal: AbortSignal,
): Promise<{ uploads: DriverListedUpload[]; marker: UploadMarker | undefined }> {
  const what = 'the list of uploads';
  const command = new ListMultipartUploadsCommand({
    Bucket: bucket.bucket,
    Prefix: prefix,
    ...marker,
    // Without `encoding-type`: XML can hold every key that there may be, and radosgw encodes without saying so.
  });
  const output = await send(bucket, command, signal).catch((error: unknown) => {
    throw readFailure(error).status === 404 ? missingListing(bucket.bucket, error) : error;
  });
  if (output.Bucket === undefined && output.IsTruncated === undefined) throw unconfirmed(what);
  const decode = output.EncodingType === 'url' ? decodeListed : (text: string): string => text;
  const uploads = (output.Uploads ?? []).map(({ Key, UploadId, Initiated }) => {
    // Whether it may be aborted is told by its age.
    if (!Key || !UploadId || !Initiated) throw unconfirmed(what);
    return { key: decode(Key), uploadId: UploadId, startedAt: Initiated };
  });
  if (!output.IsTruncated) return { uploads, marker: undefined };
  const KeyMarker = decode(nextMarker(output.NextKeyMarker, what));
  return { uploads, marker: { KeyMarker, UploadIdMarker: output.NextUploadIdMarker } };
}

/**
 * Removes an upload that failed, and looks whether it is gone: a part that was under way during the abort may be stored
 * after it. It never fails, for it must not hide why the upload did; what it cannot remove is left to the bucket's
 * lifecycle rule.
 */
export async function abandonUpload(bucket: S3Bucket, upload: DriverUpload): Promise<void> {
  const options = { signal: AbortSignal.timeout(ABANDON_TIMEOUT) };
  for (let round = 0; round < ABANDON_ROUNDS && !options.signal.aborted; round++) {
    try {
      if (round > 0) await sleep(Math.min(100 * 2 ** round, 1600), undefined, options);
      await abortMultipartUpload(bucket, upload, options);
      await listParts(bucket, upload, options);
    } catch (error) {
      // NoSuchUpload from the listing is the proof, and what no repetition mends leaves nothing more to try. Silence has been
      // waited for as often as the retry options say, and whoever called waits, too.
      const { code, retryable } = toStorageError(error);
      if (!retryable || code === 'TIMEOUT') return;
    }
  }
}

function partEtag(partNumber: number, etag: string | undefined): string {
  const quoted = toEtag(etag);
  if (quoted === undefined) throw unconfirmed(`part ${partNumber}`);
  return quoted;
}
