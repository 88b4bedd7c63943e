import type { Storage } from '../core/storage.js';
import type { Invocation } from './command.js';
import { countFiles, Outlook } from './outlook.js';
import { describeRest, size as sizeOf } from './progress-line.js';
import type { Scope, SyncEvent } from './sync.js';

/**
 * Prints what happens to the files of a run, except that they are the same, and counts it; on a terminal, all files of the storage
 * are counted meanwhile, so that it can tell how long the rest takes.
 */
export async function tally<Result>(
  invocation: Invocation,
  storage: Storage,
  scope: Scope & { readonly startAfter?: string | undefined },
  what: 'copied' | 'to copy' | 'compared',
  run: (report: (event: SyncEvent) => Promise<void>) => Promise<Result>,
): Promise<Result> {
  const counting = new AbortController();
  const outlook = new Outlook();
  const signal = AbortSignal.any([scope.signal, counting.signal]);
  const counted = invocation.progress.isShown
    ? countFiles(storage, outlook, { ...scope, signal })
    : undefined;
  const counts = new Tally(invocation, outlook, what);
  try {
    const result = await run((event) => counts.add(event));
    counts.summary();
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
    private readonly outlook: Outlook,
    private readonly what: 'copied' | 'to copy' | 'compared',
  ) {}

  async add(event: SyncEvent): Promise<void> {
    const { action, key, size, reason } = event;
    this.#counts[action] = (this.#counts[action] ?? 0) + 1;
    if (action === 'copy') this.#copied += size ?? 0;
    // What only the other storage has is none of the files that are counted.
    if (size !== undefined) {
      this.#bytes += size;
      this.outlook.add(size);
    }
    this.invocation.progress.show(() => this.#line(key));
    if (action === 'same') return;
    await this.invocation.print(
      event,
      `${action} ${key}${reason === undefined ? '' : `: ${reason}`}`,
    );
  }

  /** On the standard error, which is not what a program reads. */
  summary(): void {
    this.invocation.progress.clear();
    const bytes = this.what === 'compared' ? this.#bytes : this.#copied;
    this.invocation.stderr.write(`${this.#actions()}; ${bytes} bytes ${this.what}\n`);
  }

  #line(key: string): string {
    const seconds = (performance.now() - this.#started) / 1000;
    const speed = `${sizeOf(this.#bytes / seconds)}/s`;
    return describeRest([this.#actions(), sizeOf(this.#bytes), speed], key, this.outlook.rest);
  }

  #actions(): string {
    const parts = Object.entries(this.#counts).map(([action, number]) => `${number} ${action}`);
    return parts.join(', ') || 'nothing';
  }
}
