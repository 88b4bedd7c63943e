import { StorageUnsupportedError } from '../core/errors.js';
import { encodeKey } from '../core/key.js';
import type { Storage } from '../core/storage.js';

/** Where a file is, as S3 would tell it: its public URL where it has one, else its key. */
export async function locationOf(storage: Storage, key: string): Promise<string> {
  try {
    return await storage.url(key, { public: true });
  } catch (error) {
    if (error instanceof StorageUnsupportedError) return encodeKey(key);
    throw error;
  }
}
