import { dirname, join, sep } from 'node:path';
import { StoragePermissionError } from '../../core/errors.js';
import type { Identity } from './local.identity.js';
import { breakLock } from './local.lock-files.js';
import { hashOf, isRestored, nameOfVersion, type MetadataFolder } from './local.metadata.js';
import { isGone, ownerName } from './local.owners.js';
import type { LocalRoot } from './local.paths.js';
import { isOwnFolder, makeOwnFolder, notPlain } from './local.reserved.js';
import {
  hasCode,
  lstat,
  readEntries,
  readNames,
  readText,
  removeTree,
  rename,
  stat,
} from './local.system-calls.js';

/** What waits to be published under a key, by the key's hash and a number; or an intent, with the name of a version's metadata. */
const OF_KEY = /^([0-9a-f]{64})-(?:\d+|(\d+-\d+-\d+\.json))$/;

/**
 * The unpublished files of one driver, in a folder of its own: `tmp/<owner>/`, which the first write creates. What owners
 * that are gone have left is swept away; of those that live nothing is touched.
 */
export class TemporaryFiles {
  readonly folder: string;
  #count = 0;

  private constructor(
    private readonly root: LocalRoot,
    private readonly path: string,
    readonly locks: string,
    readonly owner: string,
    private readonly metadata: MetadataFolder,
    private readonly directoryPermissions: number,
  ) {
    this.folder = join(path, owner);
  }

  /** Creates nothing: whoever only reads needs no right to write. @throws StorageConfigurationError for a link or a mount */
  static async open(
    root: LocalRoot,
    metadata: MetadataFolder,
    directoryPermissions: number,
  ): Promise<TemporaryFiles> {
    const files = new TemporaryFiles(
      root,
      join(root.reserved, 'tmp'),
      join(root.reserved, 'locks'),
      await ownerName(),
      metadata,
      directoryPermissions,
    );
    // Nothing may be there yet; what is there must be plain.
    for (const path of [dirname(files.path), files.path, files.locks]) await isOwnFolder(path);
    await files.#assertSameFileSystem().catch(unlessMissing);
    return files;
  }

  /** A path that nobody else uses. With a key, the sweep also finds the metadata that waits for the publishing. */
  next(key?: string): string {
    const number = String(++this.#count);
    // Plain names, which join() would look through for each file that is written.
    return this.folder + sep + (key === undefined ? number : `${hashOf(key)}-${number}`);
  }

  /** The path of an intent, by which the sweep finds the metadata of the version. */
  noteOf(key: string, version: Identity): string {
    return join(this.folder, `${hashOf(key)}-${nameOfVersion(version)}`);
  }

  /** Opens what needs the folder, which somebody may have tidied away while the process was idle. */
  async use<T>(start: () => Promise<T>): Promise<T> {
    try {
      return await start();
    } catch (error) {
      if (!hasCode(error, 'ENOENT')) throw error;
    }
    // Below a mount point that has lost its file system, it must not be created anew.
    await this.root.assertThere();
    await this.#createFolder();
    return start();
  }

  async #createFolder(): Promise<void> {
    try {
      for (const path of [dirname(this.path), this.path, this.locks, this.folder]) {
        await makeOwnFolder(path, this.directoryPermissions);
      }
      await this.#assertSameFileSystem();
    } catch (cause) {
      if (!hasCode(cause, 'EACCES', 'EPERM', 'EROFS')) throw cause;
      throw new StoragePermissionError(
        'The process may only read the root folder; give its user the right to write there, too',
        { cause },
      );
    }
  }

  /** Files are published from here by renaming. */
  async #assertSameFileSystem(): Promise<void> {
    const [root, inner] = await Promise.all([stat(this.root.path), stat(this.path)]);
    if (root.dev !== inner.dev) throw notPlain();
  }

  /**
   * Takes over what owners that are gone have left, and removes it: temporary files, the metadata of what they did
   * not come to publish, and their locks. One process at a time gets an owner's folder, by renaming it into its own. Never rejects.
   */
  async sweep(): Promise<void> {
    const names = await readNames(this.path).catch(() => []);
    for (const name of names) {
      if (name === this.owner) continue;
      const folder = join(this.path, name);
      try {
        if (!(await lstat(folder)).isDirectory() || !(await isGone(name, folder))) continue;
        const taken = join(this.folder, name);
        await this.use(() => rename(folder, taken));
        await this.#remove(taken, name);
      } catch {
        // Gone already, taken over by another process, or not ours to remove.
      }
    }
  }

  async close(): Promise<void> {
    await removeTree(this.folder).catch(() => {});
  }

  async #remove(folder: string, owner: string): Promise<void> {
    const owners = new Set([owner]);
    await this.#removeMetadata(folder, owners);
    for (const name of await readNames(this.locks)) {
      const lock = join(this.locks, name);
      const holder = await readText(lock).catch(() => undefined);
      if (holder !== undefined && owners.has(holder)) await breakLock(lock, holder, this);
    }
    await removeTree(folder);
  }

  /** Also collects the owners whose folders this one had taken over and not finished with. */
  async #removeMetadata(folder: string, owners: Set<string>): Promise<void> {
    for (const entry of await readEntries(folder)) {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) {
        owners.add(entry.name);
        await this.#removeMetadata(path, owners);
      }
      const named = OF_KEY.exec(entry.name);
      const hash = named?.[1];
      const noted = named?.[2];
      if (hash === undefined) continue;
      if (noted !== undefined) {
        const isNeeded = (key?: string): Promise<boolean> => this.#isNeeded(key, noted, entry.name);
        // What cannot be judged stays, and keeps nobody from what follows.
        await this.metadata.sweep(hash, noted, this.next(), isNeeded).catch(() => {});
        continue;
      }
      const stats = await lstat(path);
      // With a second name it was published, create-only: the owner only did not come to remove the first one.
      if (stats.nlink === 1n) await this.metadata.withdraw(hash, stats);
    }
  }

  /** Whether the version is under the key, or an owner that may live has said that it is about to put it there. */
  async #isNeeded(key: string | undefined, version: string, note: string): Promise<boolean> {
    for (const owner of await readNames(this.path)) {
      const names: readonly string[] = await readNames(join(this.path, owner)).catch(() => []);
      if (names.includes(note)) return true;
    }
    if (key === undefined) return false;
    const there = await this.root.versionAt(this.root.pathOf(key));
    return there !== undefined && isRestored(nameOfVersion(there), version);
  }
}

function unlessMissing(error: unknown): void {
  if (!hasCode(error, 'ENOENT')) throw error;
}
