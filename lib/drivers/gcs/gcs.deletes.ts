import { StorageError, StoragePreconditionFailedError } from '../../core/errors.js';
import type { DriverDeleteOptions, DriverDeleteResult } from '../../core/storage-driver.js';
import { inParallel } from '../../core/in-parallel.js';
import { deleteRepeatedly } from '../remote/passing-failures.js';
import { deleteBatch, MAX_CALLS } from './gcs.batches.js';
import type { GcsBucket } from './gcs.client.js';
import { generationOf } from './gcs.metadata.js';
import { deleteObject } from './gcs.objects.js';
import { refusal } from './gcs.requests.js';

/** Generations are times in microseconds. */
const NO_GENERATION = '1';

type Failure = DriverDeleteResult['failed'][number];

/**
 * Deletes in batches of a hundred, several at once: a thousand keys are ten requests. A batch that fails as a whole rejects,
 * and so does a bucket that cannot be used. Keys that fail in passing are tried again.
 */
export async function deleteMany(
  bucket: GcsBucket,
  keys: readonly string[],
  { signal, ifMatch }: DriverDeleteOptions,
): Promise<DriverDeleteResult> {
  if (keys.length === 1) return deleteOne(bucket, keys[0]!, signal, ifMatch);
  return deleteRepeatedly(keys, bucket.settings.retry, signal, (left) =>
    deleteBatches(bucket, left, signal),
  );
}

async function deleteOne(
  bucket: GcsBucket,
  key: string,
  signal: AbortSignal,
  ifMatch: string | undefined,
): Promise<DriverDeleteResult> {
  // An etag that is none of the service's is that of no version.
  const generation = ifMatch === undefined ? undefined : (generationOf(ifMatch) ?? NO_GENERATION);
  try {
    const deleted = await deleteObject(bucket, key, signal, generation);
    if (!deleted) throw new StoragePreconditionFailedError();
    return { failed: [] };
  } catch (error) {
    if (signal.aborted || !(error instanceof StorageError) || !isOfKey(error)) throw error;
    return { failed: [{ key, error }] };
  }
}

/** The service refuses to delete this very key, which says nothing about others. */
function isOfKey({ code, retryable }: StorageError): boolean {
  return code !== 'CONFIGURATION' && !retryable;
}

async function deleteBatches(
  bucket: GcsBucket,
  keys: readonly string[],
  signal: AbortSignal,
): Promise<Failure[]> {
  const batches: (readonly string[])[] = [];
  for (let start = 0; start < keys.length; start += MAX_CALLS) {
    batches.push(keys.slice(start, start + MAX_CALLS));
  }
  const { concurrency } = bucket.settings;
  const results = await inParallel(batches, concurrency, signal, async (batch, stopped) => {
    const answers = await deleteBatch(bucket, batch, stopped);
    const failures: Failure[] = [];
    for (const [index, answer] of answers.entries()) {
      if (answer.status < 300) continue;
      const error = await refusal(bucket, answer, stopped);
      if (error.code === 'CONFIGURATION') throw error;
      if (error.code !== 'FILE_NOT_FOUND') failures.push({ key: batch[index]!, error });
    }
    return failures;
  });
  return results.flat();
}
