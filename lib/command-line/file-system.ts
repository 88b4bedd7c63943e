import { realpathSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { RESERVED_FOLDER } from '../core/key.js';

/**
 * The root of the storage that a folder lies in, without links: the nearest folder, the one itself or above it, that holds a reserved
 * folder. None is looked for above a folder that all users of the machine share, such as `/tmp`, nor there, since that reserved folder
 * is anybody's; and the root of the machine is none.
 */
export function rootAround(folder: string): string | undefined {
  for (let path = realFolder(folder); path !== dirname(path); path = dirname(path)) {
    if (isShared(path)) return undefined;
    if (isFolder(join(path, RESERVED_FOLDER))) return path;
  }
  return undefined;
}

/** Without links, also of a folder that is not there yet. */
export function realFolder(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path === dirname(path) ? path : join(realFolder(dirname(path)), basename(path));
  }
}

export function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}

/** Has the sticky bit: everybody may create entries, and nobody remove those of others. */
function isShared(path: string): boolean {
  return ((statSync(path, { throwIfNoEntry: false })?.mode ?? 0) & 0o1000) !== 0;
}
