import type { Storage } from '../core/storage.js';
import type { Invocation } from './command.js';
import { countFiles, Estimate } from './estimate.js';
import { describeRest, formatBytes } from './progress-line.js';
import type { Scope, SyncEvent } from './sync.js';

/**
 * Prints what happens to the files of a run, except that they are the same, and counts it; on a terminal, all files of the storage
 * are counted meanwhile, so that it can tell how long the rest takes.
 */
export async function tally<Result>(
  invocation: Invocation,
  storage: Storage,
  scope: Scope & {
    readonly startAfter?: string | undefined;
    /** How many files up to there are done. */
    readonly doneBefore?: number | undefined;
  },
  what: 'copied' | 'to copy' | 'compared',
  run: (report: (event: SyncEvent) => Promise<void>) => Promise<Result>,
): Promise<Result> {
  const counting = new AbortController();
  const estimate = new Estimate();
  const signal = AbortSignal.any([scope.signal, counting.signal]);
  const counted = invocation.progress.isShown
    ? countFiles(storage, estimate, { ...scope, signal })
    : undefined;
  const counts = new Tally(invocation, estimate, what, scope.doneBefore ?? 0);
  try {
    const result = await run((event) => counts.add(event));
    await counts.summary();
    return result;
  } finally {
    counting.abort();
    await counted;
  }
}

class Tally {
  readonly #counts: Partial<Record<SyncEvent['action'], number>> = {};
  readonly #started = performance.now();
  #copied = 0;
  #bytes = 0;

  constructor(
    private readonly invocation: Invocation,
    private readonly estimate: Estimate,
    private readonly what: 'copied' | 'to copy' | 'compared',
    private readonly doneBefore: number,
  ) {}

  async add(event: SyncEvent): Promise<void> {
    const { action, key, size, reason } = event;
    this.#counts[action] = (this.#counts[action] ?? 0) + 1;
    if (action === 'copy') this.#copied += size ?? 0;
    // What only the other storage has is none of the files that are counted.
    if (size !== undefined) {
      this.#bytes += size;
      this.estimate.add(size);
    }
    this.invocation.progress.show(() => this.#line(key));
    if (action === 'same' || action === 'folder marker') return;
    await this.invocation.print(
      event,
      `${action} ${key}${reason === undefined ? '' : `: ${reason}`}`,
    );
  }

  /** In words on the standard error, which is not what a program reads; with `--json`, as the last line of the output, too. */
  async summary(): Promise<void> {
    const { progress, stderr, values, print } = this.invocation;
    progress.clear();
    const bytes = this.what === 'compared' ? this.#bytes : this.#copied;
    const text = `${this.#actions()}; ${bytes} bytes ${this.what}`;
    stderr.write(`${text}\n`);
    if (!values['json']) return;
    const doneBefore = this.doneBefore === 0 ? {} : { doneBefore: this.doneBefore };
    const { 'folder marker': folderMarkers, ...counts } = this.#counts;
    const markers = folderMarkers === undefined ? {} : { folderMarkers };
    await print({ summary: { ...doneBefore, ...counts, ...markers, bytes } }, text);
  }

  #line(key: string): string {
    const seconds = (performance.now() - this.#started) / 1000;
    const speed = `${formatBytes(this.#bytes / seconds)}/s`;
    return describeRest(
      [this.#actions(), formatBytes(this.#bytes), speed],
      key,
      this.estimate.rest,
    );
  }

  #actions(): string {
    const { 'folder marker': markers, ...counts } = this.#counts;
    const parts = Object.entries(counts).map(([action, number]) => `${number} ${action}`);
    if (this.doneBefore > 0) parts.unshift(`${this.doneBefore} done before`);
    if (markers) parts.push(`${markers} folder marker${markers === 1 ? '' : 's'} skipped`);
    return parts.join(', ') || 'nothing';
  }
}
