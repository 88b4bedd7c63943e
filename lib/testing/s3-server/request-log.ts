import type { S3OperationName } from './operation-names.js';

/** One request as it came, listed from the moment its head has been read. */
export interface RecordedRequest {
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
  /** Set once the answer's head is on its way. */
  readonly status?: number;
  /** The error code answered, if any. */
  readonly code?: string;
  /** Whether the client went away before its answer was out. */
  readonly aborted: boolean;
  /** The connection it came on; equal numbers mean a kept-alive socket. */
  readonly connection: number;
}

export type MutableRecord = {
  -readonly [Name in keyof RecordedRequest]: RecordedRequest[Name];
};

interface Waiter {
  readonly condition: () => boolean;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** What came in, and whoever waits for something to come in. */
export class RequestLog<Entry = RecordedRequest> {
  readonly #waiters = new Set<Waiter>();
  #requests: Entry[] = [];

  get requests(): readonly Entry[] {
    return this.#requests;
  }

  add(record: Entry): void {
    this.#requests.push(record);
    this.changed();
  }

  clear(): void {
    this.#requests = [];
  }

  until(condition: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiters.add({ condition, resolve, reject });
      this.changed();
    });
  }

  /** To be called after anything a condition may look at. */
  changed(): void {
    for (const waiter of this.#waiters) {
      try {
        if (!waiter.condition()) continue;
        waiter.resolve();
      } catch (error) {
        waiter.reject(error);
      }
      this.#waiters.delete(waiter);
    }
  }

  close(): void {
    for (const { reject } of this.#waiters) {
      reject(new Error('The server was closed'));
    }
    this.#waiters.clear();
  }
}
