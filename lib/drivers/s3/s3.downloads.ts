import { Readable } from 'node:stream';
import { Socket } from 'node:net';
import {
  GetObjectCommand,
  type GetObjectCommandInput,
  type GetObjectCommandOutput,
  HeadBucketCommand,
  HeadObjectCommand,
  type HeadObjectCommandOutput,
} from '@aws-sdk/client-s3';
import type { ReadConditions } from '../../core/conditions.js';
import {
  StorageAbortedError,
  StorageConnectionError,
  StorageFileNotFoundError,
  StorageIntegrityError,
  StorageNotModifiedError,
  StoragePreconditionFailedError,
  StorageRangeNotSatisfiableError,
  StorageUnsupportedError,
} from '../../core/errors.js';
import { type ByteRange, formatRange, type RangeOption, resolveRange } from '../../core/range.js';
import type { DriverDownload, DriverGetOptions } from '../../core/storage-driver.js';
import type { StoredFile } from '../../core/stored-file.js';
import { isOfNothing, notEmpty } from '../remote/empty-file.js';
import { S3Call } from './s3.call.js';
import type { S3Bucket } from './s3.client.js';
import { isWebPage, noSuchBucket, readFailure, toStorageError, unconfirmed } from './s3.errors.js';
import { etagOf, fileOf, toChecksum, toEtag } from './s3.metadata.js';
import { send } from './s3.requests.js';

/** The file as HeadObject describes it. */
export async function readFile(
  bucket: S3Bucket,
  key: string,
  signal: AbortSignal,
): Promise<StoredFile> {
  const head = await readHead(bucket, key, signal);
  return fileOf(key, head.ContentLength, head);
}

/** Of an empty file that seems to be replaced each time: something on the way may give each answer an etag of its own. */
const MAX_LOOKS = 3;

const ETAG_OF_NOTHING = etagOf(Buffer.alloc(0));

/** HeadObject with what a file cannot be without. */
export interface S3Head extends HeadObjectCommandOutput {
  ContentLength: number;
}

export async function readHead(
  bucket: S3Bucket,
  key: string,
  signal: AbortSignal,
  attempt = 1,
): Promise<S3Head> {
  let head: HeadObjectCommandOutput;
  let size: number;
  try {
    head = await send(bucket, headCommand(bucket, key), signal);
    size = lengthOf(head);
  } catch (error) {
    const failure = readFailure(error);
    if (failure.status === 400) throw (await failureInWords(bucket, key, signal)) ?? error;
    // Some services call an answer without a body HTML, too: theirs has the id of the request.
    const isOfService = failure.requestId !== undefined || !isWebPage(failure);
    if (failure.status !== 404 || !isOfService) throw error;
    await assertBucket(bucket, key, signal);
    throw new StorageFileNotFoundError(undefined, { cause: toStorageError(error).cause });
  }
  const isCertain =
    size > 0 || toEtag(head.ETag) === ETAG_OF_NOTHING || isOfNothing(toChecksum(head));
  const isLast = attempt === MAX_LOOKS;
  if (!isCertain && (await isReplaced(bucket, key, isLast ? undefined : head, signal))) {
    return readHead(bucket, key, signal, attempt + 1);
  }
  return { ...head, ContentLength: size };
}

/**
 * Looks whether a file is as empty as the answer to a HEAD says, which a proxy may have made of the body that is not there.
 *
 * @param head the answer; without it, every version counts as the one that it was about
 * @returns whether there is another version of it now
 * @throws StorageConnectionError when it is not empty
 */
async function isReplaced(
  bucket: S3Bucket,
  key: string,
  head: HeadObjectCommandOutput | undefined,
  signal: AbortSignal,
): Promise<boolean> {
  let output: GetObjectCommandOutput;
  try {
    output = await send(bucket, new GetObjectCommand({ Bucket: bucket.bucket, Key: key }), signal);
  } catch (error) {
    if (signal.aborted || toStorageError(error).retryable) throw error;
    // It cannot be read, such as one in an archive.
    return false;
  }
  discard(output);
  if (head && toEtag(output.ETag) !== toEtag(head.ETag)) return true;
  const size = lengthOf(output);
  if (size > 0) throw notEmpty(size, 'endpoint');
  return false;
}

/** Frees the connection of a body that nobody reads. */
function discard({ Body }: GetObjectCommandOutput): void {
  if (Body instanceof Readable) Body.on('error', () => {}).destroy();
}

/**
 * Why the file cannot be read, as an answer with a body tells it: to a HEAD, expired credentials and much else are no more
 * than a 400. `undefined` when it can be read.
 */
async function failureInWords(
  bucket: S3Bucket,
  key: string,
  signal: AbortSignal,
): Promise<unknown> {
  const one = { Bucket: bucket.bucket, Key: key, Range: 'bytes=0-0' };
  try {
    discard(await send(bucket, new GetObjectCommand(one), signal));
    return undefined;
  } catch (error) {
    return error;
  }
}

/** Content-Length of an answer that describes a file. @throws StorageConnectionError when it describes none */
function lengthOf({ ETag, ContentLength }: HeadObjectCommandOutput): number {
  if (ETag && ContentLength !== undefined) return ContentLength;
  throw unconfirmed(ETag ? 'the size of the file' : 'that this is a file');
}

const existingBuckets = new WeakSet<S3Bucket>();

/**
 * HeadObject cannot say what it is that is missing, and a misspelt bucket must not pass for one without files. Asked
 * once, after the first miss. @throws StorageConfigurationError
 */
async function assertBucket(bucket: S3Bucket, key: string, signal: AbortSignal): Promise<void> {
  if (existingBuckets.has(bucket)) return;
  try {
    await send(bucket, new HeadBucketCommand({ Bucket: bucket.bucket }), signal);
  } catch (error) {
    const { status } = readFailure(error);
    if (status === 404) throw noSuchBucket(bucket.bucket);
    if (status === 400) throw (await failureInWords(bucket, key, signal)) ?? error;
    // Whoever may not ask for the bucket may still use it.
    if (status !== 403) throw error;
  }
  existingBuckets.add(bucket);
}

/** HeadObject that also asks for the checksum, where the service keeps one. */
export function headCommand({ bucket, profile }: S3Bucket, key: string): HeadObjectCommand {
  return new HeadObjectCommand({
    Bucket: bucket,
    Key: key,
    ...(profile.checksums.length > 0 && { ChecksumMode: 'ENABLED' }),
  });
}

type S3ReadConditions = Pick<
  GetObjectCommandInput,
  'IfMatch' | 'IfNoneMatch' | 'IfModifiedSince' | 'IfUnmodifiedSince'
>;

/**
 * Without `*`, which radosgw takes for an etag. As If-Match it holds for every file that there is, and outdoes
 * If-Unmodified-Since; as If-None-Match it holds for none, and outdoes If-Modified-Since.
 */
function toS3Conditions(conditions: ReadConditions): S3ReadConditions {
  const { ifMatch, ifNoneMatch, ifModifiedSince, ifUnmodifiedSince } = conditions;
  return {
    ...(ifMatch !== '*' && { IfMatch: ifMatch, IfUnmodifiedSince: ifUnmodifiedSince }),
    ...(ifNoneMatch !== '*' && { IfNoneMatch: ifNoneMatch, IfModifiedSince: ifModifiedSince }),
  };
}

export async function get(
  bucket: S3Bucket,
  key: string,
  options: DriverGetOptions,
): Promise<DriverDownload> {
  const { range, signal } = options;
  const conditions = { Bucket: bucket.bucket, Key: key, ...toS3Conditions(options) };
  if (options.ifNoneMatch === '*') {
    await send(bucket, new HeadObjectCommand(conditions), signal);
    throw new StorageNotModifiedError();
  }
  if (range?.suffix === 0) {
    // `bytes=-0` is no range for some services, which then answer the whole file.
    const head = await send(bucket, new HeadObjectCommand(conditions), signal);
    resolveRange(range, lengthOf(head));
  }
  let wire: unknown;
  const call = new S3Call(
    new GetObjectCommand({
      ...conditions,
      // A range answers the checksum of the whole file, which its bytes cannot have.
      ...(range
        ? { Range: formatRange(range) }
        : bucket.profile.checksums.length > 0 && { ChecksumMode: 'ENABLED' }),
    }),
  ).onAnswer(({ body }) => {
    wire = body;
  });
  const output = await send(bucket, call, signal);
  const body = output.Body;
  if (!(body instanceof Readable)) {
    throw new StorageConnectionError('The service answered without a body');
  }
  try {
    assertVersion(output, options.ifMatch);
    const resolved = range && deliveredRange(range, output);
    const size = resolved?.size ?? lengthOf(output);
    keepWhilePaused(body, wire, bucket.idleTimeout);
    return {
      file: fileOf(key, size, output),
      ...(resolved && { range: resolved }),
      body: withStorageErrors(body, wire, signal),
    };
  } catch (error) {
    body.on('error', () => {});
    body.destroy();
    throw error;
  }
}

/** For services that ignore If-Match: what reads a file range by range must not get two versions of it. */
function assertVersion({ ETag }: GetObjectCommandOutput, ifMatch: string | undefined): void {
  if (!ETag) throw unconfirmed('that this is a file');
  if (ifMatch === undefined || ifMatch === '*' || ifMatch === toEtag(ETag)) return;
  throw new StoragePreconditionFailedError();
}

/** @throws StorageRangeNotSatisfiableError, StorageConnectionError, StorageUnsupportedError when it is not what was asked for */
function deliveredRange(range: RangeOption, output: GetObjectCommandOutput): ByteRange {
  const [, start, end, size] = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(output.ContentRange ?? '') ?? [];
  if (size !== undefined) {
    const asked = resolveRange(range, Number(size));
    if (Number(start) === asked.start && Number(end) === asked.end) return asked;
    throw new StorageConnectionError('The service answered another range than was asked for');
  }
  if (output.ContentRange) throw unconfirmed('which bytes of how large a file it sends');
  const length = lengthOf(output);
  if (length === 0) throw new StorageRangeNotSatisfiableError(undefined, { size: 0 });
  const whole = resolveRange(range, length);
  if (whole.start === 0 && whole.end === length - 1) return whole;
  throw new StorageUnsupportedError('The service ignored the range and answered the whole file');
}

/** Makes what breaks the body a StorageError, and frees the connection with the body. */
function withStorageErrors(body: Readable, wire: unknown, signal: AbortSignal): Readable {
  const destroy = body.destroy.bind(body);
  // What a stream is destroyed with it tells to whoever comes later, whatever `_destroy` makes of it.
  body.destroy = (error) => destroy(error && bodyError(error, signal));
  const release = body._destroy.bind(body);
  body._destroy = (error, callback) => {
    release(error, (after) => {
      const failed = after ?? error;
      callback(failed ? bodyError(failed, signal) : null);
    });
  };
  if (wire instanceof Readable && wire !== body) body.once('close', () => wire.destroy());
  return body;
}

function bodyError(error: Error, signal: AbortSignal): Error {
  if (signal.aborted) return new StorageAbortedError(undefined, { cause: signal.reason });
  // The SDK's own check of the checksum throws a plain Error; nothing but its words tells it.
  if (error.constructor === Error && error.message.startsWith('Checksum mismatch')) {
    return new StorageIntegrityError('The bytes that arrived do not have the checksum of the file');
  }
  const mapped = toStorageError(error, signal);
  return mapped.code === 'UNKNOWN'
    ? new StorageConnectionError(undefined, { cause: error })
    : mapped;
}

/**
 * A reader that takes its time is no dead connection: as long as bytes wait to be read, the socket's idle timer starts
 * anew.
 */
function keepWhilePaused(body: Readable, wire: unknown, idleTimeout: number | undefined): void {
  if (idleTimeout === undefined || !(wire instanceof Readable) || !('socket' in wire)) return;
  const { socket } = wire;
  if (!(socket instanceof Socket)) return;
  const timer = setInterval(() => {
    if (body.readableLength > 0 || wire.readableLength > 0) socket.setTimeout(idleTimeout);
  }, idleTimeout / 3);
  timer.unref();
  body.once('close', () => clearInterval(timer));
}
