import type { RangeOption } from '../core/range.js';

const SINGLE_RANGE = /^bytes=[ \t]*(?:(\d+)-(\d*)|-(\d+))[ \t]*$/i;

/**
 * The range that a `Range` header asks for (RFC 9110 §14.2), or `undefined` where the header is to be ignored: another
 * unit, not well-formed, an end before the start, or several ranges, which a server may answer with the whole file.
 */
export function parseRangeHeader(header: string | undefined): RangeOption | undefined {
  const match = header === undefined ? null : SINGLE_RANGE.exec(header);
  if (!match) return undefined;
  const [, start, end, suffix] = match;
  if (suffix !== undefined) return { suffix: clamp(suffix) };
  if (end === '') return { start: clamp(start!) };
  const range = { start: clamp(start!), end: clamp(end!) };
  return range.end < range.start ? undefined : range;
}

// More digits than a number holds mean "beyond any file", not another number.
function clamp(digits: string): number {
  return Math.min(Number(digits), Number.MAX_SAFE_INTEGER);
}
