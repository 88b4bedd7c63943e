import bytes from 'bytes';
import type { Writable } from 'node:stream';
import type { ProgressInfo } from '../core/progress.js';
import { printable } from './printable.js';

/** A stream that may be a terminal, as those of the process may be. */
export type Output = Writable & { readonly isTTY?: boolean; readonly columns?: number };

/** Milliseconds from one text to the next: a terminal must not slow down what it tells of. */
const INTERVAL = 100;
const ERASED = '\r\x1b[K';

/** The last line of a terminal, which is written over again and again; nothing at all where the output is none. */
export class ProgressLine {
  #shown = false;
  #last = -Infinity;

  constructor(private readonly output: Output) {}

  /** Whether anybody sees it. */
  get isShown(): boolean {
    return this.output.isTTY === true;
  }

  /** @param describe is asked for the text no more often than it is shown */
  show(describe: () => string): void {
    const now = performance.now();
    if (!this.isShown || now - this.#last < INTERVAL) return;
    this.#last = now;
    this.#shown = true;
    // Some terminals do not report their width.
    const width = (this.output.columns || 80) - 1;
    this.output.write(`${ERASED}${cut(printable(describe()), width)}`);
  }

  /** To be called before anything else is written to the terminal. */
  clear(): void {
    if (this.#shown) this.output.write(ERASED);
    this.#shown = false;
  }
}

/** `45 %  12.5 MB/s  1:05 left  key`, as far as it is known. @param totalBytes where only the caller knows it */
export function describeProgress(
  { key, bytesTransferred, bytesPerSecond, totalBytes: told }: ProgressInfo,
  totalBytes = told,
): string {
  if (totalBytes === undefined) {
    return describeRest(
      [formatBytes(bytesTransferred), `${formatBytes(bytesPerSecond)}/s`],
      key,
      undefined,
    );
  }
  const share = totalBytes === 0 ? 1 : bytesTransferred / totalBytes;
  const seconds = (totalBytes - bytesTransferred) / bytesPerSecond;
  return describeRest([`${formatBytes(bytesPerSecond)}/s`], key, { share, seconds });
}

/** `45 %  …  1:05 left  key`, where it is known what is left. */
export function describeRest(
  parts: readonly string[],
  key: string,
  rest: { readonly share: number; readonly seconds: number } | undefined,
): string {
  if (!rest) return [...parts, key].join('  ');
  const { share, seconds } = rest;
  const percent = `${String(Math.floor(share * 100)).padStart(3)} %`;
  const left = Number.isFinite(seconds) && seconds >= 0 ? [`${duration(seconds)} left`] : [];
  return [percent, ...parts, ...left, key].join('  ');
}

/** `12.5 MB`. */
export function formatBytes(number: number): string {
  return bytes.format(Math.round(number), { decimalPlaces: 1, unitSeparator: ' ' }) ?? '0 B';
}

/** `1:05`, or `2:00:09` from an hour on. */
function duration(seconds: number): string {
  const whole = Math.ceil(seconds);
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor(whole / 60) % 60;
  const rest = String(whole % 60).padStart(2, '0');
  return hours ? `${hours}:${String(minutes).padStart(2, '0')}:${rest}` : `${minutes}:${rest}`;
}

/** As much of the text as certainly fits: a line that wraps cannot be written over. */
function cut(text: string, columns: number): string {
  let fitting = '';
  let left = columns;
  for (const character of text) {
    left -= widthOf(character);
    if (left < 0) break;
    fitting += character;
  }
  return fitting;
}

/** Columns that it takes at most: what is two wide, such as CJK and emoji, comes behind U+10FF, and not all that comes there is. */
function widthOf(character: string): number {
  if (character === '\t') return 8;
  return character.codePointAt(0)! < 0x1100 ? 1 : 2;
}
