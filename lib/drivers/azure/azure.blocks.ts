import { hash, randomBytes } from 'node:crypto';
import type { Checksum } from '../../core/checksum.js';
import type { WriteConditions } from '../../core/conditions.js';
import type { FileAttributes } from '../../core/stored-file.js';
import type { AzureContainer } from './azure.client.js';
import { commit, type WrittenBlob } from './azure.commits.js';
import { encodeMetadata, toHeaders } from './azure.metadata.js';
import { send } from './azure.requests.js';

export const MAX_BLOCKS = 50_000;
export const MAX_BLOCK_SIZE = 4000 * 1024 ** 2;

/** Gives the blocks of one upload ids that no other upload has, all of one length, as the service wants them. */
export function newBlockIds(): (partNumber: number) => string {
  const upload = randomBytes(12).toString('hex');
  return (partNumber) =>
    Buffer.from(`${upload}-${String(partNumber).padStart(5, '0')}`).toString('base64');
}

/**
 * Sends a block, which waits beside what is stored until it is committed, or a week has passed.
 *
 * @param by `send`, or `sendWrite` where it must be certain after an abort whether the block has arrived
 */
export async function stageBlock(
  container: AzureContainer,
  key: string,
  id: string,
  bytes: Uint8Array,
  signal: AbortSignal,
  by: typeof send = send,
): Promise<void> {
  const md5 = contentMd5(container, bytes);
  await by(container, signal, (abortSignal) =>
    container.engine.putBlock(key, id, bytes, md5, abortSignal),
  );
}

export interface CommitOptions extends FileAttributes, WriteConditions {
  readonly signal: AbortSignal;
  /** Of the whole file; an MD5 is kept with it. */
  readonly checksum?: Checksum;
  readonly tier?: string | undefined;
}

/**
 * Makes the blocks the file, in one step. The service drops every block that waits under the key and is not named.
 */
export function commitBlocks(
  container: AzureContainer,
  key: string,
  ids: readonly string[],
  options: CommitOptions,
): Promise<WrittenBlob> {
  const { signal, checksum, tier } = options;
  const conditions = conditionsOf(options);
  const headers = toHeaders(options, checksum);
  const write = { headers, metadata: encodeMetadata(options.metadata), conditions, tier };
  const request = (abortSignal: AbortSignal): Promise<WrittenBlob> =>
    container.engine.putBlockList(key, ids, write, abortSignal);
  return commit(container, key, request, { ...conditions, signal, evidence: { blocks: ids } });
}

export function conditionsOf({ ifNoneMatch, ifMatch }: WriteConditions): WriteConditions {
  return {
    ...(ifNoneMatch !== undefined && { ifNoneMatch }),
    ...(ifMatch !== undefined && { ifMatch }),
  };
}

/**
 * The MD5 for the service to compare: the announced one, and one of our own where no TLS guards the bytes on the way. It
 * would cost more than everything else in sending them.
 */
export function contentMd5(
  { client }: Pick<AzureContainer, 'client'>,
  bytes: Uint8Array,
  announced?: Checksum,
): Uint8Array | undefined {
  if (announced?.algorithm === 'md5') return Buffer.from(announced.value, 'base64');
  if (!client.url.startsWith('http:')) return undefined;
  return hash('md5', bytes, 'buffer');
}
