import type { BodyStorage, StoredBody } from '../servers/stored-body.js';
import type { Query } from '../servers/url-encoding.js';
import type { CredentialScope } from './canonical-request.js';
import type { ChecksumAlgorithm } from './checksums.js';
import type { ObjectStore } from './object-store.js';
import type { S3OperationName } from './operation-names.js';
import type { ProviderBehaviour } from './provider-behaviour.js';
import type { Authentication, Credentials } from './signature-v4.js';

/** One authenticated request, as the operations see it. */
export interface S3Call {
  readonly operation: S3OperationName;
  readonly method: string;
  readonly bucket: string;
  readonly key: string;
  readonly query: Query;
  /**
   * Lower-case names; values as they came, one character a byte. On a
   * presigned request the `x-amz-*` parameters of the query count as headers.
   */
  readonly headers: ReadonlyMap<string, string>;
  readonly authentication: Authentication;
  /** Milliseconds since the epoch. */
  readonly now: number;
  /**
   * The body as it comes off the socket, which also invites it when the client
   * waits for `100 Continue`. Throws when the client goes away.
   */
  body(): AsyncIterable<Buffer>;
}

export interface S3Response {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string | number | undefined>>;
  readonly xml?: string;
  /** Retained by the operation, released once the answer is out. */
  readonly body?: {
    readonly stored: StoredBody;
    readonly start: number;
    readonly end: number;
  };
}

/** What every operation works on. */
export interface S3Service {
  readonly store: ObjectStore;
  readonly storage: BodyStorage;
  /** The service that this server plays. */
  readonly provider: ProviderBehaviour;
  readonly credentials: Credentials;
  readonly signingKey: (scope: CredentialScope) => Buffer;
  readonly region: string;
  /** Whether a signature may name the region. */
  readonly acceptsRegion: (region: string) => boolean;
  /** Every part but the last one must have as many bytes. */
  readonly minPartSize: number;
  readonly maxCopySize: number;
  /** What one PutObject or UploadPart may carry. */
  readonly maxUploadSize: number;
  /** Computed for uploads that declare no checksum of their own. */
  readonly defaultChecksum: ChecksumAlgorithm | undefined;
  /** The error code to answer for this key of a DeleteObjects, if any. */
  keyFailure(operation: S3OperationName, key: string): string | undefined;
}

export type Operation = (call: S3Call, service: S3Service) => Promise<S3Response> | S3Response;
