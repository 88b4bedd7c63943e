import { StorageRangeNotSatisfiableError } from '../core/errors.js';
import { type ByteRange, type RangeOption, resolveRange } from '../core/range.js';

/**
 * What is delivered of a file of `size` bytes for the ranges that were asked for: those that lie in the file, in
 * ascending order, with all that overlap or touch made one (RFC 9110 §14.2, §15.3.7.2). No byte is sent twice.
 *
 * @throws StorageRangeNotSatisfiableError when none of them lies in the file
 */
export function satisfiableRanges(
  asked: readonly RangeOption[],
  size: number,
): readonly [ByteRange, ...ByteRange[]] {
  const found = asked
    .flatMap((range) => resolved(range, size))
    .sort((left, right) => left.start - right.start);
  const [first, ...rest] = found;
  if (!first) {
    throw new StorageRangeNotSatisfiableError(
      `The range lies outside the file, which has ${size} bytes`,
      { size },
    );
  }
  const joined: [ByteRange, ...ByteRange[]] = [first];
  for (const range of rest) {
    const last = joined.at(-1)!;
    if (range.start > last.end + 1) joined.push(range);
    else joined[joined.length - 1] = { ...last, end: Math.max(last.end, range.end) };
  }
  return joined;
}

/** The range as a `Content-Range` value, RFC 9110 §14.4. */
export function contentRange({ start, end, size }: ByteRange): string {
  return `bytes ${start}-${end}/${size}`;
}

function resolved(range: RangeOption, size: number): ByteRange[] {
  try {
    return [resolveRange(range, size)];
  } catch (error) {
    if (error instanceof StorageRangeNotSatisfiableError) return [];
    throw error;
  }
}
