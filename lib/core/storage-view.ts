import { createHash } from 'node:crypto';
import { openBody, type OpenBody, type StorageBody } from './body.js';
import { assertCallOptions, type CallOptions } from './call-options.js';
import type { Capabilities, PartConstraint, UploadConstraint } from './capabilities.js';
import { parseWriteConditions, type WriteConditions } from './conditions.js';
import { notACursor } from './cursor.js';
import type { DriverSource } from './driver-source.js';
import {
  addErrorContext,
  StorageClosedError,
  StorageConfigurationError,
  StorageError,
  StorageInvalidArgumentError,
  StorageInvalidKeyError,
  StoragePermissionError,
  StorageTooLargeError,
  StorageUnsupportedError,
} from './errors.js';
import { encodeKey, isReserved, parseKey, parsePrefix, RESERVED_FOLDER } from './key.js';
import { DEFAULT_PART_SIZE, type MultipartUpload, parseMultipartUpload } from './multipart.js';
import { type Operation, Operations } from './operations.js';
import { otherListing } from './other-listing.js';
import { redactedKey } from './redaction.js';
import type { ParsedRetryOptions } from './retry.js';
import type { DriverListOptions, DriverUpload, ListPage, StorageDriver } from './storage-driver.js';
import type { ListPageOptions } from './storage-methods.js';
import {
  type ParsedStorageOptions,
  parseStorageName,
  parseStorageOptions,
  type StorageOptions,
} from './storage-options.js';
import type { FileAttributes, StoredFile } from './stored-file.js';
import { assertCount, type ByteSize, parseByteSize, parseExpiresIn } from './units.js';

interface Shared {
  readonly name: string;
  readonly source: DriverSource;
  readonly options: ParsedStorageOptions;
  readonly operations: Operations;
}

const ROUTES_OR_OPTIONS =
  'give StorageModule.forRoot() routes: { signingKeys: [{ id: "2026", secret: process.env.STORAGE_SECRET }] }, or the storage its own baseUrl and signingKeys';

/** What drivers that sign nothing are in want of. */
const NEEDED_TO_SIGN: Readonly<Record<string, string>> = {
  memory: ROUTES_OR_OPTIONS,
  local: ROUTES_OR_OPTIONS,
  azure: 'it needs an account key or a credential, for a shared access signature signs no others',
};

/** What the methods of a storage share: its prefix, its limits, what it may do, and how a call runs. */
export class StorageView {
  readonly #prefixBytes: number;
  #closed: Promise<void> | undefined;

  private constructor(
    private readonly shared: Shared,
    readonly prefix: string,
    readonly isReadonly: boolean,
    private readonly isRoot: boolean,
  ) {
    this.#prefixBytes = Buffer.byteLength(prefix);
  }

  static of(source: DriverSource, given: StorageOptions & { name?: string }): StorageView {
    const options = parseStorageOptions(given);
    const name = parseStorageName(given.name === undefined ? source.driverName : given.name);
    const operations = new Operations({
      storage: name,
      driver: source.driverName,
      isObserved: source.isObserved,
      timeout: options.timeout,
      totalTimeout: options.totalTimeout,
      retry: () => (source.driver?.capabilities.retries ? undefined : options.retry),
    });
    // Last: what is refused above is closed by nobody.
    source.hold();
    return new StorageView({ name, source, options, operations }, options.prefix, false, true);
  }

  get name(): string {
    return this.shared.name;
  }

  get driverName(): string {
    return this.shared.source.driverName;
  }

  get driver(): StorageDriver {
    const { driver } = this.shared.source;
    if (driver) return driver;
    throw new StorageConfigurationError(
      'The storage is not open yet: await storage.open(), or any other of its methods, first',
      { storage: this.name, driver: this.driverName },
    );
  }

  async open(operation: Operation): Promise<void> {
    if (!this.shared.source.driver) await this.shared.source.open();
    operation.driverStarts();
  }

  get capabilities(): Capabilities {
    return this.driver.capabilities;
  }

  get retry(): ParsedRetryOptions {
    return this.shared.options.retry;
  }

  /** Milliseconds. */
  get totalTimeout(): number | undefined {
    return this.shared.options.totalTimeout;
  }

  /** Requests of one call in flight at once. */
  get concurrency(): number {
    return this.shared.options.concurrency;
  }

  get maxObjectSize(): number {
    return Math.min(this.shared.options.maxObjectSize, this.capabilities.limits.maxObjectSize);
  }

  /** Whether the storage is configured to take less than its backend does. */
  get isSizeLimited(): boolean {
    return this.shared.options.maxObjectSize < this.capabilities.limits.maxObjectSize;
  }

  scoped(prefix: string): StorageView {
    if (prefix === '') throw new StorageInvalidArgumentError('The prefix of a scope is empty');
    return this.#derive(this.#joined(prefix, parsePrefix), this.isReadonly);
  }

  readonly(): StorageView {
    return this.#derive(this.prefix, true);
  }

  /**
   * Where files lie that are stored but not published yet: below the storage's prefix, and in no listing of it. Each scope has a
   * folder of its own there.
   */
  staging(): StorageView {
    const { prefix } = this.shared.options;
    const folder =
      this.prefix === prefix
        ? ''
        : `${createHash('sha256').update(this.prefix).digest('hex').slice(0, 32)}/`;
    return this.#derive(`${prefix}${RESERVED_FOLDER}/staged/${folder}`, this.isReadonly);
  }

  abortTransfers(): void {
    this.shared.operations.abortTransfers();
  }

  close(timeout: number): Promise<void> {
    this.#closed ??= this.isRoot ? this.#closeDriver(timeout) : Promise.resolve();
    return this.#closed;
  }

  /** Starts a call, with the checks that the options of all calls need. What it throws tells where it happened. */
  begin(name: string, given: string | undefined, options: CallOptions): Operation {
    const key = textOrNone(given);
    if (this.#closed && !this.isRoot) {
      const { name: storage, driverName: driver } = this;
      const context = { storage, driver, operation: name, key };
      throw new StorageClosedError('This view of the storage is closed', context);
    }
    try {
      assertCallOptions(name, options);
    } catch (error) {
      throw this.#refusal(error, name, key);
    }
    return this.shared.operations.begin(name, key, options.signal);
  }

  /** Runs a call from its start to its end; its failure is a StorageError that tells where it happened. */
  async run<T>(
    name: string,
    key: string | undefined,
    options: CallOptions,
    call: (operation: Operation) => Promise<T>,
  ): Promise<T> {
    const operation = this.begin(name, key, options);
    try {
      return await operation.run(async () => {
        await this.open(operation);
        return call(operation);
      });
    } catch (error) {
      throw operation.failure(error);
    } finally {
      operation.end();
    }
  }

  /** The same for a call about one key; `fullKey` is what the driver knows it by. */
  runKey<T>(
    name: string,
    key: string,
    options: CallOptions,
    call: (operation: Operation, fullKey: string) => Promise<T>,
  ): Promise<T> {
    return this.run(name, key, options, (operation) => call(operation, this.fullKey(key)));
  }

  /** The same for a call about a multipart upload. */
  runUpload<T>(
    name: string,
    upload: MultipartUpload,
    options: CallOptions,
    call: (operation: Operation, upload: DriverUpload) => Promise<T>,
  ): Promise<T> {
    return this.run(name, upload?.key, options, async (operation) => {
      // An invalid key is told first, as by every other call; what else is no upload, only where there are any.
      const key = typeof upload?.key === 'string' ? this.fullKey(upload.key) : '';
      this.assertWritable();
      this.assertMultipart();
      return call(operation, { key, uploadId: parseMultipartUpload(upload).uploadId });
    });
  }

  /** Opens a body before the call begins, so that it can be freed whatever becomes of the call. */
  openBody(operation: string, key: string, body: StorageBody): OpenBody {
    try {
      return openBody(body);
    } catch (error) {
      throw this.#refusal(error, operation, textOrNone(key));
    }
  }

  /** @throws StorageInvalidKeyError */
  fullKey(key: string): string {
    return this.#joined(key, parseKey);
  }

  /** The same for the second key of a call, which the error would not name otherwise. */
  destinationKey(key: string): string {
    try {
      return this.fullKey(key);
    } catch (error) {
      if (!(error instanceof StorageInvalidKeyError)) throw error;
      const shownKey = JSON.stringify(redactedKey(key));
      throw new StorageInvalidKeyError(`The destination ${shownKey}: ${error.reason}`);
    }
  }

  /** @throws StorageInvalidKeyError */
  fullPrefix(prefix: string): string {
    return this.#joined(prefix, parsePrefix);
  }

  ownKey(fullKey: string): string {
    return fullKey.slice(this.prefix.length);
  }

  /** A file of the driver under the key that the caller knows. */
  own(file: StoredFile): StoredFile {
    if (this.prefix === '') return Object.isFrozen(file) ? file : Object.freeze(file);
    return Object.freeze({ ...file, key: this.ownKey(file.key) });
  }

  /**
   * The page without what lies in the reserved folder, which a prefix such as `'.'` matches, too.
   *
   * @throws StorageConnectionError when it is of another listing than was asked for
   */
  visible(
    { files, prefixes, ...rest }: ListPage,
    { prefix: asked }: Pick<DriverListOptions, 'prefix'>,
  ): ListPage {
    const isAsked =
      files.every(({ key }) => key.startsWith(asked)) &&
      prefixes.every((prefix) => prefix.startsWith(asked));
    if (!isAsked) throw otherListing();
    return {
      files: files.filter(({ key }) => this.isVisible(key)),
      prefixes: prefixes.filter((prefix) => this.isVisible(prefix)),
      ...rest,
    };
  }

  /** The staging area is seen by its own view only. */
  isVisible(fullKey: string): boolean {
    return this.#isReserved(this.prefix) || !this.#isReserved(fullKey);
  }

  ownFailure(
    fullKey: string,
    error: StorageError,
    operation: string,
  ): { key: string; error: StorageError } {
    const key = this.ownKey(fullKey);
    const { name: storage, driverName: driver } = this;
    return { key, error: addErrorContext(error, { storage, driver, operation, key }) };
  }

  assertWritable(): void {
    if (this.isReadonly) throw new StoragePermissionError('This view of the storage is read-only');
  }

  assertMultipart(): void {
    if (!this.capabilities.multipart) throw this.#unsupported('multipart uploads');
  }

  assertMultipartListing(): void {
    this.assertMultipart();
    if (!this.capabilities.multipartListing) {
      throw this.#unsupported('listing the multipart uploads under way');
    }
  }

  assertAttributes(attributes: FileAttributes): void {
    const { metadata, headers } = this.capabilities;
    if (!metadata && Object.keys(attributes.metadata ?? {}).length > 0) {
      throw this.#unsupported('metadata');
    }
    const { cacheControl, contentDisposition, contentEncoding, contentLanguage } = attributes;
    if (!headers && (cacheControl ?? contentDisposition ?? contentEncoding ?? contentLanguage)) {
      throw this.#unsupported('cacheControl, contentDisposition, contentEncoding, contentLanguage');
    }
  }

  writeConditions(options: WriteConditions): WriteConditions {
    const conditions = parseWriteConditions(options);
    if (conditions.ifNoneMatch && !this.capabilities.createOnly) {
      throw this.#unsupported("writes with ifNoneMatch: '*'");
    }
    if (conditions.ifMatch !== undefined && !this.capabilities.compareAndSet) {
      throw this.#unsupported('writes with ifMatch');
    }
    return conditions;
  }

  deleteCondition(ifMatch: string | undefined): { ifMatch?: string } {
    const condition = parseWriteConditions({ ...(ifMatch !== undefined && { ifMatch }) });
    if (condition.ifMatch !== undefined && !this.capabilities.conditionalDelete) {
      throw this.#unsupported('deletions with ifMatch');
    }
    // Any version is as good as no condition: what is not there counts as deleted.
    return condition.ifMatch === '*' ? {} : { ...condition };
  }

  copyCondition(ifNoneMatch: '*' | undefined): { ifNoneMatch?: '*' } {
    const condition = parseWriteConditions({ ...(ifNoneMatch !== undefined && { ifNoneMatch }) });
    if (condition.ifNoneMatch && !this.capabilities.createOnlyCopy) {
      throw this.#unsupported("copies with ifNoneMatch: '*'");
    }
    return condition;
  }

  assertConditionalGet(): void {
    if (!this.capabilities.conditionalGet) throw this.#unsupported('reads with conditions');
  }

  assertRanges(): void {
    if (!this.capabilities.ranges) throw this.#unsupported('ranges');
  }

  /** For reads that are to be verified. */
  assertChecksums(): void {
    if (this.capabilities.checksums.length === 0) throw this.#unsupported('checksums');
  }

  assertSignedUrls(): void {
    if (!this.capabilities.signedUrls) throw this.#cannotSign('URLs');
  }

  assertSignedCacheControl(): void {
    if (!this.capabilities.signedCacheControl) {
      throw this.#unsupported('signed URLs that are bound to a Cache-Control');
    }
  }

  /** @throws StorageTooLargeError */
  assertObjectSize(size: number): void {
    if (size <= this.maxObjectSize) return;
    throw new StorageTooLargeError(
      `The file has ${size} bytes, more than the limit of ${this.maxObjectSize}`,
    );
  }

  /**
   * The greatest size that an upload URL is to be bound to, where there is one.
   *
   * @throws StorageTooLargeError
   * @throws StorageUnsupportedError when `maxObjectSize` could be exceeded with the URL
   */
  uploadLimit(
    method: 'PUT' | 'POST',
    size: number | undefined,
    maxSize: number | undefined,
  ): number | undefined {
    if (size !== undefined) this.assertObjectSize(size);
    const enforced = this.#enforcedOn(method);
    if (!this.isSizeLimited) return maxSize;
    if (enforced.includes('maxSize')) return Math.min(maxSize ?? Infinity, this.maxObjectSize);
    if (size !== undefined) return maxSize;
    throw this.#unsupported(
      `enforcing maxObjectSize on a signed ${method} upload without an exact size; give one as { size }`,
    );
  }

  /** @param asked what the caller wants the upload URL to be bound to */
  assertConstraints(method: 'PUT' | 'POST', asked: Record<UploadConstraint, unknown>): void {
    const enforced = this.#enforcedOn(method);
    for (const [constraint, value] of Object.entries(asked)) {
      if (value === undefined || enforced.includes(constraint as UploadConstraint)) continue;
      throw this.#unsupported(`enforcing ${constraint} on a signed ${method} upload`);
    }
  }

  /** @param asked what the caller wants the URL of a part to be bound to */
  assertSignedPart(asked: Record<PartConstraint, unknown>): void {
    const { signedParts } = this.capabilities;
    if (!signedParts) throw this.#cannotSign('URLs of parts');
    for (const [constraint, value] of Object.entries(asked)) {
      if (value === undefined || signedParts.includes(constraint as PartConstraint)) continue;
      throw this.#unsupported(`enforcing ${constraint} on the signed URL of a part`);
    }
  }

  /** Bytes of a part at most: one that is larger could never be part of a file. */
  get maxPartSize(): number {
    return Math.min(this.capabilities.limits.maxPartSize, this.maxObjectSize);
  }

  /** @throws StorageTooLargeError */
  assertPartSize(size: number): void {
    if (size <= this.maxPartSize) return;
    throw new StorageTooLargeError(
      `The part has ${size} bytes, more than the limit of ${this.maxPartSize}`,
    );
  }

  /** Seconds. */
  expiresIn(given: number | string | undefined): number {
    return parseExpiresIn(
      given ?? this.shared.options.expiresIn,
      this.capabilities.limits.maxExpiresIn,
    );
  }

  publicUrl(fullKey: string): string {
    const { publicUrl } = this.shared.options;
    if (publicUrl === undefined) {
      throw new StorageUnsupportedError(
        `Storage "${this.name}" has no publicUrl; set it to the base URL under which the files are public`,
      );
    }
    if (typeof publicUrl === 'function') return publicUrl(fullKey);
    return `${publicUrl.replace(/\/+$/, '')}/${encodeKey(fullKey)}`;
  }

  /** Bytes of a part where nobody says how many: what the backend takes, and no more than is usual. */
  get defaultPartSize(): number {
    const { minPartSize, maxPartSize } = this.capabilities.limits;
    return Math.min(Math.max(DEFAULT_PART_SIZE, minPartSize), maxPartSize);
  }

  /** Bytes of a part with which a file of the size fits into the allowed number of parts. */
  partSize(given: ByteSize | undefined, size: number | undefined): number {
    const { minPartSize, maxPartSize, maxParts } = this.capabilities.limits;
    const partSize = parseByteSize(given ?? this.defaultPartSize, 'partSize');
    if (partSize < Math.max(1, minPartSize) || partSize > maxPartSize) {
      throw new StorageInvalidArgumentError(
        `partSize must be ${minPartSize} to ${maxPartSize} bytes on ${this.driverName}, not ${partSize}`,
      );
    }
    return Math.max(partSize, Math.ceil((size ?? 0) / maxParts));
  }

  listOptions(options: ListPageOptions, pageSize: number, operation: Operation): DriverListOptions {
    const { prefix = '', delimiter, startAfter, cursor } = options;
    const { delimiters } = this.capabilities;
    if (delimiter !== undefined) {
      if (typeof delimiter !== 'string' || delimiter === '') {
        throw new StorageInvalidArgumentError(
          'delimiter must be a string of at least one character',
        );
      }
      if (delimiters === 'none' || (delimiters === 'slash' && delimiter !== '/')) {
        throw this.#unsupported(`the delimiter ${JSON.stringify(delimiter)}`);
      }
    }
    if (startAfter !== undefined && typeof startAfter !== 'string') {
      throw new StorageInvalidArgumentError('startAfter must be a string');
    }
    if (cursor !== undefined && (typeof cursor !== 'string' || cursor === '')) {
      throw notACursor();
    }
    return {
      signal: operation.signal,
      prefix: this.fullPrefix(prefix),
      pageSize: assertCount(pageSize, 'limit', 1),
      ...(delimiter !== undefined && { delimiter }),
      ...(startAfter !== undefined && { startAfter: this.prefix + startAfter }),
      ...(cursor !== undefined && { cursor }),
    };
  }

  /** What the backend enforces on signed uploads by the method, which may be none that there is. */
  #enforcedOn(method: 'PUT' | 'POST'): readonly UploadConstraint[] {
    const { signedUploads } = this.capabilities;
    const isKnown = method === 'PUT' || method === 'POST';
    const enforced = isKnown && signedUploads[method];
    if (enforced) return enforced;
    throw this.#cannotSign(
      isKnown ? `${method} uploads` : 'uploads by other methods than PUT and POST',
    );
  }

  /** The view's prefix and what comes behind it, both of which the parser takes. */
  #joined(text: string, parse: typeof parseKey | typeof parsePrefix): string {
    const joined = this.prefix + parse(text, this.#prefixBytes);
    if (this.prefix === '' || this.prefix.endsWith('/')) return joined;
    // The prefix ends within a segment, which is only known now.
    if (this.#isReserved(joined) && !this.#isReserved(this.prefix)) {
      throw new StorageInvalidKeyError(`Invalid key: "${RESERVED_FOLDER}" is reserved`, {
        key: text,
      });
    }
    return parse(joined);
  }

  /** Whether the driver's key, or prefix, lies in a reserved folder: the backend's, or that of this storage below its prefix. */
  #isReserved(fullKey: string): boolean {
    return isReserved(fullKey) || isReserved(fullKey.slice(this.shared.options.prefix.length));
  }

  /** What a call that is refused at once fails with, which is told to those who listen like any other failure. */
  #refusal(error: unknown, name: string, key: string | undefined): StorageError {
    const operation = this.shared.operations.begin(name, key, undefined);
    const failure = operation.failure(error);
    operation.end();
    return failure;
  }

  #derive(prefix: string, isReadonly: boolean): StorageView {
    const view = new StorageView(this.shared, prefix, isReadonly, false);
    view.#closed = this.#closed;
    return view;
  }

  async #closeDriver(timeout: number): Promise<void> {
    await this.shared.operations.close(timeout);
    await this.shared.source.close();
  }

  #cannotSign(what: string): StorageUnsupportedError {
    const { driverName, capabilities } = this;
    const needed = Object.hasOwn(NEEDED_TO_SIGN, driverName) && NEEDED_TO_SIGN[driverName];
    return new StorageUnsupportedError(
      capabilities.signedUrls || !needed
        ? `Storage "${this.name}" (${driverName}) cannot sign ${what}`
        : `Storage "${this.name}" (${driverName}) cannot sign ${what}: ${needed}`,
    );
  }

  #unsupported(what: string): StorageUnsupportedError {
    return new StorageUnsupportedError(
      `The ${this.driverName} driver, as configured, does not support ${what}`,
    );
  }
}

/** A key for a message, which may be whatever the caller gave. */
function textOrNone(key: unknown): string | undefined {
  return typeof key === 'string' ? key : undefined;
}
