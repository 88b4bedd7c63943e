import bytes from 'bytes';
import type { Writable } from 'node:stream';
import type { ProgressInfo } from '../core/progress.js';

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

  show(text: string): void {
    const now = performance.now();
    if (!this.output.isTTY || now - this.#last < INTERVAL) return;
    this.#last = now;
    this.#shown = true;
    this.output.write(`${ERASED}${text.slice(0, (this.output.columns ?? 80) - 1)}`);
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
  const parts = [`${size(bytesPerSecond)}/s`, key];
  if (totalBytes === undefined) return [size(bytesTransferred), ...parts].join('  ');
  const share = totalBytes === 0 ? 1 : bytesTransferred / totalBytes;
  const left = (totalBytes - bytesTransferred) / bytesPerSecond;
  if (Number.isFinite(left) && left >= 0) parts.splice(1, 0, `${duration(left)} left`);
  return [`${String(Math.floor(share * 100)).padStart(3)} %`, ...parts].join('  ');
}

export function size(number: number): string {
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
