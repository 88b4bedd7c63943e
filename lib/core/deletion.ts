import { type StorageError, StoragePreconditionFailedError } from './errors.js';
import { isThere } from './is-there.js';
import type { Operation } from './operations.js';
import { listPages } from './repeat-pages.js';
import type { DeleteFailure, DeletePrefixResult } from './storage-methods.js';
import type { StorageView } from './storage-view.js';
import type { StoredFile } from './stored-file.js';

const LIST_PAGE_SIZE = 1000;

/** Deletes one key of the driver's. What is not there counts as deleted. */
export async function deleteOne(
  view: StorageView,
  fullKey: string,
  operation: Operation,
  condition: { readonly ifMatch?: string } = {},
): Promise<void> {
  const { signal } = operation;
  try {
    await operation.repeat(async () => {
      const { failed } = await view.driver.deleteMany([fullKey], { ...condition, signal });
      if (failed[0]) throw failed[0].error;
    });
  } catch (error) {
    // Of what is not there, some say that it is no such version: a request whose answer was lost may have deleted it.
    if (!(error instanceof StoragePreconditionFailedError)) throw error;
    if (await isThere(view, fullKey, operation)) throw error;
  }
}

/**
 * Deletes one key of the driver's if it still holds the version. Where the backend cannot decide that, it is looked at directly before.
 *
 * @throws StoragePreconditionFailedError
 */
export async function deleteVersion(
  view: StorageView,
  fullKey: string,
  { etag }: StoredFile,
  operation: Operation,
): Promise<void> {
  if (etag !== undefined && view.capabilities.conditionalDelete) {
    return deleteOne(view, fullKey, operation, { ifMatch: etag });
  }
  const { signal } = operation;
  const current = await operation.repeat(() => view.driver.info(fullKey, { signal }));
  if (current.etag !== etag) throw new StoragePreconditionFailedError();
  return deleteOne(view, fullKey, operation);
}

/**
 * Deletes keys of the driver's, as many at a time as the backend allows. Answers those that are still there; when a later batch
 * fails as a whole, its keys and those behind them are such, so that what the earlier ones did is told.
 */
export async function deleteBatches(
  view: StorageView,
  fullKeys: readonly string[],
  operation: Operation,
): Promise<DeleteFailure[]> {
  const { deleteBatch } = view.capabilities.limits;
  const failures: DeleteFailure[] = [];
  const fail = (key: string, error: StorageError): void => {
    failures.push(view.ownFailure(key, error, operation.name));
  };
  for (let start = 0; start < fullKeys.length; start += deleteBatch) {
    const batch = fullKeys.slice(start, start + deleteBatch);
    try {
      const { failed } = await operation.repeat(() =>
        view.driver.deleteMany(batch, { signal: operation.signal }),
      );
      for (const { key, error } of failed) fail(key, error);
    } catch (error) {
      if (start === 0 || operation.signal.aborted) throw error;
      const failure = operation.failure(error);
      for (const key of fullKeys.slice(start)) fail(key, repeatError(failure));
      return failures;
    }
    operation.driverStarts();
  }
  return failures;
}

/** Deletes the files below the prefix, page after page. @param isMeant of those that the view shows: which */
export async function deleteListed(
  view: StorageView,
  prefix: string,
  operation: Operation,
  isMeant: (file: StoredFile) => boolean = () => true,
): Promise<DeletePrefixResult> {
  const failed: DeleteFailure[] = [];
  let found = 0;
  const asked = view.listOptions({ prefix }, LIST_PAGE_SIZE, operation);
  for await (const page of listPages(view, asked, operation)) {
    const keys = view
      .visible(page, asked)
      .files.filter(isMeant)
      .map(({ key }) => key);
    found += keys.length;
    failed.push(...(await deleteBatches(view, keys, operation)));
  }
  return { deleted: found - failed.length, failed };
}

/** The same error once more, for another key: each tells its own. */
export function repeatError(error: StorageError): StorageError {
  const { reason, code, storage, driver, operation, cause, retryable, retryAfter } = error;
  const SameError = error.constructor as typeof StorageError;
  const context = { storage, driver, operation, cause, retryable, retryAfter };
  return new SameError(reason, context, code);
}
