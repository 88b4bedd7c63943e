import { createHash } from 'node:crypto';
import type { BigIntStats } from 'node:fs';
import { dirname, join } from 'node:path';
import { contentTypeOf, type ParsedAttributes } from '../../core/attributes.js';
import type { Checksum } from '../../core/checksum.js';
import { storedFile, type FileAttributes, type StoredFile } from '../../core/stored-file.js';
import { etagOf, lastModifiedOf, type Identity } from './local.identity.js';
import {
  close,
  fsync,
  fchmod,
  hasCode,
  lstat,
  makeFolder,
  open,
  readNames,
  readText,
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
/** Between the metadata and its file there are milliseconds, and at worst the sleep of a machine. */
const ABANDONED_MS = 60 * 60 * 1000;
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
    private readonly path: string,
    private readonly permissions: number,
    private readonly directoryPermissions: number,
    private readonly sync: boolean,
  ) {}

  /** What was recorded for the version; also where a backup brought it back, which changes the inode only. */
  async read(key: string, version: Identity): Promise<Recorded | undefined> {
    const folder = this.#folderOf(hashOf(key));
    const names = await namesIn(folder);
    if (names === undefined) return undefined;
    const exact = nameOfVersion(version);
    const restored = exact.slice(0, exact.lastIndexOf('-') + 1);
    const name = names.includes(exact) ? exact : names.find((other) => other.startsWith(restored));
    if (name === undefined) return undefined;
    const text = await readText(join(folder, name));
    return text === undefined ? undefined : parse(text);
  }

  /** Records it for a version that is not yet published. */
  async write(key: string, version: Identity, recorded: Recorded): Promise<void> {
    const folder = this.#folderOf(hashOf(key));
    const path = join(folder, nameOfVersion(version));
    const bytes = Buffer.from(`${JSON.stringify({ key, ...recorded })}\n`);
    for (let attempt = 1; ; attempt++) {
      try {
        const descriptor = await open(path, 'w', this.permissions);
        try {
          // More than the owner may read it: then the umask has its say.
          if (this.permissions !== 0o600) await fchmod(descriptor, this.permissions);
          await writeAll(descriptor, bytes);
          if (this.sync) await fsync(descriptor);
        } finally {
          await close(descriptor);
        }
        if (this.sync) await syncFolder(folder);
        return;
      } catch (error) {
        // The folder is not there yet, or another process has just removed the last version in it.
        if (!hasCode(error, 'ENOENT') || attempt >= ATTEMPTS) throw error;
        await this.#create(folder).catch((creating: unknown) => {
          if (!hasCode(creating, 'ENOENT')) throw creating;
        });
      }
    }
  }

  /**
   * Removes what was recorded for a version that is gone, and with it what is left of others: when two processes
   * replace a file at once, neither knows all the versions that are gone by then. What is young may be waiting for its
   * version to be published.
   */
  async remove(key: string, gone: Identity, current?: Identity): Promise<void> {
    const folder = this.#folderOf(hashOf(key));
    const names = await namesIn(folder);
    if (names === undefined) return;
    const kept = current && nameOfVersion(current);
    for (const name of names) {
      if (name === kept) continue;
      const path = join(folder, name);
      if (name === nameOfVersion(gone) || (await isAbandoned(path))) await unlinkIfThere(path);
    }
    // Not empty when another version has been published: so it stays.
    if (kept === undefined || !names.includes(kept)) await rmdir(folder).catch(() => {});
  }

  /** Takes back what was written for a version that is not published after all. */
  async withdraw(hash: string, version: Identity): Promise<void> {
    const folder = this.#folderOf(hash);
    if (await unlinkIfThere(join(folder, nameOfVersion(version)))) {
      await rmdir(folder).catch(() => {});
    }
  }

  #folderOf(hash: string): string {
    return join(this.path, hash.slice(0, 2), hash.slice(2));
  }

  async #create(folder: string): Promise<void> {
    for (const path of [dirname(this.path), this.path, dirname(folder), folder]) {
      const created = await makeFolder(path, this.directoryPermissions);
      if (created && this.sync) await syncFolder(dirname(path));
    }
  }
}

/** A name of fixed length and plain characters for any key. */
export function hashOf(key: string): string {
  return createHash('sha256').update(key).digest('hex');
}

/** What has to be recorded; `undefined` when the file's name says all there is. */
export function toRecord(key: string, attributes: Recorded): Recorded | undefined {
  const record: Record<string, unknown> = {};
  for (const name of RECORDED) {
    if (attributes[name] !== undefined) record[name] = attributes[name];
  }
  if (attributes.contentType === contentTypeOf(key)) delete record['contentType'];
  if (Object.keys(attributes.metadata ?? {}).length === 0) delete record['metadata'];
  return Object.keys(record).length === 0 ? undefined : record;
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

async function namesIn(folder: string): Promise<string[] | undefined> {
  try {
    return await readNames(folder);
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}

async function isAbandoned(path: string): Promise<boolean> {
  try {
    return Date.now() - lastModifiedOf(await lstat(path)).getTime() > ABANDONED_MS;
  } catch {
    return false;
  }
}

function nameOfVersion({ size, mtimeNs, ino }: Identity): string {
  return `${size}-${mtimeNs}-${ino}.json`;
}

function parse(text: string): Recorded | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // Cut short by a power cut, with a durability that allows it.
    return undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const recorded: Record<string, unknown> = {};
  for (const name of RECORDED) {
    if (name in value) recorded[name] = (value as Record<string, unknown>)[name];
  }
  return recorded;
}
