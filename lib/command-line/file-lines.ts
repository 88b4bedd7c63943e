import type { StorageError } from '../core/errors.js';
import type { StoredFile } from '../core/stored-file.js';
import type { Invocation } from './command.js';

/** What was stored, and under what name. */
export async function printStored(
  { print }: Invocation,
  file: StoredFile,
  name: string = file.key,
): Promise<void> {
  await print(file, `${file.size}\t${name}`);
}

export async function printFailures(
  { print }: Invocation,
  failed: readonly { readonly key: string; readonly error: StorageError }[],
): Promise<void> {
  for (const { key, error } of failed) {
    const reason = error.message;
    await print({ action: 'failed', key, reason }, `failed ${key}: ${reason}`);
  }
}
