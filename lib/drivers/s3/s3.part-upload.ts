import type { CompletedPart } from '@aws-sdk/client-s3';
import type { DriverPutOptions } from '../../core/storage-driver.js';
import { pickAttributes, type StoredFile } from '../../core/stored-file.js';
import type { BodyBeginning } from '../remote/body-beginning.js';
import { PartSender } from '../remote/part-sender.js';
import { joinedChecksum, type PartChecksum, partChecksum } from './s3.checksums.js';
import type { S3Bucket } from './s3.client.js';
import { newWriteToken } from './s3.commits.js';
import { toS3Attributes } from './s3.metadata.js';
import {
  abandonUpload,
  completedFile,
  type CompletedUpload,
  completeUpload,
  createUpload,
  sendPart,
} from './s3.multipart.js';

/**
 * One body that goes up in parts, several at once. It rejects when no request is under way and the upload is gone from the
 * server.
 */
export class PartUpload {
  readonly #since = Date.now();
  readonly #token: string | undefined;
  readonly #checksum: PartChecksum | undefined;
  readonly #parts: PartSender<CompletedPart>;
  #uploadId: string | undefined;
  #abandoned: Promise<void> | undefined;

  constructor(
    private readonly bucket: S3Bucket,
    private readonly key: string,
    partSize: number,
    private readonly options: DriverPutOptions,
    /** Ends the reading of the body, too. */
    private readonly stop = new AbortController(),
  ) {
    const { maxParts, maxPartSize, equalParts } = bucket.profile;
    this.#token = newWriteToken(options);
    this.#checksum = partChecksum(bucket, options.checksum);
    this.#parts = new PartSender({
      partSize,
      maxParts,
      // A body whose size is known fits as it is.
      ...(options.size === undefined && !equalParts && { growTo: maxPartSize }),
      concurrency: options.concurrency ?? bucket.settings.concurrency,
      pool: bucket.pool,
      signal: options.signal,
      stop,
      send: (number, bytes, signal) => this.#send(number, bytes, signal),
    });
  }

  /**
   * @param body bytes, or chunks that end as soon as `stop` is aborted
   * @param beginning a part and more, which was read of the chunks already
   */
  async run(
    body: Uint8Array | AsyncIterator<Uint8Array>,
    beginning?: BodyBeginning,
  ): Promise<StoredFile> {
    const { bucket, key, options } = this;
    let completed: CompletedUpload;
    try {
      const attributes = toS3Attributes(options, this.#token);
      const { signal } = this.#parts;
      this.#uploadId = await createUpload(bucket, key, attributes, signal, this.#checksum);
      completed = await this.#complete(await this.#parts.run(body, beginning));
    } catch (error) {
      this.stop.abort(error);
      await this.#abandon();
      throw options.signal.aborted ? options.signal.reason : error;
    }
    return completedFile(bucket, key, completed, {
      ...pickAttributes(options),
      metadata: options.metadata,
      size: this.#parts.size,
    });
  }

  async #send(PartNumber: number, bytes: Uint8Array, signal: AbortSignal): Promise<CompletedPart> {
    const upload = { key: this.key, uploadId: this.#uploadId! };
    const { ETag, ChecksumCRC32, ChecksumCRC32C } = await sendPart(
      this.bucket,
      upload,
      PartNumber,
      bytes,
      signal,
      this.#checksum,
    );
    return {
      PartNumber,
      ETag,
      ...(ChecksumCRC32 && { ChecksumCRC32 }),
      ...(ChecksumCRC32C && { ChecksumCRC32C }),
    };
  }

  #complete(parts: CompletedPart[]): Promise<CompletedUpload> {
    const { bucket, key, options } = this;
    const { checksum, ifNoneMatch, ifMatch } = options;
    return completeUpload(bucket, { key, uploadId: this.#uploadId! }, parts, {
      signal: this.#parts.signal,
      ...(ifNoneMatch !== undefined && { ifNoneMatch }),
      ...(ifMatch !== undefined && { ifMatch }),
      token: this.#token,
      size: this.#parts.size,
      since: this.#since,
      attributes: options,
      checksum: joinedChecksum(bucket, this.#checksum, checksum),
      fence: () => this.#abandon(),
    });
  }

  #abandon(): Promise<void> {
    if (this.#uploadId === undefined) return Promise.resolve();
    const upload = { key: this.key, uploadId: this.#uploadId };
    return (this.#abandoned ??= abandonUpload(this.bucket, upload));
  }
}
