import { unshared } from '../core/body.js';
import { StorageFileNotFoundError } from '../core/errors.js';
import { infoIfThere } from '../core/info-if-there.js';
import type { MultipartPart, MultipartUpload } from '../core/multipart.js';
import type { Storage } from '../core/storage.js';
import { PartBuffer } from './part-buffer.js';
import { isOverflow, uploadChanged } from './tus.exceptions.js';
import {
  deleteRecord,
  type PublishedAs,
  readRecord,
  type UploadRecord,
  writeRecord,
} from './upload-record.js';

/** The bytes that the backend has of an upload. */
interface Progress {
  readonly parts: readonly MultipartPart[];
  /** Bytes after the parts, fewer than one of them, in a file of their own. */
  readonly tail: number;
  /** All bytes are in one staged file. */
  readonly isWhole: boolean;
}

const NOTHING: Progress = { parts: [], tail: 0, isWhole: false };
const WHOLE: Progress = { parts: [], tail: 0, isWhole: true };

/**
 * The bytes of an upload in the staging area: parts of one size, and what comes after them in a file that says by its
 * name which part it is the beginning of. So whatever process is killed at whatever moment, what the backend has is a
 * beginning of the file, and says how long it is.
 *
 * One request at a time, which has the lock.
 */
export class StagedUpload {
  private constructor(
    private readonly staging: Storage,
    /** Of the staged file that all bytes come together in; all else has names that begin with it. */
    readonly name: string,
    private current: UploadRecord,
    private progress: Progress,
  ) {}

  /** @param maxSize of an upload whose length is not known yet */
  static async create(
    staging: Storage,
    name: string,
    given: Omit<UploadRecord, 'multipart'>,
    maxSize: number,
  ): Promise<StagedUpload> {
    const { length } = given;
    const { minPartSize, maxPartSize, maxParts } = staging.capabilities.limits;
    const partSize = Math.min(maxPartSize, Math.max(given.partSize, minPartSize));
    let record: UploadRecord = { ...given, partSize };
    if (length === undefined || length > partSize) {
      const multipart = await staging.startMultipartUpload(name, {
        partSize: Math.max(partSize, Math.ceil((length ?? maxSize) / maxParts)),
        ...(length !== undefined && { size: length }),
      });
      record = { ...given, partSize: multipart.partSize, multipart };
    }
    try {
      await writeRecord(staging, name, record);
    } catch (error) {
      if (record.multipart) await staging.abortMultipartUpload(record.multipart);
      throw error;
    }
    return new StagedUpload(staging, name, record, NOTHING);
  }

  /** An upload all of whose bytes are given. */
  static async createWhole(
    staging: Storage,
    name: string,
    record: UploadRecord & { readonly length: number },
    body: AsyncIterable<Uint8Array>,
  ): Promise<StagedUpload> {
    await staging.put(name, unshared(body), { size: record.length });
    try {
      await writeRecord(staging, name, record);
    } catch (error) {
      await staging.delete(name);
      throw error;
    }
    return new StagedUpload(staging, name, record, WHOLE);
  }

  /** `undefined` when it is not there any more. */
  static async find(staging: Storage, name: string): Promise<StagedUpload | undefined> {
    const record = await readRecord(staging, name);
    const progress = record && (await progressOf(staging, name, record));
    return progress && new StagedUpload(staging, name, record!, progress);
  }

  get record(): UploadRecord {
    return this.current;
  }

  /** How many bytes the backend has. */
  get offset(): number {
    const { parts, tail, isWhole } = this.progress;
    if (isWhole) return this.record.length!;
    return parts.reduce((sum, { size }) => sum + size, tail);
  }

  /** Whether the backend has all bytes. */
  get isComplete(): boolean {
    return this.offset === this.record.length;
  }

  /** Writes down what has become known. */
  async note(
    known: Partial<Pick<UploadRecord, 'length' | 'isTold' | 'isDone'>> & {
      readonly file?: PublishedAs;
    },
  ): Promise<void> {
    const record = { ...this.current, ...known };
    await writeRecord(this.staging, this.name, record);
    this.current = record;
  }

  /** Goes by it from here on. When it cannot be written down, other requests do not know. */
  async remember(known: Partial<Pick<UploadRecord, 'isTold' | 'isDone'>>): Promise<void> {
    this.current = { ...this.current, ...known };
    await writeRecord(this.staging, this.name, this.current).catch(() => {});
  }

  /**
   * Stores the bytes after those that are there. Of a source that fails, what came before is kept; of one that has more bytes than
   * the upload, only full parts that are not its last one, so that it is not taken for complete.
   *
   * @returns bytes that the backend has then
   * @throws UploadException 409 when another process has written to it since it was found
   */
  async append(source: AsyncIterable<Uint8Array>): Promise<number> {
    // There is no part to be filled.
    if (this.isComplete) return this.offset;
    const buffer = await this.#openBuffer();
    try {
      await this.#sendFullParts(source, buffer);
    } catch (error) {
      if (!isOverflow(error)) await this.#saveTail(buffer).catch(() => {});
      throw error;
    }
    if (this.#endsWith(buffer)) await this.#sendLast(buffer);
    else await this.#saveTail(buffer);
    return this.offset;
  }

  /** Brings all bytes together in one staged file. @throws UploadException 409 as `append` does */
  async assemble(): Promise<void> {
    if (this.progress.isWhole) return;
    const { multipart } = this.record;
    const buffer = await this.#openBuffer();
    if (multipart) await this.#joinParts(multipart, buffer);
    else await this.#putWhole(buffer);
  }

  /** Removes the upload and all that the backend has of it. What fails is left to the next sweep. */
  async remove(): Promise<void> {
    const { multipart } = this.record;
    await deleteRecord(this.staging, this.name);
    if (multipart) await this.staging.abortMultipartUpload(multipart);
    await this.staging.deletePrefix(this.name);
  }

  /** @param tail of the last part, which is not sent yet */
  async #joinParts(multipart: MultipartUpload, tail: PartBuffer): Promise<void> {
    const key = this.#tailKey;
    if (tail.size > 0) await this.#sendPart(tail);
    const { parts } = this.progress;
    if (parts.length > 0) {
      await this.staging.completeMultipartUpload(multipart, parts);
    } else {
      // Its length was told last, and is none: no backend makes a file of no parts.
      await this.staging.put(this.name, new Uint8Array());
      await this.staging.abortMultipartUpload(multipart);
    }
    this.progress = WHOLE;
    // It says nothing any more.
    await this.staging.delete(key).catch(() => {});
  }

  get #tailKey(): string {
    return tailKey(this.name, this.progress.parts);
  }

  /** A buffer for the part that comes next, with the beginning of it that is stored already. */
  async #openBuffer(): Promise<PartBuffer> {
    const { parts, tail } = this.progress;
    const { length = Infinity, partSize } = this.record;
    const start = parts.length * partSize;
    const buffer = new PartBuffer(Math.max(0, Math.min(partSize, length - start)));
    if (tail === 0) return buffer;
    buffer.fill(await this.#readTail());
    return buffer;
  }

  async #readTail(): Promise<Uint8Array> {
    try {
      const bytes = await this.staging.getBytes(this.#tailKey);
      if (bytes.byteLength === this.progress.tail) return bytes;
    } catch (error) {
      if (!(error instanceof StorageFileNotFoundError)) throw error;
    }
    // What comes next would go to another place than the client means.
    throw uploadChanged();
  }

  /** Sends each part that is full. The last one of the file stays in the buffer, as what does not fill a part. */
  async #sendFullParts(source: AsyncIterable<Uint8Array>, buffer: PartBuffer): Promise<void> {
    for await (const chunk of source) {
      let rest = buffer.fill(chunk);
      while (buffer.isFull && !this.#endsWith(buffer)) {
        await this.#sendPart(buffer);
        rest = buffer.fill(rest);
      }
      // More than the length that was announced is for the caller to refuse.
      if (rest.byteLength > 0) break;
    }
  }

  /** Whether the file has no bytes after those of the buffer. */
  #endsWith({ size }: PartBuffer): boolean {
    const { partSize, length } = this.record;
    return this.progress.parts.length * partSize + size === length;
  }

  async #sendPart(buffer: PartBuffer): Promise<void> {
    const { parts, tail } = this.progress;
    const key = this.#tailKey;
    const part = await this.staging.uploadPart(
      this.record.multipart!,
      parts.length + 1,
      buffer.bytes,
    );
    this.progress = { ...NOTHING, parts: [...parts, part] };
    buffer.clear();
    // Nobody looks for it any more, now that the part is there.
    if (tail > 0) await this.staging.delete(key).catch(() => {});
  }

  async #saveTail({ size, bytes }: PartBuffer): Promise<void> {
    if (size === this.progress.tail) return;
    await this.staging.put(this.#tailKey, bytes);
    this.progress = { ...this.progress, tail: size };
  }

  async #sendLast(buffer: PartBuffer): Promise<void> {
    if (!this.record.multipart) await this.#putWhole(buffer);
    else if (buffer.size > 0) await this.#sendPart(buffer);
  }

  async #putWhole({ bytes }: PartBuffer): Promise<void> {
    const { tail } = this.progress;
    const key = this.#tailKey;
    await this.staging.put(this.name, bytes);
    this.progress = WHOLE;
    if (tail > 0) await this.staging.delete(key).catch(() => {});
  }
}

/** `undefined` when it is not there any more. */
async function progressOf(
  staging: Storage,
  name: string,
  record: UploadRecord,
): Promise<Progress | undefined> {
  const { multipart, length } = record;
  if (record.file || record.isDone) return WHOLE;
  if (!multipart) {
    const [size, tail] = await Promise.all([
      sizeOf(staging, name),
      sizeOf(staging, tailKey(name, [])),
    ]);
    if (size !== undefined && size === length) return WHOLE;
    return { ...NOTHING, tail: tail ?? 0 };
  }
  try {
    const parts = beginningOf(await staging.listParts(multipart), record);
    const tail = await sizeOf(staging, tailKey(name, parts));
    return { ...NOTHING, parts, tail: tail ?? 0 };
  } catch (error) {
    if (!(error instanceof StorageFileNotFoundError)) throw error;
    // Completed already, or gone.
    return (await sizeOf(staging, name)) === length ? WHOLE : undefined;
  }
}

/** The parts that the file begins with: no hole before them, and each of its size. */
function beginningOf(
  parts: readonly MultipartPart[],
  { partSize, length = Infinity }: UploadRecord,
): MultipartPart[] {
  const end = parts.findIndex(
    ({ partNumber, size }, index) =>
      partNumber !== index + 1 || size !== Math.min(partSize, length - index * partSize),
  );
  return parts.slice(0, end === -1 ? parts.length : end);
}

/** Never the name of the whole: what a process has begun to store, and others wait for no more, may come after that. */
function tailKey(name: string, parts: readonly unknown[]): string {
  return `${name}.part-${parts.length + 1}`;
}

async function sizeOf(staging: Storage, key: string): Promise<number | undefined> {
  return (await infoIfThere(staging, key))?.size;
}
