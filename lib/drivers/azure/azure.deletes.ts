import type { BatchSubResponse } from '@azure/storage-blob';
import { StorageError, StorageFileNotFoundError } from '../../core/errors.js';
import type { DriverDeleteOptions, DriverDeleteResult } from '../../core/storage-driver.js';
import { deleteRepeatedly } from '../remote/passing-failures.js';
import type { AzureContainer } from './azure.client.js';
import { codeOf, isAboutKey, toStorageError } from './azure.errors.js';
import { sendWrite } from './azure.requests.js';

export const DELETE_BATCH = 256;

/** Codes of a service, or of rights, that know single deletions but no batches. */
const BATCH_REFUSALS =
  /^(?:AuthorizationFailure|AuthorizationPermissionMismatch|AuthorizationResourceTypeMismatch|(?:API)?NotImplemented)$/;

type Failure = DriverDeleteResult['failed'][number];

/**
 * A call that fails as a whole rejects. Keys that fail in passing are tried again.
 * Who may delete blobs but not send batches deletes them one by one.
 */
export async function deleteMany(
  container: AzureContainer,
  keys: readonly string[],
  { signal, ifMatch }: DriverDeleteOptions,
): Promise<DriverDeleteResult> {
  if (keys.length === 0) return { failed: [] };
  if (keys.length === 1) return deleteSingle(container, keys[0]!, signal, ifMatch);
  const { maxRetries, settings } = container;
  let inBatches = true;
  return deleteRepeatedly(keys, { ...settings.retry, maxRetries }, signal, async (left) => {
    try {
      if (inBatches) return await deleteBatch(container, left, signal);
    } catch (error) {
      if (!BATCH_REFUSALS.test(codeOf(error) ?? '')) throw error;
      inBatches = false;
    }
    // Repeated here, and nowhere else.
    return deleteEach({ ...container, maxRetries: 0 }, left, signal);
  });
}

/** Answers the refusal that is about the key. */
async function deleteSingle(
  container: AzureContainer,
  key: string,
  signal: AbortSignal,
  ifMatch: string | undefined,
): Promise<DriverDeleteResult> {
  try {
    await deleteOne(container, key, signal, ifMatch);
    return { failed: [] };
  } catch (error) {
    if (signal.aborted || !(error instanceof StorageError) || !isAboutKey(error)) throw error;
    return { failed: [{ key, error }] };
  }
}

export async function deleteOne(
  container: AzureContainer,
  key: string,
  signal: AbortSignal,
  ifMatch?: string,
): Promise<void> {
  try {
    await sendWrite(container, signal, (abortSignal) =>
      container.engine.deleteBlob(key, ifMatch === undefined ? {} : { ifMatch }, abortSignal),
    );
  } catch (error) {
    if (!(error instanceof StorageFileNotFoundError)) throw error;
  }
}

async function deleteBatch(
  container: AzureContainer,
  keys: readonly string[],
  signal: AbortSignal,
): Promise<Failure[]> {
  const { client } = container;
  const { subResponses } = await sendWrite(container, signal, async (abortSignal) => {
    const batches = client.getBlobBatchClient();
    const batch = batches.createBatch();
    for (const key of keys) {
      // Without it a blob that has snapshots stays.
      await batch.deleteBlob(client.getBlobClient(key), { deleteSnapshots: 'include' });
    }
    return batches.submitBatch(batch, { abortSignal });
  });
  return keys.flatMap((key, index) => {
    const error = failureOf(subResponses[index]);
    return error ? [{ key, error }] : [];
  });
}

/** The SDK leaves a hole for an answer that it cannot read. */
function failureOf(answer: BatchSubResponse | undefined): StorageError | undefined {
  if (answer && answer.status >= 200 && answer.status < 300) return undefined;
  const error = toStorageError({
    name: 'RestError',
    message: answer?.statusMessage ?? '',
    statusCode: answer?.status ?? 500,
    errorCode: answer?.errorCode,
  });
  return error instanceof StorageFileNotFoundError ? undefined : error;
}

async function deleteEach(
  container: AzureContainer,
  keys: readonly string[],
  signal: AbortSignal,
): Promise<Failure[]> {
  const failed: Failure[] = [];
  const left = keys.values();
  const worker = async (): Promise<void> => {
    for (const key of left) {
      try {
        await deleteOne(container, key, signal);
      } catch (error) {
        if (!(error instanceof StorageError) || signal.aborted) throw error;
        failed.push({ key, error });
      }
    }
  };
  const workers = Array.from({ length: container.settings.concurrency }, worker);
  // All of them: nothing may be under way when it rejects.
  for (const result of await Promise.allSettled(workers)) {
    if (result.status === 'rejected') throw result.reason;
  }
  return failed;
}
