import { createHash, randomBytes } from 'node:crypto';
import type { BlockBlobClient } from '@azure/storage-blob';
import type { WriteConditions } from '../../core/conditions.js';
import type { FileAttributes } from '../../core/stored-file.js';
import { sameAttributes } from '../remote/file-attributes.js';
import type { AzureContainer } from './azure.client.js';
import { conditionError, unreadableAnswer } from './azure.errors.js';
import { type BlobDescription, fileOf, toChecksum, writeTokenOf } from './azure.metadata.js';
import { mayHaveHappened, send, sendWrite } from './azure.requests.js';

const CHECK_TIMEOUT = 5000;

/** What an answer to a write tells of the blob, and what its properties tell when that answer was lost. */
export interface WrittenBlob extends BlobDescription {
  readonly contentLength?: number | undefined;
}

/** How to recognise a blob that was written although its answer was lost. */
export type Evidence =
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

/**
 * Makes the request that commits a write, and finds out what became of it when its answer is lost.
 *
 * @returns what the request answered, or what is stored when only the answer was lost.
 */
export async function commit(
  container: AzureContainer,
  blob: BlockBlobClient,
  request: (abortSignal: AbortSignal) => Promise<WrittenBlob>,
  options: WriteConditions & { readonly signal: AbortSignal; readonly evidence: Evidence },
): Promise<WrittenBlob> {
  try {
    return await sendWrite(container, options.signal, async (abortSignal) => {
      const answer = await request(abortSignal);
      if (answer.etag === undefined) throw unreadableAnswer();
      return answer;
    });
  } catch (error) {
    if (mayHaveHappened(error)) {
      const written = await findWritten(container, blob, options.evidence);
      if (written) return written;
    }
    throw conditionError(error, options) ?? error;
  }
}

/** What is stored under the key, if it is what was written. It never fails: not to know is not to have it. */
async function findWritten(
  container: AzureContainer,
  blob: BlockBlobClient,
  evidence: Evidence,
): Promise<WrittenBlob | undefined> {
  const signal = AbortSignal.timeout(CHECK_TIMEOUT);
  try {
    const stored = await send(container, signal, (abortSignal) =>
      blob.getProperties({ abortSignal }),
    );
    if ('blocks' in evidence) {
      // Of the version whose properties were read, or of a later one, which then has other blocks.
      const { committedBlocks = [] } = await send(container, signal, (abortSignal) =>
        blob.getBlockList('committed', { abortSignal }),
      );
      const names = committedBlocks.map(({ name }) => name);
      const same = names.length > 0 && names.join() === evidence.blocks.join();
      return same ? stored : undefined;
    }
    if ('token' in evidence) return writeTokenOf(stored) === evidence.token ? stored : undefined;
    const md5 = createHash('md5').update(evidence.bytes).digest('base64');
    const same =
      toChecksum(stored.contentMD5)?.value === md5 &&
      sameAttributes(evidence.attributes, fileOf('', 0, stored));
    return same ? stored : undefined;
  } catch {
    return undefined;
  }
}
