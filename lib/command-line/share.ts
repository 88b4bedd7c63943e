import { createHash } from 'node:crypto';
import { UsageError } from './usage-error.js';

/** The share of the keys that one of several workers takes. */
export interface Share {
  /** From 1 to `workers`. */
  readonly worker: number;
  readonly workers: number;
}

/**
 * Whether the share has the key. Of the workers 1/n to n/n exactly one has it, on every machine and in every release, and no worker
 * needs to know of the others.
 */
export function hasKey({ worker, workers }: Share, key: string): boolean {
  const number = createHash('sha256').update(key).digest().readUInt32BE(0);
  return number % workers === worker - 1;
}

/** Parses `2/4`, the second of four workers. @throws UsageError */
export function parseShare(text: string | undefined): Share | undefined {
  if (text === undefined) return undefined;
  const [worker, workers] =
    /^([1-9]\d{0,3})\/([1-9]\d{0,3})$/.exec(text)?.slice(1).map(Number) ?? [];
  if (worker === undefined || workers === undefined || worker > workers) {
    throw new UsageError('--worker must be which of how many, such as 2/4, of 9999 at most');
  }
  return { worker, workers };
}
