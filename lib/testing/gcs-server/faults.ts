import type { ConnectionFault, FaultOptions } from '../servers/faults.js';
import type { GcsOperationName } from './operation-names.js';

/** What goes wrong, each at the point its name says. */
export type GcsFaultEffect =
  /** This error instead of doing anything. */
  | {
      readonly status: number;
      /** Such as `backendError` or `rateLimitExceeded`. */
      readonly reason: string;
      readonly message?: string;
      readonly headers?: Readonly<Record<string, string>>;
      /** Seconds, sent as Retry-After. */
      readonly retryAfter?: number;
    }
  | ConnectionFault
  /**
   * Of a chunk of a resumable upload only so many bytes are kept; then the connection is reset, or the answer is a 308
   * that says so. Google keeps whole multiples of 256 KiB.
   */
  | { readonly persistOnly: number; readonly answer: 'reset' | 'incomplete' };

export type GcsFaultOptions = FaultOptions<GcsOperationName, GcsFaultEffect>;

/** Single calls of a batch that fail while the others succeed. */
export interface GcsKeyFaultOptions {
  readonly operation: GcsOperationName;
  readonly keys: readonly string[];
  readonly status: number;
  readonly reason: string;
  readonly message?: string;
  /** How many calls fail in all. Default `Infinity`. */
  readonly times?: number;
}

/** The failures planned for calls within batches, the oldest first. */
export class BatchFaults {
  readonly #active = new Map<GcsKeyFaultOptions, number>();

  add(options: GcsKeyFaultOptions): { clear(): void } {
    this.#active.set(options, options.times ?? Number.POSITIVE_INFINITY);
    return { clear: () => void this.#active.delete(options) };
  }

  clear(): void {
    this.#active.clear();
  }

  strike(operation: GcsOperationName, key: string): GcsKeyFaultOptions | undefined {
    for (const [fault, left] of this.#active) {
      if (fault.operation !== operation || !fault.keys.includes(key) || left < 1) continue;
      this.#active.set(fault, left - 1);
      return fault;
    }
    return undefined;
  }
}
