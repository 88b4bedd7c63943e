import { StoragePreconditionFailedError } from './errors.js';
import type { Storage } from './storage.js';
import type { StoredFile } from './stored-file.js';

/**
 * Deletes a file that was just looked at. What has taken its place since then stays, where the backend decides about deletions
 * (`capabilities.conditionalDelete`).
 */
export async function deleteFound(storage: Storage, { key, etag }: StoredFile): Promise<void> {
  const isDecided = storage.capabilities.conditionalDelete && etag !== undefined;
  try {
    await storage.delete(key, isDecided ? { ifMatch: etag } : {});
  } catch (error) {
    if (!(error instanceof StoragePreconditionFailedError)) throw error;
  }
}
