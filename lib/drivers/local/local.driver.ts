import { join } from 'node:path';
import type { DriverBody } from '../../core/body.js';
import type { Capabilities } from '../../core/capabilities.js';
import type { WriteConditions } from '../../core/conditions.js';
import {
  StorageFileNotFoundError,
  StorageInvalidKeyError,
  StorageUnsupportedError,
} from '../../core/errors.js';
import type { MultipartPart } from '../../core/multipart.js';
import {
  SIGNED_PART_CONSTRAINTS,
  SIGNED_UPLOAD_CONSTRAINTS,
  UrlSigner,
} from '../../core/signed-url.js';
import type {
  DriverCopyOptions,
  DriverDeleteOptions,
  DriverDeleteResult,
  DriverDownload,
  DriverFactory,
  DriverGetOptions,
  DriverListedUpload,
  DriverListOptions,
  DriverListUploadsOptions,
  DriverMultipartOptions,
  DriverOptions,
  DriverPartUrlOptions,
  DriverPutOptions,
  DriverUpload,
  DriverUploadUrlOptions,
  DriverUrlOptions,
  ListPage,
  StorageDriver,
  UploadUrl,
} from '../../core/storage-driver.js';
import type { StoredFile } from '../../core/stored-file.js';
import { summedBody } from '../../core/summed-body.js';
import { copyVersion } from './local.copies.js';
import { deleteKeys } from './local.deletes.js';
import { throwIfAborted, toStorageError } from './local.errors.js';
import { KnownMetadata } from './local.known-metadata.js';
import { listPages } from './local.listing.js';
import { KeyLocks, LockFiles } from './local.locks.js';
import { MetadataFolder, toRecord } from './local.metadata.js';
import { moveVersion } from './local.moves.js';
import { Uploads } from './local.multipart.js';
import { openRoot, openTemporaryFiles } from './local.opening.js';
import { parseLocalOptions, type LocalStorageOptions } from './local.options.js';
import { readFile, readInfo } from './local.reads.js';
import { type Slot, slotsOn } from './local.slots.js';
import { unlinkIfThere } from './local.system-calls.js';
import { brokenWindowsRule } from './local.windows-names.js';
import { publish, sizeOf, stageBody, type LocalContext, type StagedFile } from './local.writes.js';

// Two storages may have one root, so what serializes the writers of a file is not a driver's own.
const KEY_LOCKS = new KeyLocks();
const WEEK = 7 * 24 * 60 * 60;

/** Opens a storage in a folder of the local disk. @throws StorageConfigurationError, StoragePermissionError */
export const createLocalDriver: DriverFactory<LocalStorageOptions, undefined> = async (
  options,
  { storage },
) => {
  const parsed = parseLocalOptions(options);
  const signer = UrlSigner.of(storage, options);
  const root = await openRoot(parsed);
  const metadata = new MetadataFolder(
    join(root.reserved, 'meta'),
    parsed.permissions,
    parsed.directoryPermissions,
    parsed.durability === 'full',
    root.openFiles,
  );
  const temporary = await openTemporaryFiles(root, metadata, parsed);
  const context: LocalContext = {
    options: parsed,
    root,
    metadata,
    known: new KnownMetadata(metadata, root.openFiles.marksRenames),
    temporary,
    keyLocks: KEY_LOCKS,
    lockFiles: new LockFiles(temporary),
    slots: slotsOn(root.disk),
    brokenRule: process.platform === 'win32' ? brokenWindowsRule : () => undefined,
  };
  return new LocalDriver(context, signer);
};

class LocalDriver implements StorageDriver<undefined> {
  readonly name = 'local';
  readonly client = undefined;
  readonly capabilities: Capabilities;
  readonly #uploads: Uploads;
  readonly #swept: Promise<void>;
  #closed: Promise<void> | undefined;

  constructor(
    private readonly context: LocalContext,
    private readonly signer: UrlSigner | undefined,
  ) {
    this.capabilities = capabilitiesOf(signer !== undefined);
    this.#uploads = new Uploads(context);
    // Beside the first calls: nobody waits for it, and nothing depends on it.
    this.#swept = context.temporary.sweep();
  }

  async put(key: string, body: DriverBody, options: DriverPutOptions): Promise<StoredFile> {
    const { signal } = options;
    const algorithm = options.checksum ? undefined : this.context.options.checksum;
    const summed = algorithm && summedBody(body, algorithm);
    const content = summed?.body ?? body;
    const size = sizeOf(content);
    const stage = (): Promise<StagedFile> => stageBody(this.context, key, content, signal, size);
    const publishStaged = (slot: Slot, staged: StagedFile): Promise<StoredFile> => {
      const recorded = toRecord(key, summed ? { ...options, checksum: summed.digest() } : options);
      return publish(this.context, slot, key, staged, recorded, options);
    };
    return this.#attempt(key, async () => {
      if (content instanceof Uint8Array) {
        return this.context.slots.writes.use(
          async (slot) => publishStaged(slot, await stage()),
          signal,
        );
      }
      // A stream is as slow as whoever sends it: only what follows takes a slot.
      const staged = await stage();
      let isPublishing = false;
      try {
        return await this.context.slots.writes.use((slot) => {
          isPublishing = true;
          return publishStaged(slot, staged);
        }, signal);
      } finally {
        if (!isPublishing) await unlinkIfThere(staged.path);
      }
    });
  }

  get(key: string, options: DriverGetOptions): Promise<DriverDownload> {
    return this.#attempt(key, () => readFile(this.context, key, options));
  }

  info(key: string, { signal }: DriverOptions): Promise<StoredFile> {
    return this.#attempt(key, () => readInfo(this.context, key, signal));
  }

  async *list(options: DriverListOptions): AsyncGenerator<ListPage, void> {
    const { prefix } = options;
    // Its end is only compared, and may be the beginning of a name that can be.
    this.#assertNames(prefix.slice(0, Math.max(0, prefix.lastIndexOf('/'))), 'prefix');
    try {
      yield* listPages(this.context, options);
    } catch (error) {
      throw toStorageError(error);
    }
  }

  deleteMany(keys: readonly string[], options: DriverDeleteOptions): Promise<DriverDeleteResult> {
    return this.#attempt(undefined, () => {
      for (const key of keys) this.#assertNames(key);
      return deleteKeys(this.context, keys, options);
    });
  }

  copy(from: string, to: string, options: DriverCopyOptions): Promise<StoredFile> {
    const transfer = options.move ? moveVersion : copyVersion;
    return this.#attempt(from, () => {
      this.#assertNames(to);
      return this.context.slots.writes.use(
        (slot) => transfer(this.context, slot, from, to, options),
        options.signal,
      );
    });
  }

  async url(key: string, options: DriverUrlOptions): Promise<string> {
    this.#assertNames(key);
    return this.#signer().readUrl(key, options);
  }

  async uploadUrl(key: string, options: DriverUploadUrlOptions): Promise<UploadUrl> {
    this.#assertNames(key);
    return this.#signer().uploadUrl(key, options);
  }

  startMultipartUpload(key: string, options: DriverMultipartOptions): Promise<string> {
    return this.#attempt(key, () => this.#uploads.start(key, options));
  }

  uploadPart(
    upload: DriverUpload,
    partNumber: number,
    body: Uint8Array,
    { signal }: DriverOptions,
  ): Promise<MultipartPart> {
    const size = body.byteLength;
    return this.#attempt(upload.key, () =>
      this.context.slots.writes.use(
        () => this.#uploads.putPart(upload, partNumber, body, { size, signal }),
        signal,
      ),
    );
  }

  async uploadPartUrl(
    upload: DriverUpload,
    partNumber: number,
    options: DriverPartUrlOptions,
  ): Promise<UploadUrl> {
    this.#assertNames(upload.key);
    return this.#signer().uploadPartUrl(upload, partNumber, options);
  }

  listParts(upload: DriverUpload, { signal }: DriverOptions): Promise<MultipartPart[]> {
    return this.#attempt(upload.key, () => {
      throwIfAborted(signal);
      return this.#uploads.list(upload);
    });
  }

  completeMultipartUpload(
    upload: DriverUpload,
    parts: readonly Pick<MultipartPart, 'partNumber' | 'etag'>[],
    options: DriverOptions & WriteConditions,
  ): Promise<StoredFile> {
    return this.#attempt(upload.key, () =>
      this.context.slots.writes.use(
        (slot) => this.#uploads.complete(slot, upload, parts, options),
        options.signal,
      ),
    );
  }

  abortMultipartUpload(upload: DriverUpload, { signal }: DriverOptions): Promise<void> {
    return this.#attempt(upload.key, () => {
      throwIfAborted(signal);
      return this.#uploads.abort(upload);
    });
  }

  async *listMultipartUploads({
    prefix,
    signal,
  }: DriverListUploadsOptions): AsyncGenerator<DriverListedUpload[], void> {
    try {
      yield* this.#uploads.underWay(prefix, signal);
    } catch (error) {
      throw toStorageError(error);
    }
  }

  close(): Promise<void> {
    return (this.#closed ??= this.#close());
  }

  async #close(): Promise<void> {
    await this.#swept;
    await this.context.temporary.close();
  }

  /** Nothing is taken for missing before the root has been looked for: without it, nothing can be known. */
  async #attempt<T>(key: string | undefined, task: () => Promise<T>): Promise<T> {
    if (key !== undefined) this.#assertNames(key);
    try {
      return await task();
    } catch (cause) {
      const error = toStorageError(cause, key);
      if (error instanceof StorageFileNotFoundError) await this.context.root.assertThere();
      throw error;
    }
  }

  /** @throws StorageInvalidKeyError when the system would not take each segment for the name of one file */
  #assertNames(key: string, what = 'key'): void {
    const rule = this.context.brokenRule(key);
    if (rule !== undefined) throw new StorageInvalidKeyError(`Invalid ${what}: ${rule}`, { key });
  }

  #signer(): UrlSigner {
    if (this.signer) return this.signer;
    throw new StorageUnsupportedError('Signed URLs need the options baseUrl and signingKeys');
  }
}

function capabilitiesOf(signs: boolean): Capabilities {
  return {
    createOnly: true,
    compareAndSet: true,
    conditionalDelete: true,
    createOnlyCopy: true,
    conditionalGet: true,
    ranges: true,
    metadata: true,
    headers: true,
    delimiters: 'slash',
    atomicMove: true,
    multipart: true,
    multipartListing: true,
    signedUrls: signs,
    signedCacheControl: signs,
    signedUploads: {
      PUT: signs && SIGNED_UPLOAD_CONSTRAINTS,
      POST: signs && SIGNED_UPLOAD_CONSTRAINTS,
    },
    signedParts: signs && SIGNED_PART_CONSTRAINTS,
    checksums: ['crc32', 'crc32c', 'md5', 'sha1', 'sha256'],
    retries: false,
    limits: {
      maxObjectSize: Number.MAX_SAFE_INTEGER,
      minPartSize: 1,
      maxPartSize: Number.MAX_SAFE_INTEGER,
      maxParts: 10_000,
      deleteBatch: 1000,
      maxExpiresIn: WEEK,
    },
  };
}
