import fc from 'fast-check';
import {
  StorageInvalidArgumentError,
  StorageRangeNotSatisfiableError,
} from '../../lib/core/errors.js';
import { formatRange, parseRange, type RangeOption, resolveRange } from '../../lib/core/range.js';

const ranges: fc.Arbitrary<RangeOption> = fc.oneof(
  fc.record({ start: fc.nat(20) }),
  fc.tuple(fc.nat(20), fc.nat(20)).map(([start, more]) => ({ start, end: start + more })),
  fc.record({ suffix: fc.nat(20) }),
);

describe('parseRange', () => {
  it('returns only what belongs to a range, also of one that was delivered', () => {
    const delivered = { start: 1, end: 2, size: 3 };
    expect(parseRange(delivered)).toEqual({ start: 1, end: 2 });
    expect(parseRange({ suffix: 3 })).toEqual({ suffix: 3 });
    expect(parseRange({ start: 0 })).toEqual({ start: 0 });
    expect(parseRange({ start: 0, suffix: undefined })).toEqual({ start: 0 });
  });

  it.each([
    [{ start: -1 }],
    [{ start: 2, end: 1 }],
    [{ start: 1.5 }],
    [{ start: Number.MAX_SAFE_INTEGER + 1 }],
    [{ suffix: -1 }],
    [{ suffix: undefined }],
    [{}],
    [null],
    ['bytes=0-1'],
  ])('refuses %j', (range) => {
    expect(() => parseRange(range as RangeOption)).toThrow(StorageInvalidArgumentError);
  });

  it.each([
    [{ start: 2, End: 4 }, 'unknown option "End"; it is { start, end? } or { suffix }'],
    [{ suffix: 2, length: 1 }, 'unknown option "length"'],
    [{ start: 1, suffix: 2 }, '{ start, end? } or { suffix }, counted in bytes, and not both'],
    [{ end: 1, suffix: 2 }, 'and not both'],
  ])('refuses %j, of which a part would be left out', (range, message) => {
    expect(() => parseRange(range as RangeOption)).toThrow(StorageInvalidArgumentError);
    expect(() => parseRange(range as RangeOption)).toThrow(message);
  });
});

describe('resolveRange', () => {
  it('gives a part of the file, as long as asked or up to the end', () => {
    fc.assert(
      fc.property(ranges, fc.nat(20), (range, size) => {
        const bytes = Array.from({ length: size }, (_, index) => index);
        const expected =
          range.suffix !== undefined
            ? bytes.slice(Math.max(0, size - range.suffix))
            : bytes.slice(range.start, (range.end ?? size) + 1);
        fc.pre(expected.length > 0);
        const { start, end, size: told } = resolveRange(range, size);
        expect(bytes.slice(start, end + 1)).toEqual(expected);
        expect(end).toBeLessThan(size);
        expect(told).toBe(size);
      }),
      { numRuns: 1000 },
    );
  });

  it('refuses what has nothing of the file', () => {
    for (const [range, size] of [
      [{ start: 0 }, 0],
      [{ suffix: 5 }, 0],
      [{ suffix: 0 }, 5],
      [{ start: 5, end: 9 }, 5],
    ] as const) {
      expect(() => resolveRange(range, size)).toThrow(StorageRangeNotSatisfiableError);
    }
  });

  it('tells the size of the file that it refuses', () => {
    expect(() => resolveRange({ start: 5 }, 5)).toThrow(expect.objectContaining({ size: 5 }));
  });
});

describe('formatRange', () => {
  it('writes a Range header', () => {
    expect(formatRange({ start: 0, end: 9 })).toBe('bytes=0-9');
    expect(formatRange({ start: 5 })).toBe('bytes=5-');
    expect(formatRange({ suffix: 5 })).toBe('bytes=-5');
  });
});
