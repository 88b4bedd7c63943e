import type { S3OperationName } from './operation-names.js';

/** What goes wrong, each at the point its name says. */
export type FaultEffect =
  /** This error instead of doing anything. */
  | {
      readonly status: number;
      readonly code: string;
      readonly message?: string;
      readonly headers?: Readonly<Record<string, string>>;
      /** Seconds, sent as Retry-After. */
      readonly retryAfter?: number;
    }
  /** The connection is reset instead of doing anything. */
  | 'reset'
  /** Reset once bytes of the upload came in, or half the answer is out. */
  | 'reset-mid-body'
  /** No answer ever; the connection stays open. */
  | 'stall'
  /** Half the answer is sent, then nothing more. */
  | 'stall-mid-body'
  /** Status 200 with an InternalError document, and nothing done. */
  | '200-with-error'
  /** Everything is done, then the connection is reset instead of an answer. */
  | 'reset-after-commit'
  /** The connection ends after so many bytes of the answer's body. */
  | { readonly truncateBodyAt: number }
  /** The byte at this offset of the answer's body is flipped. */
  | { readonly corruptBodyAt: number };

export interface FaultOptions<Operation = S3OperationName, Effect = FaultEffect> {
  /** `'*'` is any. */
  readonly operation: Operation | '*';
  /** Only requests for this key; any when absent. */
  readonly key?: string | RegExp;
  /** How many requests fail. Default 1; `Infinity` is every one. */
  readonly times?: number;
  /** How many matching requests pass untouched first. Default 0. */
  readonly after?: number;
  readonly with: Effect;
}

export interface KeyFaultOptions {
  readonly operation: 'DeleteObjects';
  readonly keys: readonly string[];
  readonly code: string;
}

export interface Fault {
  /** How many requests it has struck. */
  readonly hits: number;
  clear(): void;
}

interface ActiveFault<Operation, Effect> extends Fault {
  hits: number;
  strike(operation: Operation, key: string): Effect | undefined;
}

/** The faults in force, the oldest first. */
export class Faults<Operation = S3OperationName, Effect = FaultEffect> {
  readonly #active = new Set<ActiveFault<Operation, Effect>>();
  readonly #keys = new Set<KeyFaultOptions>();

  add(options: FaultOptions<Operation, Effect>): Fault {
    const { operation, key, times = 1, after = 0, with: effect } = options;
    const matchesKey = (candidate: string): boolean =>
      key === undefined || (typeof key === 'string' ? key === candidate : key.test(candidate));
    let passing = after;
    const fault: ActiveFault<Operation, Effect> = {
      hits: 0,
      strike(candidate, candidateKey) {
        if (operation !== '*' && operation !== candidate) return undefined;
        if (!matchesKey(candidateKey) || fault.hits >= times) return undefined;
        if (passing > 0) {
          passing--;
          return undefined;
        }
        fault.hits++;
        return effect;
      },
      clear: () => void this.#active.delete(fault),
    };
    this.#active.add(fault);
    return fault;
  }

  addKeys(options: KeyFaultOptions): { clear(): void } {
    this.#keys.add(options);
    return { clear: () => void this.#keys.delete(options) };
  }

  clear(): void {
    this.#active.clear();
    this.#keys.clear();
  }

  strike(operation: Operation, key: string): Effect | undefined {
    for (const fault of this.#active) {
      const effect = fault.strike(operation, key);
      if (effect !== undefined) return effect;
    }
    return undefined;
  }

  keyFailure(operation: string, key: string): string | undefined {
    for (const fault of this.#keys) {
      if (fault.operation === operation && fault.keys.includes(key)) {
        return fault.code;
      }
    }
    return undefined;
  }
}
