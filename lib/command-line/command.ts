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
   * Opens the place of an address: of one file or, with `isFolder`, of all that lies below it.
   *
   * @param purpose default `'source'`
   * @throws UsageError
   */
  readonly open: (address: string, purpose?: Purpose, options?: { isFolder?: boolean }) => Place;
  /** The same of a folder, as a storage that holds only what lies below it: the path is then empty. @throws UsageError */
  readonly openFolder: (address: string, purpose?: Purpose) => Place;
  /** Shows nothing unless the standard error is a terminal. */
  readonly progress: ProgressLine;
  /** Prints the record as one line with `--json`, else the lines. Resolves when the output takes more. */
  readonly print: (record: object, ...lines: string[]) => Promise<void>;
}

/** The values as they were typed, by the long names of their options. */
export type OptionValues = Readonly<Record<string, string | boolean | undefined>>;

export interface CommandOption {
  readonly type: 'string' | 'boolean';
  readonly short?: string;
  /** For `--help`; ends with the default in brackets, if there is one. */
  readonly description: string;
}

export interface Command {
  /** One sentence for the list of commands. */
  readonly summary: string;
  readonly synopsis: string;
  /** The least and the greatest number of operands. */
  readonly operands: readonly [number, number];
  readonly options?: Readonly<Record<string, CommandOption>>;
  /** Whether it does nothing but print, so that who reads no further has had all that it is for. */
  readonly onlyPrints?: boolean;
  /** Resolves with false when it came to its end, but not all was done or alike. */
  readonly run: (invocation: Invocation) => Promise<boolean>;
}
