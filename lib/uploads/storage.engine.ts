import {
  HttpException,
  Logger,
  PayloadTooLargeException,
  UnsupportedMediaTypeException,
} from '@nestjs/common';
import { PassThrough, type Readable } from 'node:stream';
import { safeFileName } from '../core/content-disposition.js';
import { StorageError } from '../core/errors.js';
import type { Storage } from '../core/storage.js';
import { toLoggedHttpException } from '../storage.exceptions.js';
import { SNIFF_LENGTH } from './content-sniffing.js';
import { contentTypeByBytes, isAccepted } from './content-type-policy.js';
import type { StoredUpload, TypedFile } from './stored-upload.js';
import {
  type ParsedUploadOptions,
  parseUploadOptions,
  type UploadOptions,
} from './upload-options.js';

/** A file as multer hands it to a storage engine. */
export interface MulterFile {
  readonly fieldname: string;
  readonly originalname: string;
  readonly encoding: string;
  readonly mimetype: string;
  readonly stream: Readable & { truncated?: boolean };
}

type StoredCallback = (error?: unknown, info?: Partial<StoredUpload>) => void;
type RemovedCallback = (error: Error | null) => void;

const BUFFER_SIZE = 1024 * 1024;

/**
 * A multer storage engine over a storage: every file is checked by its first bytes and streamed on, and nothing stays
 * of a file that is cut off, too large or refused.
 *
 * For plain multer (2.3 or newer) and for Nest's own `FileInterceptor('photo', { storage: engine })`; the
 * `Storage…Interceptor`s use it by themselves.
 *
 * @typeParam Request the HTTP framework's request, for `key` and `metadata`
 * @publicApi
 */
export class StorageEngine<Request = unknown> {
  readonly #logger = new Logger(StorageEngine.name);
  readonly #options: ParsedUploadOptions;

  /** @throws StorageInvalidArgumentError naming an option that is not well-formed */
  constructor(
    private readonly storage: Storage,
    options: Omit<UploadOptions<Request>, 'storage'> = {},
  ) {
    this.#options = parseUploadOptions(options);
  }

  /** Not async, and it must not throw: multer would neither see the rejection nor answer the request. */
  _handleFile(request: unknown, file: MulterFile, callback: StoredCallback): void {
    const body = receive(file.stream, this.#options.maxSize);
    this.#store(request, file, body).then(
      (info) => callback(null, info),
      (error: unknown) => {
        // The rest of the form is read and thrown away, so that the client gets its answer.
        file.stream.unpipe(body);
        file.stream.resume();
        body.destroy();
        callback(error instanceof StorageError ? toLoggedHttpException(error) : error);
      },
    );
  }

  /** Idempotent, and for files that were never stored, too: multer versions differ in when they call it. */
  _removeFile(_request: unknown, file: Partial<StoredUpload>, callback: RemovedCallback): void {
    this.remove(file).then(
      () => callback(null),
      (error: unknown) => callback(error as Error),
    );
  }

  /** Deletes what was stored of a file. */
  async remove({ key }: Partial<StoredUpload>): Promise<void> {
    if (key === undefined) return;
    try {
      await this.storage.delete(key);
    } catch (error) {
      this.#logger.error(
        `An upload that was to be removed is still in the storage "${this.storage.name}", under ${JSON.stringify(key)}`,
        error,
      );
      throw error;
    }
  }

  async #store(
    request: unknown,
    { fieldname, originalname, mimetype }: MulterFile,
    body: Readable,
  ): Promise<Partial<StoredUpload>> {
    const { accept, cacheControl } = this.#options;
    const { head, whole } = await peek(body, SNIFF_LENGTH);
    const contentType = contentTypeByBytes(head, mimetype);
    if (accept && !isAccepted(contentType, accept)) {
      throw new UnsupportedMediaTypeException({
        statusCode: 415,
        message: `The file is ${contentType}; allowed is ${accept.join(', ')}`,
        code: 'UNSUPPORTED_MEDIA_TYPE',
        field: fieldname,
      });
    }
    const file: TypedFile = { fieldname, originalname, mimetype, contentType };
    const key = await this.#options.key(file, request);
    const metadata = await this.#options.metadata(file, request);
    try {
      const stored = await this.storage.put(key, whole, {
        contentType,
        metadata: { filename: safeFileName(originalname), ...metadata },
        ...(cacheControl !== undefined && { cacheControl }),
      });
      return { mimetype: contentType, size: stored.size, key, storage: this.storage.name, stored };
    } catch (error) {
      // What ended the body says more than that it ended.
      throw body.errored instanceof HttpException ? body.errored : error;
    }
  }
}

/**
 * The file's bytes in a stream of our own: multer's must never be destroyed, or its request would never be answered.
 * It fails where multer's ends as if it were complete: at the limit, and when the client is gone.
 */
function receive(source: MulterFile['stream'], maxSize: number): PassThrough {
  const body = new PassThrough({ highWaterMark: BUFFER_SIZE });
  let size = 0;
  const tooLarge = (): void => void body.destroy(new TooLargeException(maxSize));
  source.on('limit', tooLarge);
  source.on('data', (chunk: Uint8Array) => {
    size += chunk.byteLength;
    if (size > maxSize) tooLarge();
  });
  source.on('end', () => (source.truncated ? tooLarge() : body.end()));
  source.on('error', (error) => body.destroy(error));
  source.on('close', () => {
    if (!source.readableEnded) body.destroy(new Error('The upload ended before the file did'));
  });
  // Whoever reads the body sees its failure; before anybody does, it must not end the process.
  body.on('error', () => {});
  source.pipe(body, { end: false });
  return body;
}

class TooLargeException extends PayloadTooLargeException {
  constructor(maxSize: number) {
    super({
      statusCode: 413,
      message: `The file is larger than the limit of ${maxSize} bytes`,
      code: 'TOO_LARGE',
    });
  }
}

/** The first bytes of a body, and the body with them: bytes when it is no longer than that. */
async function peek(
  body: Readable,
  length: number,
): Promise<{ head: Uint8Array; whole: Uint8Array | AsyncIterable<Uint8Array> }> {
  const chunks: Uint8Array[] = [];
  const iterator = body[Symbol.asyncIterator]() as AsyncIterator<Uint8Array>;
  let size = 0;
  while (size < length) {
    const next = await iterator.next();
    if (next.done) {
      const bytes = Buffer.concat(chunks);
      return { head: bytes, whole: bytes };
    }
    chunks.push(next.value);
    size += next.value.byteLength;
  }
  const head = chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks);
  async function* whole(): AsyncGenerator<Uint8Array, void> {
    yield head;
    yield* { [Symbol.asyncIterator]: () => iterator };
  }
  return { head, whole: whole() };
}
