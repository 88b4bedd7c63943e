import {
  CopyObjectCommand,
  type CopyObjectCommandInput,
  type CompletedPart,
  type HeadObjectCommandOutput,
  UploadPartCopyCommand,
} from '@aws-sdk/client-s3';
import { StorageFileExistsError, StoragePreconditionFailedError } from '../../core/errors.js';
import { inParallel } from '../../core/in-parallel.js';
import { encodeKey } from '../../core/key.js';
import type { DriverCopyOptions } from '../../core/storage-driver.js';
import { pickAttributes, type StoredFile, storedFile } from '../../core/stored-file.js';
import { S3Call } from './s3.call.js';
import type { S3Bucket } from './s3.client.js';
import { commit, newWriteToken } from './s3.commits.js';
import { readFile, readHead } from './s3.downloads.js';
import { isConflict, readFailure, toStorageError, unconfirmed } from './s3.errors.js';
import {
  encodeMetadata,
  fileOf,
  hasRoomForToken,
  type S3Attributes,
  toEtag,
  toLastModified,
  toS3Attributes,
  toVersion,
} from './s3.metadata.js';
import { abandonUpload, completedFile, completeUpload, createUpload } from './s3.multipart.js';
import { send, sendWrite } from './s3.requests.js';

const PART_SIZE = 256 * 1024 ** 2;
const MAX_ATTEMPTS = 3;

/**
 * Copies one version of the source, the one whose size and attributes were read first. A source that changes meanwhile
 * is read again.
 */
export async function copy(
  bucket: S3Bucket,
  from: string,
  to: string,
  options: DriverCopyOptions,
): Promise<StoredFile> {
  if (options.metadata) encodeMetadata(options.metadata);
  for (let attempt = 1; ; attempt++) {
    const head = await readHead(bucket, from, options.signal);
    const source = fileOf(from, head.ContentLength, head);
    const file: StoredFile = { ...source, ...pickAttributes(options), key: to };
    const expires = new Date(head.ExpiresString ?? '');
    const token = newWriteToken(options);
    const attributes = (): S3Attributes => ({
      ...toS3Attributes(file, token),
      // Not ours to set, but not ours to lose either.
      ...(!Number.isNaN(expires.getTime()) && { Expires: expires }),
    });
    const version: SourceVersion = { source, file, token, attributes };
    try {
      const copied =
        source.size > bucket.copyThreshold
          ? await new PartCopy(bucket, version, options).run()
          : await copyWhole(bucket, version, options);
      options.onSource?.(source);
      return copied;
    } catch (error) {
      const refused = readFailure(error).status === 412 || isConflict(error);
      if (!refused && !(error instanceof StoragePreconditionFailedError)) throw error;
      // The source has changed, or the destination is taken: the answer does not tell which.
      if (options.ifNoneMatch !== undefined && (await isThere(bucket, to, options.signal))) {
        throw new StorageFileExistsError(undefined, { cause: toStorageError(error).cause });
      }
      if (attempt === MAX_ATTEMPTS) throw error;
    }
  }
}

/** The version of the source that is copied, and what becomes of it. */
interface SourceVersion {
  readonly source: StoredFile;
  readonly file: StoredFile;
  /** What a create-only copy is recognised by. */
  readonly token: string | undefined;
  /** Those of the copy, token and all. @throws StorageInvalidArgumentError */
  readonly attributes: () => S3Attributes;
}

async function copyWhole(
  bucket: S3Bucket,
  { source, file, token, attributes }: SourceVersion,
  options: DriverCopyOptions,
): Promise<StoredFile> {
  const { signal } = options;
  const since = Date.now();
  const replaced =
    Object.keys(pickAttributes(options)).length > 0 ||
    (token !== undefined && hasRoomForToken(source.metadata));
  const input: CopyObjectCommandInput = {
    Bucket: bucket.bucket,
    Key: file.key,
    CopySource: copySource(bucket, source),
    ...(source.etag !== undefined && { CopySourceIfMatch: source.etag }),
    ...(replaced
      ? { MetadataDirective: 'REPLACE', ...attributes() }
      : { MetadataDirective: 'COPY' }),
  };
  const createOnly = options.ifNoneMatch && bucket.profile.createOnlyCopy;
  const request = async (): Promise<Pick<HeadObjectCommandOutput, WrittenField>> => {
    const command = new CopyObjectCommand({ ...input });
    const call = new S3Call(command);
    if (createOnly) call.onlyCreating(createOnly);
    const { CopyObjectResult: result, VersionId } = await sendWrite(bucket, call, signal);
    if (!result?.ETag) throw unconfirmed('the copy');
    return { ETag: result.ETag, LastModified: result.LastModified, VersionId };
  };
  // The etag of a source that was joined from parts is not that of its copy.
  const etag = source.etag?.includes('-') ? undefined : source.etag;
  // Without the condition: a 412 can also mean that the source has changed, which is for the caller to tell.
  const copied = await commit(bucket, file.key, request, {
    signal,
    written: () =>
      token === undefined
        ? { etag, size: file.size, since, attributes: file, checksum: source.checksum }
        : { token, since },
  });
  return storedFile({
    ...file,
    etag: toEtag(copied.ETag),
    lastModified: toLastModified(copied.LastModified),
    version: toVersion(copied.VersionId),
  });
}

type WrittenField = 'ETag' | 'LastModified' | 'VersionId';

/** Copies what is too large for one CopyObject, part by part, each of the same version of the source. */
class PartCopy {
  readonly #since = Date.now();
  readonly #partSize: number;
  readonly #partCount: number;

  constructor(
    private readonly bucket: S3Bucket,
    private readonly version: SourceVersion,
    private readonly options: DriverCopyOptions,
  ) {
    const { minPartSize, maxParts } = bucket.profile;
    this.#partSize = Math.max(
      minPartSize,
      Math.min(PART_SIZE, bucket.copyThreshold),
      Math.ceil(version.source.size / maxParts),
    );
    this.#partCount = Math.ceil(version.source.size / this.#partSize);
  }

  async run(): Promise<StoredFile> {
    const { bucket, options } = this;
    const { file, token, attributes } = this.version;
    const uploadId = await createUpload(bucket, file.key, attributes(), options.signal);
    const upload = { key: file.key, uploadId };
    let abandoned: Promise<void> | undefined;
    const abandon = (): Promise<void> => (abandoned ??= abandonUpload(bucket, upload));
    try {
      const parts = await this.#copyParts(uploadId);
      await this.#assertSameSource();
      const completed = await completeUpload(bucket, upload, parts, {
        signal: options.signal,
        ...(options.ifNoneMatch !== undefined && { ifNoneMatch: options.ifNoneMatch }),
        token,
        size: file.size,
        since: this.#since,
        attributes: file,
        fence: abandon,
      });
      return await completedFile(bucket, file.key, completed, file);
    } catch (error) {
      await abandon();
      throw error;
    }
  }

  #copyParts(uploadId: string): Promise<CompletedPart[]> {
    const indexes = Array.from({ length: this.#partCount }, (_, index) => index);
    const { concurrency } = this.bucket.settings;
    return inParallel(indexes, concurrency, this.options.signal, (index, signal) =>
      this.#copyPart(uploadId, index, signal),
    );
  }

  /** For services that ignore the condition of a part, radosgw for one: they would join parts of two versions. */
  async #assertSameSource(): Promise<void> {
    const { source } = this.version;
    const { etag } = await readFile(this.bucket, source.key, this.options.signal);
    if (etag === source.etag) return;
    throw new StoragePreconditionFailedError('The source was replaced while it was copied');
  }

  async #copyPart(uploadId: string, index: number, signal: AbortSignal): Promise<CompletedPart> {
    const { bucket } = this;
    const { source, file } = this.version;
    const start = index * this.#partSize;
    const end = Math.min(start + this.#partSize, source.size) - 1;
    const command = new UploadPartCopyCommand({
      Bucket: bucket.bucket,
      Key: file.key,
      UploadId: uploadId,
      PartNumber: index + 1,
      CopySource: copySource(bucket, source),
      CopySourceRange: `bytes=${start}-${end}`,
      ...(source.etag !== undefined && { CopySourceIfMatch: source.etag }),
    });
    const { CopyPartResult } = await send(bucket, command, signal);
    const etag = CopyPartResult?.ETag;
    if (!etag) throw unconfirmed('a part of the copy');
    return { PartNumber: index + 1, ETag: etag };
  }
}

function copySource({ bucket }: S3Bucket, { key }: StoredFile): string {
  if (!bucket.startsWith('arn:')) return `${bucket}/${encodeKey(key)}`;
  // The SDK takes an ARN with colons in its last part, too; the service names objects with slashes.
  const parts = bucket.split(':');
  const accessPoint = [...parts.slice(0, 5), parts.slice(5).join('/')].join(':');
  return encodeKey(`${accessPoint}/object/${key}`);
}

async function isThere(bucket: S3Bucket, key: string, signal: AbortSignal): Promise<boolean> {
  try {
    await readFile(bucket, key, signal);
    return true;
  } catch (error) {
    if (toStorageError(error).code === 'FILE_NOT_FOUND') return false;
    throw error;
  }
}
