import { hash, randomBytes } from 'node:crypto';
import type { BigIntStats } from 'node:fs';
import { dirname, join, sep } from 'node:path';
import {
  contentTypeOf,
  parseGivenAttributes,
  type ParsedAttributes,
} from '../../core/attributes.js';
import { parseChecksum, type Checksum } from '../../core/checksum.js';
import { storedFile, type FileAttributes, type StoredFile } from '../../core/stored-file.js';
import { etagOf, lastModifiedOf, type Identity } from './local.identity.js';
import { isOwnFolder, makeOwnFolder } from './local.reserved.js';
import {
  ASYNCHRONOUS,
  fchmod,
  fsync,
  hasCode,
  isSharedMode,
  link,
  lstat,
  open,
  readNames,
  readStoredText,
  rename,
  rmdir,
  syncFolder,
  unlinkIfThere,
  writeAll,
} from './local.system-calls.js';

/** What is known of a file beyond its bytes and its name. */
export interface Recorded extends FileAttributes {
  checksum?: Checksum;
}

const ATTEMPTS = 100;
/** Digits of a key's hash by which the folders of keys lie together. */
const SHARED = 2;
/** Between the metadata and its file there are milliseconds, and at worst the sleep of a machine. */
const ABANDONED_MS = 60 * 60 * 1000;
/** The metadata of a version, or what was to become it. */
const OWN_NAME = /^(?:\d+-\d+-\d+\.json|draft-[0-9a-f]{32})$/;
const DRAFT = 'draft-';
const RECORDED = [
  'contentType',
  'metadata',
  'cacheControl',
  'contentDisposition',
  'contentEncoding',
  'contentLanguage',
  'checksum',
] as const satisfies readonly (keyof Recorded)[];

/**
 * Metadata beside the files, one small JSON file for each version that has any:
 * `meta/<key's hash>/<size>-<mtime>-<inode>.json`.
 *
 * It is written before the version is published and removed after the version is gone, and it names the version. So
 * whoever holds a version open finds exactly its metadata, or can see that the version was replaced and start again.
 */
export class MetadataFolder {
  constructor(
    readonly path: string,
    private readonly permissions: number,
    private readonly directoryPermissions: number,
    private readonly sync: boolean,
    private readonly openFiles = ASYNCHRONOUS,
  ) {}

  /** What was recorded for the version; also where a backup brought it back, which changes the inode only. */
  async read(key: string, version: Identity): Promise<Recorded | undefined> {
    const folder = this.#folderOf(hashOf(key));
    const exact = nameOfVersion(version);
    // Not listed before: it nearly always has the name.
    const text =
      (await this.#textOf(folder, exact)) ??
      (await this.#textOf(folder, await restoredIn(folder, exact)));
    return text === undefined ? undefined : parse(text);
  }

  /** Looks for which keys nothing is recorded, by the folders that several share. */
  async keysWithAny(): Promise<(key: string) => boolean> {
    const shared = new Set(await namesIn(this.path));
    return (key) => shared.has(hashOf(key).slice(0, SHARED));
  }

  /** Whether something was recorded for this very version. */
  async has(key: string, version: Identity): Promise<boolean> {
    return (await this.namesFor(key)).includes(nameOfVersion(version));
  }

  /** What is recorded for versions of the key, by its names. */
  namesFor(key: string): Promise<readonly string[]> {
    return namesIn(this.#folderOf(hashOf(key)));
  }

  /** Where it is recorded, if anything is. */
  pathOf(key: string, version: Identity): string {
    return join(this.#folderOf(hashOf(key)), nameOfVersion(version));
  }

  /** Records it for a version that is not yet published. */
  async write(key: string, version: Identity, recorded: Recorded): Promise<void> {
    const folder = this.#folderOf(hashOf(key));
    const name = nameOfVersion(version);
    const bytes = Buffer.from(`${JSON.stringify({ key, ...recorded })}\n`);
    for (let attempt = 1; ; attempt++) {
      try {
        await this.#create(folder);
        try {
          await this.#writeNew(join(folder, name), bytes);
        } catch (error) {
          if (!hasCode(error, 'EEXIST')) throw error;
          // A version that is moved or completed twice at once may be published: its readers must not see half a file.
          const draft = join(folder, DRAFT + randomBytes(16).toString('hex'));
          await this.#writeNew(draft, bytes);
          await rename(draft, join(folder, name));
        }
        if (this.sync) await syncFolder(folder);
        return;
      } catch (error) {
        // Another process has just removed the last version in the folder, and the folder with it.
        if (hasCode(error, 'ENOENT') && attempt < ATTEMPTS) continue;
        await removeIfEmpty(folder);
        throw error;
      }
    }
  }

  /**
   * Removes what was recorded for a version that is gone, and with it what is left of others: when two processes
   * replace a file at once, neither knows all the versions that are gone by then. What is young may be waiting for its
   * version to be published.
   *
   * @param current has metadata, which stays
   * @param known what was there before the version was gone, if that was looked up
   */
  async remove(
    key: string,
    gone: Identity,
    current?: Identity,
    known?: readonly string[],
  ): Promise<void> {
    const folder = this.#folderOf(hashOf(key));
    const names = known ?? (await namesIn(folder));
    if (names.length === 0 || !(await isOwnFolder(folder))) return;
    const kept = current && nameOfVersion(current);
    for (const name of names) {
      if (name === kept || !OWN_NAME.test(name)) continue;
      const path = join(folder, name);
      if (name === nameOfVersion(gone) || (await isAbandoned(path))) await unlinkIfThere(path);
    }
    if (kept === undefined) await removeIfEmpty(folder);
  }

  /** Takes back what was written for a version that is not published after all. */
  async withdraw(hash: string, version: Identity): Promise<void> {
    const folder = this.#folderOf(hash);
    if (!(await isOwnFolder(folder))) return;
    await unlinkIfThere(join(folder, nameOfVersion(version)));
    await removeIfEmpty(folder);
  }

  /**
   * Removes what a process that is gone has left of its work on the version: metadata that does not belong to what is
   * stored, and drafts. Other processes may be at work on the same key.
   *
   * @param name of the metadata, as `nameOfVersion` gives it
   * @param aside a path that nobody else uses
   * @param isNeeded whether the version is there under the key, or somebody is about to put it there; without a key, the latter
   */
  async sweep(
    hash: string,
    name: string,
    aside: string,
    isNeeded: (key: string | undefined) => Promise<boolean>,
  ): Promise<void> {
    const folder = this.#folderOf(hash);
    if (!(await isOwnFolder(folder))) return;
    const path = join(folder, name);
    const text = await this.#textOf(folder, name);
    const key = text === undefined ? undefined : keyIn(text);
    const isOwn = text !== undefined && (key === undefined || hashOf(key) === hash);
    if (isOwn && !(await isNeeded(key))) {
      await rename(path, aside);
      // Since it was looked at, somebody may have put the version there: who does so later finds no metadata, and writes it.
      const isBack = await isNeeded(key).catch(() => true);
      if (isBack) await link(aside, path).catch(unlessThere);
      await unlinkIfThere(aside);
    }
    // The draft of a writer that lives is written again.
    const drafts = (await namesIn(folder)).filter((other) => other.startsWith(DRAFT));
    for (const draft of drafts) await unlinkIfThere(join(folder, draft));
    await removeIfEmpty(folder);
  }

  #folderOf(hash: string): string {
    // Plain names, which join() would look through for each file that is read.
    return `${this.path}${sep}${hash.slice(0, SHARED)}${sep}${hash.slice(SHARED)}`;
  }

  async #textOf(folder: string, name: string | undefined): Promise<string | undefined> {
    if (name === undefined) return undefined;
    return readStoredText(join(folder, name), this.openFiles).catch(asAbsent);
  }

  async #writeNew(path: string, bytes: Uint8Array): Promise<void> {
    const descriptor = await open(path, 'wx', this.permissions);
    try {
      try {
        if (isSharedMode(this.permissions)) await fchmod(descriptor, this.permissions);
        await writeAll(descriptor, bytes);
        if (this.sync) await fsync(descriptor);
      } finally {
        await this.openFiles.close(descriptor);
      }
    } catch (error) {
      // On a full disk a part of it would be left, which nobody would look for.
      await unlinkIfThere(path);
      throw error;
    }
  }

  /** Creates the folder where it is missing, as for most files that are written: their keys are new. */
  async #create(folder: string): Promise<void> {
    const parent = dirname(folder);
    const above = (await isOwnFolder(parent)) ? [] : [dirname(this.path), this.path, parent];
    for (const path of [...above, folder]) {
      const created = await makeOwnFolder(path, this.directoryPermissions);
      if (created && this.sync) await syncFolder(dirname(path));
    }
  }
}

/** A name of fixed length and plain characters for any key. */
export function hashOf(key: string): string {
  return hash('sha256', key);
}

/** What has to be recorded; `undefined` when the file's name says all there is. */
export function toRecord(key: string, attributes: Recorded): Recorded | undefined {
  let record: Record<string, unknown> | undefined;
  for (const name of RECORDED) {
    const value = attributes[name];
    if (value === undefined || isImplied(key, name, value)) continue;
    record ??= {};
    record[name] = value;
  }
  return record;
}

function isImplied(key: string, name: keyof Recorded, value: string | object): boolean {
  if (name === 'contentType') return value === contentTypeOf(key);
  return name === 'metadata' && Object.keys(value).length === 0;
}

/** All attributes of a file: what was recorded, else what its name says. */
export function attributesOf(
  key: string,
  recorded: Recorded | undefined,
): ParsedAttributes & Recorded {
  return {
    ...recorded,
    contentType: recorded?.contentType ?? contentTypeOf(key),
    metadata: recorded?.metadata ?? {},
  };
}

export function describeFile(
  key: string,
  version: BigIntStats | Identity,
  recorded: Recorded | undefined,
): StoredFile {
  return storedFile({
    key,
    size: Number(version.size),
    etag: etagOf(version),
    lastModified: lastModifiedOf(version),
    ...attributesOf(key, recorded),
  });
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readNames(folder);
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return [];
    throw error;
  }
}

async function removeIfEmpty(folder: string): Promise<void> {
  await rmdir(folder).catch(() => {});
}

function unlessThere(error: unknown): void {
  if (!hasCode(error, 'EEXIST')) throw error;
}

/** The name of what was recorded for the version when it had another inode, before a backup brought it back. */
async function restoredIn(folder: string, exact: string): Promise<string | undefined> {
  const names = await namesIn(folder);
  return names.includes(exact) ? exact : names.find((other) => isRestored(other, exact));
}

/** A link in the place of a record is not the driver's. */
function asAbsent(error: unknown): undefined {
  if (!hasCode(error, 'ELOOP')) throw error;
}

async function isAbandoned(path: string): Promise<boolean> {
  try {
    return Date.now() - lastModifiedOf(await lstat(path)).getTime() > ABANDONED_MS;
  } catch {
    return false;
  }
}

export function nameOfVersion({ size, mtimeNs, ino }: Identity): string {
  return `${size}-${mtimeNs}-${ino}.json`;
}

/** Whether two names are of one version, which a backup has brought back under another inode. */
export function isRestored(name: string, other: string): boolean {
  const end = name.lastIndexOf('-') + 1;
  return name.slice(0, end) === other.slice(0, other.lastIndexOf('-') + 1);
}

/** Other programs can write here, too: what is no attribute of a file counts as absent. */
export function parseRecorded(value: unknown): Recorded {
  const recorded: Record<string, unknown> = {};
  if (typeof value !== 'object' || value === null) return recorded;
  for (const name of RECORDED) {
    if (name in value) recorded[name] = parseField(name, (value as Record<string, unknown>)[name]);
  }
  return recorded;
}

function parseField(name: (typeof RECORDED)[number], value: unknown): unknown {
  try {
    if (name === 'checksum') return parseChecksum(value as Checksum);
    if (name !== 'metadata' && typeof value !== 'string') return undefined;
    return parseGivenAttributes({ [name]: value })[name];
  } catch {
    return undefined;
  }
}

function parse(text: string): Recorded | undefined {
  const value = parseJson(text);
  return value === undefined ? undefined : parseRecorded(value);
}

/** The key that a record names: `undefined` when it is cut short, and so nobody's; empty when it names none. */
function keyIn(text: string): string | undefined {
  const value = parseJson(text);
  if (value === undefined) return undefined;
  const { key } = (value ?? {}) as { key?: unknown };
  return typeof key === 'string' ? key : '';
}

/** `undefined` for what is cut short by a power cut, with a durability that allows it. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
