import {
  PutObjectCommand,
  type PutObjectCommandInput,
  type PutObjectCommandOutput,
} from '@aws-sdk/client-s3';
import { type DriverBody, readChunks } from '../../core/body.js';
import type { DriverPutOptions } from '../../core/storage-driver.js';
import { pickAttributes, type StoredFile, storedFile } from '../../core/stored-file.js';
import { type BodyBeginning, readBeginning } from '../remote/body-beginning.js';
import { dateOf, S3Call, type WireAnswer } from './s3.call.js';
import { bodyChecksum } from './s3.checksums.js';
import type { S3Bucket } from './s3.client.js';
import { commit, newWriteToken } from './s3.commits.js';
import { unconfirmed } from './s3.errors.js';
import { etagOf, toChecksum, toEtag, toS3Attributes, toVersion } from './s3.metadata.js';
import { PartUpload } from './s3.part-upload.js';
import { sendWrite } from './s3.requests.js';

const PART_SIZE = 8 * 1024 ** 2;

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
  let beginning: BodyBeginning | undefined;
  try {
    beginning = await readBeginning(chunks, partSize, bucket.pool, signal);
    if (beginning.whole) return await putBytes(bucket, key, beginning.bytes, options);
    const upload = new PartUpload(bucket, key, partSize, options, stop);
    return await upload.run(chunks, beginning);
  } finally {
    beginning?.release();
    await chunks.return();
  }
}

/** Bytes of a part with which the file fits into the number of parts that the service allows. */
function partSizeOf(bucket: S3Bucket, body: DriverBody, options: DriverPutOptions): number {
  const { minPartSize, maxParts } = bucket.profile;
  const inMemory = body instanceof Uint8Array;
  const size = options.size ?? (inMemory ? body.byteLength : 0);
  // The parts of a stream are held in memory until they have arrived, so they are as small as the service takes them.
  const usual = inMemory ? PART_SIZE : minPartSize;
  return Math.max(options.partSize ?? usual, minPartSize, Math.ceil(size / maxParts));
}

async function putBytes(
  bucket: S3Bucket,
  key: string,
  bytes: Uint8Array,
  options: DriverPutOptions,
): Promise<StoredFile> {
  const { signal, ifNoneMatch, ifMatch } = options;
  const size = bytes.byteLength;
  const { createOnly, checksums } = bucket.profile;
  const token = newWriteToken(options);
  const input: PutObjectCommandInput = {
    Bucket: bucket.bucket,
    Key: key,
    Body: bytes,
    ContentLength: size,
    ...toS3Attributes(options, token),
    ...bodyChecksum(bucket, options.checksum),
    ...(ifMatch !== undefined && { IfMatch: ifMatch }),
  };
  const since = Date.now();
  let answer: WireAnswer | undefined;
  const request = async (): Promise<PutObjectCommandOutput> => {
    const call = new S3Call(new PutObjectCommand({ ...input })).onAnswer((seen) => {
      answer = seen;
    });
    if (ifNoneMatch !== undefined && createOnly) call.onlyCreating(createOnly);
    if (checksums.includes('crc32')) call.withUnsignedPayload();
    const stored = await sendWrite(bucket, call, signal);
    if (!stored.ETag) throw unconfirmed('the upload');
    return stored;
  };
  const output = await commit(bucket, key, request, {
    signal,
    ...(ifNoneMatch !== undefined && { ifNoneMatch }),
    ...(ifMatch !== undefined && { ifMatch }),
    written: () =>
      token === undefined
        ? { etag: etagOf(bytes), size, since, attributes: options }
        : { token, since },
  });
  return storedFile({
    ...pickAttributes(options),
    key,
    size,
    etag: toEtag(output.ETag),
    lastModified: 'LastModified' in output ? output.LastModified : dateOf(answer),
    checksum: toChecksum(output),
    version: toVersion(output.VersionId),
  });
}
