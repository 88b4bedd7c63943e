import type { Invocation } from './command.js';
import { size as sizeOf } from './progress-line.js';
import type { SyncEvent } from './sync.js';

/** Counts what happens to the files of a run, and prints it, except that they are the same. */
export class Tally {
  readonly #counts: Partial<Record<SyncEvent['action'], number>> = {};
  readonly #started = performance.now();
  #bytes = 0;

  constructor(private readonly invocation: Invocation) {}

  async add(event: SyncEvent): Promise<void> {
    const { action, key, size = 0, reason } = event;
    this.#counts[action] = (this.#counts[action] ?? 0) + 1;
    if (action === 'copy') this.#bytes += size;
    this.invocation.progress.show(this.#line(key));
    if (action === 'same') return;
    await this.invocation.print(
      event,
      `${action} ${key}${reason === undefined ? '' : `: ${reason}`}`,
    );
  }

  /** On the standard error, which is not what a program reads. */
  summary(): void {
    this.invocation.progress.clear();
    this.invocation.stderr.write(`${this.#actions()}; ${this.#bytes} bytes copied\n`);
  }

  /** No time left: how much there is shows only when the listings end. */
  #line(key: string): string {
    const seconds = (performance.now() - this.#started) / 1000;
    return `${this.#actions()}  ${sizeOf(this.#bytes)}  ${sizeOf(this.#bytes / seconds)}/s  ${key}`;
  }

  #actions(): string {
    const parts = Object.entries(this.#counts).map(([action, number]) => `${number} ${action}`);
    return parts.join(', ') || 'nothing';
  }
}
