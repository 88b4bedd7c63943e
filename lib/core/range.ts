import { shown } from './arguments.js';
import { StorageInvalidArgumentError, StorageRangeNotSatisfiableError } from './errors.js';

/** Part of a file: from `start` to `end`, both counted from 0 and both included (RFC 9110 §14.1.2), or the last `suffix` bytes. */
export type RangeOption =
  | {
      /** The first byte. */
      readonly start: number;
      /** The last byte. Default: that of the file. */
      readonly end?: number;
      /** Not in this form. */
      readonly suffix?: undefined;
    }
  | {
      /** How many bytes; of a file that has fewer, all. */
      readonly suffix: number;
      /** Not in this form. */
      readonly start?: undefined;
      /** Not in this form. */
      readonly end?: undefined;
    };

/** The part of a file that is really delivered: `end` is included, `size` is that of the whole file. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
  readonly size: number;
}

const FORMS = '{ start, end? } or { suffix }, counted in bytes';

/** What a range may hold: that of a download, which can be given as it is, tells the size of the file, too. */
const NAMES: ReadonlySet<string> = new Set(['start', 'end', 'suffix', 'size']);

/** @throws StorageInvalidArgumentError when it cannot be a range, whatever the file. */
export function parseRange(range: RangeOption): RangeOption {
  if (typeof range !== 'object' || range === null) {
    throw new StorageInvalidArgumentError(`range must be ${FORMS}`);
  }
  const unknown = Object.keys(range).find((name) => !NAMES.has(name));
  if (unknown !== undefined) {
    throw new StorageInvalidArgumentError(`range: unknown option "${unknown}"; it is ${FORMS}`);
  }
  if (range.suffix !== undefined) {
    const { suffix, ...others } = range;
    if (Object.values(others).some((value) => value !== undefined)) {
      throw new StorageInvalidArgumentError(`range must be ${FORMS}, and not both`);
    }
    assertCount(suffix, 'range.suffix');
    return { suffix };
  }
  assertCount(range.start, 'range.start');
  if (range.end === undefined) return { start: range.start };
  assertCount(range.end, 'range.end');
  if (range.end < range.start) {
    throw new StorageInvalidArgumentError(
      `range.end (${range.end}) lies before range.start (${range.start})`,
    );
  }
  return { start: range.start, end: range.end };
}

/**
 * Fits a range to a file of `size` bytes: an end beyond the file is clamped, a suffix longer than it is the whole of it.
 *
 * @throws StorageRangeNotSatisfiableError when nothing of it lies in the file; an empty file satisfies none.
 */
export function resolveRange(range: RangeOption, size: number): ByteRange {
  const { start, end = size - 1 }: { start: number; end?: number } =
    range.suffix !== undefined ? { start: Math.max(0, size - range.suffix) } : range;
  if (start >= size) {
    throw new StorageRangeNotSatisfiableError(
      `The range lies outside the file, which has ${size} bytes`,
      { size },
    );
  }
  return { start, end: Math.min(end, size - 1), size };
}

/** The range as a `Range` header value, RFC 9110 §14.2. */
export function formatRange(range: RangeOption): string {
  return range.suffix !== undefined
    ? `bytes=-${range.suffix}`
    : `bytes=${range.start}-${range.end ?? ''}`;
}

function assertCount(value: number, name: string): void {
  if (Number.isSafeInteger(value) && value >= 0) return;
  throw new StorageInvalidArgumentError(
    `${name} must be a whole number of bytes, 0 or more, not ${shown(value)}`,
  );
}
