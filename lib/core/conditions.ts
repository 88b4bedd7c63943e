import {
  StorageFileExistsError,
  StorageInvalidArgumentError,
  StorageNotModifiedError,
  StoragePreconditionFailedError,
} from './errors.js';
import type { StoredFile } from './stored-file.js';

/** When a read is wanted; RFC 9110 §13. Etags are compared strongly for `ifMatch`, as text for `ifNoneMatch`. */
export interface ReadConditions {
  /** Only this version. Else `StoragePreconditionFailedError`. */
  readonly ifMatch?: string;
  /** Only when it is not this version. Else `StorageNotModifiedError`. */
  readonly ifNoneMatch?: string;
  /** Only when it changed after this time; second resolution. Ignored beside `ifNoneMatch`. */
  readonly ifModifiedSince?: Date;
  /** Only when it did not change after this time; second resolution. Ignored beside `ifMatch`. */
  readonly ifUnmodifiedSince?: Date;
}

/** When a write may take place; decided by the backend at the moment of the commit. */
export interface WriteConditions {
  /** `'*'`: only when nothing is stored under the key. Else `StorageFileExistsError`. */
  readonly ifNoneMatch?: '*';
  /** Only when this version is stored there. Else `StoragePreconditionFailedError`, also when nothing is there. */
  readonly ifMatch?: string;
}

/** @throws StorageInvalidArgumentError */
export function parseReadConditions(conditions: ReadConditions): ReadConditions {
  assertEtag(conditions.ifMatch, 'ifMatch');
  assertEtag(conditions.ifNoneMatch, 'ifNoneMatch');
  assertDate(conditions.ifModifiedSince, 'ifModifiedSince');
  assertDate(conditions.ifUnmodifiedSince, 'ifUnmodifiedSince');
  const { ifMatch, ifNoneMatch, ifModifiedSince, ifUnmodifiedSince } = conditions;
  return {
    ...(ifMatch !== undefined && { ifMatch }),
    ...(ifNoneMatch !== undefined && { ifNoneMatch }),
    ...(ifModifiedSince !== undefined && { ifModifiedSince }),
    ...(ifUnmodifiedSince !== undefined && { ifUnmodifiedSince }),
  };
}

/** @throws StorageInvalidArgumentError */
export function parseWriteConditions(conditions: WriteConditions): WriteConditions {
  const { ifNoneMatch, ifMatch } = conditions;
  if (ifNoneMatch !== undefined && ifNoneMatch !== '*') {
    throw new StorageInvalidArgumentError(
      "ifNoneMatch of a write must be '*' (create only); to replace a known version use ifMatch",
    );
  }
  assertEtag(ifMatch, 'ifMatch');
  if (ifNoneMatch !== undefined && ifMatch !== undefined) {
    throw new StorageInvalidArgumentError(
      'ifNoneMatch and ifMatch exclude each other: the file cannot be absent and a known version at once',
    );
  }
  return {
    ...(ifNoneMatch !== undefined && { ifNoneMatch }),
    ...(ifMatch !== undefined && { ifMatch }),
  };
}

/**
 * Judges the conditions of a read against the file, in the order of RFC 9110 §13.2.2. For backends without
 * conditions of their own.
 *
 * @throws StoragePreconditionFailedError, StorageNotModifiedError
 */
export function checkReadConditions(
  file: Pick<StoredFile, 'etag' | 'lastModified'>,
  conditions: ReadConditions,
): void {
  const { ifMatch, ifNoneMatch, ifModifiedSince, ifUnmodifiedSince } = conditions;
  if (ifMatch !== undefined) {
    if (ifMatch !== '*' && ifMatch !== file.etag) throw new StoragePreconditionFailedError();
  } else if (ifUnmodifiedSince !== undefined && changedAfter(file, ifUnmodifiedSince)) {
    throw new StoragePreconditionFailedError(
      'The file was modified after the time in ifUnmodifiedSince',
    );
  }
  if (ifNoneMatch !== undefined) {
    if (ifNoneMatch === '*' || ifNoneMatch === file.etag) throw new StorageNotModifiedError();
  } else if (ifModifiedSince !== undefined && !changedAfter(file, ifModifiedSince)) {
    throw new StorageNotModifiedError();
  }
}

/**
 * Judges the conditions of a write against what is stored now. The caller holds whatever lock makes this and the
 * commit one step.
 *
 * @throws StorageFileExistsError, StoragePreconditionFailedError
 */
export function checkWriteConditions(
  current: Pick<StoredFile, 'etag'> | undefined,
  { ifNoneMatch, ifMatch }: WriteConditions,
): void {
  if (ifNoneMatch === '*' && current) throw new StorageFileExistsError();
  if (ifMatch === undefined) return;
  if (!current) {
    throw new StoragePreconditionFailedError(
      'Nothing is stored under the key, so ifMatch cannot hold',
    );
  }
  if (ifMatch !== '*' && ifMatch !== current.etag) throw new StoragePreconditionFailedError();
}

// HTTP dates have whole seconds, so both sides are compared in seconds: what a client sends back must still match.
function changedAfter(file: Pick<StoredFile, 'lastModified'>, time: Date): boolean {
  if (!file.lastModified) return true;
  return Math.floor(file.lastModified.getTime() / 1000) > Math.floor(time.getTime() / 1000);
}

function assertEtag(etag: string | undefined, name: string): void {
  if (etag === undefined || etag === '*') return;
  if (typeof etag === 'string' && /^"[\x21\x23-\x7E\x80-\xFF]*"$/.test(etag)) return;
  throw new StorageInvalidArgumentError(
    `${name} must be a strong etag in double quotes, as file.etag has it`,
  );
}

function assertDate(date: Date | undefined, name: string): void {
  if (date === undefined) return;
  if (date instanceof Date && !Number.isNaN(date.getTime())) return;
  throw new StorageInvalidArgumentError(`${name} must be a valid Date`);
}
