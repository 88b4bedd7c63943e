import { createHash, randomBytes } from 'node:crypto';
import type { WriteConditions } from '../../core/conditions.js';
import {
  StorageConnectionError,
  StorageFileExistsError,
  StorageFileNotFoundError,
  StoragePreconditionFailedError,
} from '../../core/errors.js';
import type { FileAttributes } from '../../core/stored-file.js';
import { sameAttributes } from '../remote/file-attributes.js';
import { mayHaveHappened } from '../remote/uncertain-failures.js';
import type { AzureContainer } from './azure.client.js';
import { conditionError, toStorageError, unreadableAnswer } from './azure.errors.js';
import {
  type BlobDescription,
  type BlobProperties,
  fileOf,
  toChecksum,
  toEtag,
  writeTokenOf,
} from './azure.metadata.js';
import { send, sendWrite } from './azure.requests.js';

const CHECK_TIMEOUT = 5000;
/** By which clocks within the service may differ, in milliseconds. */
const CLOCK_TOLERANCE = 2000;

/** What an answer to a write tells of the blob, and what its properties tell when that answer was lost. */
export interface WrittenBlob extends BlobDescription {
  readonly contentLength?: number | undefined;
}

/** How to recognise a blob that was written although its answer was lost. */
type Evidence =
  /** Conditional writes, by a token in the metadata: two writers of equal files must not both be told that they have won. */
  | { readonly token: string }
  /** Blobs made of blocks, by the ids of those, which no other upload has. */
  | { readonly blocks: readonly string[] }
  /** The others: an equal file is as good as one's own. */
  | { readonly bytes: Uint8Array; readonly attributes: FileAttributes };

/** What a conditional write is recognised by. */
export function newWriteToken({ ifNoneMatch, ifMatch }: WriteConditions): string | undefined {
  return ifNoneMatch === undefined && ifMatch === undefined ? undefined : newToken();
}

export function newToken(): string {
  return randomBytes(12).toString('base64url');
}

export interface CommitOptions extends WriteConditions {
  readonly signal: AbortSignal;
  readonly evidence: Evidence;
  /** Whether a refusal may be about a condition of the source of a copy: it is then told as it is. */
  readonly hasSource?: boolean;
}

/**
 * Makes the request that commits a write, and finds out what became of it when its answer is lost.
 *
 * @returns what the request answered, or what is stored when only the answer was lost.
 * @throws StorageConnectionError that is not retryable when a conditional write may have taken place or not: a verdict on
 * the condition could be about the write itself.
 */
export async function commit(
  container: AzureContainer,
  key: string,
  request: (abortSignal: AbortSignal) => Promise<WrittenBlob>,
  options: CommitOptions,
): Promise<WrittenBlob> {
  const { signal, evidence, ifNoneMatch, ifMatch, hasSource = false } = options;
  const start = performance.now();
  try {
    return await sendWrite(container, signal, async (abortSignal) => {
      const answer = await request(abortSignal);
      if (answer.etag === undefined) throw unreadableAnswer();
      return answer;
    });
  } catch (error) {
    const refused = isRefused(error);
    const verdict = (hasSource ? undefined : conditionError(error, options)) ?? error;
    if (!mayHaveHappened(error)) throw verdict;
    const found = await findWritten(container, key, { evidence, ifMatch, start });
    if (typeof found === 'object') return found;
    const conditional = ifNoneMatch !== undefined || ifMatch !== undefined;
    const uncertain = found === 'unknown' || (found === 'absent' && refused && !hasSource);
    throw conditional && uncertain ? mayBeWritten(error) : verdict;
  }
}

interface Sought {
  readonly evidence: Evidence;
  /** The version that was to be replaced. */
  readonly ifMatch: string | undefined;
  /** Of the write, by `performance.now()`. */
  readonly start: number;
}

/**
 * What is stored under the key, if it is what was written, or why it is not: nothing is there, what was there before still is,
 * or nobody knows, since another write may have replaced it. It never fails.
 */
async function findWritten(
  container: AzureContainer,
  key: string,
  { evidence, ifMatch, start }: Sought,
): Promise<WrittenBlob | 'absent' | 'unchanged' | 'unknown'> {
  const signal = AbortSignal.timeout(CHECK_TIMEOUT);
  try {
    const stored = await send(container, signal, (abortSignal) =>
      container.engine.getProperties(key, abortSignal),
    );
    if (await isWritten(container, key, stored, evidence, signal)) return stored;
    if (ifMatch !== undefined && toEtag(stored.etag) === ifMatch) return 'unchanged';
    // Both times are the service's, so it does not matter whose clock is wrong. Last-Modified has whole seconds.
    const age = (stored.date?.getTime() ?? Number.NaN) - (stored.lastModified?.getTime() ?? 0);
    return age > performance.now() - start + CLOCK_TOLERANCE ? 'unchanged' : 'unknown';
  } catch (error) {
    const absent = error instanceof StorageFileNotFoundError && ifMatch === undefined;
    return absent ? 'absent' : 'unknown';
  }
}

async function isWritten(
  container: AzureContainer,
  key: string,
  stored: BlobProperties,
  evidence: Evidence,
  signal: AbortSignal,
): Promise<boolean> {
  if ('blocks' in evidence) {
    // Of the version whose properties were read, or of a later one, which then has other blocks.
    const blob = container.client.getBlockBlobClient(key);
    const { committedBlocks = [] } = await send(container, signal, (abortSignal) =>
      blob.getBlockList('committed', { abortSignal }),
    );
    const names = committedBlocks.map(({ name }) => name);
    return names.length > 0 && names.join() === evidence.blocks.join();
  }
  if ('token' in evidence) return writeTokenOf(stored) === evidence.token;
  const md5 = createHash('md5').update(evidence.bytes).digest('base64');
  return (
    toChecksum(stored.contentMD5)?.value === md5 &&
    sameAttributes(evidence.attributes, fileOf('', 0, stored))
  );
}

/** A verdict on a condition; of create-only writes the service says that the blob is there. */
function isRefused(error: unknown): boolean {
  return error instanceof StoragePreconditionFailedError || error instanceof StorageFileExistsError;
}

function mayBeWritten(error: unknown): StorageConnectionError {
  const { message, cause } = toStorageError(error);
  // The verdict on a condition is not passed on: it could be about the write itself.
  const reason = isRefused(error) ? 'The answer of the service was lost' : message;
  return new StorageConnectionError(
    `${reason}; the write may have taken place or not: read the file before you repeat it`,
    { cause, retryable: false },
  );
}
