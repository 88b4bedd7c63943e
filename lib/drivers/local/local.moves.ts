import type { BigIntStats } from 'node:fs';
import { StorageConnectionError } from '../../core/errors.js';
import type { DriverCopyOptions } from '../../core/storage-driver.js';
import type { StoredFile } from '../../core/stored-file.js';
import { conditionsOf, recordOf } from './local.copies.js';
import { throwIfAborted } from './local.errors.js';
import { isSameVersion } from './local.identity.js';
import { Intents } from './local.intents.js';
import { describeFile, hashOf, type Recorded } from './local.metadata.js';
import { nameOf, parentOf, type Folder } from './local.paths.js';
import { openVersion, type OpenVersion } from './local.reads.js';
import type { Slot } from './local.slots.js';
import { close, link, readNames, rename, unlinkIfThere } from './local.system-calls.js';
import { place, syncFolderAt, type LocalContext } from './local.writes.js';

const ATTEMPTS = 100;

/** A version with its metadata, under its old name and under the new one. */
interface Moved {
  readonly version: BigIntStats;
  readonly before: Recorded | undefined;
  readonly after: Recorded | undefined;
}

/**
 * Renames the file: the same version under another name, in one step.
 *
 * Writers of this process wait, those of others do not: the name may stand for another version by the time it is renamed.
 * So each step is about the version that is there, not about the one that was opened.
 */
export async function moveVersion(
  context: LocalContext,
  slot: Slot,
  from: string,
  to: string,
  options: DriverCopyOptions,
): Promise<StoredFile> {
  const paths = [context.root.pathOf(from), context.root.pathOf(to)];
  return context.keyLocks.hold(paths, slot, options.signal, async () => {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const source = await openVersion(context, from, options.signal);
      await close(source.descriptor);
      const moved = await context.slots.moves.use(
        () =>
          Intents.during(context, (intents) =>
            moveOpened(context, intents, from, to, source, options),
          ),
        options.signal,
      );
      if (moved) return describeFile(to, moved.version, moved.after);
    }
    throw new StorageConnectionError('The file is replaced faster than it can be moved', {
      key: from,
    });
  });
}

/** Answers nothing when the version is no longer there: another look tells what is. */
async function moveOpened(
  context: LocalContext,
  intents: Intents,
  from: string,
  to: string,
  source: OpenVersion,
  options: DriverCopyOptions,
): Promise<Moved | undefined> {
  const { root } = context;
  const folder = await root.openFolder(parentOf(from));
  if (typeof folder === 'string') return undefined;
  let moved: Moved | undefined;
  try {
    const origin = folder.at(nameOf(from));
    const replaced = await place(
      context,
      to,
      conditionsOf(options),
      options.signal,
      async (target, current) => {
        await intents.outdate(from, source.stats);
        if (current) await intents.outdate(to, current);
        const paths = { from, origin, to, target };
        moved = await renameVersion(context, intents, paths, source, options);
      },
    );
    if (moved === undefined) {
      await root.prune(parentOf(to));
      return undefined;
    }
    const { version } = moved;
    const sameFile = replaced !== undefined && isSameVersion(replaced, version);
    // rename() does nothing to two names of one file.
    const stays = options.ifNoneMatch !== undefined || (sameFile && (await hasName(folder, from)));
    if (stays && (await root.isAt(origin, version))) await unlinkIfThere(origin);
    if (replaced && !sameFile) await intents.remove(to, replaced, moved.after && version);
    await removeBehind(context, intents, from, origin, source.stats, source.recorded);
    if (!isSameVersion(version, source.stats)) {
      await removeBehind(context, intents, from, origin, version, moved.before);
    }
    if (context.options.durability === 'full') {
      await syncFolderAt(root, parentOf(to));
      await folder.sync();
    }
  } finally {
    await folder.close();
  }
  await root.prune(parentOf(from));
  return moved;
}

/** Where case is ignored, a path may lead to a file of which it is no name: that one has the key's new spelling. */
async function hasName(folder: Folder, key: string): Promise<boolean> {
  return (await readNames(folder.at('.'))).includes(nameOf(key));
}

async function renameVersion(
  context: LocalContext,
  intents: Intents,
  paths: { from: string; origin: string; to: string; target: string },
  source: OpenVersion,
  options: DriverCopyOptions,
): Promise<Moved | undefined> {
  const { root, metadata } = context;
  const { from, origin, to, target } = paths;
  const recorded = recordOf(from, to, source.recorded, options);
  if (recorded) await intents.write(to, source.stats, recorded);
  let renamed = false;
  try {
    throwIfAborted(options.signal);
    if (await root.isAt(origin, source.stats)) {
      if (options.ifNoneMatch === undefined) await rename(origin, target);
      else await link(origin, target);
      renamed = true;
    }
  } finally {
    // Somebody else may have moved it to the same place.
    if (!renamed && recorded && !(await root.isAt(target, source.stats))) {
      await metadata.withdraw(hashOf(to), source.stats);
    }
  }
  return renamed ? settle(context, intents, paths, source, recorded, options) : undefined;
}

/** Looks at what was moved, and sees to it that its metadata is there. */
async function settle(
  { root, metadata }: LocalContext,
  intents: Intents,
  { from, to, target }: { from: string; to: string; target: string },
  source: OpenVersion,
  recorded: Recorded | undefined,
  options: DriverCopyOptions,
): Promise<Moved> {
  const version = await root.versionAt(target);
  if (version === undefined || isSameVersion(version, source.stats)) {
    // Another process that failed to move it may have withdrawn the metadata just before.
    if (version && recorded && !(await metadata.has(to, version))) {
      await intents.write(to, version, recorded);
    }
    return { version: source.stats, before: source.recorded, after: recorded };
  }
  if (recorded) await metadata.withdraw(hashOf(to), source.stats);
  const before = await metadata.read(from, version);
  if (before === undefined) {
    // It had none under the old name either, or was put here since: then it has its own.
    return { version, before, after: await metadata.read(to, version) };
  }
  const after = recordOf(from, to, before, options);
  if (after) await intents.write(to, version, after);
  return { version, before, after };
}

/** Removes the metadata under the old name; not when somebody has moved the version back there. */
async function removeBehind(
  { root }: LocalContext,
  intents: Intents,
  key: string,
  path: string,
  version: BigIntStats,
  recorded: Recorded | undefined,
): Promise<void> {
  if (await root.isAt(path, version)) return;
  await intents.remove(key, version);
  // If it comes back later than this, who moves it finds that its metadata is missing.
  if (recorded && (await root.isAt(path, version))) await intents.write(key, version, recorded);
}
