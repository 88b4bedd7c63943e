import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import type { BehaviourGroup, BehaviourOutcome } from './behaviour.js';

/** What came of a group on one storage, as a line of JSON has it. */
interface GroupResult {
  readonly storage: string;
  /** The same for all groups of one run of the kit, and no other: one storage may be run twice, on two SDKs for example. */
  readonly run: string;
  readonly group: string;
  readonly kept: number;
  readonly refused: number;
  /** Names of the behaviours that the storage does not have. */
  readonly broken: readonly string[];
  readonly milliseconds: number;
}

/**
 * Counts what comes of a group. Where the environment variable `STORAGE_CONFORMANCE_RESULTS` names a folder, the result is
 * appended to a file in it as a line of JSON: no reporter of a test runner tells a behaviour that was kept from one that
 * was refused.
 */
export class GroupResults {
  readonly #outcomes = new Map<string, BehaviourOutcome | 'broken'>();
  readonly #started = performance.now();

  constructor(
    private readonly storage: string,
    private readonly run: string,
    private readonly group: BehaviourGroup,
  ) {}

  async count(name: string, behaviour: Promise<BehaviourOutcome>): Promise<void> {
    // Until it ends, which a runner may not wait for.
    this.#outcomes.set(name, 'broken');
    this.#outcomes.set(name, await behaviour);
  }

  /** @param isOpen whether the storage could be opened; otherwise the whole group is broken */
  write(isOpen: boolean): void {
    const folder = process.env['STORAGE_CONFORMANCE_RESULTS'];
    if (!folder) return;
    const names = this.group.behaviours.map(({ name }) => name);
    const having = (outcome: string): string[] =>
      names.filter((name) => this.#outcomes.get(name) === outcome);
    const broken = isOpen ? having('broken') : names;
    const result: GroupResult = {
      storage: this.storage,
      run: this.run,
      group: this.group.name,
      kept: having('kept').length,
      refused: having('refused').length,
      broken,
      milliseconds: Math.round(performance.now() - this.#started),
    };
    // Runners work in several processes at once.
    appendFileSync(join(folder, `${process.pid}.jsonl`), `${JSON.stringify(result)}\n`);
  }
}
