/** What can go wrong on any connection, each at the point its name says. */
export type ConnectionFault =
  /** The connection is reset instead of doing anything. */
  | 'reset'
  /** Reset once bytes of the upload came in, or half the answer is out. */
  | 'reset-mid-body'
  /** No answer ever; the connection stays open. */
  | 'stall'
  /** Half the answer is sent, then nothing more. */
  | 'stall-mid-body'
  /** Everything is done, then the connection is reset instead of an answer. */
  | 'reset-after-commit'
  /** The connection ends after so many bytes of the answer's body. */
  | { readonly truncateBodyAt: number }
  /** The byte at this offset of the answer's body is flipped. */
  | { readonly corruptBodyAt: number };

const NAMES: ReadonlySet<unknown> = new Set<ConnectionFault>([
  'reset',
  'reset-mid-body',
  'stall',
  'stall-mid-body',
  'reset-after-commit',
]);

/** Whether it is on the connection that something goes wrong. */
export function isConnectionFault(effect: unknown): effect is ConnectionFault {
  if (typeof effect !== 'object' || effect === null) return NAMES.has(effect);
  return 'truncateBodyAt' in effect || 'corruptBodyAt' in effect;
}

/** Which requests go wrong, and how. */
export interface FaultOptions<Operation, Effect> {
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
export class Faults<Operation, Effect> {
  readonly #active = new Set<ActiveFault<Operation, Effect>>();

  add(options: FaultOptions<Operation, Effect>): Fault {
    const { operation, key, times = 1, after = 0, with: effect } = options;
    // By search(): a test() of an expression with the flag g would go on where its last one ended.
    const matchesKey = (candidate: string): boolean =>
      key === undefined ||
      (typeof key === 'string' ? key === candidate : candidate.search(key) >= 0);
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

  clear(): void {
    this.#active.clear();
  }

  strike(operation: Operation, key: string): Effect | undefined {
    for (const fault of this.#active) {
      const effect = fault.strike(operation, key);
      if (effect !== undefined) return effect;
    }
    return undefined;
  }
}
