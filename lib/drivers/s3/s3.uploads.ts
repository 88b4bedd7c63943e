import { setMaxListeners } from 'node:events';
import { Readable } from 'node:stream';
import {
  AbortMultipartUploadCommand,
  type CompletedPart,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  PutObjectCommand,
  type PutObjectCommandInput,
  type PutObjectCommandOutput,
  type S3Client,
  type ServiceInputTypes,
  type ServiceOutputTypes,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import type { DriverBody } from '../../core/body.js';
import { readChunks } from '../../core/body.js';
import type { Checksum } from '../../core/checksum.js';
import { StorageTooLargeError } from '../../core/errors.js';
import type { DriverPutOptions } from '../../core/storage-driver.js';
import { type StoredFile, storedFile } from '../../core/stored-file.js';
import type { S3Bucket } from './s3.client.js';
import { commit, etagOf } from './s3.commits.js';
import { BodyFailure } from './s3.errors.js';
import { attributesOf, toChecksum, toEtag, toS3Attributes, toVersion } from './s3.metadata.js';
import {
  abandonUpload,
  completedFile,
  type CompletedUpload,
  completeUpload,
  createUpload,
  partChecksums,
  sendPart,
} from './s3.multipart.js';
import {
  dateOf,
  onAnswer,
  type S3Command,
  send,
  type WireAnswer,
  withUnsignedPayload,
} from './s3.requests.js';

export const MIN_PART_SIZE = 5 * 1024 ** 2;
const PART_SIZE = 8 * 1024 ** 2;
// lib-storage joins the chunks of a part with the one that crosses its end, so long chunks would be copied again and again.
const MAX_CHUNK = 1024 ** 2;

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
  const partSize = partSizeOf(bucket, options, body instanceof Uint8Array ? body.byteLength : 0);
  if (body instanceof Uint8Array) {
    return body.byteLength <= partSize
      ? putBytes(bucket, key, body, options)
      : new PartUpload(bucket, key, partSize, options).run(body);
  }
  const stop = new AbortController();
  const signal = AbortSignal.any([options.signal, stop.signal]);
  const chunks = readChunks(body, signal, () => {});
  const first: Uint8Array[] = [];
  let size = 0;
  try {
    while (size <= partSize) {
      const next = await chunks.next().catch((error: unknown) => {
        throw new BodyFailure(error);
      });
      if (next.done) return await putBytes(bucket, key, Buffer.concat(first, size), options);
      first.push(next.value);
      size += next.value.byteLength;
    }
    const upload = new PartUpload(bucket, key, partSize, options, stop);
    return await upload.run(rest(first, chunks));
  } finally {
    await chunks.return();
  }
}

/** Bytes of a part with which the file fits into the number of parts that the service allows. */
function partSizeOf(bucket: S3Bucket, options: DriverPutOptions, length: number): number {
  const size = options.size ?? length;
  const least = Math.ceil(size / bucket.profile.maxParts);
  return Math.max(options.partSize ?? PART_SIZE, MIN_PART_SIZE, least);
}

async function* rest(
  first: Uint8Array[],
  chunks: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array, void> {
  // Taken out as they go, so that what has been sent can be freed.
  for (let chunk = first.shift(); chunk; chunk = first.shift()) yield* slices(chunk);
  for await (const chunk of chunks) yield* slices(chunk);
}

function* slices(chunk: Uint8Array): Generator<Uint8Array, void> {
  for (let start = 0; start < chunk.byteLength; start += MAX_CHUNK) {
    yield chunk.subarray(start, start + MAX_CHUNK);
  }
}

async function putBytes(
  bucket: S3Bucket,
  key: string,
  bytes: Uint8Array,
  options: DriverPutOptions,
): Promise<StoredFile> {
  const { signal, ifNoneMatch, ifMatch } = options;
  const input: PutObjectCommandInput = {
    Bucket: bucket.bucket,
    Key: key,
    Body: bytes,
    ContentLength: bytes.byteLength,
    ...toS3Attributes(options),
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
    written: () => ({ etag: etagOf(bytes), size: bytes.byteLength, since }),
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
  if (!profile.checksums.includes(algorithm)) return {};
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

/**
 * One body that goes up in parts through lib-storage. Its own abort neither reaches the requests under way nor waits
 * for them, so it is not used: the client that it is given makes its requests here, where they carry a signal and are
 * counted, and the first one that fails stops the others.
 */
class PartUpload {
  readonly #since = Date.now();
  readonly #signal: AbortSignal;
  readonly #underWay = new Set<Promise<unknown>>();
  #uploadId: string | undefined;
  #size = 0;
  #failed: { readonly error: unknown } | undefined;
  #completed: CompletedUpload | undefined;
  #abandoned: Promise<void> | undefined;

  constructor(
    private readonly bucket: S3Bucket,
    private readonly key: string,
    private readonly partSize: number,
    private readonly options: DriverPutOptions,
    /** Ends the reading of the body, too. */
    private readonly stop = new AbortController(),
  ) {
    this.#signal = AbortSignal.any([options.signal, stop.signal]);
    // One listener for each part in flight, as many as the caller wants.
    setMaxListeners(0, this.#signal);
  }

  /** @param body bytes, or chunks that end as soon as `stop` is aborted. */
  async run(body: Uint8Array | AsyncGenerator<Uint8Array, void>): Promise<StoredFile> {
    const { bucket, key, partSize, options } = this;
    const upload = new Upload({
      client: this.#client(),
      params: {
        Bucket: bucket.bucket,
        Key: key,
        Body: body instanceof Uint8Array ? body : this.#read(body),
        ...toS3Attributes(options),
      },
      partSize,
      queueSize: options.concurrency ?? bucket.settings.concurrency,
      leavePartsOnError: true,
    });
    try {
      await upload.done();
    } catch (error) {
      this.#fail(error);
      await Promise.allSettled(this.#underWay);
      if (!this.#completed) {
        await this.#abandon();
        throw options.signal.aborted ? options.signal.reason : this.#failed!.error;
      }
    }
    return completedFile(bucket, key, this.#completed!, {
      ...attributesOf(options),
      metadata: options.metadata,
      size: this.#size,
    });
  }

  #read(chunks: AsyncGenerator<Uint8Array, void>): Readable {
    const { partSize, bucket } = this;
    const fail = (error: unknown): void => this.#fail(error);
    async function* counted(): AsyncGenerator<Uint8Array, void> {
      let size = 0;
      try {
        for await (const chunk of chunks) {
          size += chunk.byteLength;
          if (size > partSize * bucket.profile.maxParts) throw tooManyParts(bucket, partSize);
          yield chunk;
        }
      } catch (error) {
        fail(new BodyFailure(error));
        throw error;
      }
    }
    return Readable.from(counted(), { objectMode: true, highWaterMark: 1 });
  }

  /** The client with `send` replaced; lib-storage takes everything else that it needs from the client itself. */
  #client(): S3Client {
    const client = Object.create(this.bucket.client) as S3Client;
    const intercepted = (command: S3Command): Promise<unknown> => {
      const request = this.#request(command);
      this.#underWay.add(request);
      return request
        .catch((error: unknown) => {
          this.#fail(error);
          throw error;
        })
        .finally(() => this.#underWay.delete(request));
    };
    return Object.defineProperty(client, 'send', { value: intercepted });
  }

  async #request(command: S3Command): Promise<ServiceOutputTypes | CompletedUpload | object> {
    const { bucket, key, options } = this;
    if (command instanceof CreateMultipartUploadCommand) {
      const attributes = toS3Attributes(options);
      this.#uploadId = await createUpload(bucket, key, attributes, this.#signal);
      return { UploadId: this.#uploadId };
    }
    if (command instanceof CompleteMultipartUploadCommand) {
      return this.#complete(command.input.MultipartUpload?.Parts ?? []);
    }
    if (command instanceof UploadPartCommand) {
      const { PartNumber = 0, Body } = command.input;
      const bytes = Body as Uint8Array;
      this.#size += bytes.byteLength;
      return sendPart(bucket, { key, uploadId: this.#uploadId! }, PartNumber, bytes, this.#signal);
    }
    if (command instanceof AbortMultipartUploadCommand) return {};
    return send(bucket, command as S3Command<ServiceInputTypes, ServiceOutputTypes>, this.#signal);
  }

  async #complete(parts: CompletedPart[]): Promise<CompletedUpload> {
    const { bucket, key, options } = this;
    const { checksum, ifNoneMatch, ifMatch } = options;
    this.#completed = await completeUpload(bucket, { key, uploadId: this.#uploadId! }, parts, {
      signal: this.#signal,
      ...(ifNoneMatch !== undefined && { ifNoneMatch }),
      ...(ifMatch !== undefined && { ifMatch }),
      size: this.#size,
      since: this.#since,
      crc32: checksum?.algorithm === 'crc32' && partChecksums(bucket) ? checksum.value : undefined,
      fence: () => this.#abandon(),
    });
    return this.#completed;
  }

  /** The first failure is the one that is told; those that it causes are not. */
  #fail(error: unknown): void {
    this.#failed ??= { error };
    this.stop.abort(this.#failed.error);
  }

  #abandon(): Promise<void> {
    if (this.#uploadId === undefined) return Promise.resolve();
    const upload = { key: this.key, uploadId: this.#uploadId };
    return (this.#abandoned ??= abandonUpload(this.bucket, upload));
  }
}

function tooManyParts({ profile }: S3Bucket, partSize: number): StorageTooLargeError {
  return new StorageTooLargeError(
    `The body does not fit into ${profile.maxParts} parts of ${partSize} bytes; tell its size, or a larger partSize`,
  );
}
