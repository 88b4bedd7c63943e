import { randomBytes, randomUUID } from 'node:crypto';
import type { ParsedAttributes } from '../../core/attributes.js';
import type { DriverBody } from '../../core/body.js';
import { ByteCollector } from '../../core/byte-collector.js';
import type { Capabilities } from '../../core/capabilities.js';
import {
  type Checksum,
  type ChecksumAlgorithm,
  parseChecksumAlgorithm,
  startChecksum,
} from '../../core/checksum.js';
import {
  checkReadConditions,
  checkWriteConditions,
  type WriteConditions,
} from '../../core/conditions.js';
import {
  StorageFileNotFoundError,
  StorageInvalidArgumentError,
  StorageQuotaExceededError,
} from '../../core/errors.js';
import { compareKeys } from '../../core/key.js';
import type { MultipartPart } from '../../core/multipart.js';
import { resolveRange } from '../../core/range.js';
import {
  SIGNED_PART_CONSTRAINTS,
  SIGNED_UPLOAD_CONSTRAINTS,
  UrlSigner,
} from '../../core/signed-url.js';
import type {
  DriverCopyOptions,
  DriverDeleteOptions,
  DriverDeleteResult,
  DriverDownload,
  DriverFactory,
  DriverGetOptions,
  DriverListedUpload,
  DriverListOptions,
  DriverListUploadsOptions,
  DriverMultipartOptions,
  DriverOptions,
  DriverPartUrlOptions,
  DriverPutOptions,
  DriverUpload,
  DriverUploadUrlOptions,
  DriverUrlOptions,
  ListPage,
  StorageDriver,
  UploadUrl,
} from '../../core/storage-driver.js';
import { type StoredFile, storedFile } from '../../core/stored-file.js';
import { parseByteSize } from '../../core/units.js';
import { decodeCursor, encodeCursor } from './memory.cursor.js';
import type { MemoryStorageOptions } from './memory.options.js';

interface Entry {
  readonly bytes: Uint8Array;
  readonly file: StoredFile;
}

interface Upload {
  readonly key: string;
  readonly attributes: ParsedAttributes;
  readonly startedAt: Date;
  readonly parts: Map<number, { readonly bytes: Uint8Array; readonly etag: string }>;
}

/** Opens an empty memory storage. */
export const createMemoryDriver: DriverFactory<MemoryStorageOptions, undefined> = async (
  options,
  { storage },
) => new MemoryDriver(options, storage);

class MemoryDriver implements StorageDriver<undefined> {
  readonly name = 'memory';
  readonly client = undefined;
  readonly capabilities: Capabilities;
  readonly #entries = new Map<string, Entry>();
  readonly #uploads = new Map<string, Upload>();
  readonly #maxSize: number;
  readonly #checksum: ChecksumAlgorithm | undefined;
  readonly #signer: UrlSigner | undefined;
  // Etags of two drivers differ, so that one storage's validator is never taken for another's.
  readonly #instance = randomBytes(6).toString('hex');
  #writes = 0;
  #used = 0;
  /** All keys in listing order; gone as soon as a key comes or goes. */
  #sortedKeys: string[] | undefined;

  constructor({ maxSize, checksum, ...signing }: MemoryStorageOptions, storage: string) {
    this.#maxSize = maxSize === undefined ? Infinity : parseByteSize(maxSize, 'maxSize');
    this.#checksum = checksum === undefined ? undefined : parseChecksumAlgorithm(checksum);
    this.#signer = UrlSigner.of(storage, signing);
    const canSign = this.#signer !== undefined;
    this.capabilities = {
      createOnly: true,
      compareAndSet: true,
      conditionalDelete: true,
      createOnlyCopy: true,
      conditionalGet: true,
      ranges: true,
      metadata: true,
      headers: true,
      delimiters: 'any',
      atomicMove: true,
      multipart: true,
      multipartListing: true,
      signedUrls: canSign,
      signedCacheControl: canSign,
      signedUploads: {
        PUT: canSign && SIGNED_UPLOAD_CONSTRAINTS,
        POST: canSign && SIGNED_UPLOAD_CONSTRAINTS,
      },
      signedParts: canSign && SIGNED_PART_CONSTRAINTS,
      checksums: ['crc32', 'crc32c', 'md5', 'sha1', 'sha256'],
      retries: true,
      limits: {
        maxObjectSize: Number.MAX_SAFE_INTEGER,
        minPartSize: 0,
        maxPartSize: Number.MAX_SAFE_INTEGER,
        maxParts: 10_000,
        deleteBatch: 1000,
        maxExpiresIn: 7 * 24 * 3600,
      },
    };
  }

  async put(key: string, body: DriverBody, options: DriverPutOptions): Promise<StoredFile> {
    // A copy, so that bytes which the caller changes later stay as they were stored.
    const bytes =
      body instanceof Uint8Array ? Uint8Array.from(body) : await this.#collect(key, body);
    return this.#commit(key, bytes, options);
  }

  async get(key: string, { range, ...conditions }: DriverGetOptions): Promise<DriverDownload> {
    const entry = this.#entry(key);
    checkReadConditions(entry.file, conditions);
    const { bytes } = entry;
    const file = handedOut(entry.file);
    if (!range) return { file, body: bytes.slice() };
    const resolved = resolveRange(range, file.size);
    return { file, range: resolved, body: bytes.slice(resolved.start, resolved.end + 1) };
  }

  async info(key: string): Promise<StoredFile> {
    return handedOut(this.#entry(key).file);
  }

  async *list(options: DriverListOptions): AsyncGenerator<ListPage, void> {
    const { prefix, delimiter, startAfter, pageSize, cursor } = options;
    let passed = cursor === undefined ? undefined : decodeCursor(cursor);
    for (;;) {
      const files: StoredFile[] = [];
      const prefixes: string[] = [];
      let last: string | undefined;
      let more = false;
      for (const key of this.#keysAfter(passed ?? startAfter, prefix)) {
        const cut = delimiter === undefined ? -1 : key.indexOf(delimiter, prefix.length);
        const common = cut === -1 ? undefined : key.slice(0, cut + delimiter!.length);
        if (common !== undefined && (common === last || common === passed)) continue;
        if (files.length + prefixes.length === pageSize) {
          more = true;
          break;
        }
        if (common === undefined) files.push(listed(this.#entries.get(key)!.file));
        else prefixes.push(common);
        last = common ?? key;
      }
      yield { files, prefixes, ...(more && { cursor: encodeCursor(last!) }) };
      if (!more) return;
      passed = last;
    }
  }

  async deleteMany(
    keys: readonly string[],
    { ifMatch }: DriverDeleteOptions,
  ): Promise<DriverDeleteResult> {
    if (ifMatch !== undefined) checkWriteConditions(this.#entries.get(keys[0]!)?.file, { ifMatch });
    for (const key of keys) this.#remove(key);
    return { failed: [] };
  }

  async copy(
    from: string,
    to: string,
    { move, ifNoneMatch, ...attributes }: DriverCopyOptions,
  ): Promise<StoredFile> {
    const { bytes, file } = this.#entry(from);
    checkWriteConditions(this.#entries.get(to)?.file, { ...(ifNoneMatch && { ifNoneMatch }) });
    // Stored bytes are never written to, so two keys may share them until one is replaced.
    this.#assertRoom(to, bytes.byteLength, move ? bytes.byteLength : 0);
    if (move) this.#remove(from);
    return this.#store(to, bytes, { ...file, ...attributes });
  }

  async url(key: string, options: DriverUrlOptions): Promise<string> {
    return this.#signer!.readUrl(key, options);
  }

  async uploadUrl(key: string, options: DriverUploadUrlOptions): Promise<UploadUrl> {
    return this.#signer!.uploadUrl(key, options);
  }

  async startMultipartUpload(key: string, attributes: DriverMultipartOptions): Promise<string> {
    const uploadId = randomUUID();
    this.#uploads.set(uploadId, { key, attributes, startedAt: new Date(), parts: new Map() });
    return uploadId;
  }

  async uploadPart(
    upload: DriverUpload,
    partNumber: number,
    body: Uint8Array,
    _options: DriverOptions,
  ): Promise<MultipartPart> {
    const { parts } = this.#upload(upload);
    const replaced = parts.get(partNumber)?.bytes.byteLength ?? 0;
    if (this.#used - replaced + body.byteLength > this.#maxSize) throw this.#full();
    const md5 = startChecksum('md5');
    md5.update(body);
    const etag = `"${Buffer.from(md5.digest().value, 'base64').toString('hex')}"`;
    parts.set(partNumber, { bytes: Uint8Array.from(body), etag });
    this.#used += body.byteLength - replaced;
    return { partNumber, etag, size: body.byteLength };
  }

  async uploadPartUrl(
    upload: DriverUpload,
    partNumber: number,
    options: DriverPartUrlOptions,
  ): Promise<UploadUrl> {
    return this.#signer!.uploadPartUrl(upload, partNumber, options);
  }

  async listParts(upload: DriverUpload): Promise<MultipartPart[]> {
    return [...this.#upload(upload).parts]
      .map(([partNumber, { bytes, etag }]) => ({ partNumber, etag, size: bytes.byteLength }))
      .sort((left, right) => left.partNumber - right.partNumber);
  }

  async completeMultipartUpload(
    upload: DriverUpload,
    parts: readonly Pick<MultipartPart, 'partNumber' | 'etag'>[],
    options: DriverOptions & WriteConditions,
  ): Promise<StoredFile> {
    const { attributes, parts: stored } = this.#upload(upload);
    const chunks = parts.map(({ partNumber, etag }) => {
      const part = stored.get(partNumber);
      if (part?.etag === etag) return part.bytes;
      throw new StorageInvalidArgumentError(
        `Part ${partNumber} with the etag ${etag} was not uploaded`,
      );
    });
    checkWriteConditions(this.#entries.get(upload.key)?.file, options);
    this.#dropUpload(upload);
    return this.#store(upload.key, joined(chunks), attributes);
  }

  async abortMultipartUpload(upload: DriverUpload): Promise<void> {
    if (this.#uploads.get(upload.uploadId)?.key === upload.key) this.#dropUpload(upload);
  }

  async *listMultipartUploads({
    prefix,
  }: DriverListUploadsOptions): AsyncGenerator<DriverListedUpload[], void> {
    yield [...this.#uploads].flatMap(([uploadId, { key, startedAt }]) =>
      key.startsWith(prefix) ? [{ key, uploadId, startedAt: new Date(startedAt) }] : [],
    );
  }

  async close(): Promise<void> {
    this.#entries.clear();
    this.#uploads.clear();
    this.#sortedKeys = undefined;
    this.#used = 0;
  }

  async #collect(key: string, body: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
    const collector = new ByteCollector();
    for await (const chunk of body) {
      this.#assertRoom(key, collector.size + chunk.byteLength);
      collector.append(chunk);
    }
    return collector.bytes();
  }

  #commit(key: string, bytes: Uint8Array, options: DriverPutOptions): StoredFile {
    options.signal.throwIfAborted();
    checkWriteConditions(this.#entries.get(key)?.file, options);
    return this.#store(key, bytes, options);
  }

  #store(
    key: string,
    bytes: Uint8Array,
    attributes: ParsedAttributes | StoredFile | DriverPutOptions,
  ): StoredFile {
    this.#assertRoom(key, bytes.byteLength);
    this.#remove(key);
    const file = storedFile({
      key,
      size: bytes.byteLength,
      contentType: attributes.contentType,
      etag: `"${this.#instance}-${(++this.#writes).toString(36)}"`,
      lastModified: new Date(),
      metadata: attributes.metadata,
      cacheControl: attributes.cacheControl,
      contentDisposition: attributes.contentDisposition,
      contentEncoding: attributes.contentEncoding,
      contentLanguage: attributes.contentLanguage,
      checksum: 'checksum' in attributes ? attributes.checksum : this.#checksumOf(bytes),
    });
    this.#entries.set(key, { bytes, file });
    this.#used += bytes.byteLength;
    this.#sortedKeys = undefined;
    return handedOut(file);
  }

  #checksumOf(bytes: Uint8Array): Checksum | undefined {
    if (!this.#checksum) return undefined;
    const running = startChecksum(this.#checksum);
    running.update(bytes);
    return running.digest();
  }

  #remove(key: string): void {
    const entry = this.#entries.get(key);
    if (!entry) return;
    this.#entries.delete(key);
    this.#used -= entry.bytes.byteLength;
    this.#sortedKeys = undefined;
  }

  #entry(key: string): Entry {
    const entry = this.#entries.get(key);
    if (!entry) throw new StorageFileNotFoundError();
    return entry;
  }

  #upload({ key, uploadId }: DriverUpload): Upload {
    const upload = this.#uploads.get(uploadId);
    if (upload?.key !== key) {
      throw new StorageFileNotFoundError('The multipart upload is not there');
    }
    return upload;
  }

  #dropUpload({ uploadId }: DriverUpload): void {
    for (const { bytes } of this.#uploads.get(uploadId)!.parts.values()) {
      this.#used -= bytes.byteLength;
    }
    this.#uploads.delete(uploadId);
  }

  /** What the key holds now makes room for what replaces it. */
  #assertRoom(key: string, size: number, freed = 0): void {
    const replaced = this.#entries.get(key)?.bytes.byteLength ?? 0;
    if (this.#used - replaced - freed + size > this.#maxSize) throw this.#full();
  }

  #full(): StorageQuotaExceededError {
    return new StorageQuotaExceededError(`The storage is limited to ${this.#maxSize} bytes in all`);
  }

  /** The keys with the prefix after `after`, as they are now; keys that go meanwhile are left out. */
  *#keysAfter(after: string | undefined, prefix: string): Generator<string, void> {
    this.#sortedKeys ??= [...this.#entries.keys()].sort(compareKeys);
    const keys = this.#sortedKeys;
    const start = after !== undefined && compareKeys(after, prefix) >= 0 ? after : prefix;
    for (let index = firstNotBefore(keys, start); index < keys.length; index++) {
      const key = keys[index]!;
      if (!key.startsWith(prefix)) return;
      if (key === after) continue;
      if (this.#entries.has(key)) yield key;
    }
  }
}

/** With a Date of its own: nothing freezes a Date, and whoever sets one must not date the stored file. */
function handedOut(file: StoredFile): StoredFile {
  return Object.freeze({ ...file, lastModified: new Date(file.lastModified!) });
}

/** Not a Buffer: its slice() would hand out the stored bytes themselves, where that of a Uint8Array copies. */
function joined(chunks: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(chunks.reduce((size, chunk) => size + chunk.byteLength, 0));
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.byteLength;
  }
  return bytes;
}

/** Index of the first key that is not before `start`, by binary search. */
function firstNotBefore(keys: readonly string[], start: string): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compareKeys(keys[middle]!, start) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** No more than every other backend lists: code that is tested on this one must not come to rely on it. */
function listed({ key, size, etag, lastModified }: StoredFile): StoredFile {
  return storedFile({ key, size, etag, lastModified: lastModified && new Date(lastModified) });
}
