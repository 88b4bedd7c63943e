import {
  PutObjectCommand,
  type PutObjectCommandInput,
  type PutObjectCommandOutput,
} from '@aws-sdk/client-s3';
import { type DriverBody, readChunks } from '../../core/body.js';
import type { Checksum } from '../../core/checksum.js';
import type { DriverPutOptions } from '../../core/storage-driver.js';
import { type StoredFile, storedFile } from '../../core/stored-file.js';
import { readBeginning } from '../remote/body-beginning.js';
import type { S3Bucket } from './s3.client.js';
import { commit, etagOf, newWriteToken } from './s3.commits.js';
import { attributesOf } from '../remote/file-attributes.js';
import { toChecksum, toEtag, toS3Attributes, toVersion } from './s3.metadata.js';
import { PartUpload } from './s3.part-upload.js';
import { dateOf, onAnswer, send, type WireAnswer, withUnsignedPayload } from './s3.requests.js';

export const MIN_PART_SIZE = 5 * 1024 ** 2;
const PART_SIZE = 8 * 1024 ** 2;
// The parts of a stream are held in memory until they have arrived, so they are as small as S3 takes them.
const STREAM_PART_SIZE = MIN_PART_SIZE;

/**
 * Stores a body of any length. What fits into one part is one PutObject, and `lastModified` is then the time at which
 * the service answered: at most a second or so after the one that `info` tells. The rest goes up in parallel parts.
 */
export async function put(
  bucket: S3Bucket,
  key: string,
  body: DriverBody,
  options: DriverPutOptions,
): Promise<StoredFile> {
  options.signal.throwIfAborted();
  const partSize = partSizeOf(bucket, body, options);
  if (body instanceof Uint8Array) {
    return body.byteLength <= partSize
      ? putBytes(bucket, key, body, options)
      : new PartUpload(bucket, key, partSize, options).run(body);
  }
  const stop = new AbortController();
  const signal = AbortSignal.any([options.signal, stop.signal]);
  const chunks = readChunks(body, signal, () => {});
  try {
    const beginning = await readBeginning(chunks, partSize);
    if (beginning.whole) return await putBytes(bucket, key, beginning.bytes, options);
    const upload = new PartUpload(bucket, key, partSize, options, stop);
    return await upload.run(chunks, beginning.bytes);
  } finally {
    await chunks.return();
  }
}

/** Bytes of a part with which the file fits into the number of parts that the service allows. */
function partSizeOf(bucket: S3Bucket, body: DriverBody, options: DriverPutOptions): number {
  const inMemory = body instanceof Uint8Array;
  const size = options.size ?? (inMemory ? body.byteLength : 0);
  const least = Math.ceil(size / bucket.profile.maxParts);
  const usual = inMemory ? PART_SIZE : STREAM_PART_SIZE;
  return Math.max(options.partSize ?? usual, MIN_PART_SIZE, least);
}

async function putBytes(
  bucket: S3Bucket,
  key: string,
  bytes: Uint8Array,
  options: DriverPutOptions,
): Promise<StoredFile> {
  const { signal, ifNoneMatch, ifMatch } = options;
  const token = newWriteToken(options);
  const input: PutObjectCommandInput = {
    Bucket: bucket.bucket,
    Key: key,
    Body: bytes,
    ContentLength: bytes.byteLength,
    ...toS3Attributes(options, token),
    ...bodyChecksum(bucket, options.checksum),
    ...(ifNoneMatch !== undefined && { IfNoneMatch: ifNoneMatch }),
    ...(ifMatch !== undefined && { IfMatch: ifMatch }),
  };
  const since = Date.now();
  let answer: WireAnswer | undefined;
  const request = (): Promise<PutObjectCommandOutput> => {
    const command = onAnswer(new PutObjectCommand({ ...input }), (seen) => {
      answer = seen;
    });
    return send(
      bucket,
      bucket.profile.checksums.includes('crc32') ? withUnsignedPayload(command) : command,
      signal,
    );
  };
  const output = await commit(bucket, key, request, {
    signal,
    ...(ifNoneMatch !== undefined && { ifNoneMatch }),
    ...(ifMatch !== undefined && { ifMatch }),
    written: () =>
      token === undefined
        ? { etag: etagOf(bytes), size: bytes.byteLength, since, attributes: options }
        : { token },
  });
  return storedFile({
    ...attributesOf(options),
    key,
    size: bytes.byteLength,
    etag: toEtag(output.ETag),
    lastModified: 'LastModified' in output ? output.LastModified : dateOf(answer),
    checksum: toChecksum(output),
    version: toVersion(output.VersionId),
  });
}

type ChecksumInput = Pick<
  PutObjectCommandInput,
  'ChecksumCRC32' | 'ChecksumSHA1' | 'ChecksumSHA256' | 'ContentMD5'
>;

/** The announced checksum for the service to compare, where it takes it; core has compared it in any case. */
export function checksumInput(
  { profile }: Pick<S3Bucket, 'profile'>,
  checksum: Checksum | undefined,
): ChecksumInput {
  if (!checksum) return {};
  const { algorithm, value } = checksum;
  if (algorithm === 'md5') return { ContentMD5: value };
  if (algorithm === 'crc32c' || !profile.checksums.includes(algorithm)) return {};
  const names = { crc32: 'ChecksumCRC32', sha1: 'ChecksumSHA1', sha256: 'ChecksumSHA256' } as const;
  return { [names[algorithm]]: value };
}

/** The announced checksum or, so that damage on the way is found and the file is kept with one, a CRC-32. */
function bodyChecksum(
  bucket: S3Bucket,
  checksum: Checksum | undefined,
): ChecksumInput | { ChecksumAlgorithm: 'CRC32' } {
  const announced = checksumInput(bucket, checksum);
  const { ContentMD5, ...kept } = announced;
  if (Object.keys(kept).length > 0 || !bucket.profile.checksums.includes('crc32')) return announced;
  return { ...(ContentMD5 !== undefined && { ContentMD5 }), ChecksumAlgorithm: 'CRC32' };
}
