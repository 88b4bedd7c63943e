import { StorageConfigurationError } from '../../core/errors.js';
import { hasCode, lstat, makeFolder, realpath } from './local.system-calls.js';

// The driver's own folders, below `root/.nestjs-storages`. Other programs may write there, too: a link among them would
// lead what the driver writes and removes to files that are not its own.

/** Whether the folder is there. @throws StorageConfigurationError when a link is part of its path */
export async function isOwnFolder(path: string): Promise<boolean> {
  let real: string;
  try {
    real = await realpath(path);
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return false;
    throw hasCode(error, 'ELOOP', 'ENOTDIR') ? notPlain(error) : error;
  }
  if (real !== path) throw notPlain();
  return true;
}

/** Answers whether it was created now. @throws StorageConfigurationError when something else is there */
export async function makeOwnFolder(path: string, permissions: number): Promise<boolean> {
  if (await makeFolder(path, permissions)) return true;
  if (!(await lstat(path)).isDirectory()) throw notPlain();
  return false;
}

/** What is there instead of a plain folder: a link, a file, or another file system. */
export function notPlain(cause?: unknown): StorageConfigurationError {
  return new StorageConfigurationError(
    'The folder .nestjs-storages in the root, and those in it, must be plain folders on the same file system',
    { cause },
  );
}
