import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { ParsedAttributes } from '../../core/attributes.js';
import type { DriverBody } from '../../core/body.js';
import type { WriteConditions } from '../../core/conditions.js';
import {
  StorageError,
  StorageFileNotFoundError,
  StorageInvalidArgumentError,
} from '../../core/errors.js';
import type { MultipartPart } from '../../core/multipart.js';
import type {
  DriverListedUpload,
  DriverMultipartOptions,
  DriverOptions,
  DriverUpload,
} from '../../core/storage-driver.js';
import type { StoredFile } from '../../core/stored-file.js';
import { type SummedBody, summedBody } from '../../core/summed-body.js';
import { throwIfAborted } from './local.errors.js';
import { etagOf, lastModifiedOf } from './local.identity.js';
import { attributesOf, parseRecorded, toRecord } from './local.metadata.js';
import { isOwnFolder, makeOwnFolder } from './local.reserved.js';
import {
  O_NOFOLLOW,
  O_RDONLY,
  close,
  hasCode,
  link,
  lstat,
  open,
  read,
  readNames,
  readText,
  removeTree,
  rename,
  syncFolder,
  unlinkIfThere,
} from './local.system-calls.js';
import type { Slot } from './local.slots.js';
import { publish, stageBody, type LocalContext, type StagedFile } from './local.writes.js';

const UPLOAD_ID = /^[0-9a-f]{32}$/;
const PART_FILE = /^part-(\d+)$/;
const RECORD_FILE = 'upload.json';
const CHUNK_BYTES = 1024 * 1024;
const LIST_PAGE_SIZE = 100;

interface UploadRecord {
  readonly key: string;
  readonly attributes: ParsedAttributes;
}

/**
 * Uploads in parts: a folder for each, `uploads/<id>/`, with what was said at the start and a file for each part.
 * They outlive the process, and stay until they are completed or aborted.
 */
export class Uploads {
  readonly #path: string;

  constructor(private readonly context: LocalContext) {
    this.#path = join(context.root.reserved, 'uploads');
  }

  async start(key: string, options: DriverMultipartOptions): Promise<string> {
    const { directoryPermissions, durability } = this.context.options;
    const uploadId = randomBytes(16).toString('hex');
    const folder = join(this.#path, uploadId);
    const { signal, ...attributes } = options;
    const record: UploadRecord = { key, attributes };
    const text = Buffer.from(`${JSON.stringify(record)}\n`);
    const staged = await stageBody(this.context, key, text, signal);
    const begun = this.context.temporary.next();
    try {
      await makeOwnFolder(this.#path, directoryPermissions);
      await makeOwnFolder(begun, directoryPermissions);
      await rename(staged.path, join(begun, RECORD_FILE));
      if (durability === 'full') await syncFolder(begun);
      // Never without its record, by which alone a sweep knows it.
      await rename(begun, folder);
      if (durability === 'full') await syncFolder(this.#path);
    } catch (error) {
      await unlinkIfThere(staged.path);
      await removeTree(begun);
      throw error;
    }
    return uploadId;
  }

  async putPart(
    upload: DriverUpload,
    partNumber: number,
    body: Uint8Array,
    { size, signal }: { readonly size: number; readonly signal: AbortSignal },
  ): Promise<MultipartPart> {
    const { folder } = await this.#find(upload);
    const staged = await stageBody(this.context, upload.key, body, signal, size);
    try {
      await rename(staged.path, pathOfPart(folder, { partNumber }));
    } catch (error) {
      await unlinkIfThere(staged.path);
      // Aborted or completed meanwhile.
      if (hasCode(error, 'ENOENT')) throw noUpload(upload, error);
      throw error;
    }
    if (this.context.options.durability === 'full') await syncFolder(folder);
    return { partNumber, etag: etagOf(staged.version), size };
  }

  async list(upload: DriverUpload): Promise<MultipartPart[]> {
    const { folder } = await this.#find(upload);
    const parts: MultipartPart[] = [];
    try {
      for (const name of await readNames(folder)) {
        const partNumber = Number(PART_FILE.exec(name)?.[1]);
        if (Number.isNaN(partNumber)) continue;
        const stats = await lstat(join(folder, name));
        if (!stats.isFile()) continue;
        parts.push({ partNumber, etag: etagOf(stats), size: Number(stats.size) });
      }
    } catch (error) {
      if (hasCode(error, 'ENOENT')) throw noUpload(upload, error);
      throw error;
    }
    return parts.sort((left, right) => left.partNumber - right.partNumber);
  }

  /** The parts stay until the file is published: what fails here can be done again. */
  async complete(
    slot: Slot,
    upload: DriverUpload,
    parts: readonly Pick<MultipartPart, 'partNumber' | 'etag'>[],
    options: DriverOptions & WriteConditions,
  ): Promise<StoredFile> {
    const { folder, record } = await this.#find(upload);
    assertParts(parts, await this.list(upload));
    const content = this.#contentOf(folder, parts, options.signal);
    const summed = this.#summed(content);
    const [only, ...others] = parts;
    const staged =
      only && others.length === 0 && !summed
        ? await this.#linkPart(upload, folder, only)
        : await this.#join(upload, summed?.body ?? content, options.signal);
    const recorded = toRecord(upload.key, {
      ...record.attributes,
      ...(summed && { checksum: summed.digest() }),
    });
    const file = await publish(this.context, slot, upload.key, staged, recorded, options);
    await this.#remove(folder);
    return file;
  }

  async abort(upload: DriverUpload): Promise<void> {
    try {
      const { folder } = await this.#find(upload);
      await this.#remove(folder);
    } catch (error) {
      if (!(error instanceof StorageFileNotFoundError)) throw error;
      await this.context.root.assertThere();
    }
  }

  /** Those of keys with the prefix. When one began, its record was written. */
  async *underWay(prefix: string, signal: AbortSignal): AsyncGenerator<DriverListedUpload[], void> {
    await this.context.root.assertThere();
    const names = (await isOwnFolder(this.#path)) ? await readNames(this.#path) : [];
    let page: DriverListedUpload[] = [];
    for (const uploadId of names) {
      throwIfAborted(signal);
      const folder = join(this.#path, uploadId);
      if (!UPLOAD_ID.test(uploadId) || !(await isOwnFolder(folder))) continue;
      const record = await readRecord(folder);
      if (!record?.key.startsWith(prefix)) continue;
      const startedAt = await timeOf(join(folder, RECORD_FILE));
      // Completed or aborted meanwhile.
      if (startedAt === undefined) continue;
      page.push({ key: record.key, uploadId, startedAt });
      if (page.length < LIST_PAGE_SIZE) continue;
      yield page;
      page = [];
    }
    yield page;
  }

  /** The id may come from outside: it must be one, stand for a folder of the driver's own, and belong to the key. */
  async #find(upload: DriverUpload): Promise<{ folder: string; record: UploadRecord }> {
    if (!UPLOAD_ID.test(upload.uploadId)) throw noUpload(upload);
    const folder = join(this.#path, upload.uploadId);
    if (!(await isOwnFolder(folder))) throw noUpload(upload);
    const record = await readRecord(folder);
    if (record?.key !== upload.key) throw noUpload(upload);
    return { folder, record };
  }

  #summed(content: DriverBody): SummedBody | undefined {
    const { checksum } = this.context.options;
    return checksum && summedBody(content, checksum);
  }

  /** A part is already a version of its own: a second name for it is enough. */
  async #linkPart(upload: DriverUpload, folder: string, part: NamedPart): Promise<StagedFile> {
    const { temporary } = this.context;
    const path = temporary.next(upload.key);
    try {
      await temporary.use(() => link(pathOfPart(folder, part), path));
    } catch (error) {
      if (hasCode(error, 'ENOENT')) throw noUpload(upload, error);
      throw error;
    }
    try {
      const version = await lstat(path);
      assertSamePart(part, etagOf(version));
      return { path, version, shared: true };
    } catch (error) {
      await unlinkIfThere(path);
      throw error;
    }
  }

  async #join(upload: DriverUpload, content: DriverBody, signal: AbortSignal): Promise<StagedFile> {
    try {
      return await stageBody(this.context, upload.key, content, signal);
    } catch (error) {
      const cause = error instanceof StorageError ? error.cause : error;
      if (hasCode(cause, 'ENOENT')) throw noUpload(upload, cause);
      throw error;
    }
  }

  /** Of the very parts that are named, however often others are sent under their numbers meanwhile. */
  async *#contentOf(
    folder: string,
    parts: readonly NamedPart[],
    signal: AbortSignal,
  ): AsyncGenerator<Uint8Array, void> {
    const { openFiles } = this.context.root;
    for (const part of parts) {
      const descriptor = await open(pathOfPart(folder, part), O_RDONLY | O_NOFOLLOW);
      try {
        assertSamePart(part, etagOf(await openFiles.fstat(descriptor)));
        for (let position = 0; ;) {
          throwIfAborted(signal);
          const chunk = Buffer.allocUnsafeSlow(CHUNK_BYTES);
          const count = await read(descriptor, chunk, 0, position);
          if (count === 0) break;
          position += count;
          yield chunk.subarray(0, count);
        }
      } finally {
        await close(descriptor);
      }
    }
  }

  /** At once for whoever looks for it, then file by file. */
  async #remove(folder: string): Promise<void> {
    const taken = this.context.temporary.next();
    try {
      await this.context.temporary.use(() => rename(folder, taken));
    } catch (error) {
      if (hasCode(error, 'ENOENT')) return;
      throw error;
    }
    await removeTree(taken);
  }
}

/** A part, and which of those that were sent under its number. */
type NamedPart = Pick<MultipartPart, 'partNumber' | 'etag'>;

function pathOfPart(folder: string, { partNumber }: Pick<NamedPart, 'partNumber'>): string {
  return join(folder, `part-${partNumber}`);
}

async function readRecord(folder: string): Promise<UploadRecord | undefined> {
  const text = await readText(join(folder, RECORD_FILE));
  return text === undefined ? undefined : parseUpload(text);
}

async function timeOf(path: string): Promise<Date | undefined> {
  try {
    return lastModifiedOf(await lstat(path));
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}

function parseUpload(text: string): UploadRecord | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  const { key, attributes } = (value ?? {}) as { key?: unknown; attributes?: unknown };
  if (typeof key !== 'string') return undefined;
  return { key, attributes: attributesOf(key, parseRecorded(attributes)) };
}

function assertParts(wanted: readonly NamedPart[], stored: readonly MultipartPart[]): void {
  const etags = new Map(stored.map(({ partNumber, etag }) => [partNumber, etag]));
  for (const { partNumber, etag } of wanted) {
    if (!etags.has(partNumber)) {
      throw new StorageInvalidArgumentError(`Part ${partNumber} was not uploaded`);
    }
    assertSamePart({ partNumber, etag }, etags.get(partNumber)!);
  }
}

function assertSamePart({ partNumber, etag }: NamedPart, found: string): void {
  if (etag === found) return;
  throw new StorageInvalidArgumentError(
    `Part ${partNumber} was uploaded again: its etag is another one`,
  );
}

function noUpload({ key }: DriverUpload, cause?: unknown): StorageFileNotFoundError {
  return new StorageFileNotFoundError('There is no such multipart upload', { key, cause });
}
