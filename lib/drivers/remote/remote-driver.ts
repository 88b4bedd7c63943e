import type { DriverBody } from '../../core/body.js';
import type { Capabilities } from '../../core/capabilities.js';
import type { WriteConditions } from '../../core/conditions.js';
import { StorageAbortedError } from '../../core/errors.js';
import type { MultipartPart } from '../../core/multipart.js';
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
import { BodyFailure } from './body-failure.js';

/** A service over the network, as calls on the bucket or container that is open. */
export interface Service<Bucket> {
  readonly name: string;
  /** Each method of the driver but `close`. It may fail as its SDK fails, or by a `BodyFailure`. */
  readonly calls: { readonly [Name in CallName]: CallOn<Bucket, StorageDriver[Name]> };
  readonly toStorageError: (thrown: unknown, signal: AbortSignal) => unknown;
}

type CallName = Exclude<keyof StorageDriver, 'name' | 'capabilities' | 'client' | 'close'>;

type CallOn<Bucket, Method> = Method extends (...args: infer Args) => infer Result
  ? (bucket: Bucket, ...args: Args) => Result
  : never;

interface OpenBucket<Client> {
  readonly client: Client;
  close(): void;
}

/** The driver of a service: whatever a call fails by, it rejects as the contract of drivers says. */
export class RemoteDriver<
  Client,
  Bucket extends OpenBucket<Client>,
> implements StorageDriver<Client> {
  readonly name: string;
  readonly #service: Service<Bucket>;
  readonly #calls: Service<Bucket>['calls'];
  readonly #bucket: Bucket;

  constructor(
    service: Service<Bucket>,
    bucket: Bucket,
    readonly capabilities: Capabilities,
  ) {
    this.name = service.name;
    this.#service = service;
    this.#calls = service.calls;
    this.#bucket = bucket;
  }

  /** No field: whoever looks at the driver must not see the secrets that an SDK's client has in its own. */
  get client(): Client {
    return this.#bucket.client;
  }

  put(key: string, body: DriverBody, options: DriverPutOptions): Promise<StoredFile> {
    return this.#run(options, () => this.#calls.put(this.#bucket, key, body, options));
  }

  get(key: string, options: DriverGetOptions): Promise<DriverDownload> {
    return this.#run(options, () => this.#calls.get(this.#bucket, key, options));
  }

  info(key: string, options: DriverOptions): Promise<StoredFile> {
    return this.#run(options, () => this.#calls.info(this.#bucket, key, options));
  }

  list(options: DriverListOptions): AsyncIterable<ListPage> {
    return this.#pages(options, this.#calls.list(this.#bucket, options));
  }

  deleteMany(keys: readonly string[], options: DriverDeleteOptions): Promise<DriverDeleteResult> {
    return this.#run(options, () => this.#calls.deleteMany(this.#bucket, keys, options));
  }

  copy(from: string, to: string, options: DriverCopyOptions): Promise<StoredFile> {
    return this.#run(options, () => this.#calls.copy(this.#bucket, from, to, options));
  }

  url(key: string, options: DriverUrlOptions): Promise<string> {
    return this.#run(options, () => this.#calls.url(this.#bucket, key, options));
  }

  uploadUrl(key: string, options: DriverUploadUrlOptions): Promise<UploadUrl> {
    return this.#run(options, () => this.#calls.uploadUrl(this.#bucket, key, options));
  }

  startMultipartUpload(key: string, options: DriverMultipartOptions): Promise<string> {
    return this.#run(options, () => this.#calls.startMultipartUpload(this.#bucket, key, options));
  }

  uploadPart(
    upload: DriverUpload,
    partNumber: number,
    body: Uint8Array,
    options: DriverOptions,
  ): Promise<MultipartPart> {
    return this.#run(options, () =>
      this.#calls.uploadPart(this.#bucket, upload, partNumber, body, options),
    );
  }

  uploadPartUrl(
    upload: DriverUpload,
    partNumber: number,
    options: DriverPartUrlOptions,
  ): Promise<UploadUrl> {
    return this.#run(options, () =>
      this.#calls.uploadPartUrl(this.#bucket, upload, partNumber, options),
    );
  }

  listParts(upload: DriverUpload, options: DriverOptions): Promise<MultipartPart[]> {
    return this.#run(options, () => this.#calls.listParts(this.#bucket, upload, options));
  }

  completeMultipartUpload(
    upload: DriverUpload,
    parts: readonly Pick<MultipartPart, 'partNumber' | 'etag'>[],
    options: DriverOptions & WriteConditions,
  ): Promise<StoredFile> {
    return this.#run(options, () =>
      this.#calls.completeMultipartUpload(this.#bucket, upload, parts, options),
    );
  }

  abortMultipartUpload(upload: DriverUpload, options: DriverOptions): Promise<void> {
    return this.#run(options, () =>
      this.#calls.abortMultipartUpload(this.#bucket, upload, options),
    );
  }

  listMultipartUploads(
    options: DriverListUploadsOptions,
  ): AsyncIterable<readonly DriverListedUpload[]> {
    return this.#pages(options, this.#calls.listMultipartUploads(this.#bucket, options));
  }

  async close(): Promise<void> {
    this.#bucket.close();
  }

  async #run<Result>({ signal }: DriverOptions, call: () => Promise<Result>): Promise<Result> {
    try {
      return await call();
    } catch (error) {
      throw this.#failure(error, signal);
    }
  }

  async *#pages<Page>(
    { signal }: DriverOptions,
    pages: AsyncIterable<Page>,
  ): AsyncGenerator<Page, void> {
    try {
      yield* pages;
    } catch (error) {
      throw this.#failure(error, signal);
    }
  }

  #failure(thrown: unknown, signal: AbortSignal): unknown {
    // Whatever an aborted call broke by.
    if (signal.aborted) return new StorageAbortedError(undefined, { cause: signal.reason });
    return thrown instanceof BodyFailure
      ? thrown.error
      : this.#service.toStorageError(thrown, signal);
  }
}
