import type { Readable, Writable } from 'node:stream';
import type { Place, Purpose } from './place.js';
import type { ProgressLine } from './progress-line.js';

/** What a command works with. */
export interface Invocation {
  readonly values: OptionValues;
  readonly operands: readonly string[];
  readonly stdin: Readable;
  readonly stdout: Writable;
  readonly stderr: Writable;
  readonly signal: AbortSignal;
  /**
   * Of a file, or with `isFolder` of what lies below a path, where the address is a path; as a source, if nothing is said.
   *
   * @throws UsageError
   */
  readonly open: (address: string, purpose?: Purpose, options?: { isFolder?: boolean }) => Place;
  /** Of all that lies below the path, whose storage it answers. @throws UsageError */
  readonly openFolder: (address: string, purpose?: Purpose) => Place;
  /** Where the standard error is a terminal. */
  readonly progress: ProgressLine;
  /** The record as one line with `--json`, else these lines. Resolves when whoever reads them is not behind. */
  readonly print: (record: object, ...lines: string[]) => Promise<void>;
}

/** As they were typed, by their long names. */
export type OptionValues = Readonly<Record<string, string | boolean | undefined>>;

export interface CommandOption {
  readonly type: 'string' | 'boolean';
  readonly short?: string;
  /** With its default, if it has one, in brackets. */
  readonly description: string;
}

export interface Command {
  /** One sentence for the list of commands. */
  readonly summary: string;
  readonly synopsis: string;
  /** How many, at least and at most. */
  readonly operands: readonly [number, number];
  readonly options?: Readonly<Record<string, CommandOption>>;
  /** Whether it does nothing but print, so that who reads no further has had all that it is for. */
  readonly onlyPrints?: boolean;
  /** Resolves with false when it came to its end, but not all was done or alike. */
  readonly run: (invocation: Invocation) => Promise<boolean>;
}
