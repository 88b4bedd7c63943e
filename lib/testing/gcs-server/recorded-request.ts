import type { GcsOperationName } from './operation-names.js';

/** One call of a batch. */
export interface GcsBatchedCall {
  readonly operation: GcsOperationName | undefined;
  readonly method: string;
  readonly url: string;
  readonly key: string;
  readonly status: number;
}

/** One request as it came, listed from the moment its head has been read. */
export interface GcsRecordedRequest {
  /** `undefined` when the request is for no operation of this server. */
  readonly operation: GcsOperationName | undefined;
  readonly method: string;
  /** The raw path and query. */
  readonly url: string;
  readonly bucket: string;
  /** The name of the object, decoded; empty when the request is about none. */
  readonly key: string;
  readonly query: Readonly<Record<string, string>>;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string>>;
  /** Bytes of the body read so far, framing included. */
  readonly bodyBytes: number;
  /** Set once the head of the response is on its way. */
  readonly status?: number;
  /** The reason (JSON) or code (XML) in the response, if it is a refusal. */
  readonly reason?: string;
  /** The calls of a batch, once they are done. */
  readonly calls?: readonly GcsBatchedCall[];
  /** Whether the client went away before it had all of the response. */
  readonly aborted: boolean;
  /** The connection it came on; equal numbers mean a kept-alive socket. */
  readonly connection: number;
}

export type MutableRecord = {
  -readonly [Name in keyof GcsRecordedRequest]: GcsRecordedRequest[Name];
};
