import { checkWriteConditions } from '../../core/conditions.js';
import type { DriverDeleteOptions, DriverDeleteResult } from '../../core/storage-driver.js';
import { linkDenied, notRegular, throwIfAborted, toStorageError } from './local.errors.js';
import { etagOf } from './local.identity.js';
import { Intents } from './local.intents.js';
import { nameOf, parentOf } from './local.paths.js';
import { hasCode, lstat, stat, unlink } from './local.system-calls.js';
import type { Slot } from './local.slots.js';
import { exclusively, syncFolderAt, type LocalContext } from './local.writes.js';

const DELETES_AT_ONCE = 16;

/** Deletes each key for itself, then the folders that have become empty. */
export async function deleteKeys(
  context: LocalContext,
  keys: readonly string[],
  options: DriverDeleteOptions,
): Promise<DriverDeleteResult> {
  const { signal } = options;
  const failed: DriverDeleteResult['failed'][number][] = [];
  const emptied = new Set<string>();
  let missing = 0;
  const queue = keys.values();
  const work = async (): Promise<void> => {
    for (const key of queue) {
      if (signal.aborted) return;
      try {
        const isDeleted = await context.slots.writes.use(
          (slot) => deleteKey(context, slot, key, options),
          signal,
        );
        if (isDeleted) emptied.add(parentOf(key));
        else missing++;
      } catch (error) {
        failed.push({ key, error: toStorageError(error, key) });
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(DELETES_AT_ONCE, keys.length) }, work));
  if (missing > 0) await context.root.assertThere();
  // All of them before one goes with another: it would come back with what was in it.
  if (context.options.durability === 'full') {
    for (const folder of emptied) await syncFolderAt(context.root, folder);
  }
  for (const folder of emptied) {
    await context.slots.writes.use(() => context.root.prune(folder), signal);
  }
  throwIfAborted(signal);
  return { failed };
}

/** Answers whether there was a file. A folder is none, and stays. */
async function deleteKey(
  context: LocalContext,
  slot: Slot,
  key: string,
  options: DriverDeleteOptions,
): Promise<boolean> {
  const { root } = context;
  const { ifMatch } = options;
  return exclusively(context, slot, key, options, async () => {
    const folder = await root.openFolder(parentOf(key));
    if (folder === 'link') throw linkDenied({ key });
    if (typeof folder === 'string') return false;
    try {
      const path = folder.at(nameOf(key));
      const stats = await lstat(path);
      if (stats.isDirectory()) return false;
      if (stats.isSymbolicLink() && !root.followsLinks) throw linkDenied({ key });
      if (!stats.isFile() && !stats.isSymbolicLink()) throw notRegular({ key });
      if (ifMatch !== undefined) {
        checkWriteConditions({ etag: etagOf(await stat(path)) }, { ifMatch });
      }
      return await Intents.during(context, async (intents) => {
        await intents.outdate(key, stats);
        await unlink(path);
        await intents.remove(key, stats);
        return true;
      });
    } catch (error) {
      if (hasCode(error, 'ENOENT')) return false;
      throw error;
    } finally {
      await folder.close();
    }
  });
}
