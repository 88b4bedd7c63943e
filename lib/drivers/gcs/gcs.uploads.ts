import { randomBytes } from 'node:crypto';
import { assertHeld, type DriverBody, readChunks } from '../../core/body.js';
import { startChecksum } from '../../core/checksum.js';
import type { WriteConditions } from '../../core/conditions.js';
import type { DriverPutOptions } from '../../core/storage-driver.js';
import type { FileAttributes, StoredFile } from '../../core/stored-file.js';
import { type BodyBeginning, readBeginning } from '../remote/body-beginning.js';
import type { GcsBucket } from './gcs.client.js';
import { ABSENT, assertStored, commit, newWriteToken } from './gcs.commits.js';
import {
  assertMetadata,
  fileOf,
  type GcsObject,
  OBJECT_FIELDS,
  toResource,
} from './gcs.metadata.js';
import { send, uploadPath } from './gcs.requests.js';
import { bytesInChunks, ResumableUpload, streamInChunks } from './gcs.resumable-uploads.js';

const MIB = 1024 ** 2;
/** All chunks of a resumable upload but the last are multiples of it. */
const CHUNK_QUANTUM = 256 * 1024;
const CHUNK_SIZE = 8 * MIB;
// Nothing has to be copied of a body in memory, so its chunks may be larger.
const CHUNK_SIZE_IN_MEMORY = 64 * MIB;
/** Up to here it is cheaper to send the body again than to look first whether the key is taken. */
const GUESSED_SIZE = MIB;
const RESTARTS = 2;

/**
 * Stores a body of any length: what fits into one chunk in one request, the rest in a resumable upload, chunk after chunk,
 * with no more than two of them in memory.
 */
export async function put(
  bucket: GcsBucket,
  key: string,
  body: DriverBody,
  options: DriverPutOptions,
): Promise<StoredFile> {
  options.signal.throwIfAborted();
  assertMetadata(options.metadata);
  const limit = chunkSizeOf(options.partSize ?? CHUNK_SIZE);
  if (body instanceof Uint8Array) {
    return body.byteLength <= limit
      ? fileOf(await putBytes(bucket, key, body, options))
      : putInChunks(bucket, key, body, options);
  }
  const stop = new AbortController();
  const signal = AbortSignal.any([options.signal, stop.signal]);
  const chunks = readChunks(body, signal, () => {});
  let beginning: BodyBeginning | undefined;
  try {
    beginning = await readBeginning(chunks, limit, bucket.pool, signal);
    if (beginning.whole) return fileOf(await putBytes(bucket, key, beginning.bytes, options));
    const upload = new ResumableUpload(bucket, key, options, stop);
    return await upload.run(streamInChunks(chunks, beginning, limit, bucket.pool, signal));
  } finally {
    beginning?.release();
    await chunks.return();
  }
}

/** @param guess as `Commit` has it. Default: nothing, for a small body */
export async function putBytes(
  bucket: GcsBucket,
  key: string,
  bytes: Uint8Array,
  options: FileAttributes & WriteConditions & { readonly signal: AbortSignal },
  guess: typeof ABSENT | 'current' = bytes.byteLength <= GUESSED_SIZE ? ABSENT : 'current',
): Promise<GcsObject> {
  const { signal, ifNoneMatch, ifMatch } = options;
  const size = bytes.byteLength;
  const token = newWriteToken();
  const crc32c = crc32cOf(bytes);
  const boundary = randomBytes(18).toString('hex');
  const resource = { ...toResource(options, token), crc32c };
  const contentType = options.contentType ?? 'application/octet-stream';
  const head =
    `--${boundary}\r\ncontent-type: application/json; charset=UTF-8\r\n\r\n${JSON.stringify(resource)}\r\n` +
    `--${boundary}\r\ncontent-type: ${contentType}\r\n\r\n`;
  const stored = await commit(bucket, {
    key,
    token,
    signal,
    guess,
    ...(ifNoneMatch !== undefined && { ifNoneMatch }),
    ...(ifMatch !== undefined && { ifMatch }),
    async write(ifGenerationMatch) {
      assertHeld(bytes.byteLength, size);
      return send(bucket, {
        method: 'POST',
        path: uploadPath(bucket),
        query: { uploadType: 'multipart', name: key, ifGenerationMatch, fields: OBJECT_FIELDS },
        headers: { 'content-type': `multipart/related; boundary=${boundary}` },
        body: [Buffer.from(head), bytes, Buffer.from(`\r\n--${boundary}--\r\n`)],
        signal,
      });
    },
  });
  await assertStored(bucket, stored, crc32c);
  return stored;
}

/** What is in memory can be sent from the beginning again when the service has lost the upload. */
async function putInChunks(
  bucket: GcsBucket,
  key: string,
  bytes: Uint8Array,
  options: DriverPutOptions,
): Promise<StoredFile> {
  const chunkSize = chunkSizeOf(options.partSize ?? CHUNK_SIZE_IN_MEMORY);
  const known = { ...options, size: bytes.byteLength };
  for (let restart = 0; ; restart++) {
    const upload = new ResumableUpload(bucket, key, known, new AbortController());
    try {
      return await upload.run(bytesInChunks(bytes, chunkSize));
    } catch (error) {
      if (!upload.isLost || restart === RESTARTS) throw error;
    }
  }
}

function crc32cOf(bytes: Uint8Array): string {
  const running = startChecksum('crc32c');
  running.update(bytes);
  return running.digest().value;
}

function chunkSizeOf(wanted: number): number {
  return Math.max(1, Math.ceil(wanted / CHUNK_QUANTUM)) * CHUNK_QUANTUM;
}
