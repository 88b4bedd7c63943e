import { Readable } from 'node:stream';
import type { DriverBody } from '../../core/body.js';
import type { Capabilities } from '../../core/capabilities.js';
import type { WriteConditions } from '../../core/conditions.js';
import { StorageInvalidArgumentError } from '../../core/errors.js';
import type { MultipartPart } from '../../core/multipart.js';
import type { UrlSigner } from '../../core/signed-url.js';
import type {
  DriverCopyOptions,
  DriverDeleteOptions,
  DriverDeleteResult,
  DriverDownload,
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
import type { StoredFile } from '../../core/stored-file.js';
import type { BrokenBody, FakeScript } from './fake-script.js';

/** What a fake can do. */
export interface FakeRules {
  readonly capabilities: Capabilities;
  /** All parts of an upload but the last must have the same size. */
  readonly equalParts: boolean;
}

/** A driver in memory that does, and refuses, what it is told to, and notes what it is asked for. */
export class FakeDriver implements StorageDriver<undefined> {
  readonly client = undefined;

  constructor(
    readonly name: string,
    private readonly memory: StorageDriver,
    private readonly rules: FakeRules,
    private readonly signer: UrlSigner,
    private readonly script: FakeScript,
  ) {}

  get capabilities(): Capabilities {
    return this.rules.capabilities;
  }

  async put(key: string, body: DriverBody, options: DriverPutOptions): Promise<StoredFile> {
    const broken = await this.script.enter('put', key, options.signal);
    const { checksum, ...others } = options;
    const isKept = checksum && this.capabilities.checksums.includes(checksum.algorithm);
    const file = await this.memory.put(key, broken ? breaking(body, broken) : body, {
      ...others,
      ...(isKept && { checksum }),
    });
    this.script.written.push(key);
    return file;
  }

  async get(key: string, options: DriverGetOptions): Promise<DriverDownload> {
    const broken = await this.script.enter('get', key, options.signal);
    const download = await this.memory.get(key, options);
    if (!broken) return download;
    const body = breaking(download.body as Uint8Array, broken);
    // Ahead of its reader by nothing: a stream that breaks throws away what was not read yet.
    return { ...download, body: Readable.from(body, { objectMode: false, highWaterMark: 1 }) };
  }

  async info(key: string, options: DriverOptions): Promise<StoredFile> {
    await this.script.enter('info', key, options.signal);
    return this.memory.info(key, options);
  }

  async *list(options: DriverListOptions): AsyncGenerator<ListPage, void> {
    await this.script.enter('list', undefined, options.signal);
    yield* this.memory.list(options);
  }

  async deleteMany(
    keys: readonly string[],
    options: DriverDeleteOptions,
  ): Promise<DriverDeleteResult> {
    const key = keys.length === 1 ? keys[0] : undefined;
    await this.script.enter('deleteMany', key, options.signal);
    const failures = this.script.failuresOf(keys);
    const failing = new Set(failures.map((failure) => failure.key));
    const others = keys.filter((each) => !failing.has(each));
    // A condition is about one file, never about none.
    if (others.length === 0) return { failed: failures };
    const { failed } = await this.memory.deleteMany(others, options);
    return { failed: [...failures, ...failed] };
  }

  async copy(from: string, to: string, options: DriverCopyOptions): Promise<StoredFile> {
    await this.script.enter('copy', from, options.signal);
    const file = await this.memory.copy(from, to, options);
    this.script.written.push(to);
    return file;
  }

  async url(key: string, options: DriverUrlOptions): Promise<string> {
    await this.script.enter('url', key, options.signal);
    return this.signer.readUrl(key, options);
  }

  async uploadUrl(key: string, options: DriverUploadUrlOptions): Promise<UploadUrl> {
    await this.script.enter('uploadUrl', key, options.signal);
    return this.signer.uploadUrl(key, options);
  }

  async startMultipartUpload(key: string, options: DriverMultipartOptions): Promise<string> {
    await this.script.enter('startMultipartUpload', key, options.signal);
    return this.memory.startMultipartUpload(key, options);
  }

  async uploadPart(
    upload: DriverUpload,
    partNumber: number,
    body: Uint8Array,
    options: DriverOptions,
  ): Promise<MultipartPart> {
    await this.script.enter('uploadPart', upload.key, options.signal);
    return this.memory.uploadPart(upload, partNumber, body, options);
  }

  async uploadPartUrl(
    upload: DriverUpload,
    partNumber: number,
    options: DriverPartUrlOptions,
  ): Promise<UploadUrl> {
    await this.script.enter('uploadPartUrl', upload.key, options.signal);
    return this.signer.uploadPartUrl(upload, partNumber, options);
  }

  async listParts(upload: DriverUpload, options: DriverOptions): Promise<MultipartPart[]> {
    await this.script.enter('listParts', upload.key, options.signal);
    return this.memory.listParts(upload, options);
  }

  async completeMultipartUpload(
    upload: DriverUpload,
    parts: readonly Pick<MultipartPart, 'partNumber' | 'etag'>[],
    options: DriverOptions & WriteConditions,
  ): Promise<StoredFile> {
    await this.script.enter('completeMultipartUpload', upload.key, options.signal);
    await this.#assertPartSizes(upload, parts, options);
    const file = await this.memory.completeMultipartUpload(upload, parts, options);
    this.script.written.push(upload.key);
    return file;
  }

  async abortMultipartUpload(upload: DriverUpload, options: DriverOptions): Promise<void> {
    await this.script.enter('abortMultipartUpload', upload.key, options.signal);
    await this.memory.abortMultipartUpload(upload, options);
  }

  async *listMultipartUploads(
    options: DriverListUploadsOptions,
  ): AsyncGenerator<readonly DriverListedUpload[], void> {
    await this.script.enter('listMultipartUploads', undefined, options.signal);
    yield* this.memory.listMultipartUploads(options);
  }

  /** The files stay, for the assertions that come after. */
  async close(): Promise<void> {}

  async #assertPartSizes(
    upload: DriverUpload,
    parts: readonly Pick<MultipartPart, 'partNumber'>[],
    options: DriverOptions,
  ): Promise<void> {
    const stored = await this.memory.listParts(upload, options);
    const sizes = parts.map(
      ({ partNumber }) => stored.find((part) => part.partNumber === partNumber)?.size ?? 0,
    );
    const last = sizes.pop() ?? 0;
    const { minPartSize } = this.capabilities.limits;
    if (sizes.some((size) => size < minPartSize)) {
      throw new StorageInvalidArgumentError(
        `A part that is not the last has fewer than ${minPartSize} bytes`,
      );
    }
    const [first = last] = sizes;
    if (this.rules.equalParts && (sizes.some((size) => size !== first) || last > first)) {
      throw new StorageInvalidArgumentError('All parts but the last must have the same size');
    }
  }
}

/** The body up to the byte where it breaks. */
async function* breaking(
  body: DriverBody,
  { afterBytes, error }: BrokenBody,
): AsyncGenerator<Uint8Array, void> {
  let left = afterBytes;
  for await (const chunk of body instanceof Uint8Array ? [body] : body) {
    if (left > 0) yield chunk.subarray(0, left);
    left -= chunk.byteLength;
    if (left < 0) break;
  }
  throw error;
}
