import type { BigIntStats } from 'node:fs';
import { assertHeld, type DriverBody } from '../../core/body.js';
import { checkWriteConditions, type WriteConditions } from '../../core/conditions.js';
import { StorageConnectionError, StorageError, StorageFileExistsError } from '../../core/errors.js';
import type { DriverOptions } from '../../core/storage-driver.js';
import type { StoredFile } from '../../core/stored-file.js';
import { clash, linkDenied, notRegular, throwIfAborted } from './local.errors.js';
import { distinctTime, etagOf, isSameVersion } from './local.identity.js';
import { Intents } from './local.intents.js';
import type { KnownMetadata } from './local.known-metadata.js';
import type { KeyLocks, LockFiles } from './local.locks.js';
import { describeFile, hashOf, type MetadataFolder, type Recorded } from './local.metadata.js';
import type { ParsedLocalOptions } from './local.options.js';
import { nameOf, parentOf, type Folder, type LocalRoot } from './local.paths.js';
import type { LocalSlots, Slot } from './local.slots.js';
import {
  fchmod,
  fsync,
  futimes,
  hasCode,
  link,
  lstat,
  open,
  type OpenFileCalls,
  rename,
  unlinkIfThere,
  writeAll,
  writeChunks,
} from './local.system-calls.js';
import type { TemporaryFiles } from './local.temporary-files.js';

/** What the parts of the driver share. */
export interface LocalContext {
  readonly options: ParsedLocalOptions;
  readonly root: LocalRoot;
  readonly metadata: MetadataFolder;
  /** For what looks for metadata far more often than it changes. */
  readonly known: KnownMetadata;
  readonly temporary: TemporaryFiles;
  /** By path, shared by all drivers of the process. */
  readonly keyLocks: KeyLocks;
  readonly lockFiles: LockFiles;
  readonly slots: LocalSlots;
  /** Why the system cannot have this key, beside what is refused everywhere; `undefined` when it can. */
  readonly brokenRule: (key: string) => string | undefined;
}

/** A complete file that nobody sees yet. */
export interface StagedFile {
  readonly path: string;
  readonly version: BigIntStats;
  /** Whether the file has a name elsewhere, which it keeps. */
  readonly shared?: boolean;
}

/** A stream holds two of them at most. Larger ones gain nothing, and many uploads at once would hold more. */
const BATCH_BYTES = 512 * 1024;
const SMALL_CHUNK = 16 * 1024;
const SLICE_BYTES = 4 * 1024 * 1024;
const ATTEMPTS = 100;

/** Of bytes: to be asked before anything is waited for, after which their memory may be elsewhere. */
export function sizeOf(body: DriverBody): number | undefined {
  return body instanceof Uint8Array ? body.byteLength : undefined;
}

/**
 * Writes the whole body into a temporary file. Leaves none behind when it fails.
 *
 * @param size as `sizeOf` told it
 */
export async function stageBody(
  { options, temporary, root }: LocalContext,
  key: string,
  body: DriverBody,
  signal: AbortSignal,
  size = sizeOf(body),
): Promise<StagedFile> {
  throwIfAborted(signal);
  const path = temporary.next(key);
  const descriptor = await temporary.use(() => open(path, 'wx', options.permissions));
  try {
    let version: BigIntStats;
    try {
      if (body instanceof Uint8Array) await writeBytes(descriptor, body, size!, signal);
      else await writeStream(descriptor, body, signal);
      version = await finish(descriptor, options, root.openFiles);
    } finally {
      // Over a network, only this may tell that the disk is full.
      await root.openFiles.close(descriptor);
    }
    return { path, version };
  } catch (error) {
    await unlinkIfThere(path);
    throw error;
  }
}

/**
 * Makes a complete temporary file a version of its own: with a time that no other has, the mode that is configured,
 * and on the disk if that is promised. By fsync: fdatasync would leave out the time, to which etag and metadata are bound.
 */
export async function finish(
  descriptor: number,
  { permissions, durability }: ParsedLocalOptions,
  openFiles: OpenFileCalls,
): Promise<BigIntStats> {
  await futimes(descriptor, distinctTime());
  const version = await openFiles.fstat(descriptor);
  if (Number(version.mode & 0o7777n) !== permissions) await fchmod(descriptor, permissions);
  if (durability === 'full') await fsync(descriptor);
  return version;
}

/**
 * Puts a staged file under the key, with its metadata, if the conditions hold: in one step for every reader.
 * Takes the staged file away in any case.
 *
 * @param slot one of those for writes
 */
export async function publish(
  context: LocalContext,
  slot: Slot,
  key: string,
  staged: StagedFile,
  recorded: Recorded | undefined,
  conditions: DriverOptions & WriteConditions,
): Promise<StoredFile> {
  const { signal } = conditions;
  let moved = false;
  try {
    return await exclusively(context, slot, key, conditions, () =>
      Intents.during(context, async (intents) => {
        const { root, metadata, options } = context;
        const replaced = await place(context, key, conditions, signal, async (target, current) => {
          if (current) await intents.outdate(key, current);
          if (recorded) {
            await (staged.shared ? intents : metadata).write(key, staged.version, recorded);
          }
          try {
            throwIfAborted(signal);
            if (conditions.ifNoneMatch === undefined) {
              await rename(staged.path, target);
              moved = true;
            } else {
              await link(staged.path, target);
            }
          } catch (error) {
            // The part of an upload may be published by another process at the same time.
            if (recorded && !(await root.isAt(target, staged.version))) {
              await metadata.withdraw(hashOf(key), staged.version);
            }
            throw error;
          }
        });
        if (replaced && !isSameVersion(replaced, staged.version)) {
          await intents.remove(key, replaced, recorded && staged.version);
        } else if (replaced) {
          // Two names of one file: rename() left both as they were.
          moved = false;
        }
        if (options.durability === 'full') await syncFolderAt(root, parentOf(key));
        return describeFile(key, staged.version, recorded);
      }),
    );
  } finally {
    if (!moved) await unlinkIfThere(staged.path);
  }
}

/** Holds what has to be held while the conditions are judged and the key gets its new version. */
export function exclusively<T>(
  { root, keyLocks, lockFiles }: LocalContext,
  slot: Slot,
  key: string,
  { ifMatch, signal }: DriverOptions & WriteConditions,
  task: () => Promise<T>,
): Promise<T> {
  return keyLocks.hold([root.pathOf(key)], slot, signal, () =>
    ifMatch === undefined ? task() : lockFiles.hold(key, slot, signal, task),
  );
}

/**
 * Finds the place of the key, judges the conditions there, and lets `put` publish. Repeats it when somebody has removed
 * the folder meanwhile because it was empty. Answers the version that was there before.
 */
export async function place(
  { root, options }: LocalContext,
  key: string,
  conditions: WriteConditions,
  signal: AbortSignal,
  put: (target: string, current: BigIntStats | undefined) => Promise<void>,
): Promise<BigIntStats | undefined> {
  const parent = parentOf(key);
  const name = nameOf(key);
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    throwIfAborted(signal);
    let folder: Folder;
    if (conditions.ifMatch === undefined) {
      folder = await root.createFolder(parent, key, options.durability === 'full');
    } else {
      const there = await root.openFolder(parent);
      if (there === 'link') throw linkDenied({ key });
      if (typeof there === 'string') return checkNothingThere(conditions);
      folder = there;
    }
    const target = folder.at(name);
    try {
      const current = await fileAt(target, key, root.followsLinks);
      checkWriteConditions(current && { etag: etagOf(current) }, conditions);
      await put(target, current);
      return current;
    } catch (error) {
      if (hasCode(error, 'ENOENT')) continue;
      await root.prune(parent);
      if (hasCode(error, 'EEXIST')) throw new StorageFileExistsError(undefined, { key });
      if (hasCode(error, 'EISDIR', 'ENOTDIR', 'ENOTEMPTY')) throw clash(key, error);
      throw error;
    } finally {
      await folder.close();
    }
  }
  throw new StorageConnectionError('The folder is removed as often as it is created', { key });
}

/** The regular file at the path, `undefined` when nothing is there. @throws when it is something else */
async function fileAt(path: string, key: string, links: boolean): Promise<BigIntStats | undefined> {
  let stats: BigIntStats;
  try {
    stats = await lstat(path);
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw error;
  }
  if (stats.isFile() || (links && stats.isSymbolicLink())) return stats;
  if (stats.isDirectory()) throw clash(key);
  throw stats.isSymbolicLink() ? linkDenied({ key }) : notRegular({ key });
}

export async function syncFolderAt(root: LocalRoot, path: string): Promise<void> {
  const folder = await root.openFolder(path);
  if (typeof folder === 'string') return;
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

function checkNothingThere(conditions: WriteConditions): undefined {
  checkWriteConditions(undefined, conditions);
}

async function writeBytes(
  descriptor: number,
  bytes: Uint8Array,
  size: number,
  signal: AbortSignal,
): Promise<void> {
  for (let start = 0; start < size; start += SLICE_BYTES) {
    throwIfAborted(signal);
    await writeAll(descriptor, bytes.subarray(start, start + SLICE_BYTES));
    assertHeld(bytes.byteLength, size);
  }
}

/**
 * Writes in few large calls, one of which is under way while the next chunks are gathered: small chunks are copied
 * together, large ones are written from where they are.
 */
async function writeStream(
  descriptor: number,
  body: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): Promise<void> {
  let batch: Uint8Array[] = [];
  let batchBytes = 0;
  let staging = Buffer.alloc(0);
  let filled = 0;
  let writing = Promise.resolve();
  const closeStaging = (): void => {
    if (filled === 0) return;
    batch.push(staging.subarray(0, filled));
    staging = staging.subarray(filled);
    filled = 0;
  };
  const flush = async (): Promise<void> => {
    closeStaging();
    const chunks = batch;
    batch = [];
    batchBytes = 0;
    await writing;
    throwIfAborted(signal);
    if (chunks.length > 0) writing = writeChunks(descriptor, chunks);
    // Whoever awaits it next gets the error; until then it must not count as unhandled.
    writing.catch(() => {});
  };
  try {
    for await (const chunk of chunksOf(body, signal)) {
      if (chunk.byteLength >= SMALL_CHUNK) {
        closeStaging();
        batch.push(chunk);
      } else {
        if (chunk.byteLength > staging.byteLength - filled) {
          closeStaging();
          staging = Buffer.allocUnsafeSlow(4 * SMALL_CHUNK);
        }
        staging.set(chunk, filled);
        filled += chunk.byteLength;
      }
      batchBytes += chunk.byteLength;
      if (batchBytes >= BATCH_BYTES) await flush();
    }
    await flush();
  } finally {
    await writing.catch(() => {});
  }
  await writing;
}

/** The chunks, and what goes wrong with them told apart from what goes wrong with the disk. */
async function* chunksOf(
  body: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void> {
  try {
    yield* body;
  } catch (error) {
    throwIfAborted(signal);
    if (error instanceof StorageError) throw error;
    throw new StorageError(error instanceof Error ? error.message : String(error), {
      cause: error,
    });
  }
}
