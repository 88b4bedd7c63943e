import { HttpException, HttpStatus, Logger } from '@nestjs/common';
import { safeFileName } from '../core/content-disposition.js';
import { deleteFound } from '../core/delete-found.js';
import {
  StorageFileExistsError,
  StorageFileNotFoundError,
  StorageInvalidKeyError,
} from '../core/errors.js';
import { infoIfThere } from '../core/info-if-there.js';
import type { StagedFile } from '../core/staging.js';
import type { Storage } from '../core/storage.js';
import type { StoredFile } from '../core/stored-file.js';
import { toHttpException } from '../storage.exceptions.js';
import { SNIFF_LENGTH } from '../uploads/content-sniffing.js';
import { contentTypeByBytes, isAccepted } from '../uploads/content-type-policy.js';
import { chosenKey } from '../uploads/key-strategies.js';
import { notAccepted, uploadNotFound } from '../uploads/upload.exceptions.js';
import { announcedFile } from './announced-file.js';
import type { StagedUpload } from './staged-upload.js';
import type { ParsedTusBehaviour } from './tus-options.js';
import { keyInUse, uploadChanged } from './tus.exceptions.js';
import type { PublishedAs } from './upload-record.js';

/** For `field` in the body of a refusal, as in those of forms. */
const FIELD = 'file';

/** Metadata of a file that says which upload it comes from, where others may have put one under its key. */
const UPLOAD_MARK = 'tus-upload';

const logger = new Logger('TusUploads');

/** Whose request it is that finds all bytes there. */
interface Publisher {
  readonly owner: string;
  /** The HTTP framework's. */
  readonly request: unknown;
  /** Whether the client has a URL to come again with. */
  readonly isRepeatable: boolean;
}

/**
 * What becomes of an upload all of whose bytes are there. Its record says how far that has come:
 *
 * | record           | written                                | the next request                                    | a refusal, or DELETE, then |
 * | ---------------- | -------------------------------------- | --------------------------------------------------- | -------------------------- |
 * | no `file`        | when the upload is created             | decides about its key, publishes it, tells the app  | removes the upload         |
 * | `file`           | before the file is published           | publishes it if it is not, and tells the app        | removes the file, too      |
 * | `isTold`         | before the app is told, or it is not   | tells it again; the app may have taken the file     | leaves the file            |
 * | `isTold: false`  | when the app has refused it, or failed | as with `file`                                      | as with `file`             |
 * | `isDone`         | when the app has taken the file        | does nothing                                        | leaves the file            |
 */
export class UploadPublication {
  constructor(
    private readonly storage: Storage,
    private readonly behaviour: ParsedTusBehaviour,
  ) {}

  /**
   * Checks the file, puts it under its key and tells the app. What another process has begun of it, and did not come to
   * the end of, is gone on with. A file that is refused is removed, and the upload with it; so is one for which nobody can
   * come again. A file that such a process may have had accepted stays.
   *
   * @throws HttpException when it is refused
   */
  async publish(upload: StagedUpload, publisher: Publisher): Promise<void> {
    if (upload.record.isDone) return;
    await upload.assemble();
    if (upload.record.concat === 'partial') return;
    const staged = await this.#staged(upload);
    try {
      const file = await this.#publishFile(upload, staged, publisher);
      if (file) await this.#handOver(file, upload, publisher);
    } catch (error) {
      if (isFinal(error, publisher)) await this.#giveUp(upload, publisher);
      throw error;
    }
    // It is done all the same: at worst, a later request tells the app again.
    await upload.remember({ isDone: true });
  }

  /**
   * Removes the upload. A file that was published before, and that the app has not accepted, goes with it; one that the app may
   * have accepted stays. When that file cannot be removed the upload stays, too, for it says where the file is.
   */
  async withdraw(upload: StagedUpload): Promise<void> {
    await this.#removePublished(upload);
    await upload.remove();
  }

  /** The same after a failure, which says more to the client than that something is left. */
  async #giveUp(upload: StagedUpload, { isRepeatable }: Publisher): Promise<void> {
    try {
      await this.#removePublished(upload);
    } catch (error) {
      // Told of this one, the client comes again, and the file is removed then.
      if (isRepeatable) throw error;
      logger.error(error);
      return;
    }
    try {
      await upload.remove();
    } catch (error) {
      // The next sweep finds what stays.
      logger.warn(error);
    }
  }

  /** Removes the file that was published, unless the app may have accepted it. */
  async #removePublished({ name, record }: StagedUpload): Promise<void> {
    const { file, isTold } = record;
    if (!file || isTold) return;
    const published = await this.#published(name, file);
    if (published) await deleteFound(this.storage, published);
  }

  /** `undefined` when the app was told of the file and has taken it from its key. */
  async #publishFile(
    upload: StagedUpload,
    staged: StagedFile | undefined,
    { request }: Publisher,
  ): Promise<StoredFile | undefined> {
    const file = upload.record.file ?? (await this.#decide(upload, request));
    if (!staged) return this.#publishedBefore(upload, file);
    try {
      return await this.#commit(staged, upload, file);
    } catch (error) {
      // Which key a file system takes depends on what is stored there.
      if (error instanceof StorageInvalidKeyError) throw toHttpException(error);
      if (!(error instanceof StorageFileExistsError)) throw error;
      const stored = await this.#published(upload.name, file);
      if (!stored) throw keyInUse(error);
      await staged.discard();
      return stored;
    }
  }

  /** @throws UploadException 404 when the file is gone, and the app has not taken it */
  async #publishedBefore(
    { name, record }: StagedUpload,
    file: PublishedAs,
  ): Promise<StoredFile | undefined> {
    const stored = await this.#published(name, file);
    if (stored || record.isTold) return stored;
    throw uploadNotFound();
  }

  /** What is under the key, unless that is somebody else's. */
  async #published(name: string, { key }: PublishedAs): Promise<StoredFile | undefined> {
    const stored = await infoIfThere(this.storage, key);
    const isForeign = this.behaviour.isCreateOnly && stored?.metadata[UPLOAD_MARK] !== name;
    return isForeign ? undefined : stored;
  }

  /** Where to publish it, which is written down first: who goes on with it must not choose another key. */
  async #decide(upload: StagedUpload, request: unknown): Promise<PublishedAs> {
    const { accept, key } = this.behaviour;
    const { filename, mimetype } = announcedFile(upload.record);
    const contentType = contentTypeByBytes(await this.#firstBytes(upload), mimetype);
    if (accept && !isAccepted(contentType, accept)) throw notAccepted(contentType, accept, FIELD);
    const typed = { fieldname: FIELD, originalname: filename, mimetype, contentType };
    const file = { key: keyOf(await key(typed, request)), contentType };
    await upload.note({ file });
    return file;
  }

  async #firstBytes({ name, record }: StagedUpload): Promise<Uint8Array> {
    const end = Math.min(SNIFF_LENGTH, record.length!) - 1;
    // An empty file has no ranges.
    if (end < 0) return new Uint8Array();
    return this.storage.staging().getBytes(name, { range: { start: 0, end } });
  }

  /** `undefined` when it was published already. @throws UploadException 409 for one that has not the length of the upload */
  async #staged({ name, record }: StagedUpload): Promise<StagedFile | undefined> {
    const staged = await this.#stagedOrGone(name);
    // A process that wrote to the upload at the same time has left something else there.
    if (staged && staged.size !== record.length) throw uploadChanged();
    return staged;
  }

  async #stagedOrGone(name: string): Promise<StagedFile | undefined> {
    try {
      return await this.storage.staged(name);
    } catch (error) {
      if (error instanceof StorageFileNotFoundError) return undefined;
      throw error;
    }
  }

  #commit(
    staged: StagedFile,
    { name, record }: StagedUpload,
    { key, contentType }: PublishedAs,
  ): Promise<StoredFile> {
    const { isCreateOnly } = this.behaviour;
    const { filename } = announcedFile(record);
    return staged.commit(key, {
      contentType,
      metadata: {
        ...(filename !== '' && { filename: safeFileName(filename) }),
        ...(isCreateOnly && { [UPLOAD_MARK]: name }),
      },
      ...(isCreateOnly && { ifNoneMatch: '*' }),
    });
  }

  async #handOver(
    file: StoredFile,
    upload: StagedUpload,
    { owner, request }: Publisher,
  ): Promise<void> {
    const { record } = upload;
    const { filename } = announcedFile(record);
    // Written down before: afterwards, the app may have the file and this process may have ended.
    if (!record.isTold) await noteTold(upload);
    try {
      await this.behaviour.onUploaded(file, {
        storage: this.storage,
        owner,
        filename: filename === '' ? '' : safeFileName(filename),
        metadata: record.metadata ?? {},
        request,
      });
    } catch (error) {
      // Before the file goes: a client that asks in between is not to be told that it is the app's. But of a file that it was told
      // of before, by a process that has ended, the app may have accepted it then: that is what it may refuse now.
      if (!record.isTold) await upload.remember({ isTold: false });
      throw error;
    }
  }
}

async function noteTold(upload: StagedUpload): Promise<void> {
  try {
    await upload.note({ isTold: true });
  } catch (error) {
    // It may be written all the same, but the app was not told.
    await upload.remember({ isTold: false });
    throw error;
  }
}

/** @throws HttpException when the client's name for the file makes it none: the file is refused */
function keyOf(chosen: unknown): string {
  try {
    return chosenKey(chosen);
  } catch (error) {
    throw error instanceof StorageInvalidKeyError ? toHttpException(error) : error;
  }
}

/** Whether it is about the file, rather than about the state of the app or of the backend; or nobody can try again. */
function isFinal(error: unknown, { isRepeatable }: Publisher): boolean {
  if (!isRepeatable) return true;
  return (
    error instanceof HttpException && error.getStatus() < Number(HttpStatus.INTERNAL_SERVER_ERROR)
  );
}
