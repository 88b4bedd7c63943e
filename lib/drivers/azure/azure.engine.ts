import type { Readable } from 'node:stream';
import type { BlobHTTPHeaders } from '@azure/storage-blob';
import type { ReadConditions, WriteConditions } from '../../core/conditions.js';
import type { BlobDescription, BlobProperties, ListedBlob } from './azure.metadata.js';

/**
 * Makes requests of what is asked for often, one attempt each, and throws what broke it: an error that `toStorageError` reads.
 * What is rare goes to the client of the SDK. The signal cuts the request.
 */
export interface AzureEngine {
  putBlob(
    key: string,
    bytes: Uint8Array,
    write: BlobWrite,
    signal: AbortSignal,
  ): Promise<BlobDescription>;
  /** @param md5 of the bytes, for the service to compare */
  putBlock(
    key: string,
    id: string,
    bytes: Uint8Array,
    md5: Uint8Array | undefined,
    signal: AbortSignal,
  ): Promise<void>;
  putBlockList(
    key: string,
    ids: readonly string[],
    write: BlobWrite,
    signal: AbortSignal,
  ): Promise<BlobDescription>;
  getBlob(
    key: string,
    range: BlobRange | undefined,
    conditions: ReadConditions,
    signal: AbortSignal,
  ): Promise<DownloadedBlob>;
  getProperties(key: string, signal: AbortSignal): Promise<BlobProperties>;
  /** Snapshots go, too: without that a blob that has some stays, and the call fails. */
  deleteBlob(key: string, conditions: { ifMatch?: string }, signal: AbortSignal): Promise<void>;
  listBlobs(listing: BlobListing, signal: AbortSignal): Promise<Segment>;
}

export interface BlobWrite {
  readonly headers: BlobHTTPHeaders;
  /** Encoded. */
  readonly metadata: Record<string, string>;
  readonly conditions: WriteConditions;
  /** Of the bytes that are sent, for the service to compare. */
  readonly md5?: Uint8Array | undefined;
  readonly tier?: string | undefined;
}

export interface BlobRange {
  readonly start: number;
  /** The last byte; the end of the blob by default. */
  readonly end?: number | undefined;
}

export interface DownloadedBlob {
  readonly description: BlobProperties & {
    /** Of the whole blob, with a range of it. */
    readonly blobContentMD5?: Uint8Array | undefined;
    readonly contentRange?: string | undefined;
  };
  readonly body: Readable;
}

export interface BlobListing {
  readonly prefix: string;
  /** Groups names; the service takes one of several characters, Azurite does not. */
  readonly delimiter: string | undefined;
  readonly maxResults: number;
  /** Where an earlier segment said that the next one begins. */
  readonly marker: string | undefined;
}

/** What one request lists. */
export interface Segment {
  readonly blobs: readonly ListedBlob[];
  readonly prefixes: readonly string[];
  /** The marker of the next one; absent after the last. */
  readonly next: string | undefined;
}
