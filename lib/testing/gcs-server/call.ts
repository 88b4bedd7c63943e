import type { BodyStorage, StoredBody } from '../servers/stored-body.js';
import type { Query } from '../servers/url-encoding.js';
import type { AccessTokens } from './access-tokens.js';
import type { BatchFaults } from './faults.js';
import type { ObjectStore } from './object-store.js';
import type { GcsOperationName } from './operation-names.js';
import type { GcsServiceAccount } from './service-account.js';

/** Who sent a request, as far as the server could verify. */
export type Authentication =
  | { readonly kind: 'bearer'; readonly scopes: readonly string[] }
  /** A V4 signature in the query. */
  | { readonly kind: 'signed' }
  | { readonly kind: 'anonymous' };

/** A chunk of which only so many bytes are to be kept. */
interface PartialChunk {
  readonly persistOnly: number;
  readonly answer: 'reset' | 'incomplete';
}

/** One authenticated request, as the operations see it. */
export interface GcsCall {
  readonly operation: GcsOperationName;
  readonly api: 'json' | 'xml';
  readonly method: string;
  /** Empty when the request is about none, as is the name. */
  readonly bucket: string;
  readonly name: string;
  /** The other object, of a copy, rewrite or move. */
  readonly destination: { readonly bucket: string; readonly name: string } | undefined;
  readonly query: Query;
  /** Lower-case names; values as they came, one character a byte. */
  readonly headers: ReadonlyMap<string, string>;
  readonly authentication: Authentication;
  /** Milliseconds since the epoch. */
  readonly now: number;
  readonly partialChunk: PartialChunk | undefined;
  /** The body as it comes off the socket. Throws when the client goes away. */
  body(): AsyncIterable<Buffer>;
  /** Breaks the connection, on demand of a fault. */
  reset(): Error;
  /** Runs one call of a batch, by whoever sent the batch. */
  perform(request: BatchedRequest): Promise<BatchedAnswer>;
}

export interface BatchedRequest {
  readonly method: string;
  readonly url: string;
  /** Lower-case names. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: string;
}

export interface BatchedAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | number | undefined>>;
  readonly json: object | undefined;
}

export interface GcsResponse {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string | number | undefined>>;
  readonly json?: object;
  /** Text of the content type in the headers. */
  readonly text?: string;
  /** Retained by the operation, released once the answer is out. */
  readonly body?: {
    readonly stored: StoredBody;
    readonly start: number;
    readonly end: number;
    /** Send it gunzipped, of a length nobody knows yet. */
    readonly gunzip?: boolean;
  };
}

/** What every operation works on. */
export interface GcsService {
  readonly store: ObjectStore;
  readonly storage: BodyStorage;
  readonly account: GcsServiceAccount;
  readonly tokens: AccessTokens;
  readonly projectId: string;
  readonly batchFaults: BatchFaults;
  readonly rewriteChunk: number;
  readonly sessionLifetime: number;
  readonly publicBuckets: readonly string[];
  /** Whether JSON requests need no token. */
  readonly anonymous: boolean;
  /** `http://127.0.0.1:<port>`. */
  readonly endpoint: string;
}

export type Operation = (call: GcsCall, service: GcsService) => Promise<GcsResponse> | GcsResponse;
