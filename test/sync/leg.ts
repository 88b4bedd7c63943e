import type { ChildProcess } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Storage } from '../../lib/core/storage.js';
import type { Program } from '../crash/programs.js';

/** Files that `sync` has under way at once, if nobody tells it otherwise. */
const CONCURRENCY = 8;

interface Way {
  readonly from: string;
  readonly to: string;
  readonly config: string;
  readonly folder: string;
  readonly files: number;
  readonly target: Storage;
}

/** One `sync` that is killed and started again. */
export class Leg {
  readonly problems: string[] = [];
  readonly #journal: string;
  /** What the journal says to be copied. */
  #written = new Set<string>();
  /** The versions that are at the target when the process is dead. */
  #published = new Map<string, string>();
  #copied: readonly string[] = [];
  #seconds = 0;
  #memory = 0;

  constructor(
    private readonly program: Program,
    private readonly way: Way,
  ) {
    this.#journal = join(way.folder, `${way.to}.journal`);
  }

  /** Kills it at a moment between a tenth and the half of the way, of which we may hear late. */
  async killed(): Promise<void> {
    const { files } = this.way;
    const after = randomInt(Math.ceil(files * 0.1), Math.floor(files * 0.5));
    const child = await this.#run((child, count) => {
      if (count === after) void sleep(randomInt(20)).then(() => child.kill('SIGKILL'));
    });
    if (child.signalCode !== 'SIGKILL') this.problems.push('it has ended before it was killed');
    this.#written = await this.#read();
    this.#published = await this.#versions();
    const unpublished = [...this.#written].filter((key) => !this.#published.has(key));
    for (const key of unpublished) this.problems.push(`${key}: in the journal, and not there`);
  }

  async resumed(): Promise<void> {
    const copied: string[] = [];
    const child = await this.#run((_, __, key) => copied.push(key));
    this.#copied = copied;
    const { files } = this.way;
    if (child.exitCode !== 0) this.problems.push(`it ended with ${child.exitCode}`);
    if (existsSync(this.#journal)) this.problems.push('the journal is left');
    if (new Set(copied).size < copied.length) this.problems.push('a file was copied twice');
    const versions = await this.#versions();
    if (versions.size !== files) this.problems.push(`${versions.size} files are there`);
    const again = [...this.#published].filter(([key, version]) => versions.get(key) !== version);
    for (const [key] of again.filter(([key]) => this.#written.has(key))) {
      this.problems.push(`${key}: in the journal, and stored again`);
    }
    this.problems.push(
      ...copied.filter((key) => this.#written.has(key)).map((key) => `${key}: copied again`),
    );
    if (again.length > CONCURRENCY) this.problems.push(`${again.length} files were stored again`);
  }

  /** @param published the keys that the server has published, by all that was sent in both runs */
  assertSentOnce(published: readonly string[], later: readonly { key: string }[]): void {
    const twice = published.length - new Set(published).size;
    if (twice > CONCURRENCY) this.problems.push(`${twice} files were sent twice`);
    const sent = new Set(later.map(({ key }) => key));
    const written = [...this.#written].filter((key) => sent.has(key));
    for (const key of written) this.problems.push(`${key}: in the journal, and asked for again`);
  }

  get figures(): string {
    const { files } = this.way;
    const before = this.#written.size;
    const known = this.#published.size - before;
    const rate = (files / this.#seconds).toFixed(0);
    return (
      `killed with ${before} in the journal and ${known} more published, ${this.#copied.length} copied after it · ` +
      `${rate} files/s · ${(this.#memory / 1024).toFixed(0)} MiB resident at most`
    );
  }

  async #run(
    onCopy: (child: ChildProcess, count: number, key: string) => void,
  ): Promise<ChildProcess> {
    const { from, to, config } = this.way;
    const argv = ['sync', `${from}:`, `${to}:`, '--json', '--journal', this.#journal];
    const started = performance.now();
    const child = this.program.start(...argv, '--config', config);
    const closed = once(child, 'close');
    let count = 0;
    for await (const line of createInterface(child.stdout!)) {
      const { action, key } = JSON.parse(line) as { action?: string; key: string };
      // The summary.
      if (action === undefined) continue;
      if (action !== 'copy') this.problems.push(line);
      onCopy(child, ++count, key);
      if (count % 500 === 0) await this.#measure(child);
    }
    await closed;
    this.#seconds += (performance.now() - started) / 1000;
    return child;
  }

  /** The high water mark in KiB, where the system tells it. */
  async #measure({ pid }: ChildProcess): Promise<void> {
    const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
    this.#memory = Math.max(this.#memory, Number(/^VmHWM:\s+(\d+)/m.exec(status)?.[1] ?? 0));
  }

  async #read(): Promise<Set<string>> {
    const keys = new Set<string>();
    for (const line of (await readFile(this.#journal, 'utf8')).split('\n')) {
      // The kill may have cut off the last line.
      if (!line.endsWith('}')) continue;
      const { copied } = JSON.parse(line) as { copied?: string };
      if (copied !== undefined) keys.add(copied);
    }
    return keys;
  }

  async #versions(): Promise<Map<string, string>> {
    const versions = new Map<string, string>();
    for await (const { key, etag, lastModified } of this.way.target.list()) {
      versions.set(key, `${etag} ${lastModified?.toISOString()}`);
    }
    return versions;
  }
}
