import { join } from 'node:path';
import { isGone, isLongAgo } from './local.owners.js';
import {
  close,
  hasCode,
  link,
  lstat,
  open,
  readText,
  unlinkIfThere,
  writeAll,
} from './local.system-calls.js';
import type { TemporaryFiles } from './local.temporary-files.js';

/** After the path of a lock: the lock under which it is broken. */
const BREAKING = '-breaking';

/**
 * A lock is a hard link to a file that says who holds it, so it is there complete or not at all.
 *
 * @returns false when somebody holds it
 */
export async function takeLock(path: string, temporary: TemporaryFiles): Promise<boolean> {
  const record = join(temporary.folder, 'owner');
  for (let attempt = 1; ; attempt++) {
    try {
      await link(record, path);
      return true;
    } catch (error) {
      if (hasCode(error, 'EEXIST')) return false;
      if (!hasCode(error, 'ENOENT') || attempt >= 10) throw error;
    }
    await writeRecord(record, temporary);
  }
}

/**
 * Removes the lock of a holder that is gone, unless somebody else is at it. One at a time breaks a lock, and looks at it first: what
 * two had seen, the second would otherwise take from whoever came next.
 */
export async function breakLock(
  path: string,
  holder: string,
  temporary: TemporaryFiles,
): Promise<void> {
  // Those are broken with what else their holder has left in its folder, which one process gets.
  if (path.endsWith(BREAKING)) return unlinkIfThere(path);
  const breaking = path + BREAKING;
  if (!(await takeLock(breaking, temporary))) return;
  try {
    if ((await readText(path)) === holder) await unlinkIfThere(path);
  } finally {
    await unlinkIfThere(breaking);
  }
}

/** Whether the holder of the lock cannot come back. Of a holder without a folder, the lock itself tells when it last did something. */
export async function isHolderGone(
  holder: string,
  path: string,
  temporary: TemporaryFiles,
): Promise<boolean> {
  try {
    return await isGone(holder, join(temporary.folder, '..', holder));
  } catch (error) {
    if (!hasCode(error, 'ENOENT')) return false;
  }
  const stats = await lstat(path).catch(() => undefined);
  return stats !== undefined && isLongAgo(stats.ctimeNs);
}

async function writeRecord(record: string, temporary: TemporaryFiles): Promise<void> {
  const draft = temporary.next();
  const descriptor = await temporary.use(() => open(draft, 'wx', 0o600));
  try {
    try {
      await writeAll(descriptor, Buffer.from(temporary.owner));
    } finally {
      await close(descriptor);
    }
    await link(draft, record);
  } catch (error) {
    if (!hasCode(error, 'EEXIST')) throw error;
  } finally {
    await unlinkIfThere(draft);
  }
}
