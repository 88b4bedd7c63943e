import type { BigIntStats } from 'node:fs';
import { dirname, join, sep } from 'node:path';
import { RESERVED_FOLDER } from '../../core/key.js';
import { StorageConnectionError, StorageFileNotFoundError } from '../../core/errors.js';
import { clash, linkDenied, toStorageError } from './local.errors.js';
import { isSameVersion, type Identity } from './local.identity.js';
import {
  O_DIRECTORY,
  O_NOFOLLOW,
  O_NONBLOCK,
  O_RDONLY,
  close,
  fsync,
  hasCode,
  lstat,
  makeFolder,
  open,
  openFileCalls,
  type OpenFileCalls,
  readProcLink,
  realpath,
  rmdir,
  stat,
  syncFolder,
} from './local.system-calls.js';

/** A folder below the root that was found to be where its path says. */
export interface Folder {
  /** A path of the name in this very folder; where the system can, whatever its path leads to by now. */
  at(name: string): string;
  /** Makes its names survive a power cut. */
  sync(): Promise<void>;
  close(): Promise<void>;
}

/** Why there is no such folder: nothing there, a file in the way, or a link that must not be followed. */
export type NoFolder = 'missing' | 'file' | 'link';

/** Where an open file is found: at its path, no longer there (replaced or deleted), or at another path. */
export type Place = 'here' | 'gone' | 'elsewhere';

const DELETED = ' (deleted)';
const ATTEMPTS = 100;

/**
 * The tree below the root, and its fence. Linux tells the true path of an open descriptor in /proc, so that what was
 * opened is judged, not what a path led to a moment before, and names are resolved in folders that are held open.
 * Elsewhere paths are resolved and compared: a program that swaps folders for links at the same moment is not kept out.
 */
export class LocalRoot {
  readonly reserved: string;
  readonly #top: Folder;

  private constructor(
    /** Absolute, without links. */
    readonly path: string,
    private readonly identity: BigIntStats,
    private readonly followInside: boolean,
    private readonly folderPermissions: number,
    private readonly trustsProc: boolean,
    readonly openFiles: OpenFileCalls,
  ) {
    this.reserved = join(path, RESERVED_FOLDER);
    // What leads to the root is not below it: its own path needs no fence.
    this.#top = new PathFolder(path);
  }

  /** @param path is a folder, absolute, without links */
  static async open(
    path: string,
    options: { symlinks: 'deny' | 'follow-inside'; directoryPermissions: number },
  ): Promise<LocalRoot> {
    const follow = options.symlinks === 'follow-inside';
    return new LocalRoot(
      path,
      await stat(path),
      follow,
      options.directoryPermissions,
      await tellsTruePaths(path),
      await openFileCalls(path),
    );
  }

  /**
   * Whether what was not found is really not there. A root that was removed, or whose file system was unmounted, holds
   * nothing, and says nothing of what is stored. No descriptor is kept to tell: it would keep the file system busy.
   *
   * @throws StorageConnectionError
   */
  async assertThere(): Promise<void> {
    const { dev, ino } = await stat(this.path).catch((error: unknown) => {
      throw hasCode(error, 'ENOENT', 'ENOTDIR')
        ? new StorageConnectionError('The root folder is gone', { cause: error })
        : toStorageError(error);
    });
    if (dev === this.identity.dev && ino === this.identity.ino) return;
    // Mounted again, where the numbers may be others.
    const reserved = await lstat(this.reserved).catch(() => undefined);
    if (reserved?.isDirectory()) return;
    throw new StorageConnectionError(
      'The root folder is gone: another one, in which nothing was stored, is in its place. If that one is meant, restart the app',
    );
  }

  /** The number of the device. */
  get disk(): bigint {
    return this.identity.dev;
  }

  pathOf(key: string): string {
    return this.path + sep + (sep === '/' ? key : key.replaceAll('/', sep));
  }

  /** A path of what is open, for calls that take no descriptor. */
  pathOfOpen(descriptor: number, key: string): string {
    return this.trustsProc ? procPath(descriptor) : this.pathOf(key);
  }

  /** Whether links are followed at all, as long as they end inside. */
  get followsLinks(): boolean {
    return this.followInside;
  }

  /** Whether a path without links lies below the root, and not among the driver's own files. */
  isInside(path: string): boolean {
    return (
      path.startsWith(this.path + sep) &&
      path !== this.reserved &&
      !path.startsWith(this.reserved + sep)
    );
  }

  /** Opens a file for reading without ever waiting for the other end of a FIFO. */
  async openFile(key: string): Promise<number> {
    const path = this.pathOf(key);
    try {
      return await open(path, O_RDONLY | O_NONBLOCK | (this.followInside ? 0 : O_NOFOLLOW));
    } catch (error) {
      // Below a file there is nothing.
      if (hasCode(error, 'ENOTDIR')) {
        throw new StorageFileNotFoundError(undefined, { key, cause: error });
      }
      throw error;
    }
  }

  async locate(descriptor: number, key: string, stats: BigIntStats): Promise<Place> {
    const expected = this.pathOf(key);
    if (this.trustsProc) return this.#judge(readProcLink(procPath(descriptor)), expected);
    try {
      const [real, current] = await Promise.all([
        realpath(this.followInside ? expected : dirname(expected)),
        lstat(this.followInside ? await realpath(expected) : expected),
      ]);
      const inside = this.followInside ? this.isInside(real) : real === dirname(expected);
      // Windows opens what a link leads to, whatever the flags.
      if (!inside || current.isSymbolicLink()) return 'elsewhere';
      return current.ino === stats.ino && current.dev === stats.dev ? 'here' : 'gone';
    } catch (error) {
      if (hasCode(error, 'ENOENT', 'ENOTDIR')) return 'gone';
      throw error;
    }
  }

  /** What the path is a name of, `undefined` when nothing is there. */
  async versionAt(path: string): Promise<BigIntStats | undefined> {
    try {
      return await (this.followInside ? stat(path) : lstat(path));
    } catch (error) {
      if (hasCode(error, 'ENOENT', 'ENOTDIR', 'ELOOP')) return undefined;
      throw error;
    }
  }

  /** Whether the path is a name of this version. */
  async isAt(path: string, version: Identity): Promise<boolean> {
    const there = await this.versionAt(path);
    return there !== undefined && isSameVersion(there, version);
  }

  /** Opens the folder with this path (`''` is the root), or says why there is none. */
  async openFolder(path: string): Promise<Folder | NoFolder> {
    if (path === '') return this.#top;
    const expected = this.pathOf(path);
    if (!this.trustsProc) return this.#resolveFolder(expected);
    let descriptor: number;
    try {
      descriptor = await open(
        expected,
        O_RDONLY | O_DIRECTORY | (this.followInside ? 0 : O_NOFOLLOW),
      );
    } catch (error) {
      return noFolder(error, expected);
    }
    let place: Place | undefined;
    try {
      place = this.#judge(readProcLink(procPath(descriptor)), expected);
      if (place === 'here') return new OpenFolder(descriptor, this.openFiles);
    } finally {
      if (place !== 'here') await this.openFiles.close(descriptor);
    }
    return place === 'gone' ? 'missing' : 'link';
  }

  /**
   * Opens the folder, and creates what is missing of it. Others may remove empty folders meanwhile.
   *
   * @throws StorageInvalidKeyError, StoragePermissionError naming the key
   */
  async createFolder(path: string, key: string, sync: boolean): Promise<Folder> {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const folder = await this.openFolder(path);
      if (typeof folder !== 'string') return folder;
      // What is missing may be missing behind a link.
      const reason = folder === 'missing' ? await this.#create(path, sync) : folder;
      if (reason === 'file') throw clash(key);
      if (reason === 'link') throw linkDenied({ key });
    }
    throw new StorageConnectionError('The folder is removed as often as it is created', { key });
  }

  /** Removes the folder and those above it as long as they are empty. Best effort: others may be filling them. */
  async prune(path: string): Promise<void> {
    for (let folder = path; folder !== ''; folder = parentOf(folder)) {
      const parent = await this.openFolder(parentOf(folder)).catch(() => 'missing' as const);
      if (typeof parent === 'string') continue;
      try {
        await rmdir(parent.at(nameOf(folder)));
      } catch (error) {
        if (!hasCode(error, 'ENOENT')) return;
      } finally {
        await parent.close();
      }
    }
  }

  /** Answers what is in the way, if anything is. */
  async #create(path: string, sync: boolean): Promise<NoFolder | undefined> {
    let made = '';
    let parent = this.#top;
    try {
      for (const name of path.split('/')) {
        made = made === '' ? name : `${made}/${name}`;
        const created = await makeFolder(parent.at(name), this.folderPermissions);
        if (created && sync) await parent.sync();
        const child = await this.openFolder(made);
        if (typeof child === 'string') return child;
        await parent.close();
        parent = child;
      }
      return undefined;
    } catch (error) {
      // Removed meanwhile, or a file is in the way: a second look will tell.
      if (!hasCode(error, 'ENOENT', 'ENOTDIR')) throw error;
      return 'missing';
    } finally {
      await parent.close();
    }
  }

  #judge(link: string, expected: string): Place {
    if (link === expected) return 'here';
    if (link === expected + DELETED) return 'gone';
    if (!this.followInside) return 'elsewhere';
    if (link.endsWith(DELETED)) return 'gone';
    return this.isInside(link) ? 'here' : 'elsewhere';
  }

  async #resolveFolder(expected: string): Promise<Folder | NoFolder> {
    try {
      const real = await realpath(expected);
      if (this.followInside ? !this.isInside(real) : real !== expected) return 'link';
      return (await lstat(real)).isDirectory() ? new PathFolder(real) : 'file';
    } catch (error) {
      return noFolder(error, expected);
    }
  }
}

class OpenFolder implements Folder {
  constructor(
    private readonly descriptor: number,
    private readonly calls: OpenFileCalls,
  ) {}

  at(name: string): string {
    return `${procPath(this.descriptor)}/${name}`;
  }

  sync(): Promise<void> {
    return fsync(this.descriptor);
  }

  async close(): Promise<void> {
    await this.calls.close(this.descriptor);
  }
}

class PathFolder implements Folder {
  constructor(private readonly path: string) {}

  at(name: string): string {
    return this.path + sep + name;
  }

  async sync(): Promise<void> {
    try {
      await syncFolder(this.path);
    } catch (error) {
      // Somebody has removed it when it became empty: there are no names in it that could be lost.
      if (!hasCode(error, 'ENOENT', 'ENOTDIR')) throw error;
    }
  }

  async close(): Promise<void> {}
}

/** The folder of a key or folder; `''` is the root. */
export function parentOf(key: string): string {
  return key.slice(0, Math.max(0, key.lastIndexOf('/')));
}

export function nameOf(key: string): string {
  return key.slice(key.lastIndexOf('/') + 1);
}

function procPath(descriptor: number): string {
  return `/proc/self/fd/${descriptor}`;
}

async function tellsTruePaths(path: string): Promise<boolean> {
  if (process.platform !== 'linux') return false;
  const descriptor = await open(path, O_RDONLY | O_DIRECTORY);
  try {
    return readProcLink(procPath(descriptor)) === path;
  } catch {
    return false;
  } finally {
    await close(descriptor);
  }
}

async function noFolder(error: unknown, path: string): Promise<NoFolder> {
  if (hasCode(error, 'ENOENT')) return 'missing';
  if (hasCode(error, 'ELOOP')) return 'link';
  if (!hasCode(error, 'ENOTDIR')) throw error;
  const there = await lstat(path).catch(() => undefined);
  return there?.isSymbolicLink() ? 'link' : 'file';
}
