import type { Capabilities } from '../../core/capabilities.js';
import type { Storage } from '../../core/storage.js';

/**
 * What a backend has names for. `'any'`: every key. `'caseless'`: keys that differ only in case are one file. `'windows'`: that,
 * too, and keys that Windows takes for something else than one file, such as `a:b`, `a.` and `NUL`, are refused.
 */
export type BackendNames = 'any' | 'caseless' | 'windows';

/** What a behaviour is given beside the storage. */
export interface BehaviourContext {
  /** Begins every key that the behaviour may use, and no other behaviour's; ends with `/`. */
  readonly folder: string;
  /** UTF-8 bytes of the longest key that the storage takes; fewer than 1,024 when it has a prefix. */
  readonly maxKeyBytes: number;
  /** Default `'any'`. */
  readonly names?: BackendNames;
  /** Opens another storage, fresh and empty; it is destroyed after the behaviour. */
  readonly open: () => Promise<Storage>;
  /**
   * Opens the same place once more, as another process would; it is closed after the behaviour. Where no other storage can
   * see what this one holds, that is the storage itself.
   */
  readonly reopen: () => Promise<Storage>;
  /** Stores under each of many keys a small file: the key itself. */
  readonly fill: (keys: readonly string[]) => Promise<void>;
}

/** One promise of the contract, in a sentence, and the proof that a storage keeps it. */
export interface Behaviour {
  readonly name: string;
  /**
   * Which capabilities it is about. A driver without them must refuse with `StorageUnsupportedError`: the behaviour runs
   * all the same, and has to end in that error.
   */
  readonly needs?: (capabilities: Capabilities) => boolean;
  /**
   * Which names it is about: those that differ only in case, for which it is left out where that is ignored, or such as
   * Windows does not have, where it has to end in `StorageInvalidKeyError`.
   */
  readonly needsNames?: 'cased' | 'not-of-windows';
  /** Rejects when the storage breaks the promise. */
  readonly run: (storage: Storage, context: BehaviourContext) => Promise<void>;
}

export interface BehaviourGroup {
  readonly name: string;
  readonly behaviours: readonly Behaviour[];
}

/** A behaviour that was kept, or was refused as it must be where the driver does not declare what it needs. */
export type BehaviourOutcome = 'kept' | 'refused';
