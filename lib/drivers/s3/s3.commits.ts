import { createHash, randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { HeadObjectCommandOutput } from '@aws-sdk/client-s3';
import type { Checksum } from '../../core/checksum.js';
import type { WriteConditions } from '../../core/conditions.js';
import type { FileAttributes } from '../../core/stored-file.js';
import type { S3Bucket } from './s3.client.js';
import { headCommand } from './s3.downloads.js';
import { conditionError, isConflict, isNoSuchUpload } from './s3.errors.js';
import { sameAttributes } from '../remote/file-attributes.js';
import { fileOf, toEtag, writeTokenOf } from './s3.metadata.js';
import { dateOf, mayHaveHappened, onAnswer, send, type WireAnswer } from './s3.requests.js';

const MAX_CONFLICTS = 5;
const CHECK_TIMEOUT = 5000;

/**
 * How to recognise a file that was written although its answer was lost. Conditional writes are told by their token and
 * nothing else: two writers of equal files must not both be told that they have won. Of the others an equal file is as
 * good as one's own.
 */
export type WrittenFile =
  | { readonly token: string }
  | {
      readonly token?: undefined;
      /** What the service makes of the bytes; absent where it cannot be computed. */
      readonly etag: string | undefined;
      /** Bytes; compared where there is no etag, and then only together with `since`. */
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
 * @param settle called before the look at an uncertain outcome: afterwards the commit can no longer happen. `false`: it
 * has not happened, either.
 * @returns what the request answered, or what is stored when only the answer was lost.
 */
export async function commit<Output>(
  bucket: S3Bucket,
  key: string,
  request: () => Promise<Output>,
  options: WriteConditions & {
    readonly signal: AbortSignal;
    readonly written: () => WrittenFile;
    readonly settle?: () => Promise<boolean>;
  },
): Promise<Output | HeadObjectCommandOutput> {
  const { signal, ifNoneMatch, ifMatch, written, settle } = options;
  const conditional = ifNoneMatch !== undefined || ifMatch !== undefined;
  let uncertain = false;
  for (let attempt = 1; ; attempt++) {
    try {
      return await request();
    } catch (error) {
      // An upload that is not there may have been completed before, by whomever. Whoever sets a condition wants to know.
      uncertain ||= mayHaveHappened(error) || (!conditional && isNoSuchUpload(error));
      if (isConflict(error) && attempt < MAX_CONFLICTS) {
        await sleep(50 * 2 ** attempt * Math.random(), undefined, { signal });
        continue;
      }
      if (uncertain && (!settle || (await settle()))) {
        const stored = await findWritten(bucket, key, written());
        if (stored) return stored;
      }
      throw conditionError(error, options) ?? error;
    }
  }
}

/** The file under the key, if it is the one that was written. It never fails: not to know is not to have it. */
async function findWritten(
  bucket: S3Bucket,
  key: string,
  written: WrittenFile,
): Promise<HeadObjectCommandOutput | undefined> {
  let answer: WireAnswer | undefined;
  const command = onAnswer(headCommand(bucket, key), (seen) => {
    answer = seen;
  });
  let head: HeadObjectCommandOutput;
  try {
    head = await send(bucket, command, AbortSignal.timeout(CHECK_TIMEOUT));
  } catch {
    return undefined;
  }
  if (written.token !== undefined) return writeTokenOf(head) === written.token ? head : undefined;

  const { etag, size, since, attributes, checksum } = written;
  if (etag === undefined && since === undefined) return undefined;
  if (etag === undefined ? size !== head.ContentLength : etag !== toEtag(head.ETag)) {
    return undefined;
  }
  const stored = fileOf(key, 0, head);
  if (attributes && !sameAttributes(attributes, stored)) return undefined;
  if (checksum && stored.checksum?.algorithm === checksum.algorithm) {
    if (stored.checksum.value !== checksum.value) return undefined;
  }
  if (since === undefined) return head;
  // Both times are the service's, so it does not matter whose clock is wrong. Last-Modified has whole seconds.
  const age = (dateOf(answer)?.getTime() ?? 0) - (head.LastModified?.getTime() ?? 0);
  return age <= Date.now() - since + 2000 ? head : undefined;
}

/** The etag that services which hash plainly give to a file sent in one request. */
export function etagOf(bytes: Uint8Array): string {
  return `"${createHash('md5').update(bytes).digest('hex')}"`;
}

/** The etag of a file that is joined from parts, where the parts' own etags are MD5 digests. */
export function joinedEtag(etags: readonly string[]): string | undefined {
  const digests = etags.map((etag) => /^"?([0-9a-f]{32})"?$/i.exec(etag)?.[1]);
  if (digests.includes(undefined)) return undefined;
  const hash = createHash('md5');
  for (const digest of digests) hash.update(Buffer.from(digest!, 'hex'));
  return `"${hash.digest('hex')}-${etags.length}"`;
}
