import {
  type CallHandler,
  type ExecutionContext,
  Injectable,
  mixin,
  type NestInterceptor,
  type Type,
} from '@nestjs/common';
import multer from 'multer';
import { catchError, type Observable } from 'rxjs';
import type { Storage } from '../core/storage.js';
import { InjectStorage } from '../decorators/inject-storage.decorator.js';
import { toUploadException } from './multer-errors.js';
import { StorageEngine } from './storage.engine.js';
import type { StoredUpload } from './stored-upload.js';
import { parseInterceptorOptions, type UploadInterceptorOptions } from './upload-options.js';

type Multer = ReturnType<typeof multer>;
type Middleware = ReturnType<Multer['single']>;

interface UploadRequest {
  file?: StoredUpload;
  files?: StoredUpload[] | Record<string, StoredUpload[]>;
}

/** A field with files, and how many it may have. */
export interface UploadField {
  name: string;
  /** Default: as many as `maxFiles` allows. */
  maxCount?: number;
}

/**
 * Stores the one file of a field; the handler gets it by `@UploadedFile()` as a `StoredUpload`.
 *
 * The file is kept only when the handler succeeds: a pipe that refuses, a handler or a later interceptor that throws, a
 * limit and a client that goes away leave nothing in the storage.
 *
 * @publicApi
 */
export function StorageFileInterceptor<Request = unknown>(
  fieldName: string,
  options: UploadInterceptorOptions<Request> = {},
): Type<NestInterceptor> {
  return uploadInterceptor(`StorageFileInterceptor(${fieldName})`, options, (parser) =>
    parser.single(fieldName),
  );
}

/** Stores the files of one field; the handler gets them by `@UploadedFiles()`. Otherwise as `StorageFileInterceptor`. @publicApi */
export function StorageFilesInterceptor<Request = unknown>(
  fieldName: string,
  maxCount?: number,
  options: UploadInterceptorOptions<Request> = {},
): Type<NestInterceptor> {
  return uploadInterceptor(
    `StorageFilesInterceptor(${fieldName})`,
    { maxFiles: maxCount ?? 10, ...options },
    (parser) => parser.array(fieldName, maxCount),
  );
}

/** Stores the files of several fields; the handler gets `{ [field]: StoredUpload[] }` by `@UploadedFiles()`. @publicApi */
export function StorageFileFieldsInterceptor<Request = unknown>(
  uploadFields: readonly UploadField[],
  options: UploadInterceptorOptions<Request> = {},
): Type<NestInterceptor> {
  return uploadInterceptor('StorageFileFieldsInterceptor', options, (parser) =>
    parser.fields(uploadFields),
  );
}

/** Stores every file of the form, whatever its field; the handler gets a list by `@UploadedFiles()`. @publicApi */
export function StorageAnyFilesInterceptor<Request = unknown>(
  options: UploadInterceptorOptions<Request> = {},
): Type<NestInterceptor> {
  return uploadInterceptor('StorageAnyFilesInterceptor', options, (parser) => parser.any());
}

function uploadInterceptor<Request>(
  name: string,
  options: UploadInterceptorOptions<Request>,
  fields: (parser: Multer) => Middleware,
): Type<NestInterceptor> {
  const { upload, maxSize, maxFiles, maxFields, maxFieldSize } = parseInterceptorOptions(options);
  const limits = {
    fileSize: maxSize,
    files: maxFiles,
    fields: maxFields,
    parts: maxFiles + maxFields,
    fieldSize: maxFieldSize,
    fieldNameSize: 100,
    headerPairs: 100,
    fieldNestingDepth: 32,
    fieldArrayIndexLimit: 1000,
  };

  @Injectable()
  class StorageUploadInterceptor implements NestInterceptor {
    readonly #engine: StorageEngine<Request>;
    readonly #parse: Middleware;

    constructor(@InjectStorage(options.storage) storage: Storage) {
      this.#engine = new StorageEngine(storage, upload);
      this.#parse = fields(multer({ storage: this.#engine, limits, defParamCharset: 'utf8' }));
    }

    async intercept(context: ExecutionContext, next: CallHandler): Promise<Observable<unknown>> {
      const http = context.switchToHttp();
      const request = http.getRequest<UploadRequest>();
      await new Promise<void>((resolve, reject) => {
        this.#parse(request as never, http.getResponse(), (error: unknown) => {
          if (error) reject(toUploadException(error) as Error);
          else resolve();
        });
      });
      return next.handle().pipe(
        catchError(async (error: unknown) => {
          await this.#removeAll(request);
          throw error;
        }),
      );
    }

    async #removeAll({ file, files = [] }: UploadRequest): Promise<void> {
      const all = [...(file ? [file] : []), ...Object.values(files).flat()];
      // Each failure is logged by the engine; the client is to see why the handler failed.
      await Promise.allSettled(all.map((each) => this.#engine.remove(each)));
    }
  }
  // What Nest's errors call it.
  return Object.defineProperty(mixin(StorageUploadInterceptor), 'name', { value: name });
}
