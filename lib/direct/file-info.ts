import { StorageFileNotFoundError } from '../core/errors.js';
import type { Storage } from '../core/storage.js';
import type { StoredFile } from '../core/stored-file.js';

/** The file, or `undefined` where there is none. */
export async function infoOf(storage: Storage, key: string): Promise<StoredFile | undefined> {
  try {
    return await storage.info(key);
  } catch (error) {
    if (error instanceof StorageFileNotFoundError) return undefined;
    throw error;
  }
}
