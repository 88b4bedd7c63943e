import type { ConnectionFault, FaultOptions } from '../servers/faults.js';
import type { S3OperationName } from './operation-names.js';

/** What goes wrong, each at the point its name says. */
export type S3FaultEffect =
  /** This error instead of doing anything. */
  | {
      readonly status: number;
      readonly code: string;
      readonly message?: string;
      readonly headers?: Readonly<Record<string, string>>;
      /** Seconds, sent as Retry-After. */
      readonly retryAfter?: number;
    }
  /** Status 200 with an InternalError document, and nothing done. */
  | '200-with-error'
  | ConnectionFault;

export type S3FaultOptions = FaultOptions<S3OperationName, S3FaultEffect>;

/** Single keys of a DeleteObjects request that fail while the others are deleted. */
export interface S3KeyFaultOptions {
  readonly operation: 'DeleteObjects';
  readonly keys: readonly string[];
  readonly code: string;
}

/** The failures planned for single keys, the oldest first. */
export class S3KeyFaults {
  readonly #active = new Set<S3KeyFaultOptions>();

  add(options: S3KeyFaultOptions): { clear(): void } {
    this.#active.add(options);
    return { clear: () => void this.#active.delete(options) };
  }

  clear(): void {
    this.#active.clear();
  }

  /** The code with which this key fails, if it is to fail. */
  strike(operation: S3OperationName, key: string): string | undefined {
    for (const fault of this.#active) {
      if (fault.operation === operation && fault.keys.includes(key)) return fault.code;
    }
    return undefined;
  }
}
