import type { WriteConditions } from '../../core/conditions.js';
import type { DriverCopyOptions } from '../../core/storage-driver.js';
import type { FileAttributes, StoredFile } from '../../core/stored-file.js';
import { throwIfAborted } from './local.errors.js';
import { isSameVersion } from './local.identity.js';
import { attributesOf, describeFile, hashOf, toRecord, type Recorded } from './local.metadata.js';
import { nameOf, parentOf } from './local.paths.js';
import { openVersion, type OpenVersion } from './local.reads.js';
import {
  O_RDONLY,
  chmod,
  close,
  copyFile,
  link,
  open,
  rename,
  unlink,
  unlinkIfThere,
} from './local.system-calls.js';
import {
  finish,
  place,
  publish,
  syncFolderAt,
  type LocalContext,
  type StagedFile,
} from './local.writes.js';

/** A copy of its own: the file system may share blocks until one of the two changes, never the file. */
export async function copyVersion(
  context: LocalContext,
  from: string,
  to: string,
  options: DriverCopyOptions,
): Promise<StoredFile> {
  const source = await openVersion(context, from, options.signal);
  let staged: StagedFile;
  try {
    staged = await stageCopy(context, source, from, to);
  } finally {
    await close(source.descriptor);
  }
  const recorded = recordOf(from, to, source.recorded, options);
  return publish(context, to, staged, recorded, conditionsOf(options), options.signal);
}

/** Renames the file: the same version under another name, in one step. */
export async function moveVersion(
  context: LocalContext,
  from: string,
  to: string,
  options: DriverCopyOptions,
): Promise<StoredFile> {
  const paths = [context.root.pathOf(from), context.root.pathOf(to)];
  return context.keyLocks.hold(paths, options.signal, async () => {
    const source = await openVersion(context, from, options.signal);
    await close(source.descriptor);
    const recorded = recordOf(from, to, source.recorded, options);
    await renameVersion(context, from, to, source, recorded, options);
    return describeFile(to, source.stats, recorded);
  });
}

async function stageCopy(
  { options, root, temporary }: LocalContext,
  source: OpenVersion,
  from: string,
  to: string,
): Promise<StagedFile> {
  const path = temporary.next(to);
  let version: StagedFile['version'] | undefined;
  try {
    await temporary.use(() => copyFile(root.pathOfOpen(source.descriptor, from), path));
    // It has the source's mode, which may keep its owner out.
    await chmod(path, options.permissions);
    const descriptor = await open(path, O_RDONLY);
    try {
      version = await finish(descriptor, options);
    } finally {
      await close(descriptor);
    }
  } finally {
    if (version === undefined) await unlinkIfThere(path);
  }
  return { path, version };
}

async function renameVersion(
  context: LocalContext,
  from: string,
  to: string,
  source: OpenVersion,
  recorded: Recorded | undefined,
  options: DriverCopyOptions,
): Promise<void> {
  const { root, metadata } = context;
  const folder = await root.openFolder(parentOf(from));
  if (typeof folder === 'string') {
    // Somebody removed it since it was opened.
    await openVersion(context, from, options.signal).then(({ descriptor }) => close(descriptor));
    return;
  }
  try {
    const origin = folder.at(nameOf(from));
    const replaced = await place(
      context,
      to,
      conditionsOf(options),
      options.signal,
      async (target) => {
        if (recorded) await metadata.write(to, source.stats, recorded);
        try {
          throwIfAborted(options.signal);
          if (options.ifNoneMatch === undefined) await rename(origin, target);
          else await link(origin, target);
        } catch (error) {
          if (recorded) await metadata.withdraw(hashOf(to), source.stats);
          throw error;
        }
      },
    );
    const sameFile = replaced !== undefined && isSameVersion(replaced, source.stats);
    // rename() does nothing to two names of one file.
    if (sameFile || options.ifNoneMatch !== undefined) await unlink(origin);
    if (replaced && !sameFile) await metadata.remove(to, replaced, source.stats);
    await metadata.remove(from, source.stats);
    if (context.options.durability === 'full') {
      await syncFolderAt(root, parentOf(to));
      await folder.sync();
    }
  } finally {
    await folder.close();
  }
  await root.prune(parentOf(from));
}

/** The source's attributes, where none are given, as they have to be recorded under the new name. */
function recordOf(
  from: string,
  to: string,
  recorded: Recorded | undefined,
  given: FileAttributes,
): Recorded | undefined {
  return toRecord(to, {
    ...attributesOf(from, recorded),
    ...(given.contentType !== undefined && { contentType: given.contentType }),
    ...(given.metadata !== undefined && { metadata: given.metadata }),
    ...(given.cacheControl !== undefined && { cacheControl: given.cacheControl }),
    ...(given.contentDisposition !== undefined && { contentDisposition: given.contentDisposition }),
    ...(given.contentEncoding !== undefined && { contentEncoding: given.contentEncoding }),
    ...(given.contentLanguage !== undefined && { contentLanguage: given.contentLanguage }),
  });
}

function conditionsOf({ ifNoneMatch }: DriverCopyOptions): WriteConditions {
  return ifNoneMatch === undefined ? {} : { ifNoneMatch };
}
