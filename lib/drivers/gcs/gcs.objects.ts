import { StorageConnectionError } from '../../core/errors.js';
import type { StoredFile } from '../../core/stored-file.js';
import type { GcsBucket } from './gcs.client.js';
import type { GcsAnswer } from './gcs.errors.js';
import { fileOf, type GcsObject, OBJECT_FIELDS, parseObject } from './gcs.metadata.js';
import { expectOk, jsonOf, objectPath, refusal, send } from './gcs.requests.js';

/**
 * The live version of the object.
 *
 * @param onBegun as that of a request
 * @throws StorageFileNotFoundError
 */
export async function readObject(
  bucket: GcsBucket,
  key: string,
  signal: AbortSignal,
  onBegun?: () => void,
): Promise<GcsObject> {
  const answer = await send(bucket, {
    method: 'GET',
    path: objectPath(bucket, key),
    query: { fields: OBJECT_FIELDS },
    signal,
    ...(onBegun && { onBegun }),
  });
  return objectOf(key, await expectOk(bucket, answer, signal));
}

/** The live version of the object, if there is one. */
export async function findObject(
  bucket: GcsBucket,
  key: string,
  signal: AbortSignal,
): Promise<GcsObject | undefined> {
  const answer = await send(bucket, {
    method: 'GET',
    path: objectPath(bucket, key),
    query: { fields: OBJECT_FIELDS },
    signal,
  });
  if (answer.status === 404) {
    const error = await refusal(bucket, answer, signal);
    if (error.code === 'FILE_NOT_FOUND') return undefined;
    throw error;
  }
  return objectOf(key, await expectOk(bucket, answer, signal));
}

/** @throws StorageConnectionError when the answer is about another object, late on a connection that is used again */
function objectOf(key: string, answer: GcsAnswer): GcsObject {
  const object = parseObject(jsonOf(answer));
  if (object.name === key) return object;
  throw new StorageConnectionError('The service answered about another object');
}

export async function readFile(
  bucket: GcsBucket,
  key: string,
  signal: AbortSignal,
): Promise<StoredFile> {
  return fileOf(await readObject(bucket, key, signal));
}

/**
 * Deletes the object, or only that generation of it. One that is not there counts as deleted.
 *
 * @returns whether it was the one that was meant
 */
export async function deleteObject(
  bucket: GcsBucket,
  key: string,
  signal: AbortSignal,
  generation?: string,
): Promise<boolean> {
  const answer = await send(bucket, {
    method: 'DELETE',
    path: objectPath(bucket, key),
    query: { ifGenerationMatch: generation },
    signal,
  });
  if (generation !== undefined && answer.status === 412) return false;
  if (answer.status === 404) {
    const error = await refusal(bucket, answer, signal);
    if (error.code === 'FILE_NOT_FOUND') return true;
    throw error;
  }
  await expectOk(bucket, answer, signal);
  return true;
}
