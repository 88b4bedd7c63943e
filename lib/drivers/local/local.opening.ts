import { chmod, lstat, mkdir, readlink, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { StorageConfigurationError, StoragePermissionError } from '../../core/errors.js';
import { toStorageError } from './local.errors.js';
import type { MetadataFolder } from './local.metadata.js';
import type { ParsedLocalOptions } from './local.options.js';
import { LocalRoot } from './local.paths.js';
import { isOwnFolder } from './local.reserved.js';
import { codeOf, hasCode, realpath } from './local.system-calls.js';
import { TemporaryFiles } from './local.temporary-files.js';

/** Opens the root, and creates it where it is to be. @throws StorageConfigurationError, StoragePermissionError */
export async function openRoot(options: ParsedLocalOptions): Promise<LocalRoot> {
  const { root, createRoot, directoryPermissions } = options;
  try {
    if (createRoot && (await createFolder(root, directoryPermissions))) {
      await chmod(root, directoryPermissions);
    }
    if (!(await stat(root)).isDirectory()) throw notFolder(root);
    return await LocalRoot.open(await realpath(root), options);
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENOTDIR', 'EEXIST')) throw await missingRoot(error, options);
    throw rootError(error, root);
  }
}

export async function openTemporaryFiles(
  root: LocalRoot,
  metadata: MetadataFolder,
  { root: path, directoryPermissions }: ParsedLocalOptions,
): Promise<TemporaryFiles> {
  try {
    for (const own of [metadata.path, join(root.reserved, 'uploads')]) await isOwnFolder(own);
    return await TemporaryFiles.open(root, metadata, directoryPermissions);
  } catch (error) {
    throw rootError(error, path);
  }
}

/**
 * As `mkdir` with `recursive`, which never returns on Node.js 20 where a parent takes no folders, such as `/proc`.
 *
 * @returns whether it was not there before
 */
async function createFolder(path: string, mode: number): Promise<boolean> {
  const parent = dirname(path);
  try {
    return await makeFolder(path, mode);
  } catch (error) {
    if (!hasCode(error, 'ENOENT') || parent === path) throw error;
  }
  await createFolder(parent, mode);
  return makeFolder(path, mode);
}

/** @returns whether it was not there before */
async function makeFolder(path: string, mode: number): Promise<boolean> {
  try {
    await mkdir(path, { mode });
    return true;
  } catch (error) {
    const isThere = await stat(path).then(
      (stats) => stats.isDirectory(),
      () => false,
    );
    if (isThere) return false;
    throw error;
  }
}

async function missingRoot(
  cause: unknown,
  { root, createRoot }: ParsedLocalOptions,
): Promise<Error> {
  const shown = JSON.stringify(root);
  const link = await brokenLink(root);
  if (link !== undefined) {
    return new StorageConfigurationError(
      `root ${shown} does not exist: ${JSON.stringify(link)} is a link to ${JSON.stringify(await readlink(link))}, which is not there; create or mount that`,
      { cause },
    );
  }
  if (!hasCode(cause, 'ENOENT')) return notFolder(root, cause);
  return new StorageConfigurationError(
    createRoot
      ? `root ${shown} cannot be created, as its parent takes no folders; name another one`
      : `root ${shown} does not exist; create the folder, or set createRoot: true`,
    { cause },
  );
}

/** The path, or the folder above it, that is a link to what is not there. */
async function brokenLink(path: string): Promise<string | undefined> {
  const parent = dirname(path);
  const above = parent === path ? undefined : await brokenLink(parent);
  if (above !== undefined) return above;
  const isLink = await lstat(path).then(
    (stats) => stats.isSymbolicLink(),
    () => false,
  );
  if (!isLink) return undefined;
  return stat(path).then(
    () => undefined,
    (error: unknown) => (hasCode(error, 'ENOENT') ? path : undefined),
  );
}

function notFolder(root: string, cause?: unknown): StorageConfigurationError {
  return new StorageConfigurationError(`root ${JSON.stringify(root)} is not a folder`, { cause });
}

function rootError(error: unknown, root: string): Error {
  if (hasCode(error, 'EACCES', 'EPERM', 'EROFS')) {
    return new StoragePermissionError(
      `The process may not read or create root ${JSON.stringify(root)} (${codeOf(error)}); give its user access, or name another folder`,
      { cause: error },
    );
  }
  return toStorageError(error);
}
