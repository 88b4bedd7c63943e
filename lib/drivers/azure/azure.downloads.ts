import type { Readable } from 'node:stream';
import { checkReadConditions, type ReadConditions } from '../../core/conditions.js';
import {
  StorageConnectionError,
  StorageFileNotFoundError,
  StoragePreconditionFailedError,
  StorageRangeNotSatisfiableError,
  StorageUnsupportedError,
} from '../../core/errors.js';
import { type ByteRange, type RangeOption, resolveRange } from '../../core/range.js';
import type { DriverDownload, DriverGetOptions } from '../../core/storage-driver.js';
import type { StoredFile } from '../../core/stored-file.js';
import { isOfNothing, notEmpty } from '../remote/empty-file.js';
import type { AzureContainer } from './azure.client.js';
import type { DownloadedBlob } from './azure.engine.js';
import { toStorageError, unreadableAnswer } from './azure.errors.js';
import { fileOf, lengthOf, type SizedProperties, toChecksum, toEtag } from './azure.metadata.js';
import { send } from './azure.requests.js';
import { ResumedBody } from './azure.resumed-body.js';

const MAX_ATTEMPTS = 3;

/**
 * The file as its properties describe it. A blob that the service is still copying to is none: whoever has a signed URL may
 * start such a copy, and what the blob will hold is not known before it has ended.
 */
export async function readFile(
  container: AzureContainer,
  key: string,
  signal: AbortSignal,
): Promise<StoredFile> {
  const properties = await readProperties(container, key, signal);
  if (properties.copyStatus === 'pending') {
    throw new StorageFileNotFoundError('The service is still copying to the blob');
  }
  return fileOf(key, properties.contentLength, properties);
}

/** The properties with what a blob cannot be without. @throws StorageConnectionError when the answer lacks it */
export async function readProperties(
  container: AzureContainer,
  key: string,
  signal: AbortSignal,
  attempt = 1,
): Promise<SizedProperties> {
  const properties = await send(container, signal, async (abortSignal) => {
    const answer = await container.engine.getProperties(key, abortSignal);
    if (answer.etag === undefined) throw unreadableAnswer();
    return { ...answer, contentLength: lengthOf(answer) };
  });
  const { contentLength, contentMD5 } = properties;
  const isCertain = contentLength > 0 || isOfNothing(toChecksum(contentMD5));
  if (!isCertain && (await isReplaced(container, key, properties, signal))) {
    if (attempt === MAX_ATTEMPTS) {
      throw new StorageConnectionError(
        'The blob is replaced faster than it can be looked at, or something on the way changes its etag',
      );
    }
    return readProperties(container, key, signal, attempt + 1);
  }
  return properties;
}

/**
 * Looks whether a blob is as empty as the answer to a HEAD says, which a proxy may have made of the body that is not there.
 *
 * @returns whether there is another version of it now
 * @throws StorageConnectionError when it is not empty
 */
async function isReplaced(
  container: AzureContainer,
  key: string,
  { etag }: SizedProperties,
  signal: AbortSignal,
): Promise<boolean> {
  let blob: DownloadedBlob;
  try {
    blob = await request(container, key, undefined, { ifMatch: toEtag(etag)! }, signal);
  } catch (error) {
    if (error instanceof StoragePreconditionFailedError) return true;
    if (signal.aborted || toStorageError(error).retryable) throw error;
    // It cannot be read, such as one in the archive.
    return false;
  }
  blob.body.on('error', () => {}).destroy();
  const { size } = deliveredRange(blob.description);
  if (size > 0) throw notEmpty(size, "the account's URL");
  return false;
}

export async function get(
  container: AzureContainer,
  key: string,
  options: DriverGetOptions,
): Promise<DriverDownload> {
  const conditions = effectiveConditions(options);
  const { range, signal } = options;
  const isSimple = Object.keys(conditions).length <= 1 && conditions.ifNoneMatch !== '*';
  if (!isSimple || isSuffix(range)) {
    return downloadVersion(container, key, options, conditions);
  }
  try {
    return await download(container, key, { range, conditions, signal });
  } catch (error) {
    // No condition holds for what is not there, which the answer does not tell.
    if (error instanceof StoragePreconditionFailedError) {
      await readProperties(container, key, signal);
    }
    throw error;
  }
}

/** Without those that another one of the same kind outranks, RFC 9110 §13.2.2. */
function effectiveConditions(options: ReadConditions): ReadConditions {
  const { ifMatch, ifNoneMatch, ifModifiedSince, ifUnmodifiedSince } = options;
  return {
    ...(ifMatch !== undefined
      ? { ifMatch }
      : ifUnmodifiedSince !== undefined && { ifUnmodifiedSince }),
    ...(ifNoneMatch !== undefined
      ? { ifNoneMatch }
      : ifModifiedSince !== undefined && { ifModifiedSince }),
  };
}

function isSuffix(range: RangeOption | undefined): range is { readonly suffix: number } {
  return range?.suffix !== undefined;
}

/**
 * Judges conditions and range by the properties, and then reads that very version: Azure knows neither a range that counts
 * from the end nor two conditions of different kinds, and takes `If-None-Match: *` of a read for a mistake.
 */
async function downloadVersion(
  container: AzureContainer,
  key: string,
  { range, signal }: DriverGetOptions,
  conditions: ReadConditions,
): Promise<DriverDownload> {
  for (let attempt = 1; ; attempt++) {
    const file = await readFile(container, key, signal);
    checkReadConditions(file, conditions);
    const resolved = range && resolveRange(range, file.size);
    try {
      return await download(container, key, {
        signal,
        range: resolved,
        conditions: { ifMatch: file.etag! },
      });
    } catch (error) {
      // Replaced between the two requests: what was judged is not there any more.
      if (!(error instanceof StoragePreconditionFailedError) || attempt === MAX_ATTEMPTS) {
        throw error;
      }
    }
  }
}

interface DownloadOptions {
  readonly signal: AbortSignal;
  readonly conditions: ReadConditions;
  readonly range: Exclude<RangeOption, { suffix: number }> | undefined;
}

async function download(
  container: AzureContainer,
  key: string,
  { range, conditions, signal }: DownloadOptions,
): Promise<DriverDownload> {
  const { description: answer, body } = await request(container, key, range, conditions, signal);
  try {
    const etag = toEtag(answer.etag)!;
    const delivered = deliveredRange(answer);
    if (range) assertAsked(range, delivered);
    // Of a range, the other field has an MD5 of its own.
    const md5 = answer.blobContentMD5 ?? (range ? undefined : answer.contentMD5);
    const file = fileOf(key, delivered.size, answer, md5);
    const resume = async (start: number, resumeSignal: AbortSignal): Promise<Readable> => {
      const rest = { start, end: delivered.end };
      return (await requestRest(container, key, rest, etag, resumeSignal)).body;
    };
    return {
      file,
      ...(range && { range: delivered }),
      body: new ResumedBody(body, delivered, {
        resume,
        signal,
        maxFailures: container.settings.retry.maxRetries,
      }),
    };
  } catch (error) {
    body.on('error', () => {});
    body.destroy();
    throw error;
  }
}

function request(
  container: AzureContainer,
  key: string,
  range: DownloadOptions['range'],
  conditions: ReadConditions,
  signal: AbortSignal,
): Promise<DownloadedBlob> {
  return send(container, signal, async (abortSignal) => {
    const answer = await container.engine.getBlob(key, range, conditions, abortSignal);
    try {
      lengthOf(answer.description);
      assertVersion(answer.description, conditions.ifMatch);
    } catch (error) {
      answer.body.on('error', () => {}).destroy();
      throw error;
    }
    return answer;
  });
}

/** For what ignores If-Match: whoever reads a file range by range, or goes on with it, must not get two versions of it. */
function assertVersion(
  answer: DownloadedBlob['description'],
  ifMatch: ReadConditions['ifMatch'],
): void {
  const etag = toEtag(answer.etag);
  if (etag === undefined) throw unreadableAnswer();
  if (ifMatch === undefined || ifMatch === '*' || ifMatch === etag) return;
  throw new StoragePreconditionFailedError();
}

/** The rest of a body that broke off, of the same version. */
async function requestRest(
  container: AzureContainer,
  key: string,
  range: { readonly start: number; readonly end: number },
  etag: string,
  signal: AbortSignal,
): Promise<DownloadedBlob> {
  let rest: DownloadedBlob | undefined;
  try {
    rest = await request(container, key, range, { ifMatch: etag }, signal);
    assertAsked(range, deliveredRange(rest.description));
    return rest;
  } catch (error) {
    rest?.body.on('error', () => {}).destroy();
    throw restError(error);
  }
}

/** What breaks a body that its reader has not asked for in pieces: no range is wrong, and no condition. */
function restError(error: unknown): unknown {
  if (
    error instanceof StoragePreconditionFailedError ||
    error instanceof StorageFileNotFoundError
  ) {
    return new StorageConnectionError(
      'The connection broke, and the file was replaced before the rest of it could be read',
      { cause: error.cause },
    );
  }
  if (error instanceof StorageRangeNotSatisfiableError) {
    return new StorageConnectionError('The file has fewer bytes than the service announced', {
      cause: error.cause,
    });
  }
  return error;
}

/** @throws StorageRangeNotSatisfiableError, StorageConnectionError, StorageUnsupportedError when it is not what was asked for */
function assertAsked(
  range: NonNullable<DownloadOptions['range']>,
  { start, end, size }: ByteRange,
): void {
  // Azurite answers with an empty range where the service refuses.
  const asked = resolveRange(range, size);
  if (start === asked.start && end === asked.end) return;
  if (start === 0 && end === size - 1) {
    throw new StorageUnsupportedError('The service ignored the range and answered the whole file');
  }
  throw new StorageConnectionError('The service answered another range than was asked for');
}

/** What of the file the answer delivers; `end` lies before `start` when the file is empty. */
function deliveredRange(answer: DownloadedBlob['description']): ByteRange {
  const told = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(answer.contentRange ?? '');
  if (told) return { start: Number(told[1]), end: Number(told[2]), size: Number(told[3]) };
  const length = answer.contentLength ?? 0;
  return { start: 0, end: length - 1, size: length };
}
