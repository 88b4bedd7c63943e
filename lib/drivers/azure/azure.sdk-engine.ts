import type { Readable } from 'node:stream';
import type {
  BlobItem,
  BlobRequestConditions,
  ContainerClient,
  ContainerListBlobsOptions,
} from '@azure/storage-blob';
import type { ReadConditions } from '../../core/conditions.js';
import type {
  AzureEngine,
  BlobListing,
  BlobRange,
  BlobWrite,
  DownloadedBlob,
  Segment,
} from './azure.engine.js';
import type { BlobDescription, BlobProperties } from './azure.metadata.js';

/** Makes requests through the pipeline of the SDK's client. */
export class SdkEngine implements AzureEngine {
  constructor(private readonly client: ContainerClient) {}

  putBlob(
    key: string,
    bytes: Uint8Array,
    write: BlobWrite,
    abortSignal: AbortSignal,
  ): Promise<BlobDescription> {
    return this.client.getBlockBlobClient(key).upload(bytes, bytes.byteLength, {
      ...optionsOf(write),
      abortSignal,
      ...(write.md5 && { transactionalContentMD5: write.md5 }),
    });
  }

  async putBlock(
    key: string,
    id: string,
    bytes: Uint8Array,
    md5: Uint8Array | undefined,
    abortSignal: AbortSignal,
  ): Promise<void> {
    await this.client.getBlockBlobClient(key).stageBlock(id, bytes, bytes.byteLength, {
      abortSignal,
      ...(md5 && { transactionalContentMD5: md5 }),
    });
  }

  putBlockList(
    key: string,
    ids: readonly string[],
    write: BlobWrite,
    abortSignal: AbortSignal,
  ): Promise<BlobDescription> {
    const options = { ...optionsOf(write), abortSignal };
    return this.client.getBlockBlobClient(key).commitBlockList([...ids], options);
  }

  async getBlob(
    key: string,
    range: BlobRange | undefined,
    conditions: ReadConditions,
    abortSignal: AbortSignal,
  ): Promise<DownloadedBlob> {
    const count = range?.end === undefined ? undefined : range.end - range.start + 1;
    const description = await this.client.getBlobClient(key).download(range?.start ?? 0, count, {
      abortSignal,
      conditions: { ...conditions } as BlobRequestConditions,
      maxRetryRequests: 0,
    });
    return { description, body: description.readableStreamBody as Readable };
  }

  getProperties(key: string, abortSignal: AbortSignal): Promise<BlobProperties> {
    return this.client.getBlobClient(key).getProperties({ abortSignal });
  }

  async deleteBlob(
    key: string,
    conditions: { ifMatch?: string },
    abortSignal: AbortSignal,
  ): Promise<void> {
    const options = { abortSignal, deleteSnapshots: 'include', conditions } as const;
    await this.client.getBlobClient(key).delete(options);
  }

  async listBlobs(
    { prefix, delimiter, maxResults, marker }: BlobListing,
    abortSignal: AbortSignal,
  ): Promise<Segment> {
    const options: ContainerListBlobsOptions = { abortSignal, prefix, includeMetadata: true };
    const settings = {
      maxPageSize: maxResults,
      ...(marker !== undefined && { continuationToken: marker }),
    };
    const pages =
      delimiter === undefined
        ? this.client.listBlobsFlat(options).byPage(settings)
        : this.client.listBlobsByHierarchy(delimiter, options).byPage(settings);
    const { value } = (await pages.next()) as IteratorResult<SegmentAnswer, undefined>;
    return {
      blobs: value?.segment.blobItems ?? [],
      prefixes: (value?.segment.blobPrefixes ?? []).map(({ name }) => name),
      next: value?.continuationToken || undefined,
    };
  }
}

/** What a listing answers with a delimiter, and without, where there are no prefixes. */
interface SegmentAnswer {
  readonly segment: {
    readonly blobItems: readonly BlobItem[];
    readonly blobPrefixes?: readonly { readonly name: string }[];
  };
  readonly continuationToken?: string;
}

/** What Put Blob and Put Block List have in common. */
function optionsOf({ headers, metadata, conditions, tier }: BlobWrite): {
  blobHTTPHeaders: BlobWrite['headers'];
  metadata: Record<string, string>;
  conditions: BlobRequestConditions;
  tier?: string;
} {
  return {
    blobHTTPHeaders: headers,
    metadata,
    conditions: { ...conditions },
    ...(tier !== undefined && { tier }),
  };
}
