import { assertKnownOptions, assertOptions, shown } from './arguments.js';
import { parseAttributes, parseGivenAttributes } from './attributes.js';
import { assertHeld, readBody, type StorageBody } from './body.js';
import type { Capabilities } from './capabilities.js';
import { parseChecksum } from './checksum.js';
import { contentDisposition, parseDisposition } from './content-disposition.js';
import { parseWriteConditions } from './conditions.js';
import { deleteBatches, deleteListed, deleteOne, deleteVersion } from './deletion.js';
import { Download } from './download.js';
import { copy } from './copy.js';
import { DriverSource } from './driver-source.js';
import {
  StorageFileExistsError,
  StorageFileNotFoundError,
  StorageInvalidArgumentError,
  StoragePreconditionFailedError,
} from './errors.js';
import { isThere } from './is-there.js';
import {
  type MultipartPart,
  type MultipartUpload,
  type MultipartUploadInfo,
  parsePartNumber,
  parseParts,
} from './multipart.js';
import { openDownload } from './open-download.js';
import type { Operation } from './operations.js';
import { put } from './put.js';
import { readWhole } from './read-whole.js';
import { redactedKey } from './redaction.js';
import { listPages } from './repeat-pages.js';
import { resumeMultipartUpload } from './resume.js';
import type { SeekableBody } from './seekable-body.js';
import { findStaged, type StagedFile, stage, sweepStaged } from './staging.js';
import type {
  DriverClients,
  DriverCopyOptions,
  ListPage,
  StorageDriver,
  UploadUrl,
} from './storage-driver.js';
import type {
  CompleteMultipartOptions,
  CopyOptions,
  DeleteManyResult,
  DeleteOptions,
  DeletePrefixOptions,
  DeletePrefixResult,
  GetOptions,
  ListOptions,
  ListPageOptions,
  MultipartOptions,
  PartUrlOptions,
  PutOptions,
  ResumeMultipartOptions,
  SignalOption,
  StageOptions,
  SweepOptions,
  SweepResult,
  SweepStagedOptions,
  UploadPartOptions,
  UploadUrlOptions,
  UrlOptions,
} from './storage-methods.js';
import type { StorageOptions } from './storage-options.js';
import { StorageView } from './storage-view.js';
import type { StoredFile } from './stored-file.js';
import { sweep } from './sweep.js';
import { assertCount, parseByteSize } from './units.js';
import { uploadBody } from './upload-body.js';
import { listUploads } from './upload-listing.js';

const LIST_PAGE_SIZE = 1000;
const DRAIN_TIMEOUT = 10_000;
/** How often a file is copied to be moved whose source is replaced meanwhile. */
const MAX_COPIES = 3;

const URL_OPTIONS: Readonly<Record<keyof UrlOptions, true>> = {
  signal: true,
  expiresIn: true,
  disposition: true,
  contentType: true,
  cacheControl: true,
  public: true,
};

const UPLOAD_URL_OPTIONS: Readonly<Record<keyof UploadUrlOptions, true>> = {
  signal: true,
  method: true,
  expiresIn: true,
  contentType: true,
  size: true,
  maxSize: true,
  checksum: true,
  ifNoneMatch: true,
};

type ClientOf<Name extends string> = Name extends keyof DriverClients
  ? DriverClients[Name]
  : unknown;

/**
 * Files in one place, under keys, with the same behaviour on every backend.
 *
 * Every method rejects with a `StorageError`; a rejected write has changed nothing, except where the answer of the service was
 * lost: with `CONNECTION_FAILED` or `TIMEOUT` the file is the old or the whole new one, and never in between.
 *
 * @typeParam Name the driver's name, which gives `client` its type
 */
export class Storage<Name extends string = string> {
  readonly #view: StorageView;

  /**
   * @param driver the driver, or where to get it from when the storage is first used
   * @param options what every storage takes, and the name that messages tell it by (default: the driver's)
   * @throws StorageInvalidArgumentError, StorageInvalidKeyError naming an option that is not well-formed
   */
  constructor(
    driver: StorageDriver | DriverSource | StorageView,
    options: StorageOptions & { name?: string } = {},
  ) {
    if (driver instanceof StorageView) {
      this.#view = driver;
    } else {
      const source = driver instanceof DriverSource ? driver : DriverSource.of(driver);
      this.#view = StorageView.of(source, options);
    }
  }

  /** The name under which the storage was configured. */
  get name(): string {
    return this.#view.name;
  }

  /** What stands before each key where the backend keeps it: the configured prefix, and those of `scope()`. */
  get prefix(): string {
    return this.#view.prefix;
  }

  /** What the driver can do, as configured. @throws StorageConfigurationError before the storage is open */
  get capabilities(): Capabilities {
    return this.#driver.capabilities;
  }

  /** The driver's name, such as `'s3'`. */
  get driver(): string {
    return this.#view.driverName;
  }

  /**
   * The SDK's own client, for what this class does not cover. Keys there are with their prefix.
   *
   * @throws StorageConfigurationError before the storage is open
   */
  get client(): ClientOf<Name> {
    return this.#driver.client as ClientOf<Name>;
  }

  /**
   * Loads the driver and connects it, if that has not happened yet. The first call of any other method does the same.
   *
   * @throws StorageConfigurationError when it cannot work as configured
   */
  open(): Promise<void> {
    return this.#view.run('open', undefined, {}, async () => {});
  }

  /**
   * Stores the whole body, or nothing: when it rejects, what was stored under the key before is still there.
   * A stream is read once, with bounded memory; large bodies go up in parallel parts where the backend has parts.
   *
   * @throws StorageFileExistsError, StoragePreconditionFailedError by condition
   * @throws StorageIntegrityError when `size` or `checksum` is not the body's
   * @throws StorageTooLargeError, StorageQuotaExceededError
   */
  put(key: string, body: StorageBody, options: PutOptions = {}): Promise<StoredFile> {
    return put(this.#view, 'put', key, body, options);
  }

  /**
   * Stores the whole body where no listing shows it, until `commit()` moves it to its key or `discard()` removes it.
   * What a killed process leaves is for `sweepStaged()`.
   *
   * @throws as `put`
   */
  stage(body: StorageBody, options: StageOptions = {}): Promise<StagedFile> {
    return stage(this.#view, body, options);
  }

  /**
   * Where staged files lie, as a storage of its own: what others put there, by an upload URL or in parts, shows in no
   * listing of this storage, until `staged()` finds it. Limits are as here.
   */
  staging(): Storage<Name> {
    return new Storage(this.#view.staging());
  }

  /**
   * The file that lies in `staging()` under the name, whoever put it there: to commit or discard it in another process
   * than the one that staged it. It may have been replaced by the time of the commit, by whoever still can.
   *
   * @throws StorageFileNotFoundError
   */
  staged(name: string, options: SignalOption = {}): Promise<StagedFile> {
    return findStaged(this.#view, name, options);
  }

  /**
   * Removes files that were staged at least `olderThan` ago and neither committed nor discarded, because their process
   * was killed; on a scope, only those staged through it. Choose it longer than any process takes from `stage()` to `commit()`.
   */
  sweepStaged(options: SweepStagedOptions = {}): Promise<DeletePrefixResult> {
    return sweepStaged(this.#view, options);
  }

  /**
   * Removes what was begun at least `olderThan` ago and never ended, because its process was killed or its client never came
   * back: staged files, as `sweepStaged()`, and multipart uploads, those to `staging()` included. Nothing that is younger or published is
   * touched; on a scope, only what was begun through it. What could not be removed is told in `failed`, item by item.
   *
   * Choose `olderThan` longer than any upload takes: the age counts from its start. On S3, the uploads that a killed `put` or `copy`
   * left are among those found, and so are those that other programs began below the storage's prefix.
   *
   * @throws StorageUnsupportedError when the backend cannot list its uploads (`capabilities.multipartListing`): there,
   *   `sweepStaged()` and a lifecycle rule of the backend do it
   */
  sweep(options: SweepOptions = {}): Promise<SweepResult> {
    return sweep(this.#view, options);
  }

  /**
   * Opens a file for reading. It rejects before there is a stream: not found, not modified, a condition or a range
   * that does not hold. All bytes come from one version of the file.
   *
   * @throws StorageFileNotFoundError, StorageNotModifiedError, StoragePreconditionFailedError,
   *   StorageRangeNotSatisfiableError
   */
  async get(key: string, options: GetOptions = {}): Promise<Download> {
    const operation = this.#view.begin('get', key, options);
    try {
      await this.#view.open(operation);
      const fullKey = this.#view.fullKey(key);
      const { file, range, body } = await operation.run(() =>
        openDownload(this.#view, fullKey, options, operation),
      );
      return new Download(this.#view.own(file), range, body, this.name);
    } catch (error) {
      const failure = operation.failure(error);
      operation.end();
      throw failure;
    }
  }

  /** The whole file in memory; read anew when it breaks off, by the storage's `retry`, but with `onProgress`. @throws as `get` */
  async getBytes(key: string, options: GetOptions = {}): Promise<Buffer> {
    return readWhole(this.#view, key, options, (signal) =>
      this.get(
        key,
        signal === options?.signal ? options : { ...options, ...(signal && { signal }) },
      ),
    );
  }

  /** What is stored under the key, without its bytes. @throws StorageFileNotFoundError */
  async info(key: string, options: SignalOption = {}): Promise<StoredFile> {
    return this.#view.runKey('info', key, options, (operation, fullKey) =>
      operation.repeat(async () =>
        this.#view.own(await this.#driver.info(fullKey, { signal: operation.signal })),
      ),
    );
  }

  /** Whether a file is stored under the key. False means "not there"; an outage or a refusal rejects. */
  async exists(key: string, options: SignalOption = {}): Promise<boolean> {
    return this.#view.runKey('exists', key, options, (operation, fullKey) =>
      isThere(this.#view, fullKey, operation),
    );
  }

  /**
   * Yields every file whose key starts with the prefix, in the order of the keys' UTF-8 bytes, fetching pages as they
   * are needed. The prefix is a plain string: `'a'` matches `'ab'`.
   */
  async *list(prefix = '', options: ListOptions = {}): AsyncGenerator<StoredFile, void> {
    const operation = this.#view.begin('list', undefined, options);
    try {
      let left = options.limit === undefined ? Infinity : assertCount(options.limit, 'limit');
      if (left === 0) return;
      await this.#view.open(operation);
      const pageSize = Math.min(left, LIST_PAGE_SIZE);
      const asked = this.#view.listOptions({ ...options, prefix }, pageSize, operation);
      for await (const page of listPages(this.#view, asked, operation)) {
        const { files } = this.#view.visible(page, asked);
        operation.pause();
        for (const file of files) {
          yield this.#view.own(file);
          if (--left === 0) return;
          operation.signal.throwIfAborted();
        }
        operation.resume();
      }
    } catch (error) {
      throw operation.failure(error);
    } finally {
      operation.end();
    }
  }

  /** One page of a listing, with the common prefixes when there is a delimiter. */
  async listPage(options: ListPageOptions = {}): Promise<ListPage> {
    return this.#view.run('listPage', undefined, options, (operation) =>
      operation.repeat(async () => {
        const { limit = LIST_PAGE_SIZE } = options;
        assertCount(limit, 'limit', 1, LIST_PAGE_SIZE);
        const asked = this.#view.listOptions(options, limit, operation);
        for await (const page of this.#driver.list(asked)) {
          const { files, prefixes, cursor } = this.#view.visible(page, asked);
          return {
            files: files.map((file) => this.#view.own(file)),
            prefixes: prefixes.map((each) => this.#view.ownKey(each)),
            ...(cursor !== undefined && { cursor }),
          };
        }
        return { files: [], prefixes: [] };
      }),
    );
  }

  /**
   * Deletes the file. Deleting what is not there succeeds, also with `ifMatch`.
   *
   * @throws StoragePreconditionFailedError when another version is there than that of `ifMatch`
   * @throws StorageUnsupportedError for `ifMatch`, when the backend cannot decide it (`capabilities.conditionalDelete`)
   */
  async delete(key: string, options: DeleteOptions = {}): Promise<void> {
    await this.#view.runKey('delete', key, options, (operation, fullKey) => {
      this.#view.assertWritable();
      const condition = this.#view.deleteCondition(options.ifMatch);
      return deleteOne(this.#view, fullKey, operation, condition);
    });
  }

  /** Deletes many files in as few requests as the backend allows. Failures are reported per key. */
  async deleteMany(keys: Iterable<string>, options: SignalOption = {}): Promise<DeleteManyResult> {
    return this.#view.run('deleteMany', undefined, options, async (operation) => {
      this.#view.assertWritable();
      // A string is an iterable, too: of its characters.
      if (typeof keys === 'string' || typeof keys?.[Symbol.iterator] !== 'function') {
        throw new StorageInvalidArgumentError('deleteMany() takes an array, or iterable, of keys');
      }
      const unique = [...new Set(keys)];
      const fullKeys = unique.map((key) => this.#view.fullKey(key));
      const failed = await deleteBatches(this.#view, fullKeys, operation);
      const failedKeys = new Set(failed.map(({ key }) => key));
      return { deleted: unique.filter((key) => !failedKeys.has(key)), failed };
    });
  }

  /**
   * Deletes every file whose key starts with the prefix. The prefix is a plain string: `'a'` matches `'ab'`.
   *
   * @throws StorageInvalidArgumentError for the empty prefix without `all: true`
   */
  async deletePrefix(
    prefix: string,
    options: DeletePrefixOptions = {},
  ): Promise<DeletePrefixResult> {
    return this.#view.run('deletePrefix', undefined, options, async (operation) => {
      this.#view.assertWritable();
      // A prefix that is missing by mistake must not empty the storage.
      if (!prefix && options.all !== true) {
        throw new StorageInvalidArgumentError(
          'The empty prefix matches every file; pass { all: true } to delete them all',
        );
      }
      return deleteListed(this.#view, prefix, operation);
    });
  }

  /**
   * Copies a file inside the storage without its bytes passing through here, whatever its size.
   *
   * @throws StorageFileNotFoundError when the source is not there; the destination is untouched
   * @throws StorageInvalidArgumentError when source and destination are the same key
   */
  async copy(from: string, to: string, options: CopyOptions = {}): Promise<StoredFile> {
    return this.#view.runKey('copy', from, options, (operation, fullFrom) =>
      this.#copy(fullFrom, to, options, operation),
    );
  }

  /**
   * Moves a file inside the storage: in one step where the backend can, else by a copy after whose confirmation the
   * source is deleted, if it is still the version that was copied; one that was replaced meanwhile is copied again. When it rejects, the
   * source is still there.
   *
   * @throws StoragePreconditionFailedError when the source is replaced again and again, or once with `ifNoneMatch`: both files are there
   * @throws as `copy`
   */
  async move(from: string, to: string, options: CopyOptions = {}): Promise<StoredFile> {
    return this.#view.runKey('move', from, options, async (operation, fullFrom) => {
      if (this.capabilities.atomicMove) {
        return this.#copy(fullFrom, to, options, operation, { move: true });
      }
      for (let copies = 1; ; copies++) {
        let source: StoredFile | undefined;
        const onSource = (file: StoredFile): void => void (source = file);
        const file = await this.#copy(fullFrom, to, options, operation, { onSource });
        try {
          await (source
            ? deleteVersion(this.#view, fullFrom, source, operation)
            : deleteOne(this.#view, fullFrom, operation));
          return file;
        } catch (error) {
          // Somebody else has moved or deleted it.
          if (error instanceof StorageFileNotFoundError) return file;
          if (!(error instanceof StoragePreconditionFailedError)) throw error;
          if (options.ifNoneMatch !== undefined || copies === MAX_COPIES) {
            throw new StoragePreconditionFailedError(
              'The source was replaced while it was moved: it stays, and the destination has a version before it',
              { cause: error },
            );
          }
        }
      }
    });
  }

  /**
   * A URL that reads the file until it expires, for whoever has it. No request is made, so the file need not exist.
   *
   * @throws StorageInvalidArgumentError naming an option that there is not
   * @throws StorageUnsupportedError when the storage cannot sign, or not what is asked, or has no `publicUrl`
   */
  async url(key: string, options: UrlOptions = {}): Promise<string> {
    return this.#view.runKey('url', key, options, async (operation, fullKey) => {
      assertKnownOptions('url()', options, URL_OPTIONS);
      if (options.public) return this.#view.publicUrl(fullKey);
      this.#view.assertSignedUrls();
      const { contentType, cacheControl } = parseGivenAttributes(options);
      if (cacheControl !== undefined) this.#view.assertSignedCacheControl();
      // No backend would answer with a header that has no value.
      if (cacheControl === '') {
        throw new StorageInvalidArgumentError('cacheControl must not be empty');
      }
      return operation.repeat(() =>
        this.#driver.url(fullKey, {
          signal: operation.signal,
          expiresIn: this.#view.expiresIn(options.expiresIn),
          ...(options.disposition !== undefined && {
            contentDisposition: contentDisposition(parseDisposition(options.disposition)),
          }),
          ...(contentType !== undefined && { contentType }),
          ...(cacheControl !== undefined && { cacheControl }),
        }),
      );
    });
  }

  /**
   * A request that stores a file under the key until it expires, for somebody else to make: with exactly the method,
   * headers and fields that it says. Whatever is asked is enforced by the backend.
   *
   * @throws StorageInvalidArgumentError naming an option that there is not, such as `metadata`
   * @throws StorageUnsupportedError when the backend cannot enforce something that is asked
   */
  async uploadUrl(key: string, options: UploadUrlOptions = {}): Promise<UploadUrl> {
    return this.#view.runKey('uploadUrl', key, options, (operation, fullKey) => {
      this.#view.assertWritable();
      assertKnownOptions('uploadUrl()', options, UPLOAD_URL_OPTIONS);
      const { method = 'PUT', ifNoneMatch } = options;
      const { contentType } = parseGivenAttributes(options);
      const size = options.size === undefined ? undefined : assertCount(options.size, 'size');
      const asked =
        options.maxSize === undefined ? undefined : parseByteSize(options.maxSize, 'maxSize');
      const maxSize = this.#view.uploadLimit(method, size, asked);
      const checksum = options.checksum === undefined ? undefined : parseChecksum(options.checksum);
      this.#view.assertConstraints(method, {
        contentType,
        size,
        maxSize,
        checksum,
        createOnly: parseWriteConditions({ ...(ifNoneMatch !== undefined && { ifNoneMatch }) })
          .ifNoneMatch,
      });
      return operation.repeat(() =>
        this.#driver.uploadUrl(fullKey, {
          signal: operation.signal,
          method,
          expiresIn: this.#view.expiresIn(options.expiresIn),
          ...(contentType !== undefined && { contentType }),
          ...(size !== undefined && { size }),
          ...(maxSize !== undefined && { maxSize }),
          ...(checksum && { checksum }),
          ...(ifNoneMatch && { ifNoneMatch }),
        }),
      );
    });
  }

  /** Starts an upload whose parts are sent one by one, in any order, by any process. Nothing is visible until it is completed. */
  async startMultipartUpload(
    key: string,
    options: MultipartOptions = {},
  ): Promise<MultipartUpload> {
    return this.#view.runKey('startMultipartUpload', key, options, async (operation, fullKey) => {
      this.#view.assertWritable();
      this.#view.assertMultipart();
      this.#view.assertAttributes(options);
      const size = options.size === undefined ? undefined : assertCount(options.size, 'size');
      if (size !== undefined) this.#view.assertObjectSize(size);
      const partSize = this.#view.partSize(options.partSize, size);
      const { signal } = operation;
      const attributes = parseAttributes(key, options);
      // Of a start whose answer was lost, nobody knows the upload: a sweep finds it.
      const uploadId = await operation.repeat(() =>
        this.#driver.startMultipartUpload(fullKey, { ...attributes, signal }),
      );
      return { key, uploadId, partSize };
    });
  }

  /**
   * Stores one part; sent again under the same number it replaces the first. A stream is read into memory.
   *
   * @throws StorageIntegrityError when `size` or `checksum` is not the body's
   */
  async uploadPart(
    upload: MultipartUpload,
    partNumber: number,
    body: StorageBody,
    options: UploadPartOptions = {},
  ): Promise<MultipartPart> {
    const source = this.#view.openBody('uploadPart', upload?.key, body);
    try {
      return await this.#view.runUpload('uploadPart', upload, options, async (operation, ours) => {
        const number = parsePartNumber(partNumber, this.capabilities.limits.maxParts);
        const { size, checksum } = options;
        const bytes = await readBody(
          uploadBody(source, {
            signal: operation.signal,
            size: size === undefined ? undefined : assertCount(size, 'size'),
            checksum: checksum === undefined ? undefined : parseChecksum(checksum),
            maxSize: this.#view.maxPartSize,
            onWait: (waiting) => operation.sourceWaits(waiting),
            onBytes: (count) => operation.countBytes(count),
          }),
        );
        const given = 'bytes' in source ? source.size : bytes.byteLength;
        return operation.repeat(async () => {
          assertHeld(bytes.byteLength, given);
          return this.#driver.uploadPart(ours, number, bytes, { signal: operation.signal });
        });
      });
    } catch (error) {
      if ('destroy' in source) source.destroy(error as Error);
      throw error;
    }
  }

  /**
   * A request that stores one part of the upload until it expires, for somebody else to make: with exactly the method
   * and headers that it says. Its answer has the part's `etag` in the header `ETag`, by which it can be completed. Whatever
   * is asked is enforced by the backend. Signing does not ask for the upload: what is sent when that is over is part of no file.
   *
   * @throws StorageUnsupportedError when the backend has no such URLs, or cannot enforce something that is asked
   * @throws StorageTooLargeError when `size` is larger than a part can be
   */
  async uploadPartUrl(
    upload: MultipartUpload,
    partNumber: number,
    options: PartUrlOptions = {},
  ): Promise<UploadUrl> {
    return this.#view.runUpload('uploadPartUrl', upload, options, async (operation, ours) => {
      const size = options.size === undefined ? undefined : assertCount(options.size, 'size');
      const checksum = options.checksum === undefined ? undefined : parseChecksum(options.checksum);
      this.#view.assertSignedPart({ size, checksum });
      if (size !== undefined) this.#view.assertPartSize(size);
      const number = parsePartNumber(partNumber, this.capabilities.limits.maxParts);
      return operation.repeat(() =>
        this.#driver.uploadPartUrl(ours, number, {
          signal: operation.signal,
          expiresIn: this.#view.expiresIn(options.expiresIn),
          ...(size !== undefined && { size }),
          ...(checksum && { checksum }),
        }),
      );
    });
  }

  /** The parts that the backend has, by number. @throws StorageFileNotFoundError when the upload is not there */
  async listParts(upload: MultipartUpload, options: SignalOption = {}): Promise<MultipartPart[]> {
    return this.#view.runUpload('listParts', upload, options, (operation, ours) =>
      operation.repeat(() => this.#driver.listParts(ours, { signal: operation.signal })),
    );
  }

  /**
   * Joins the parts into the file, in one step.
   *
   * @param parts as `uploadPart` returned them, in any order; left out: all that the backend has
   * @throws StorageFileNotFoundError when the upload is not there
   * @throws StorageTooLargeError when they are larger together than `maxObjectSize`
   */
  async completeMultipartUpload(
    upload: MultipartUpload,
    parts?: readonly Pick<MultipartPart, 'partNumber' | 'etag'>[],
    options: CompleteMultipartOptions = {},
  ): Promise<StoredFile> {
    return this.#view.runUpload(
      'completeMultipartUpload',
      upload,
      options,
      async (operation, ours) => {
        const { signal } = operation;
        const conditions = this.#view.writeConditions(options);
        const { maxParts } = this.capabilities.limits;
        const named = parts === undefined ? undefined : parseParts(parts, maxParts);
        // What the caller says about sizes is not asked: the parts may have come from anybody.
        const stored =
          named === undefined || this.#view.isSizeLimited
            ? await operation.repeat(() => this.#driver.listParts(ours, { signal }))
            : [];
        const all = named ?? parseParts(stored, maxParts);
        const numbers = new Set(all.map(({ partNumber }) => partNumber));
        const used = stored.filter(({ partNumber }) => numbers.has(partNumber));
        this.#view.assertObjectSize(used.reduce((sum, { size }) => sum + size, 0));
        const file = await this.#driver.completeMultipartUpload(ours, all, {
          ...conditions,
          signal,
        });
        return this.#view.own(file);
      },
    );
  }

  /** Removes the upload and its parts. One that is not there counts as removed. */
  async abortMultipartUpload(upload: MultipartUpload, options: SignalOption = {}): Promise<void> {
    return this.#view.runUpload('abortMultipartUpload', upload, options, (operation, ours) =>
      operation.repeat(() => this.#driver.abortMultipartUpload(ours, { signal: operation.signal })),
    );
  }

  /**
   * Yields every multipart upload under way whose key starts with the prefix, in no certain order, to resume or abort it. The
   * prefix is a plain string. Uploads to `staging()` are listed there only.
   *
   * `partSize` is what the storage advises now, for no backend tells with which one the upload was started. On S3, uploads that a
   * `put` has under way are among them.
   *
   * @throws StorageUnsupportedError when the backend cannot list them (`capabilities.multipartListing`)
   */
  listMultipartUploads(
    prefix = '',
    options: SignalOption = {},
  ): AsyncGenerator<MultipartUploadInfo, void> {
    return listUploads(this.#view, prefix, options);
  }

  /**
   * Goes on with an upload in any process, and completes it: sends the parts that the backend does not have, several at once, and
   * no other. When it rejects, the upload can be resumed once more. At most `concurrency` parts are in memory.
   *
   * The body must be the one that the upload was begun with, unless `verify` says to look: a part that is there, and as large as it
   * must be, is not sent again, and nothing tells whether its bytes are others.
   *
   * @param body what can be read from anywhere: a `Blob`, such as `await fs.openAsBlob(path)`, or `{ size, read(range) }`
   * @throws StorageFileNotFoundError when the upload is not there: aborted, swept, or completed already
   * @throws StorageInvalidArgumentError for a stream, which could only be read from its beginning
   * @throws StorageIntegrityError when the body has fewer or more bytes than its size says
   * @throws as `completeMultipartUpload`
   */
  resumeMultipartUpload(
    upload: MultipartUpload,
    body: SeekableBody,
    options: ResumeMultipartOptions = {},
  ): Promise<StoredFile> {
    return resumeMultipartUpload(this.#view, upload, body, options);
  }

  /**
   * The files under the prefix, as a storage of their own: keys are without it and can never leave it. The prefix is a
   * plain string, as in `list`: end it with `/`, or `'tenant-1'` is also the beginning of `'tenant-10/…'`.
   */
  scope(prefix: string): Storage<Name> {
    return new Storage(this.#view.scoped(prefix));
  }

  /** The same files, but every method that writes rejects with `StoragePermissionError`. */
  readonly(): Storage<Name> {
    return new Storage(this.#view.readonly());
  }

  /**
   * Lets the calls under way end (those that take longer than `timeout` milliseconds, 10,000 by default, are aborted)
   * and frees the client. `Infinity` waits as long as a timer can, 24 days. Later calls reject with `StorageClosedError`. Idempotent. Closing a view closes only the view.
   * What was aborted is waited for: on a `local` disk that never answers, without end.
   */
  async close(options: { timeout?: number } = {}): Promise<void> {
    assertOptions(options);
    const { timeout = DRAIN_TIMEOUT } = options;
    if (typeof timeout !== 'number' || !(timeout >= 0)) {
      throw new StorageInvalidArgumentError(
        `timeout must be a number of milliseconds, 0 or more, not ${shown(timeout)}`,
      );
    }
    await this.#view.close(timeout);
  }

  /**
   * Aborts every `get`, `put` and `stage` under way in the storage and its views: their clients may be too slow to wait for. The
   * storage stays open, so that what they have begun can be undone; `close()` ends it.
   */
  abortTransfers(): void {
    this.#view.abortTransfers();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  get #driver(): StorageDriver {
    return this.#view.driver;
  }

  async #copy(
    from: string,
    to: string,
    options: CopyOptions,
    operation: Operation,
    driverOptions: Pick<DriverCopyOptions, 'move' | 'onSource'> = {},
  ): Promise<StoredFile> {
    this.#view.assertWritable();
    this.#view.assertAttributes(options);
    const fullTo = this.#view.destinationKey(to);
    if (from === fullTo) {
      throw new StorageInvalidArgumentError('Source and destination are the same key');
    }
    try {
      const given = {
        ...parseGivenAttributes(options),
        ...this.#view.copyCondition(options.ifNoneMatch),
        ...driverOptions,
      };
      return this.#view.own(await copy(this.#view, from, fullTo, given, operation));
    } catch (error) {
      if (!(error instanceof StorageFileExistsError)) throw error;
      const shownKey = JSON.stringify(redactedKey(to));
      throw new StorageFileExistsError(`The destination ${shownKey} exists already`);
    }
  }
}
