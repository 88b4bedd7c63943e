import { DeleteObjectCommand, DeleteObjectsCommand } from '@aws-sdk/client-s3';
import type { StorageError } from '../../core/errors.js';
import type { DriverDeleteOptions, DriverDeleteResult } from '../../core/storage-driver.js';
import { deleteRepeatedly } from '../remote/passing-failures.js';
import { S3Call, type WireAnswer } from './s3.call.js';
import type { S3Bucket } from './s3.client.js';
import { isAboutKey, toStorageError, unconfirmed } from './s3.errors.js';
import { sendWrite } from './s3.requests.js';

type Failures = DriverDeleteResult['failed'][number][];

/** A call that fails as a whole rejects. Keys that fail in passing are tried again. */
export async function deleteMany(
  bucket: S3Bucket,
  keys: readonly string[],
  { signal, ifMatch }: DriverDeleteOptions,
): Promise<DriverDeleteResult> {
  if (keys.length === 0) return { failed: [] };
  if (keys.length === 1) return { failed: await deleteOne(bucket, keys[0]!, signal, ifMatch) };
  return deleteRepeatedly(keys, bucket.settings.retry, signal, (left) =>
    deleteBatch(bucket, left, signal),
  );
}

/** Answers the refusal that is about the key. */
async function deleteOne(
  bucket: S3Bucket,
  key: string,
  signal: AbortSignal,
  ifMatch: string | undefined,
): Promise<Failures> {
  let answer: WireAnswer | undefined;
  const command = new DeleteObjectCommand({
    Bucket: bucket.bucket,
    Key: key,
    ...(ifMatch !== undefined && { IfMatch: ifMatch }),
  });
  const call = new S3Call(command).onAnswer((seen) => {
    answer = seen;
  });
  try {
    await sendWrite(bucket, call, signal);
    // The answer of S3 is empty.
    if (answer?.headers['content-type']?.startsWith('text/html')) throw unconfirmed('the deletion');
  } catch (error) {
    const mapped = toStorageError(error, signal);
    if (mapped.code === 'FILE_NOT_FOUND') return [];
    if (signal.aborted || !isAboutKey(error)) throw mapped;
    return [{ key, error: mapped }];
  }
  return [];
}

async function deleteBatch(
  bucket: S3Bucket,
  keys: readonly string[],
  signal: AbortSignal,
): Promise<Failures> {
  const command = new DeleteObjectsCommand({
    Bucket: bucket.bucket,
    // Not quiet: that a key is not among the errors says nothing of an answer that is none of S3's.
    Delete: { Objects: keys.map((Key) => ({ Key })) },
  });
  const call = new S3Call(command);
  if (bucket.profile.contentMd5) call.withContentMd5();
  const { Deleted, Errors = [] } = await sendWrite(bucket, call, signal);
  if (!Deleted && Errors.length === 0) throw unconfirmed('the deletion');
  const left = new Set(keys);
  const failures: Failures = [];
  let stray: StorageError | undefined;
  for (const { Key = '', Code = 'InternalError', Message = '' } of Errors) {
    const known = left.delete(Key);
    if (Code === 'NoSuchKey') continue;
    const error = toStorageError({ name: Code, message: Message });
    if (known) failures.push({ key: Key, error });
    else stray ??= error;
  }
  // After the errors, which count when a key is among both.
  for (const { Key = '' } of Deleted ?? []) left.delete(Key);
  // Of keys that the answer leaves out nobody knows that they are deleted. An error of no such key is likely theirs.
  const error = stray ?? unconfirmed('the deletion of the key');
  return [...failures, ...Array.from(left, (key) => ({ key, error }))];
}
