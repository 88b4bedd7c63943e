import {
  appendFileSync,
  closeSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
} from 'node:fs';
import { open } from 'node:fs/promises';
import { compareKeys } from '../core/key.js';
import { printable } from './printable.js';
import { UsageError } from './usage-error.js';

/** What earlier runs have written. */
interface Before {
  readonly startAfter: string | undefined;
  /** Keys that have failed, up to `startAfter`. */
  readonly passed: ReadonlySet<string>;
  /** All keys that have failed. */
  readonly failed: ReadonlySet<string>;
  /** Keys behind `startAfter`, with their etags. */
  readonly copied: ReadonlyMap<string, string | undefined>;
  readonly listedBefore: number;
  /** How many of those that had failed are done by now. */
  readonly retriedBefore: number;
}

/**
 * What a `sync` has done, so that another one goes on where it was killed. A line for each file that was copied, and now and then one
 * that says up to which key everything is done or has failed: only what was copied behind that key, and what failed before it, is kept in
 * memory.
 */
export class Journal {
  #file: number | undefined;
  #failure: Error | undefined;
  readonly isResumed: boolean;

  private constructor(
    readonly path: string,
    task: string,
    private readonly before: Before,
  ) {
    const begun = sizeOf(path) > 0;
    this.isResumed = begun;
    this.#file = openSync(path, 'a', 0o600);
    // A line that a kill has cut short is ended, so that the next one can be read.
    appendFileSync(this.#file, begun ? '\n' : `${lineOf({ task })}\n`);
  }

  /**
   * An empty file is a new journal, as `mktemp` makes one.
   *
   * @throws UsageError when the file is the journal of another task, or no file, or cannot be read and written
   */
  static async open(path: string, task: string): Promise<Journal> {
    try {
      return await Journal.#open(path, task);
    } catch (cause) {
      if (cause instanceof UsageError) throw cause;
      const { message } = cause as Error;
      throw new UsageError(
        `The journal ${path} cannot be read and written: ${message}. Nothing was done: make it so, or take another --journal`,
        { cause },
      );
    }
  }

  static async #open(path: string, task: string): Promise<Journal> {
    let startAfter: string | undefined;
    const copied = new Map<string, string | undefined>();
    const failed = new Set<string>();
    let listedBefore = 0;
    let retriedBefore = 0;
    const size = sizeOf(path);
    const begins = Buffer.from(lineOf({ task }));
    // A run that was killed at its very beginning has done nothing.
    if (size > 0 && size < begins.length && begins.subarray(0, size).equals(readFileSync(path))) {
      truncateSync(path);
    }
    if (sizeOf(path) > 0) {
      const file = await open(path);
      let first = true;
      for await (const line of file.readLines()) {
        const entry = parse(line);
        if (first && entry?.task !== task) {
          throw new UsageError(
            `${path} is the journal of another task, or none: take another --journal`,
          );
        }
        first = false;
        if (entry?.failed !== undefined) failed.add(entry.failed);
        if (entry?.copied !== undefined) {
          copied.set(entry.copied, entry.etag);
          const isRetried = startAfter !== undefined && compareKeys(entry.copied, startAfter) <= 0;
          if (failed.delete(entry.copied) && isRetried) retriedBefore++;
        }
        if (entry?.done === undefined) continue;
        startAfter = entry.done;
        listedBefore = entry.files ?? 0;
        for (const key of copied.keys()) if (compareKeys(key, startAfter) <= 0) copied.delete(key);
      }
    }
    // The listing comes to the others by itself.
    const passed = [...failed].filter((key) => startAfter && compareKeys(key, startAfter) <= 0);
    const before = { startAfter, passed: new Set(passed), failed, copied };
    return new Journal(path, task, { ...before, listedBefore, retriedBefore });
  }

  /** Everything up to this key is done, but what has failed. */
  get startAfter(): string | undefined {
    return this.before.startAfter;
  }

  /** Keys up to that one that are to be tried again. */
  get failed(): ReadonlySet<string> {
    return this.before.passed;
  }

  /** How many files up to `startAfter` are done, in the order of the listing. */
  get listedBefore(): number {
    return this.before.listedBefore;
  }

  /** How many files of the source this run does not come to, since they are done. */
  get doneBefore(): number {
    return this.before.listedBefore + this.before.retriedBefore;
  }

  /** Whether this very version was copied before. */
  has(key: string, etag: string | undefined): boolean {
    const { copied } = this.before;
    return copied.has(key) && copied.get(key) === etag;
  }

  /** Whether it has failed in a run before, and was not copied since. */
  hasFailed(key: string): boolean {
    return this.before.failed.has(key);
  }

  add(key: string, etag: string | undefined): void {
    this.#write({ copied: key, etag });
  }

  fail(key: string): void {
    this.#write({ failed: key });
  }

  /** @param files how many of the source, up to that key, have not failed */
  done(key: string, files: number): void {
    this.#write({ done: key, files });
  }

  /** With `remove` when there is nothing to go on with. */
  close(remove: boolean): void {
    if (this.#file !== undefined) closeSync(this.#file);
    this.#file = undefined;
    if (remove) rmSync(this.path, { force: true });
  }

  /** @throws Error once it has failed, also when there is room again: what came behind half of a line could not be read */
  #write(entry: Entry): void {
    if (this.#file === undefined) return;
    if (this.#failure) throw this.#failure;
    try {
      appendFileSync(this.#file, `${lineOf(entry)}\n`);
    } catch (cause) {
      const { message } = cause as Error;
      this.#failure = new Error(
        `The journal ${this.path} cannot be written: ${message}. When there is room, the same command goes on with it`,
        { cause },
      );
      throw this.#failure;
    }
  }
}

/** Names of files may have what some versions of Node.js end a line at. */
function lineOf(entry: Entry): string {
  return printable(JSON.stringify(entry));
}

/** Bytes; 0 of one that is not there. */
function sizeOf(path: string): number {
  const there = statSync(path, { throwIfNoEntry: false });
  // A pipe would be waited for, and a device be removed at the end.
  if (there && !there.isFile()) {
    throw new UsageError(`${path} is no file that a journal can be written to`);
  }
  return there?.size ?? 0;
}

interface Entry {
  task?: string;
  copied?: string;
  etag?: string | undefined;
  failed?: string;
  done?: string;
  files?: number;
}

function parse(line: string): Entry | undefined {
  try {
    return JSON.parse(line) as Entry;
  } catch {
    return undefined;
  }
}
