import {
  StorageAbortedError,
  StorageConfigurationError,
  StorageConnectionError,
  StorageError,
  StorageFileExistsError,
  StorageFileNotFoundError,
  StorageInvalidKeyError,
  StoragePermissionError,
  StorageQuotaExceededError,
  StorageTooLargeError,
  type StorageErrorContext,
} from '../../core/errors.js';
import { codeOf } from './local.system-calls.js';

type Translate = (context: StorageErrorContext) => StorageError;

const permission: Translate = (context) =>
  new StoragePermissionError('The file system denied access', context);
const notFound: Translate = (context) => new StorageFileNotFoundError(undefined, context);
const full: Translate = (context) => new StorageQuotaExceededError('The disk is full', context);
const busy: Translate = (context) =>
  new StorageConnectionError('Too many files are open in this process or system', context);

const BY_CODE: Readonly<Record<string, Translate>> = {
  ENOENT: notFound,
  ENOTDIR: (context) => clash(context.key ?? '', context.cause),
  EISDIR: (context) => clash(context.key ?? '', context.cause),
  EEXIST: (context) => new StorageFileExistsError(undefined, context),
  EACCES: permission,
  EPERM: permission,
  EROFS: (context) => new StoragePermissionError('The file system is read-only', context),
  ELOOP: (context) => linkDenied(context),
  ENXIO: (context) => notRegular(context),
  ENOSPC: full,
  EDQUOT: full,
  EFBIG: (context) => new StorageTooLargeError('The file system takes no file so large', context),
  ENAMETOOLONG: (context) =>
    new StorageInvalidKeyError('The key is too long for the file system', context),
  EILSEQ: (context) =>
    new StorageInvalidKeyError('The file system does not take a character of the key', context),
  EMFILE: busy,
  ENFILE: busy,
  EXDEV: (context) =>
    new StorageConfigurationError(
      'Another file system is mounted below the root, so a file cannot be published in one step; give it a storage of its own',
      context,
    ),
};

/**
 * The error of a system call as a `StorageError`. Its message holds no path of the machine; `cause` has it.
 * Errors that are StorageErrors already pass unchanged.
 */
export function toStorageError(error: unknown, key?: string): StorageError {
  if (error instanceof StorageError) return error;
  const context = { key, cause: error };
  const code = codeOf(error) ?? '';
  return (
    BY_CODE[code]?.(context) ??
    new StorageError(code ? `The file system failed: ${code}` : 'The local driver failed', context)
  );
}

/** `a` and `a/b` are both keys on an object store; in a file system the one is a file, and the other needs a folder. */
export function clash(key: string, cause?: unknown): StorageInvalidKeyError {
  return new StorageInvalidKeyError(
    'The key clashes with another one: a path cannot be a file and a folder at once',
    { key, ...(cause !== undefined && { cause }) },
  );
}

export function linkDenied(context: StorageErrorContext): StoragePermissionError {
  return new StoragePermissionError(
    'The path leads over a symbolic link that must not be followed',
    context,
  );
}

export function notRegular(context: StorageErrorContext): StoragePermissionError {
  return new StoragePermissionError('The path is no regular file', context);
}

export function throwIfAborted(signal: AbortSignal): void {
  if (signal.aborted) throw new StorageAbortedError(undefined, { cause: signal.reason });
}
