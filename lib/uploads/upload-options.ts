import { StorageInvalidArgumentError } from '../core/errors.js';
import { assertCount, type ByteSize, parseByteSize } from '../core/units.js';
import { type UploadKey, randomKey } from './key-strategies.js';
import type { TypedFile } from './stored-upload.js';

/** How uploaded files are checked, named and stored. `Request` is the type of the HTTP framework's request. */
export interface UploadOptions<Request = unknown> {
  /** Name of the storage. Default: the default storage. */
  storage?: string;
  /**
   * Allowed media types, such as `'image/png'` and `'image/*'`; decided by the file's first bytes. Types that run script,
   * such as `'image/svg+xml'` and `'text/html'`, must be named in full. Default: any.
   */
  accept?: readonly string[];
  /** Largest file: bytes, or text such as `'10mb'`. Default 10 MiB. */
  maxSize?: ByteSize;
  /** Chooses the key. Default: 128 random bits and the extension of the found type. */
  key?: UploadKey<Request>;
  /** Metadata to store beside `filename`, which is the client's name for the file. */
  metadata?:
    | Readonly<Record<string, string>>
    | ((
        file: TypedFile,
        request: Request,
      ) => Record<string, string> | Promise<Record<string, string>>);
  cacheControl?: string;
}

/** Options of the interceptors: those of the files, and the limits of the form around them. */
export interface UploadInterceptorOptions<Request = unknown> extends UploadOptions<Request> {
  /** Files in one request. Default 10. */
  maxFiles?: number;
  /** Text fields in one request. Default 100. */
  maxFields?: number;
  /** Largest text field. Default 1 MiB. */
  maxFieldSize?: ByteSize;
}

export interface ParsedUploadOptions {
  readonly accept: readonly string[] | undefined;
  /** Bytes. */
  readonly maxSize: number;
  readonly key: UploadKey;
  readonly metadata: (
    file: TypedFile,
    request: unknown,
  ) => Readonly<Record<string, string>> | Promise<Readonly<Record<string, string>>>;
  readonly cacheControl: string | undefined;
}

export interface ParsedInterceptorOptions<Request> {
  /** What the engine parses. */
  readonly upload: UploadOptions<Request>;
  /** Bytes. */
  readonly maxSize: number;
  readonly maxFiles: number;
  readonly maxFields: number;
  /** Bytes. */
  readonly maxFieldSize: number;
}

const DEFAULT_MAX_SIZE = 10 * 1024 * 1024;

const UPLOAD_OPTIONS: Readonly<Record<keyof UploadOptions, true>> = {
  storage: true,
  accept: true,
  maxSize: true,
  key: true,
  metadata: true,
  cacheControl: true,
};

/** @throws StorageInvalidArgumentError naming the option */
export function parseInterceptorOptions<Request>(
  options: UploadInterceptorOptions<Request>,
): ParsedInterceptorOptions<Request> {
  const { maxFiles = 10, maxFields = 100, maxFieldSize = '1mb', ...upload } = options;
  return {
    upload,
    maxSize: parseUploadOptions(upload).maxSize,
    maxFiles: assertCount(maxFiles, 'maxFiles'),
    maxFields: assertCount(maxFields, 'maxFields'),
    maxFieldSize: parseByteSize(maxFieldSize, 'maxFieldSize'),
  };
}

/** @throws StorageInvalidArgumentError naming the option */
export function parseUploadOptions<Request>(options: UploadOptions<Request>): ParsedUploadOptions {
  // A misspelt `accept` or `maxSize` would be a check that is not made.
  const unknown = Object.keys(options).find((name) => !Object.hasOwn(UPLOAD_OPTIONS, name));
  if (unknown !== undefined) {
    throw new StorageInvalidArgumentError(`There is no upload option "${unknown}"`);
  }
  const { accept, metadata = {}, cacheControl } = options;
  if (accept !== undefined && !(Array.isArray(accept) && accept.every(isTypePattern))) {
    throw new StorageInvalidArgumentError(
      `accept must be a list of media types such as "image/png" or "image/*", not ${JSON.stringify(accept)}`,
    );
  }
  // A framework's request type is the user's choice; here it is only handed on.
  type AnyRequest = ParsedUploadOptions['metadata'];
  return {
    accept,
    maxSize: parseByteSize(options.maxSize ?? DEFAULT_MAX_SIZE, 'maxSize'),
    key: (options.key ?? randomKey) as UploadKey,
    metadata: typeof metadata === 'function' ? (metadata as AnyRequest) : () => metadata,
    cacheControl,
  };
}

function isTypePattern(pattern: unknown): boolean {
  return typeof pattern === 'string' && /^(?:\*|[\w.+-]+\/(?:\*|[\w.+-]+)|\*\/\*)$/.test(pattern);
}
