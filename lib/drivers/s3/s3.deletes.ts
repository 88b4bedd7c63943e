import { setTimeout as sleep } from 'node:timers/promises';
import { DeleteObjectCommand, DeleteObjectsCommand } from '@aws-sdk/client-s3';
import type { StorageError } from '../../core/errors.js';
import { retryDelay } from '../../core/retry.js';
import type { DriverDeleteResult, DriverOptions } from '../../core/storage-driver.js';
import type { S3Bucket } from './s3.client.js';
import { toStorageError } from './s3.errors.js';
import { send, withContentMd5 } from './s3.requests.js';

/** A call that fails as a whole rejects. Keys that fail in passing are tried again, for the SDK only repeats whole calls. */
export async function deleteMany(
  bucket: S3Bucket,
  keys: readonly string[],
  { signal }: DriverOptions,
): Promise<DriverDeleteResult> {
  if (keys.length === 0) return { failed: [] };
  if (keys.length === 1) {
    await deleteOne(bucket, keys[0]!, signal);
    return { failed: [] };
  }
  const { retry } = bucket.settings;
  const failed: { key: string; error: StorageError }[] = [];
  let left = [...keys];
  for (let attempt = 1; ; attempt++) {
    const failures = await deleteBatch(bucket, left, signal);
    const passing = failures.filter(({ error }) => error.retryable);
    failed.push(...failures.filter(({ error }) => !error.retryable));
    if (passing.length === 0 || attempt > retry.maxRetries) {
      return { failed: [...failed, ...passing] };
    }
    await sleep(retryDelay(attempt, retry), undefined, { signal });
    left = passing.map(({ key }) => key);
  }
}

async function deleteOne(bucket: S3Bucket, key: string, signal: AbortSignal): Promise<void> {
  try {
    await send(bucket, new DeleteObjectCommand({ Bucket: bucket.bucket, Key: key }), signal);
  } catch (error) {
    const mapped = toStorageError(error, signal);
    if (mapped.code !== 'FILE_NOT_FOUND') throw mapped;
  }
}

async function deleteBatch(
  bucket: S3Bucket,
  keys: readonly string[],
  signal: AbortSignal,
): Promise<{ key: string; error: StorageError }[]> {
  const command = new DeleteObjectsCommand({
    Bucket: bucket.bucket,
    Delete: { Objects: keys.map((Key) => ({ Key })), Quiet: true },
  });
  if (bucket.profile.contentMd5) withContentMd5(command);
  const { Errors = [] } = await send(bucket, command, signal);
  return Errors.flatMap(({ Key, Code = 'InternalError', Message = '' }) => {
    if (Key === undefined || Code === 'NoSuchKey') return [];
    return [{ key: Key, error: toStorageError({ name: Code, message: Message }) }];
  });
}
