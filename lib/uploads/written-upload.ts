import { Logger } from '@nestjs/common';
import { createHash, type Hash } from 'node:crypto';
import { unshared } from '../core/body.js';
import type { Checksum } from '../core/checksum.js';
import { deleteFound } from '../core/delete-found.js';
import { StorageFileExistsError, StorageUnsupportedError } from '../core/errors.js';
import { infoIfThere } from '../core/info-if-there.js';
import type { StagedFile } from '../core/staging.js';
import type { SignalOption } from '../core/storage-methods.js';
import type { Storage } from '../core/storage.js';
import { type StoredFile, storedFile } from '../core/stored-file.js';
import { chosenKey } from './key-strategies.js';
import type { HashedFile, StoredUpload, TypedFile } from './stored-upload.js';

const logger = new Logger('StorageUploads');

/** What multer is told about a file; `keep` belongs to the request that the file came in. */
export type UploadedFileInfo = Omit<StoredUpload, 'keep'>;

/** A file whose bytes are in the storage, to be published or removed. */
export interface WrittenUpload {
  readonly info: UploadedFileInfo;
  /** What is left to do: nothing, or to put the file under its key, where what the key holds stays or gives way. */
  readonly publication: 'done' | 'adding' | 'replacing';
  /** Puts the file under its key, if it is not there yet, and nobody else is about it; one that failed can be tried again. */
  publish(options?: SignalOption): Promise<void>;
  /**
   * Takes the file out of the storage again, if it is there only by this upload: what somebody else has put under its key
   * stays, and so does what was published in the place of another file, or under a key that tells its content, since others
   * may count on it.
   */
  remove(): Promise<void>;
}

/** A file that passed every check that comes before its bytes are stored. */
export interface CheckedFile {
  readonly file: TypedFile & { readonly encoding: string };
  readonly body: Uint8Array | AsyncIterable<Uint8Array>;
  readonly attributes: {
    readonly contentType: string;
    readonly metadata: Record<string, string>;
    readonly cacheControl?: string;
    /** What the client announces: the storage refuses any other bytes. */
    readonly checksum?: Checksum;
  };
  readonly signal: AbortSignal;
}

/** Stores the file under its key at once. */
export async function writeUnderKey(
  storage: Storage,
  key: string,
  checked: CheckedFile,
  { createOnly }: { createOnly: boolean },
): Promise<WrittenUpload> {
  if (createOnly) await assertCreateOnly(storage);
  const stored = await storage.put(key, unshared(checked.body), {
    ...checked.attributes,
    signal: checked.signal,
    ...(createOnly && { ifNoneMatch: '*' }),
  });
  return {
    info: describe(storage, checked, stored),
    publication: 'done',
    async publish() {},
    // Only who is told a key of random bits knows it.
    remove: () => (createOnly ? removeVersion(storage, stored) : storage.delete(key)),
  };
}

/** Stages the file, so that what the key holds stays until the request has succeeded. */
export async function stageUnderKey(
  storage: Storage,
  key: string,
  checked: CheckedFile,
): Promise<WrittenUpload> {
  const { attributes, body, signal } = checked;
  const staged = await storage.stage(unshared(body), { ...attributes, signal });
  const info = describe(storage, checked, storedFile({ key, size: staged.size, ...attributes }));
  return stagedUpload(info, 'replacing', staged, (options) => staged.commit(key, options));
}

/** Stages the file, since only its last byte tells its key. */
export async function stageByContent(
  storage: Storage,
  keyOf: (file: HashedFile) => string | Promise<string>,
  checked: CheckedFile,
): Promise<WrittenUpload> {
  const { attributes, body, signal } = checked;
  const hash = createHash('sha256');
  const staged = await storage.stage(unshared(hashed(body, hash)), { ...attributes, signal });
  try {
    const { size } = staged;
    const key = chosenKey(await keyOf({ ...checked.file, size, sha256: hash.digest('hex') }));
    const info = describe(storage, checked, storedFile({ key, size, ...attributes }));
    return stagedUpload(info, 'adding', staged, (options) =>
      commitByContent(storage, key, staged, options),
    );
  } catch (error) {
    // What stays is left to the next sweep: why there is no key says more.
    await staged.discard().catch(() => {});
    throw error;
  }
}

/** How often a file whose key is in use is published, when the one that is there goes each time before it can be counted on. */
const MOST_COMMITS = 3;

/**
 * Publishes the file, unless the same one is there: the key tells the content.
 *
 * @throws StorageFileExistsError when the key holds a file that cannot be the same
 */
async function commitByContent(
  storage: Storage,
  key: string,
  staged: StagedFile,
  options: SignalOption,
): Promise<StoredFile> {
  if (!storage.capabilities.createOnlyCopy) {
    // A copy would put the metadata of this upload in the place of what is there.
    return (await takeWhatIsThere(storage, key, staged, options)) ?? staged.commit(key, options);
  }
  for (let commits = 1; ; commits += 1) {
    try {
      return await staged.commit(key, { ...options, ifNoneMatch: '*' });
    } catch (error) {
      if (!(error instanceof StorageFileExistsError)) throw error;
      const there = await takeWhatIsThere(storage, key, staged, options);
      if (there) return there;
      // Deleted meanwhile.
      if (commits === MOST_COMMITS) throw error;
    }
  }
}

/** The file under the key, in the place of the staged one, which goes. @throws StorageFileExistsError when it is not the same */
async function takeWhatIsThere(
  storage: Storage,
  key: string,
  staged: StagedFile,
  options: SignalOption,
): Promise<StoredFile | undefined> {
  const there = await infoIfThere(storage, key, options);
  if (!there) return undefined;
  if (there.size !== staged.size) {
    throw new StorageFileExistsError('A file of another size is stored under the key already', {
      storage: storage.name,
      driver: storage.driver,
      operation: 'commit',
      key,
    });
  }
  await discardLeftover(storage, staged);
  return there;
}

/** The file is there, whatever becomes of this: the next sweep finds what stays. */
async function discardLeftover(storage: Storage, staged: StagedFile): Promise<void> {
  try {
    await staged.discard();
  } catch (error) {
    logger.error(
      `The bytes of an upload that was there already are still staged in the storage "${storage.name}", as ${JSON.stringify(staged.name)}, until sweepStaged() removes them`,
      error,
    );
  }
}

/** Seconds: some backends tell the time of a write only by the clock of their answer, in whole ones. */
const CLOCK_TOLERANCE = 2;

/** Deletes the file, unless its key holds another one by now. */
async function removeVersion(storage: Storage, stored: StoredFile): Promise<void> {
  const now = await infoIfThere(storage, stored.key);
  if (now && isSameVersion(stored, now)) await deleteFound(storage, now);
}

function isSameVersion(stored: StoredFile, now: StoredFile): boolean {
  if (stored.version !== undefined && now.version !== undefined) {
    return stored.version === now.version;
  }
  // The same bytes have the same etag on some backends, whoever wrote them.
  const later = (now.lastModified?.getTime() ?? 0) - (stored.lastModified?.getTime() ?? Infinity);
  return stored.etag === now.etag && !(later > CLOCK_TOLERANCE * 1000);
}

function stagedUpload(
  info: UploadedFileInfo,
  publication: 'adding' | 'replacing',
  staged: StagedFile,
  commit: (options: SignalOption) => Promise<StoredFile>,
): WrittenUpload {
  let published: Promise<void> | undefined;
  const publish = async (options: SignalOption): Promise<void> => {
    try {
      info.stored = await commit(options);
    } catch (error) {
      published = undefined;
      throw error;
    }
  };
  return {
    info,
    publication,
    publish: (options = {}) => (published ??= publish(options)),
    async remove() {
      await published?.catch(() => {});
      await staged.discard();
    },
  };
}

async function assertCreateOnly(storage: Storage): Promise<void> {
  await storage.open();
  if (storage.capabilities.createOnly) return;
  throw new StorageUnsupportedError(
    `Storage "${storage.name}" cannot refuse a key that is in use, as uploads under keys of one's own need; set overwrite: true, use randomKey or datedKey, or, on S3, name the provider of the service`,
  );
}

function describe(storage: Storage, { file }: CheckedFile, stored: StoredFile): UploadedFileInfo {
  return {
    fieldname: file.fieldname,
    originalname: file.originalname,
    encoding: file.encoding,
    mimetype: file.contentType,
    size: stored.size,
    key: stored.key,
    storage: storage.name,
    stored,
  };
}

async function* hashed(
  body: Uint8Array | AsyncIterable<Uint8Array>,
  hash: Hash,
): AsyncGenerator<Uint8Array, void> {
  for await (const chunk of body instanceof Uint8Array ? [body] : body) {
    hash.update(chunk);
    yield chunk;
  }
}
