import type { Storage } from '../core/storage.js';
import { hasKey } from './share.js';
import type { Scope } from './sync.js';

/** Bytes. As long as that many take, a file takes even when it is empty: its requests. */
const PER_FILE = 64 * 1024;
/** Milliseconds. What was quick or slow before tells nothing of what is to come. */
const WINDOW = 30_000;
const SAMPLE_EVERY = 1000;

/** How much of the work is done, and when the rest of it will be, once somebody has counted how much there is. */
export class Outlook {
  #counted = 0;
  #isCounted = false;
  #done = 0;
  readonly #samples: { readonly time: number; readonly done: number }[];

  /** @param now milliseconds of a clock that is never set back */
  constructor(private readonly now: () => number = () => performance.now()) {
    this.#samples = [{ time: now(), done: 0 }];
  }

  /** A file more that there is. */
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
    while (this.#samples.length > 2 && time - this.#samples[0]!.time > WINDOW)
      this.#samples.shift();
  }

  /** From 0 to 1, and seconds; nothing as long as the files are being counted. */
  get rest(): { readonly share: number; readonly seconds: number } | undefined {
    if (!this.#isCounted || this.#counted === 0) return undefined;
    // More than was counted when files came meanwhile.
    const left = Math.max(0, this.#counted - this.#done);
    const { time, done } = this.#samples[0]!;
    const perSecond = (this.#done - done) / ((this.now() - time) / 1000);
    return { share: 1 - left / this.#counted, seconds: left / perSecond };
  }
}

/**
 * Lists all files while others work at them: a request for each page. It fails nothing: who cannot be told how much there is goes
 * on without. Resolves when it has come to the end, or was stopped.
 */
export async function countFiles(
  storage: Storage,
  outlook: Outlook,
  { prefix, share, startAfter, signal }: Scope & { readonly startAfter?: string | undefined },
): Promise<void> {
  try {
    const listed = { signal, ...(startAfter !== undefined && { startAfter }) };
    for await (const { key, size } of storage.list(prefix, listed)) {
      if (!share || hasKey(share, key)) outlook.count(size);
    }
    outlook.end();
  } catch {
    // Whoever lists the files to do something with them meets the same failure, and tells of it.
  }
}
