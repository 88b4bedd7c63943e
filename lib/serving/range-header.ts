import type { RangeOption } from '../core/range.js';
import { trimmed } from '../core/trimmed.js';

const UNIT = /^bytes=/i;
const RANGE = /^(?:(\d+)-(\d*)|-(\d+))$/;

/**
 * The ranges that a `Range` header asks for (RFC 9110 §14.2), in its order, or `undefined` where the header is to be
 * ignored: another unit, not well-formed, an end before its start, or more ranges than `maxRanges`, which a server may
 * answer with the whole file.
 */
export function parseRangeHeader(
  header: string | undefined,
  maxRanges: number,
): readonly RangeOption[] | undefined {
  if (header === undefined || !UNIT.test(header)) return undefined;
  const ranges: RangeOption[] = [];
  for (const item of header.slice('bytes='.length).split(',')) {
    const text = trimmed(item, ' \t');
    // An empty element of a list is none (RFC 9110 §5.6.1.2).
    if (text === '') continue;
    const range = parseRange(text);
    if (!range || ranges.push(range) > maxRanges) return undefined;
  }
  return ranges.length > 0 ? ranges : undefined;
}

function parseRange(text: string): RangeOption | undefined {
  const match = RANGE.exec(text);
  if (!match) return undefined;
  const [, start, end, suffix] = match;
  if (suffix !== undefined) return { suffix: clamp(suffix) };
  if (end === '') return { start: clamp(start!) };
  if (BigInt(end!) < BigInt(start!)) return undefined;
  return { start: clamp(start!), end: clamp(end!) };
}

// More digits than a number holds mean "beyond any file", not another number.
function clamp(digits: string): number {
  return Math.min(Number(digits), Number.MAX_SAFE_INTEGER);
}
