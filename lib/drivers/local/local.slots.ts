import { StorageAbortedError } from '../../core/errors.js';
import { throwIfAborted } from './local.errors.js';

/** Lets so many tasks run at once. They are short ones that end by themselves: a slow one would hold up all. */
export interface SlotLine {
  /** @param signal ends the waits for the task's turn */
  use<T>(task: (slot: Slot) => Promise<T>, signal?: AbortSignal): Promise<T>;
}

/** What a task has while it runs. */
export interface Slot {
  /**
   * Lets others have the slot during a wait that may be long, then waits for one again. The task has nothing open meanwhile, and
   * whatever it waits for may be held by one that waits for a slot. After a wait that fails, it only tidies up: it has no slot.
   */
  lend(wait: () => Promise<void>): Promise<void>;
}

/** So many tasks at once, of several lines one after the other: a long line holds up no short one. */
export class Slots {
  #free: number;
  /** The lines in which somebody waits, in turn. */
  readonly #turns: (() => void)[][] = [];

  constructor(count: number) {
    this.#free = count;
  }

  line(): SlotLine {
    const waiting: (() => void)[] = [];
    return {
      use: async (task, signal) => {
        if (!this.#takeFree()) await this.#turn(waiting, signal);
        let isHeld = true;
        const lend = async (wait: () => Promise<void>): Promise<void> => {
          isHeld = false;
          this.#passOn();
          await wait();
          if (!this.#takeFree()) await this.#turn(waiting, signal);
          isHeld = true;
        };
        try {
          return await task({ lend });
        } finally {
          if (isHeld) this.#passOn();
        }
      },
    };
  }

  #takeFree(): boolean {
    if (this.#free === 0) return false;
    this.#free--;
    return true;
  }

  /** @throws StorageAbortedError */
  async #turn(line: (() => void)[], signal: AbortSignal | undefined): Promise<void> {
    if (signal) throwIfAborted(signal);
    await new Promise<void>((resolve, reject) => {
      const enter = (): void => {
        signal?.removeEventListener('abort', leave);
        resolve();
      };
      const leave = (): void => {
        line.splice(line.indexOf(enter), 1);
        if (line.length === 0) this.#turns.splice(this.#turns.indexOf(line), 1);
        reject(new StorageAbortedError(undefined, { cause: signal!.reason }));
      };
      signal?.addEventListener('abort', leave, { once: true });
      if (line.push(enter) === 1) this.#turns.push(line);
    });
  }

  #passOn(): void {
    const line = this.#turns.shift();
    if (!line) {
      this.#free++;
      return;
    }
    const next = line.shift()!;
    if (line.length > 0) this.#turns.push(line);
    next();
  }
}

/** Listings of one storage read so many folders at once. */
export const FOLDERS_AT_ONCE = 8;

/**
 * Calls under way at once that wait for nobody but the disk: Node has four threads for them. More would only hold
 * descriptors, of which each takes a second one while it has the first: with too many, all would wait for all.
 */
const COUNTS = {
  /** Lent while a lock is waited for, which may be held by a task that waits for one of these. */
  writes: 16,
  /** For as long as a version is looked for, not as long as it is open. */
  reads: 8,
  /** For as long as a listing reads one folder, or looks at the files in it. */
  folders: FOLDERS_AT_ONCE,
  /** Taken after one of the writes: each holds two folders while it writes metadata, and takes a third descriptor. */
  moves: 8,
} as const;

type Purpose = keyof typeof COUNTS;

/** What a storage has to ask before it takes descriptors. */
export type LocalSlots = Readonly<Record<Purpose, SlotLine>>;

const BY_DISK = new Map<bigint, Readonly<Record<Purpose, Slots>>>();

/**
 * A storage's lines for the slots of a disk, which all storages of the process on that disk share, as they share the process's
 * descriptors. Each disk has its own: one that never answers holds up no storage on another.
 */
export function slotsOn(disk: bigint): LocalSlots {
  const shared = BY_DISK.get(disk) ?? byPurpose((purpose) => new Slots(COUNTS[purpose]));
  BY_DISK.set(disk, shared);
  return byPurpose((purpose) => shared[purpose].line());
}

function byPurpose<T>(make: (purpose: Purpose) => T): Record<Purpose, T> {
  return {
    writes: make('writes'),
    reads: make('reads'),
    folders: make('folders'),
    moves: make('moves'),
  };
}
