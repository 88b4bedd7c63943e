import { StorageFileNotFoundError } from './errors.js';
import type { SignalOption } from './storage-methods.js';
import type { Storage } from './storage.js';
import type { StoredFile } from './stored-file.js';

/** As `storage.info()`, and `undefined` where there is no file. */
export async function infoIfThere(
  storage: Storage,
  key: string,
  options: SignalOption = {},
): Promise<StoredFile | undefined> {
  try {
    return await storage.info(key, options);
  } catch (error) {
    if (error instanceof StorageFileNotFoundError) return undefined;
    throw error;
  }
}
