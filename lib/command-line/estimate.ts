import type { Storage } from '../core/storage.js';
import { hasKey } from './share.js';
import type { Scope } from './sync.js';

/** Bytes that a file counts for besides its own: the requests for an empty one take time, too. */
const PER_FILE = 64 * 1024;
/** Milliseconds of the past whose speed is taken for that of the rest. */
const WINDOW = 30_000;
const SAMPLE_EVERY = 1000;

/** Estimates how long the rest of the work takes, once all files are counted. */
export class Estimate {
  #counted = 0;
  #isCounted = false;
  #done = 0;
  readonly #samples: { readonly time: number; readonly done: number }[];

  /** @param now milliseconds of a clock that is never set back */
  constructor(private readonly now: () => number = () => performance.now()) {
    this.#samples = [{ time: now(), done: 0 }];
  }

  /** Counts a file that is to be worked on. */
  count(size: number): void {
    this.#counted += size + PER_FILE;
  }

  /** All files are counted. */
  end(): void {
    this.#isCounted = true;
  }

  /** A file is done. */
  add(size: number): void {
    this.#done += size + PER_FILE;
    const time = this.now();
    if (time - this.#samples.at(-1)!.time < SAMPLE_EVERY) return;
    this.#samples.push({ time, done: this.#done });
    while (this.#samples.length > 2 && time - this.#samples[0]!.time > WINDOW) {
      this.#samples.shift();
    }
  }

  /** The share that is done, from 0 to 1, and the seconds that the rest takes; `undefined` until all files are counted. */
  get rest(): { readonly share: number; readonly seconds: number } | undefined {
    if (!this.#isCounted || this.#counted === 0) return undefined;
    // More than was counted when files came meanwhile.
    const left = Math.max(0, this.#counted - this.#done);
    const { time, done } = this.#samples[0]!;
    const perSecond = (this.#done - done) / ((this.now() - time) / 1000);
    return { share: 1 - left / this.#counted, seconds: left / perSecond };
  }
}

/** Counts all files for the estimate, while others work on them. Never rejects: without it, there is no estimate. */
export async function countFiles(
  storage: Storage,
  estimate: Estimate,
  { prefix, share, startAfter, signal }: Scope & { readonly startAfter?: string | undefined },
): Promise<void> {
  try {
    const listed = { signal, ...(startAfter !== undefined && { startAfter }) };
    for await (const { key, size } of storage.list(prefix, listed)) {
      if (!share || hasKey(share, key)) estimate.count(size);
    }
    estimate.end();
  } catch {
    // Whoever lists the files to do something with them meets the same failure, and tells of it.
  }
}
