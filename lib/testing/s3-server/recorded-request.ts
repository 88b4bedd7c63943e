import type { S3OperationName } from './operation-names.js';

/** One request as it came, listed from the moment its head has been read. */
export interface S3RecordedRequest {
  /** `undefined` when the request is for no operation of this server. */
  readonly operation: S3OperationName | undefined;
  readonly method: string;
  /** The raw path and query. */
  readonly url: string;
  readonly bucket: string;
  /** Decoded; empty when the request is about no object. */
  readonly key: string;
  readonly query: Readonly<Record<string, string>>;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string>>;
  /** Bytes of the body read so far, framing included. */
  readonly bodyBytes: number;
  /** Set once the head of the response is on its way. */
  readonly status?: number;
  /** The error code of the response, if it is a refusal. */
  readonly code?: string;
  /** Whether the client went away before it had all of the response. */
  readonly aborted: boolean;
  /** The connection it came on; equal numbers mean a kept-alive socket. */
  readonly connection: number;
}

export type MutableRecord = {
  -readonly [Name in keyof S3RecordedRequest]: S3RecordedRequest[Name];
};
