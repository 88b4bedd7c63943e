import { assertHeld, type DriverBody, readChunks } from '../../core/body.js';
import type { Checksum } from '../../core/checksum.js';
import { checkWriteConditions, type WriteConditions } from '../../core/conditions.js';
import { StorageConnectionError, StorageFileNotFoundError } from '../../core/errors.js';
import type { DriverPutOptions } from '../../core/storage-driver.js';
import {
  type FileAttributes,
  pickAttributes,
  type StoredFile,
  storedFile,
} from '../../core/stored-file.js';
import { type BodyBeginning, readBeginning } from '../remote/body-beginning.js';
import { BlockUpload } from './azure.block-upload.js';
import { conditionsOf, contentMd5, MAX_BLOCKS } from './azure.blocks.js';
import type { AzureContainer } from './azure.client.js';
import { commit, newWriteToken } from './azure.commits.js';
import { readFile } from './azure.downloads.js';
import { areBlocksGone } from './azure.errors.js';
import { encodeMetadata, toChecksum, toEtag, toHeaders } from './azure.metadata.js';

const PART_SIZE = 8 * 1024 ** 2;
// The blocks of a stream are held in memory until they have arrived. Azure takes those above 4 MiB a faster way.
const STREAM_PART_SIZE = 5 * 1024 ** 2;
const MAX_ROUNDS = 5;

/**
 * Stores a body of any length. What fits into one part is one Put Blob. The rest goes up in parallel blocks; since any
 * other commit to the key drops them, bytes in memory are then sent again, and a stream, which cannot be, fails.
 */
export async function put(
  container: AzureContainer,
  key: string,
  body: DriverBody,
  options: DriverPutOptions,
): Promise<StoredFile> {
  options.signal.throwIfAborted();
  const partSize = partSizeOf(body, options);
  if (body instanceof Uint8Array) {
    if (body.byteLength <= partSize) return putBytes(container, key, body, options);
    const size = body.byteLength;
    return withBlocks(container, key, options, MAX_ROUNDS, async () => {
      assertHeld(body.byteLength, size);
      return new BlockUpload(container, key, partSize, options).run(body);
    });
  }
  const stop = new AbortController();
  const signal = AbortSignal.any([options.signal, stop.signal]);
  const chunks = readChunks(body, signal, () => {});
  let beginning: BodyBeginning | undefined;
  try {
    beginning = await readBeginning(chunks, partSize, container.pool, signal);
    if (beginning.whole) return await putBytes(container, key, beginning.bytes, options);
    const upload = new BlockUpload(container, key, partSize, options, stop);
    return await withBlocks(container, key, options, 1, () => upload.run(chunks, beginning));
  } finally {
    beginning?.release();
    await chunks.return();
  }
}

/**
 * Uploads blocks and commits them, again when another commit to the key has dropped them meanwhile. Their loss is no
 * verdict of the conditions, so these are judged by a look at what is stored.
 */
export async function withBlocks<Output>(
  container: AzureContainer,
  key: string,
  options: WriteConditions & { readonly signal: AbortSignal },
  rounds: number,
  upload: () => Promise<Output>,
): Promise<Output> {
  for (let round = 1; ; round++) {
    try {
      return await upload();
    } catch (error) {
      if (!areBlocksGone(error)) throw error;
      if (round < rounds) continue;
      await assertConditions(container, key, options);
      throw new StorageConnectionError(
        'Another write to the key was committed meanwhile, and the service dropped the blocks of this one; send it again',
        { cause: (error as Error).cause },
      );
    }
  }
}

/** Bytes of a part with which the file fits into the number of blocks that the service allows. */
function partSizeOf(body: DriverBody, options: DriverPutOptions): number {
  const inMemory = body instanceof Uint8Array;
  const size = options.size ?? (inMemory ? body.byteLength : 0);
  const usual = inMemory ? PART_SIZE : STREAM_PART_SIZE;
  return Math.max(options.partSize ?? usual, Math.ceil(size / MAX_BLOCKS));
}

interface PutBytesOptions extends FileAttributes, WriteConditions {
  readonly signal: AbortSignal;
  readonly checksum?: Checksum;
}

/** Stores bytes in one request. */
export async function putBytes(
  container: AzureContainer,
  key: string,
  bytes: Uint8Array,
  options: PutBytesOptions,
): Promise<StoredFile> {
  const { signal, checksum } = options;
  const size = bytes.byteLength;
  const token = newWriteToken(options);
  const conditions = conditionsOf(options);
  const metadata = encodeMetadata(options.metadata, token);
  const md5 = contentMd5(container, bytes, checksum);
  const write = { headers: toHeaders(options), metadata, conditions, md5 };
  const written = await commit(
    container,
    key,
    async (abortSignal) => {
      assertHeld(bytes.byteLength, size);
      return container.engine.putBlob(key, bytes, write, abortSignal);
    },
    {
      ...conditions,
      signal,
      evidence: token === undefined ? { bytes, attributes: options } : { token },
    },
  );
  return storedFile({
    ...pickAttributes(options),
    key,
    size,
    etag: toEtag(written.etag),
    lastModified: written.lastModified,
    checksum: toChecksum(written.contentMD5),
    version: written.versionId,
  });
}

/** Judges the conditions of a write ahead of it. @throws StorageFileExistsError, StoragePreconditionFailedError */
export async function assertConditions(
  container: AzureContainer,
  key: string,
  options: WriteConditions & { readonly signal: AbortSignal },
): Promise<void> {
  if (options.ifNoneMatch === undefined && options.ifMatch === undefined) return;
  let current: StoredFile | undefined;
  try {
    current = await readFile(container, key, options.signal);
  } catch (error) {
    if (!(error instanceof StorageFileNotFoundError)) throw error;
  }
  checkWriteConditions(current, options);
}
