import { Logger } from '@nestjs/common';
import { StorageAbortedError } from '../core/errors.js';
import type { Storage } from '../core/storage.js';
import type { StoredFile } from '../core/stored-file.js';
import { type FrameworkRequest, rawRequest } from '../http-exchange.js';
import type { MulterFile } from './file-body.js';
import { fileFailure } from './file-failure.js';
import { copyOfFields, requestWithBody } from './request-view.js';
import type { StoredUpload } from './stored-upload.js';
import { parseUploadOptions, type UploadOptions } from './upload-options.js';
import { UploadWriter } from './upload-writer.js';
import type { UploadedFileInfo, WrittenUpload } from './written-upload.js';

type StoredCallback = (error?: unknown, info?: Partial<StoredUpload>) => void;
type RemovedCallback = (error: Error | null) => void;

/**
 * A multer storage engine over a storage: every file is checked by its first bytes and streamed on, and nothing stays
 * of a file that is cut off, too large or refused.
 *
 * For plain multer (2.3 or newer) and for Nest's own `FileInterceptor('photo', { storage: engine })`, on Express and on
 * Fastify. The `Storage…Interceptor`s do more: they keep what they stored only when the request succeeds.
 *
 * @typeParam Request the HTTP framework's request, for `key` and `metadata`
 */
export class StorageEngine<Request = unknown> {
  readonly #logger = new Logger(StorageEngine.name);
  readonly #writer: UploadWriter;
  /** By what multer is told of a file: it hands on copies, and whatever copies a file hands that on. */
  readonly #written = new WeakMap<StoredFile, WrittenUpload>();

  /** @throws StorageInvalidArgumentError naming an option that is not well-formed */
  constructor(
    private readonly storage: Storage,
    options: Omit<UploadOptions<Request>, 'storage'> = {},
  ) {
    this.#writer = new UploadWriter(storage, parseUploadOptions(options));
  }

  /** Not async, and it must not throw: multer would neither see the rejection nor answer the request. */
  _handleFile(request: unknown, file: MulterFile, callback: StoredCallback): void {
    this.#store(request, file).then(
      (info) => callback(null, info),
      // Always an error: without one, multer would take the file for stored.
      (error: unknown) => callback(fileFailure(error, file.fieldname)),
    );
  }

  /** Idempotent, and for files that were never stored, too: multer versions differ in when they call it. */
  _removeFile(_request: unknown, file: Partial<StoredUpload>, callback: RemovedCallback): void {
    this.remove(file).then(
      () => callback(null),
      (error: unknown) => callback(error as Error),
    );
  }

  /**
   * Removes a file that this engine has stored, as it was told to multer; does nothing for any other. What is under the
   * key by somebody else stays, and so does a file with `overwrite` or a key by its content: once it is there, others
   * may count on it.
   */
  async remove({ key, stored }: Partial<StoredUpload>): Promise<void> {
    try {
      await (stored && this.#written.get(stored)?.remove());
    } catch (error) {
      this.#logger.error(
        `An upload that was to be removed is still in the storage "${this.storage.name}", under ${JSON.stringify(key)}`,
        error,
      );
      throw error;
    }
  }

  async #store(request: unknown, file: MulterFile): Promise<UploadedFileInfo> {
    const { signal } = new AbortController();
    const framework = request as FrameworkRequest;
    // For the functions among the options: multer goes on, to what comes behind the file, while they decide.
    const view = requestWithBody(framework, copyOfFields(framework.body));
    const written = await this.#writer.write(file, { request: view, signal });
    // Not every release of multer asks for the removal of what was finished after the client had gone.
    if (isGone(request)) {
      await written.remove();
      throw new StorageAbortedError('The client went away before its upload was stored');
    }
    try {
      await written.publish();
    } catch (error) {
      // What stays is left to the next sweep: why the file is not published says more.
      await written.remove().catch(() => {});
      throw error;
    }
    this.#written.set(written.info.stored, written);
    return written.info;
  }
}

function isGone(request: unknown): boolean {
  const { destroyed, complete } = rawRequest(request);
  return destroyed && !complete;
}
