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
  /** @throws UsageError */
  readonly open: (address: string, options?: { as: Purpose }) => Place;
  /** Where the standard error is a terminal. */
  readonly progress: ProgressLine;
  /** One line: the record with `--json`, else the text. Resolves when whoever reads it is not behind. */
  readonly print: (record: object, text: string) => Promise<void>;
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
  readonly promise: string;
  readonly synopsis: string;
  /** How many, at least and at most. */
  readonly operands: readonly [number, number];
  readonly options?: Readonly<Record<string, CommandOption>>;
  /** Resolves with false when it came to its end, but not all was done or alike. */
  readonly run: (invocation: Invocation) => Promise<boolean>;
}
