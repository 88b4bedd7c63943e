import * as fs from 'node:fs';
import type { BigIntStats, Dirent } from 'node:fs';
import { notACursor } from '../../core/cursor.js';
import { compareKeys, isReserved, parseKey } from '../../core/key.js';
import type { DriverListOptions, ListPage } from '../../core/storage-driver.js';
import { storedFile, type StoredFile } from '../../core/stored-file.js';
import { throwIfAborted, toStorageError } from './local.errors.js';
import { etagOf, lastModifiedOf } from './local.identity.js';
import { nameOf, parentOf } from './local.paths.js';
import { FOLDERS_AT_ONCE } from './local.slots.js';
import { hasCode, readEntries, realpath, stat } from './local.system-calls.js';
import type { LocalContext } from './local.writes.js';

const STATS_AT_ONCE = 64;

/**
 * Pages of the files below the root, in the order of the keys' UTF-8 bytes. Directories are read once, when the walk
 * comes to them; files are looked at only when they are on a page that is asked for.
 */
export async function* listPages(
  context: LocalContext,
  options: DriverListOptions,
): AsyncGenerator<ListPage, void> {
  const { root } = context;
  const { signal, pageSize } = options;
  const walk = new Walk(context, options, startOf(options));
  for (;;) {
    const files: StoredFile[] = [];
    const prefixes: string[] = [];
    let last = '';
    let cursor: string | undefined;
    while (files.length + prefixes.length < pageSize) {
      const found = await walk.take(pageSize - files.length - prefixes.length);
      if (found.length === 0) break;
      last = found.at(-1)!;
      prefixes.push(...found.filter((key) => key.endsWith('/')));
      const keys = found.filter((key) => !key.endsWith('/'));
      for (const [key, version] of await statFiles(context, keys, signal)) {
        if (version.isFile()) files.push(listed(key, version));
      }
    }
    // Without the root, everything is missing: that is no end of the listing.
    await root.assertThere();
    if (await walk.hasMore()) cursor = toCursor(last);
    yield { files, prefixes, ...(cursor !== undefined && { cursor }) };
    if (cursor === undefined) return;
    throwIfAborted(signal);
  }
}

/** A directory that is being walked: its entries, and how far. */
interface Level {
  /** Keys, and folders with their `/`, in order. */
  readonly entries: readonly string[];
  /** Where it really is; only known when links are followed. */
  readonly real: string;
  next: number;
}

/** The keys in order; with a delimiter, prefixes that end with `/` among them. */
class Walk {
  readonly #levels: Level[] = [];
  readonly #ahead: string[] = [];
  #started = false;

  constructor(
    private readonly context: LocalContext,
    private readonly options: DriverListOptions,
    private readonly start: Start,
  ) {}

  async take(count: number): Promise<string[]> {
    await this.#look(count);
    return this.#ahead.splice(0, count);
  }

  async hasMore(): Promise<boolean> {
    await this.#look(1);
    return this.#ahead.length > 0;
  }

  async #look(count: number): Promise<void> {
    if (!this.#started) {
      this.#started = true;
      const { prefix } = this.options;
      await this.#enter(prefix.slice(0, prefix.lastIndexOf('/') + 1));
    }
    for (let level = this.#levels.at(-1); level; level = this.#levels.at(-1)) {
      if (this.#ahead.length >= count) return;
      const entry = level.entries[level.next++];
      if (entry === undefined) this.#levels.pop();
      else if (!entry.endsWith('/')) this.#ahead.push(entry);
      else if (this.options.delimiter === undefined) await this.#enter(entry);
      else if (await this.#holdsFiles(entry)) this.#ahead.push(entry);
    }
  }

  async #enter(folder: string): Promise<void> {
    throwIfAborted(this.options.signal);
    const real = this.context.root.followsLinks ? await this.#realPath(folder) : '';
    const entries = await this.#read(folder, [real, ...this.#levels.map((level) => level.real)]);
    this.#levels.push({ entries: sorted(entries), real, next: 0 });
  }

  /** The entries that can be listed, or below which there can be some. None when the folder is gone meanwhile. */
  async #read(path: string, above: readonly string[]): Promise<string[]> {
    const { prefix } = this.options;
    const entries: string[] = [];
    for (const dirent of await this.#direntsIn(path)) {
      const kind = dirent.isSymbolicLink()
        ? await this.#targetOf(path + dirent.name, above)
        : dirent;
      const isFolder = kind?.isDirectory() ?? false;
      if (!isFolder && !kind?.isFile()) continue;
      const key = isFolder ? `${path}${dirent.name}/` : path + dirent.name;
      if (!key.startsWith(prefix) || this.#isBefore(key)) continue;
      if (!isKeySegment(dirent.name) || this.context.brokenRule(dirent.name)) continue;
      entries.push(key);
    }
    return entries;
  }

  #direntsIn(path: string): Promise<Dirent[]> {
    const { root, slots } = this.context;
    return slots.folders.use(async () => {
      const folder = await root.openFolder(path.slice(0, -1));
      if (typeof folder === 'string') return [];
      try {
        return await readEntries(folder.at('.'));
      } catch (error) {
        if (hasCode(error, 'ENOENT', 'ENOTDIR')) return [];
        throw error;
      } finally {
        await folder.close();
      }
    }, this.options.signal);
  }

  /** A folder whose keys all come before the start is never read. */
  #isBefore(key: string): boolean {
    const { after, passed } = this.start;
    if (after === '') return false;
    if (key.endsWith('/') && after.startsWith(key)) {
      // The start lies in the folder; or, in a listing by prefixes, the folder is the last one that was listed.
      return this.options.delimiter !== undefined && passed === key;
    }
    return compareKeys(key, after) <= 0;
  }

  /** Whether a folder is a common prefix: the first file below it decides, at whatever depth. */
  async #holdsFiles(folder: string): Promise<boolean> {
    throwIfAborted(this.options.signal);
    const { signal } = this.options;
    const walk = new Walk(this.context, { signal, pageSize: 1, prefix: folder }, this.start);
    return walk.hasMore();
  }

  async #realPath(folder: string): Promise<string> {
    return realpath(this.context.root.pathOf(folder)).catch(() => '');
  }

  /** What a link stands for: nothing when links are not followed, it ends outside, or leads in a circle. */
  async #targetOf(
    key: string,
    above: readonly string[],
  ): Promise<Pick<Dirent, 'isFile' | 'isDirectory'> | undefined> {
    const { root } = this.context;
    if (!root.followsLinks) return undefined;
    try {
      const real = await realpath(root.pathOf(key));
      if (!root.isInside(real) || above.includes(real)) return undefined;
      return await stat(real);
    } catch (error) {
      if (hasCode(error, 'ENOENT', 'ENOTDIR', 'ELOOP')) return undefined;
      throw error;
    }
  }
}

function listed(key: string, version: BigIntStats): StoredFile {
  return storedFile({
    key,
    size: Number(version.size),
    etag: etagOf(version),
    lastModified: lastModifiedOf(version),
  });
}

/** A name that no key can have was not put there by this driver, and cannot be reached by a key. */
function isKeySegment(name: string): boolean {
  if (isReserved(name)) return false;
  if (/^[\x20-\x5B\x5D-\x7E]+$/.test(name)) return true;
  try {
    parseKey(name);
    return true;
  } catch {
    return false;
  }
}

function sorted(entries: string[]): string[] {
  // UTF-16 units, which sort() compares, have the order of UTF-8 bytes as long as there are no surrogates.
  const plain = entries.every((key) => !/[\uD800-\uDFFF]/.test(key));
  return plain ? entries.sort() : entries.sort(compareKeys);
}

/** In the order of the keys, those that are gone left out. Looked at in their folders, held open: not where a path leads by now. */
async function statFiles(
  { root, slots }: LocalContext,
  keys: readonly string[],
  signal: AbortSignal,
): Promise<[string, BigIntStats][]> {
  const byFolder = new Map<string, string[]>();
  for (const key of keys) {
    const folder = parentOf(key);
    const inFolder = byFolder.get(folder);
    if (inFolder) inFolder.push(key);
    else byFolder.set(folder, [key]);
  }
  const found = new Map<string, BigIntStats>();
  const queue = byFolder.entries();
  const look = async (path: string, inFolder: readonly string[]): Promise<void> => {
    const folder = await root.openFolder(path);
    if (typeof folder === 'string') return;
    try {
      const paths = inFolder.map((key) => folder.at(nameOf(key)));
      const stats = await statAll(paths, root.followsLinks, signal);
      for (const [index, key] of inFolder.entries()) {
        const version = stats[index];
        if (version) found.set(key, version);
      }
    } finally {
      await folder.close();
    }
  };
  const work = async (): Promise<void> => {
    for (const [path, inFolder] of queue) {
      await slots.folders.use(() => look(path, inFolder), signal);
    }
  };
  await Promise.all(Array.from({ length: Math.min(FOLDERS_AT_ONCE, byFolder.size) }, work));
  return keys.flatMap((key) => {
    const version = found.get(key);
    return version ? [[key, version]] : [];
  });
}

/** One promise for all, a bounded number of calls at a time; `undefined` for what is gone. */
function statAll(
  paths: readonly string[],
  follow: boolean,
  signal: AbortSignal,
): Promise<(BigIntStats | undefined)[]> {
  return new Promise((resolve, reject) => {
    const results: (BigIntStats | undefined)[] = [];
    let next = 0;
    let running = 0;
    let failure: unknown;
    const look = follow ? fs.stat : fs.lstat;
    const proceed = (): void => {
      try {
        throwIfAborted(signal);
      } catch (error) {
        failure ??= error;
      }
      if (running === 0 && (failure !== undefined || next === paths.length)) {
        if (failure === undefined) resolve(results);
        else reject(toStorageError(failure));
        return;
      }
      while (failure === undefined && running < STATS_AT_ONCE && next < paths.length) {
        const index = next++;
        running++;
        look(paths[index]!, { bigint: true }, (error, stats) => {
          running--;
          results[index] = error ? undefined : stats;
          if (error && !hasCode(error, 'ENOENT', 'ENOTDIR', 'ELOOP')) failure ??= error;
          proceed();
        });
      }
    };
    proceed();
  });
}

/** Where a listing starts. */
interface Start {
  /** Every key up to this one is left out. */
  readonly after: string;
  /** What the page before has ended with: a key, or a folder, below which `after` may be. */
  readonly passed?: string;
}

/** After `startAfter` or what the cursor tells, whichever comes later. */
function startOf({ cursor, startAfter = '', prefix }: DriverListOptions): Start {
  if (cursor === undefined) return { after: startAfter };
  const bytes = Buffer.from(cursor, 'base64url');
  const key = bytes.toString();
  const genuine = key !== '' && key.startsWith(prefix) && toCursor(key) === cursor;
  if (!genuine) throw notACursor();
  return { after: compareKeys(key, startAfter) > 0 ? key : startAfter, passed: key };
}

function toCursor(key: string): string {
  return Buffer.from(key).toString('base64url');
}
