import type { BlockBlobClient, HttpAuthorization } from '@azure/storage-blob';
import type { WriteConditions } from '../../core/conditions.js';
import { StorageConnectionError, StoragePreconditionFailedError } from '../../core/errors.js';
import { inParallel } from '../../core/in-parallel.js';
import type { DriverCopyOptions } from '../../core/storage-driver.js';
import {
  type FileAttributes,
  pickAttributes,
  type StoredFile,
  storedFile,
} from '../../core/stored-file.js';
import { TOKEN_SCOPE } from './azure.authorization.js';
import { commitBlocks, conditionsOf, MAX_BLOCKS, newBlockIds } from './azure.blocks.js';
import type { AzureContainer } from './azure.client.js';
import { commit, newToken, type WrittenBlob } from './azure.commits.js';
import { readProperties } from './azure.downloads.js';
import { isSourceChange } from './azure.errors.js';
import {
  type BlobProperties,
  encodeMetadata,
  fileOf,
  type SizedProperties,
  toEtag,
  withToken,
} from './azure.metadata.js';
import { send } from './azure.requests.js';
import { signedUrl } from './azure.signed-urls.js';
import { assertConditions, putBytes, withBlocks } from './azure.uploads.js';

/** What one request copies: less than the 256 MiB that the service takes, so that its answer comes in good time. */
const PART_SIZE = 64 * 1024 ** 2;
const MAX_ATTEMPTS = 3;
const MAX_ROUNDS = 5;
const SOURCE_LIFE = 3600;

/**
 * Copies one version of the source, the one whose size and attributes were read first. A source that changes meanwhile
 * is read again.
 *
 * Azure's asynchronous copy is not used: it replaces the destination by an empty blob at once, and a copy that fails later
 * has lost what was there. What one request copies, and blocks that are committed, replace it in one step.
 */
export async function copy(
  container: AzureContainer,
  from: string,
  to: string,
  options: DriverCopyOptions,
): Promise<StoredFile> {
  // Refuses metadata before anything is sent.
  encodeMetadata(options.metadata);
  for (let attempt = 1; ; attempt++) {
    const properties = await readProperties(container, from, options.signal);
    try {
      const copied = await copyVersion(container, { key: from, properties }, to, options);
      options.onSource?.(fileOf(from, properties.contentLength ?? 0, properties));
      return copied;
    } catch (error) {
      const changed = isSourceChange(error) || isOutdated(error);
      if (!changed || attempt === MAX_ATTEMPTS) throw error;
    }
  }
}

/** One version of a blob. */
export interface BlobVersion {
  readonly key: string;
  readonly properties: SizedProperties;
}

type CopyOptions = FileAttributes & WriteConditions & { readonly signal: AbortSignal };

export async function copyVersion(
  container: AzureContainer,
  source: BlobVersion,
  to: string,
  options: CopyOptions,
): Promise<StoredFile> {
  const { contentLength: size } = source.properties;
  const kept = fileOf(to, size, source.properties);
  const file: StoredFile = { ...kept, ...pickAttributes(options) };
  if (size === 0) {
    return putBytes(container, to, new Uint8Array(0), { ...options, ...pickAttributes(file) });
  }
  const { metadata: _, ...headers } = pickAttributes(options);
  // Copy Blob From URL keeps the source's headers, and cannot do otherwise.
  const whole = size <= PART_SIZE && Object.keys(headers).length === 0;
  const written = await (whole
    ? copyWhole(container, source, to, options)
    : withBlocks(container, to, options, MAX_ROUNDS, () =>
        new BlockCopy(container, source, file, options).run(),
      ));
  return storedFile({
    ...file,
    etag: toEtag(written.etag),
    lastModified: written.lastModified,
    version: written.versionId,
  });
}

async function copyWhole(
  container: AzureContainer,
  { key, properties }: BlobVersion,
  to: string,
  options: CopyOptions,
): Promise<WrittenBlob> {
  const { signal } = options;
  const blob = container.client.getBlockBlobClient(to);
  const token = newToken();
  const metadata = options.metadata
    ? encodeMetadata(options.metadata, token)
    : withToken(properties.metadata, token);
  const tier = tierOf(properties);
  const conditions = conditionsOf(options);
  const request = async (abortSignal: AbortSignal): Promise<WrittenBlob> => {
    const { url, authorization } = await readableSource(container, key, abortSignal);
    const copied = await blob.syncCopyFromURL(url, {
      abortSignal,
      metadata,
      conditions: { ...conditions },
      sourceConditions: { ifMatch: properties.etag! },
      ...(tier !== undefined && { tier }),
      ...(authorization && { sourceAuthorization: authorization }),
    });
    // The SDK has `copyStatus` for a constant.
    const status = copied._response.headers.get('x-ms-copy-status');
    if (status && status !== 'success') {
      throw new StorageConnectionError('The service did not confirm the copy');
    }
    const { contentMD5: _, ...written } = copied;
    return written;
  };
  try {
    // A 412 can also mean that the source has changed.
    return await commit(container, to, request, {
      ...conditions,
      signal,
      evidence: { token },
      hasSource: true,
    });
  } catch (error) {
    if (error instanceof StoragePreconditionFailedError) {
      await assertConditions(container, to, options);
    }
    throw error;
  }
}

/** Copies block by block, each of the same version of the source. */
class BlockCopy {
  readonly #blob: BlockBlobClient;
  readonly #blockId = newBlockIds();
  readonly #blockSize: number;
  readonly #blockCount: number;

  constructor(
    private readonly container: AzureContainer,
    private readonly source: BlobVersion,
    private readonly file: StoredFile,
    private readonly options: CopyOptions,
  ) {
    this.#blob = container.client.getBlockBlobClient(file.key);
    this.#blockSize = Math.max(PART_SIZE, Math.ceil(file.size / MAX_BLOCKS));
    this.#blockCount = Math.ceil(file.size / this.#blockSize);
  }

  async run(): Promise<WrittenBlob> {
    const { container, source, file, options } = this;
    const ids = await this.#copyBlocks();
    // The SDK cannot tell the service which version to read blocks of. An etag never comes back, so one that still stands
    // after the last block has stood all the time.
    const { etag } = await readProperties(container, source.key, options.signal);
    if (etag !== source.properties.etag) throw outdated();
    return commitBlocks(container, file.key, ids, {
      ...pickAttributes(file),
      ...conditionsOf(options),
      signal: options.signal,
      ...(file.checksum && { checksum: file.checksum }),
      tier: tierOf(source.properties),
    });
  }

  /** The ids of the blocks, in order. */
  #copyBlocks(): Promise<string[]> {
    const indexes = Array.from({ length: this.#blockCount }, (_, index) => index);
    const { concurrency } = this.container.settings;
    return inParallel(indexes, concurrency, this.options.signal, (index, signal) =>
      this.#copyBlock(index, signal),
    );
  }

  async #copyBlock(index: number, signal: AbortSignal): Promise<string> {
    const { container, source, file } = this;
    const start = index * this.#blockSize;
    const size = Math.min(this.#blockSize, file.size - start);
    const id = this.#blockId(index + 1);
    await send(container, signal, async (abortSignal) => {
      const { url, authorization } = await readableSource(container, source.key, abortSignal);
      await this.#blob.stageBlockFromURL(id, url, start, size, {
        abortSignal,
        ...(authorization && { sourceAuthorization: authorization }),
      });
    });
    return id;
  }
}

/** A tier that was set, not the account's default, goes along; archived files cannot be read anyway. */
function tierOf({ accessTier, accessTierInferred }: BlobProperties): string | undefined {
  const set = accessTier !== undefined && !accessTierInferred && accessTier !== 'Archive';
  return set ? accessTier : undefined;
}

/** How the service may read the source: it asks for it as anybody else would. */
async function readableSource(
  container: AzureContainer,
  key: string,
  signal: AbortSignal,
): Promise<{ url: string; authorization?: HttpAuthorization }> {
  const { client, signsWith } = container;
  const { url } = client.getBlobClient(key);
  if (signsWith === 'accountKey') {
    const expiresOn = new Date(Date.now() + SOURCE_LIFE * 1000);
    return { url: await signedUrl(container, key, { permissions: 'r', expiresOn }, signal) };
  }
  const { credential } = client;
  if (!('getToken' in credential)) return { url };
  const token = await credential.getToken(TOKEN_SCOPE, { abortSignal: signal });
  return token ? { url, authorization: { scheme: 'Bearer', value: token.token } } : { url };
}

const outdatedErrors = new WeakSet<object>();

function outdated(): StorageConnectionError {
  const error = new StorageConnectionError('The file was replaced while it was copied');
  outdatedErrors.add(error);
  return error;
}

function isOutdated(error: unknown): boolean {
  return outdatedErrors.has(error as object);
}
