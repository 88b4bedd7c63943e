import { redactedKey } from './redaction.js';

/** What went wrong, as data: stable across releases and the same on every driver. */
export type StorageErrorCode =
  | 'FILE_NOT_FOUND'
  | 'FILE_EXISTS'
  | 'PRECONDITION_FAILED'
  | 'NOT_MODIFIED'
  | 'RANGE_NOT_SATISFIABLE'
  | 'PERMISSION_DENIED'
  | 'INVALID_KEY'
  | 'INVALID_ARGUMENT'
  | 'UNSUPPORTED'
  | 'CONNECTION_FAILED'
  | 'TIMEOUT'
  | 'RATE_LIMITED'
  | 'ABORTED'
  | 'TOO_LARGE'
  | 'QUOTA_EXCEEDED'
  | 'INTEGRITY'
  | 'CONFIGURATION'
  | 'CLOSED'
  | 'UNKNOWN';

/** Where an error happened. A driver gives what it knows; the storage adds the rest. */
export interface StorageErrorContext {
  storage?: string | undefined;
  driver?: string | undefined;
  operation?: string | undefined;
  key?: string | undefined;
  cause?: unknown;
  /** Whether the same call may succeed when it is repeated. Each class has its own default. */
  retryable?: boolean;
  /** Milliseconds that the backend asked to wait before the next attempt. */
  retryAfter?: number | undefined;
}

/**
 * Base of every error that a storage rejects with, and the class of failures that fit no other one.
 *
 * `message`, `toJSON()` and the enumerable properties never hold credentials or signed query strings.
 */
export class StorageError extends Error {
  /** The sentence without the context that `message` adds. */
  readonly reason: string;
  readonly code: StorageErrorCode;
  /** The name of the storage, as configured. */
  readonly storage: string | undefined;
  readonly driver: string | undefined;
  /** The method that was called, e.g. `'put'`. */
  readonly operation: string | undefined;
  /** The key as the caller gave it, without any configured prefix; of a signed URL that was given for one, without the query. */
  readonly key: string | undefined;
  readonly retryable: boolean;
  readonly retryAfter: number | undefined;

  constructor(
    reason: string,
    context: StorageErrorContext = {},
    code: StorageErrorCode = 'UNKNOWN',
  ) {
    super(
      describe(reason, context),
      context.cause === undefined ? undefined : { cause: context.cause },
    );
    this.name = new.target.name;
    this.reason = reason;
    this.code = code;
    this.storage = context.storage;
    this.driver = context.driver;
    this.operation = context.operation;
    this.key = context.key === undefined ? undefined : redactedKey(context.key);
    this.retryable = context.retryable ?? false;
    this.retryAfter = context.retryAfter;
    Object.defineProperty(this, 'reason', { enumerable: false });
  }

  toJSON(): Record<string, unknown> {
    const { name, code, message, storage, driver, operation, key, retryable } = this;
    return { name, code, message, storage, driver, operation, key, retryable };
  }
}

/** Nothing is stored under the key (or the multipart upload is not there). HTTP 404. */
export class StorageFileNotFoundError extends StorageError {
  constructor(reason = 'File not found', context?: StorageErrorContext) {
    super(reason, context, 'FILE_NOT_FOUND');
  }
}

/** A create-only write (`ifNoneMatch: '*'`) found the key taken; what was there is untouched. HTTP 409. */
export class StorageFileExistsError extends StorageError {
  constructor(reason = 'A file with this key exists already', context?: StorageErrorContext) {
    super(reason, context, 'FILE_EXISTS');
  }
}

/** `ifMatch` or `ifUnmodifiedSince` does not hold (RFC 9110 §15.5.13). HTTP 412. */
export class StoragePreconditionFailedError extends StorageError {
  constructor(
    reason = 'The file is not the version that the condition names',
    context?: StorageErrorContext,
  ) {
    super(reason, context, 'PRECONDITION_FAILED');
  }
}

/** `ifNoneMatch` or `ifModifiedSince` says that the caller's copy is current (RFC 9110 §15.4.5). HTTP 304. */
export class StorageNotModifiedError extends StorageError {
  constructor(
    reason = 'The file has not changed since the version that the condition names',
    context?: StorageErrorContext,
  ) {
    super(reason, context, 'NOT_MODIFIED');
  }
}

/** The range starts beyond the end of the file (RFC 9110 §15.5.17). HTTP 416. */
export class StorageRangeNotSatisfiableError extends StorageError {
  /** Size of the whole file in bytes, where the backend told it. */
  readonly size: number | undefined;

  constructor(
    reason = 'The range lies outside the file',
    context?: StorageErrorContext & { size?: number | undefined },
  ) {
    super(reason, context, 'RANGE_NOT_SATISFIABLE');
    this.size = context?.size;
  }
}

/** The backend refused: credentials, policy, file permissions or a path that leaves the root. HTTP 403. */
export class StoragePermissionError extends StorageError {
  constructor(reason = 'The backend denied access', context?: StorageErrorContext) {
    super(reason, context, 'PERMISSION_DENIED');
  }
}

/** The key or prefix is not well-formed, or clashes with another key on this backend. HTTP 400. */
export class StorageInvalidKeyError extends StorageError {
  constructor(reason: string, context?: StorageErrorContext) {
    super(reason, context, 'INVALID_KEY');
  }
}

/** An argument other than the key is not what the method takes. Nothing was sent. HTTP 400. */
export class StorageInvalidArgumentError extends StorageError {
  constructor(reason: string, context?: StorageErrorContext) {
    super(reason, context, 'INVALID_ARGUMENT');
  }
}

/** The driver, as configured, cannot do what was asked; see `storage.capabilities`. Nothing was sent. HTTP 501. */
export class StorageUnsupportedError extends StorageError {
  constructor(reason: string, context?: StorageErrorContext) {
    super(reason, context, 'UNSUPPORTED');
  }
}

/** The backend cannot be reached, broke the connection, or failed with a 5xx. Retryable. HTTP 502. */
export class StorageConnectionError extends StorageError {
  constructor(reason = 'The backend cannot be reached', context?: StorageErrorContext) {
    super(reason, { retryable: true, ...context }, 'CONNECTION_FAILED');
  }
}

/** No progress within the time that was configured. Retryable. HTTP 504. */
export class StorageTimeoutError extends StorageError {
  constructor(reason = 'The backend did not answer in time', context?: StorageErrorContext) {
    super(reason, { retryable: true, ...context }, 'TIMEOUT');
  }
}

/** The backend asked to slow down. Retryable after `retryAfter` milliseconds, if given. HTTP 429. */
export class StorageRateLimitedError extends StorageError {
  constructor(reason = 'The backend asked to slow down', context?: StorageErrorContext) {
    super(reason, { retryable: true, ...context }, 'RATE_LIMITED');
  }
}

/** The caller's `signal` was aborted (or the storage was shut down); `cause` is the signal's reason. HTTP 499. */
export class StorageAbortedError extends StorageError {
  constructor(reason = 'The operation was aborted', context?: StorageErrorContext) {
    super(reason, context, 'ABORTED');
  }
}

/** The body is larger than `maxObjectSize`, or than the backend takes. Nothing was stored. HTTP 413. */
export class StorageTooLargeError extends StorageError {
  constructor(reason = 'The file is too large', context?: StorageErrorContext) {
    super(reason, context, 'TOO_LARGE');
  }
}

/** The disk, the quota or the memory limit is full. Nothing was stored, what was there is intact. HTTP 507. */
export class StorageQuotaExceededError extends StorageError {
  constructor(reason = 'The storage is full', context?: StorageErrorContext) {
    super(reason, context, 'QUOTA_EXCEEDED');
  }
}

/** Bytes are not what was announced: a checksum or a size differs. HTTP 422. */
export class StorageIntegrityError extends StorageError {
  constructor(reason = 'The bytes do not match what was announced', context?: StorageErrorContext) {
    super(reason, context, 'INTEGRITY');
  }
}

/** The storage is set up wrongly: an option, a credential, a bucket, a missing package. HTTP 500. */
export class StorageConfigurationError extends StorageError {
  constructor(reason: string, context?: StorageErrorContext) {
    super(reason, context, 'CONFIGURATION');
  }
}

/** The storage was closed before the call. HTTP 503. */
export class StorageClosedError extends StorageError {
  constructor(reason = 'The storage is closed', context?: StorageErrorContext) {
    super(reason, context, 'CLOSED');
  }
}

/**
 * Fills in what the layer that threw could not know, and words the message again.
 * The key always becomes the caller's: a driver only sees the one with the prefix on.
 */
export function addErrorContext(error: StorageError, context: StorageErrorContext): StorageError {
  // Read first: a stack may be put together, message included, only when it is first looked at.
  const { message: before, stack } = error;
  const writable = error as { -readonly [P in keyof StorageError]: StorageError[P] };
  writable.storage ??= context.storage;
  writable.driver ??= context.driver;
  writable.operation ??= context.operation;
  writable.key = context.key === undefined ? error.key : redactedKey(context.key);
  writable.message = describe(error.reason, error);
  if (stack) writable.stack = stack.replace(before, () => error.message);
  return error;
}

function describe(reason: string, context: StorageErrorContext): string {
  const { operation, key, storage } = context;
  const where = [
    [operation, key === undefined ? undefined : JSON.stringify(redactedKey(key))]
      .filter(Boolean)
      .join(' '),
    storage === undefined ? '' : `storage "${storage}"`,
  ].filter(Boolean);
  return where.length === 0 ? reason : `${reason} (${where.join(', ')})`;
}
