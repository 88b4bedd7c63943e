import { createHash, randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { HeadObjectCommandOutput } from '@aws-sdk/client-s3';
import type { Checksum } from '../../core/checksum.js';
import type { WriteConditions } from '../../core/conditions.js';
import { StorageConnectionError } from '../../core/errors.js';
import type { FileAttributes } from '../../core/stored-file.js';
import { sameAttributes } from '../remote/file-attributes.js';
import { mayHaveHappened } from '../remote/uncertain-failures.js';
import { dateOf, S3Call, type WireAnswer } from './s3.call.js';
import type { S3Bucket } from './s3.client.js';
import { headCommand } from './s3.downloads.js';
import {
  conditionError,
  isConflict,
  isNoSuchUpload,
  readFailure,
  toStorageError,
} from './s3.errors.js';
import { fileOf, toEtag, writeTokenOf } from './s3.metadata.js';
import { send } from './s3.requests.js';

const MAX_CONFLICTS = 5;
const CHECK_TIMEOUT = 5000;

/**
 * How to recognise a file that was written although its answer was lost. Conditional writes are told by their token and
 * nothing else: two writers of equal files must not both be told that they have won. Of the others an equal file is as
 * good as one's own.
 */
export type WrittenFile =
  | {
      readonly token: string;
      /** `Date.now()` at the start of the write. */
      readonly since: number | undefined;
    }
  | {
      readonly token?: undefined;
      /** What the service makes of the bytes; absent where it cannot be computed. */
      readonly etag: string | undefined;
      /** Bytes; compared where they are known and there is no etag, and then only together with `since`. */
      readonly size: number | undefined;
      /** `Date.now()` at the start of the write; absent when another process started it. */
      readonly since: number | undefined;
      /** All that were sent; absent when another process sent them. */
      readonly attributes: FileAttributes | undefined;
      /** Of the whole file; compared where the service keeps one of the same kind. */
      readonly checksum?: Checksum | undefined;
    };

/** What a conditional write is recognised by. */
export function newWriteToken({ ifNoneMatch, ifMatch }: WriteConditions): string | undefined {
  if (ifNoneMatch === undefined && ifMatch === undefined) return undefined;
  return randomBytes(12).toString('base64url');
}

/**
 * Makes the request that commits a write, and finds out what became of it when its answer is lost. Conditional writes
 * that met another one are tried again, as the service asks.
 *
 * @param written how to recognise the file, whether an answer was lost or the upload was gone from the beginning
 * @param settle called before the look at an uncertain outcome: afterwards the commit can no longer happen. `false`: it
 * has not happened, either; `undefined`: nothing could be learnt.
 * @returns what the request answered, or what is stored when only the answer was lost.
 * @throws StorageConnectionError that is not retryable when a conditional write may have taken place or not: a verdict on
 * the condition could be about the write itself.
 */
export async function commit<Output>(
  bucket: S3Bucket,
  key: string,
  request: () => Promise<Output>,
  options: WriteConditions & {
    readonly signal: AbortSignal;
    readonly written: (answerLost: boolean) => WrittenFile;
    readonly settle?: () => Promise<boolean | undefined>;
  },
): Promise<Output | HeadObjectCommandOutput> {
  const { signal, ifNoneMatch, ifMatch, written, settle } = options;
  const conditional = ifNoneMatch !== undefined || ifMatch !== undefined;
  let answerLost = false;
  let conflict: unknown;
  for (let attempt = 1; ; attempt++) {
    try {
      return await request();
    } catch (error) {
      answerLost ||= mayHaveHappened(error);
      if (isConflict(error) && attempt < MAX_CONFLICTS) {
        conflict = error;
        // An abort ends the wait, and the next request is not made.
        await sleep(50 * 2 ** attempt * Math.random(), undefined, { signal }).catch(() => {});
        continue;
      }
      // An upload that is not there may have been completed before, by whomever. Whoever sets a condition wants to know.
      const gone = isNoSuchUpload(error);
      // On AWS, a conflict may be the end of an upload in parts.
      const verdict = conditionError(gone ? (conflict ?? error) : error, options) ?? error;
      if (!answerLost && (conditional || !gone)) throw verdict;
      const settled = settle ? await settle() : true;
      if (settled === false) throw verdict;
      const sought = written(answerLost);
      const found = settled ? await findWritten(bucket, key, sought, ifMatch) : 'unknown';
      if (typeof found === 'object') return found;
      const uncertain = found === 'unknown' || (found === 'absent' && verdict !== error);
      const repeatable = !conditional && sought.token === undefined && !gone;
      throw answerLost && uncertain && !repeatable ? mayBeWritten(error) : verdict;
    }
  }
}

/**
 * The file under the key, if it is the one that was written, or why it is not: nothing is there, what was there before still
 * is, or nobody knows, since another write may have replaced it. It never fails.
 */
async function findWritten(
  bucket: S3Bucket,
  key: string,
  written: WrittenFile,
  ifMatch: string | undefined,
): Promise<HeadObjectCommandOutput | 'absent' | 'unchanged' | 'unknown'> {
  let answer: WireAnswer | undefined;
  const call = new S3Call(headCommand(bucket, key)).onAnswer((seen) => {
    answer = seen;
  });
  let head: HeadObjectCommandOutput;
  try {
    head = await send(bucket, call, AbortSignal.timeout(CHECK_TIMEOUT));
  } catch (error) {
    const absent = readFailure(error).status === 404 && ifMatch === undefined;
    return absent ? 'absent' : 'unknown';
  }
  const etag = toEtag(head.ETag);
  const age = ageOf(head, answer);
  if (isWritten(key, written, head, age)) return head;
  if (ifMatch !== undefined && etag === ifMatch) return 'unchanged';
  // A file that was joined from parts is as old as the beginning of its upload, on AWS: it may have replaced ours later.
  const joined = etag === undefined || etag.includes('-');
  const older = age !== undefined && written.since !== undefined && age > since(written.since);
  return older && !joined ? 'unchanged' : 'unknown';
}

function isWritten(
  key: string,
  written: WrittenFile,
  head: HeadObjectCommandOutput,
  age: number | undefined,
): boolean {
  if (written.token !== undefined) return writeTokenOf(head) === written.token;
  const { etag, size, attributes, checksum } = written;
  if (etag === undefined && written.since === undefined) return false;
  if (etag !== undefined && etag !== toEtag(head.ETag)) return false;
  if (etag === undefined && size !== undefined && size !== head.ContentLength) return false;
  const stored = fileOf(key, 0, head);
  if (attributes && !sameAttributes(attributes, stored)) return false;
  if (checksum && stored.checksum?.algorithm === checksum.algorithm) {
    if (stored.checksum.value !== checksum.value) return false;
  }
  return written.since === undefined || (age ?? 0) <= since(written.since);
}

/** Milliseconds since the file was stored. Both times are the service's, so it does not matter whose clock is wrong. */
function ageOf(head: HeadObjectCommandOutput, answer: WireAnswer | undefined): number | undefined {
  const now = dateOf(answer);
  return now && head.LastModified && now.getTime() - head.LastModified.getTime();
}

/** The greatest age of a file that was stored after the time. Last-Modified has whole seconds. */
function since(time: number): number {
  return Date.now() - time + 2000;
}

function mayBeWritten(error: unknown): StorageConnectionError {
  return new StorageConnectionError(
    'The answer of the service was lost, and the write may have taken place or not: read the file before you repeat it',
    { cause: toStorageError(error).cause, retryable: false },
  );
}

/** The etag of a file that is joined from parts, where the parts' own etags are MD5 digests. */
export function joinedEtag(etags: readonly string[]): string | undefined {
  const digests = etags.map((etag) => /^"?([0-9a-f]{32})"?$/i.exec(etag)?.[1]);
  if (digests.includes(undefined)) return undefined;
  const hash = createHash('md5');
  for (const digest of digests) hash.update(Buffer.from(digest!, 'hex'));
  return `"${hash.digest('hex')}-${etags.length}"`;
}
