import { setMaxListeners } from 'node:events';
import type { CompletedPart } from '@aws-sdk/client-s3';
import { StorageTooLargeError } from '../../core/errors.js';
import type { DriverPutOptions } from '../../core/storage-driver.js';
import type { StoredFile } from '../../core/stored-file.js';
import type { S3Bucket } from './s3.client.js';
import { newWriteToken } from './s3.commits.js';
import { BodyFailure } from './s3.errors.js';
import { attributesOf, toS3Attributes } from './s3.metadata.js';
import {
  abandonUpload,
  completedFile,
  type CompletedUpload,
  completeUpload,
  createUpload,
  partChecksums,
  sendPart,
} from './s3.multipart.js';

/**
 * One body that goes up in parts, several at once. Never holds more than `concurrency` parts: their buffers are filled
 * again and again, because the engine frees large ones late. The first request that fails stops the others, and it
 * rejects when none is in flight and the upload is gone from the server.
 */
export class PartUpload {
  readonly #since = Date.now();
  readonly #token: string | undefined;
  readonly #signal: AbortSignal;
  readonly #concurrency: number;
  readonly #underWay = new Set<Promise<void>>();
  readonly #parts: CompletedPart[] = [];
  readonly #freeBuffers: Uint8Array[] = [];
  #uploadId: string | undefined;
  #size = 0;
  #failed: { readonly error: unknown } | undefined;
  #abandoned: Promise<void> | undefined;

  constructor(
    private readonly bucket: S3Bucket,
    private readonly key: string,
    private readonly partSize: number,
    private readonly options: DriverPutOptions,
    /** Ends the reading of the body, too. */
    private readonly stop = new AbortController(),
  ) {
    this.#token = newWriteToken(options);
    this.#signal = AbortSignal.any([options.signal, stop.signal]);
    this.#concurrency = options.concurrency ?? bucket.settings.concurrency;
    // One listener for each part in flight, as many as the caller wants.
    setMaxListeners(0, this.#signal);
  }

  /**
   * @param body bytes, or chunks that end as soon as `stop` is aborted
   * @param beginning more than a part, which was read of the chunks already; it is filled again, too
   */
  async run(
    body: Uint8Array | AsyncIterator<Uint8Array>,
    beginning: Uint8Array = new Uint8Array(0),
  ): Promise<StoredFile> {
    const { bucket, key, options } = this;
    let completed: CompletedUpload;
    try {
      const attributes = toS3Attributes(options, this.#token);
      this.#uploadId = await createUpload(bucket, key, attributes, this.#signal);
      if (body instanceof Uint8Array) await this.#sendBytes(body);
      else await this.#sendChunks(body, beginning);
      await Promise.all(this.#underWay);
      this.#throwIfFailed();
      completed = await this.#complete();
    } catch (error) {
      this.#fail(error);
      await Promise.all(this.#underWay);
      await this.#abandon();
      throw options.signal.aborted ? options.signal.reason : this.#failed!.error;
    }
    return completedFile(bucket, key, completed, {
      ...attributesOf(options),
      metadata: options.metadata,
      size: this.#size,
    });
  }

  async #sendBytes(body: Uint8Array): Promise<void> {
    for (let start = 0; start < body.byteLength; start += this.partSize) {
      await this.#turn();
      this.#send(body.subarray(start, start + this.partSize));
    }
  }

  async #sendChunks(chunks: AsyncIterator<Uint8Array>, beginning: Uint8Array): Promise<void> {
    let buffer: Uint8Array | undefined;
    let filled = 0;
    const failure = (error: unknown): never => {
      throw new BodyFailure(error);
    };
    const first = beginning.subarray(0, this.partSize);
    this.#send(first, first);
    let next: IteratorResult<Uint8Array> = { value: beginning.subarray(this.partSize) };
    for (; !next.done; next = await chunks.next().catch(failure)) {
      for (let chunk = next.value; chunk.byteLength > 0;) {
        buffer ??= await this.#takeBuffer();
        const taken = chunk.subarray(0, this.partSize - filled);
        buffer.set(taken, filled);
        filled += taken.byteLength;
        chunk = chunk.subarray(taken.byteLength);
        if (filled < this.partSize) continue;
        this.#send(buffer, buffer);
        buffer = undefined;
        filled = 0;
      }
    }
    if (buffer) this.#send(buffer.subarray(0, filled), buffer);
  }

  async #takeBuffer(): Promise<Uint8Array> {
    await this.#turn();
    return this.#freeBuffers.pop() ?? Buffer.allocUnsafeSlow(this.partSize);
  }

  /** Waits until another part may be sent. */
  async #turn(): Promise<void> {
    while (this.#underWay.size >= this.#concurrency) await Promise.race(this.#underWay);
    this.#throwIfFailed();
  }

  /** @param buffer is filled again when the part has arrived. */
  #send(bytes: Uint8Array, buffer?: Uint8Array): void {
    const { bucket, key } = this;
    const number = this.#parts.length + 1;
    if (number > bucket.profile.maxParts) throw tooManyParts(bucket, this.partSize);
    const part: CompletedPart = { PartNumber: number };
    this.#parts.push(part);
    this.#size += bytes.byteLength;
    const request = sendPart(
      bucket,
      { key, uploadId: this.#uploadId! },
      number,
      bytes,
      this.#signal,
    )
      .then(
        ({ ETag, ChecksumCRC32 }) => {
          Object.assign(part, { ETag, ...(ChecksumCRC32 && { ChecksumCRC32 }) });
          if (buffer) this.#freeBuffers.push(buffer);
        },
        (error: unknown) => this.#fail(error),
      )
      .finally(() => this.#underWay.delete(request));
    this.#underWay.add(request);
  }

  #complete(): Promise<CompletedUpload> {
    const { bucket, key, options } = this;
    const { checksum, ifNoneMatch, ifMatch } = options;
    return completeUpload(bucket, { key, uploadId: this.#uploadId! }, this.#parts, {
      signal: this.#signal,
      ...(ifNoneMatch !== undefined && { ifNoneMatch }),
      ...(ifMatch !== undefined && { ifMatch }),
      token: this.#token,
      size: this.#size,
      since: this.#since,
      attributes: options,
      crc32: checksum?.algorithm === 'crc32' && partChecksums(bucket) ? checksum.value : undefined,
      fence: () => this.#abandon(),
    });
  }

  /** The first failure is the one that is told; those that it causes are not. */
  #fail(error: unknown): void {
    this.#failed ??= { error };
    this.stop.abort(this.#failed.error);
  }

  #throwIfFailed(): void {
    if (this.#failed) throw this.#failed.error;
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
