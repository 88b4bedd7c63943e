import { StorageInvalidArgumentError } from '../../lib/core/errors.js';
import {
  assertCount,
  parseByteSize,
  parseExpiresIn,
  parseMilliseconds,
} from '../../lib/core/units.js';

describe('parseByteSize', () => {
  it.each([
    [0, 0],
    [5, 5],
    ['5', 5],
    ['5b', 5],
    ['1kb', 1024],
    ['1.5 MB', 1_572_864],
    ['5gb', 5 * 1024 ** 3],
  ])('takes %j for %d bytes', (given, bytes) => {
    expect(parseByteSize(given, 'size')).toBe(bytes);
  });

  it.each([
    '',
    'much',
    '-1',
    '-1kb',
    '10 apples',
    '10mib',
    '10m',
    '1e3',
    '1kb1',
    -1,
    1.5,
    Number.NaN,
    Infinity,
  ])('refuses %j', (given) => {
    expect(() => parseByteSize(given, 'partSize')).toThrow(StorageInvalidArgumentError);
    expect(() => parseByteSize(given, 'partSize')).toThrow('partSize');
  });

  it('refuses what is neither a number nor text', () => {
    for (const given of [null, undefined, {}, true]) {
      expect(() => parseByteSize(given as unknown as number, 'size')).toThrow(
        StorageInvalidArgumentError,
      );
    }
  });
});

describe('parseMilliseconds', () => {
  it.each([
    [500, 500],
    ['30s', 30_000],
    ['1.5 minutes', 90_000],
  ])('takes %j for %d ms', (given, milliseconds) => {
    expect(parseMilliseconds(given, 'timeout')).toBe(milliseconds);
  });

  it('is at most what a timer can run, which would fire at once for more', () => {
    expect(parseMilliseconds('30d', 'timeout')).toBe(2 ** 31 - 1);
    expect(parseMilliseconds(2 ** 40, 'timeout')).toBe(2 ** 31 - 1);
  });

  it.each(['', 'soon', '-1s', 0, -5, Number.NaN, Infinity, null])('refuses %j', (given) => {
    expect(() => parseMilliseconds(given as number, 'timeout')).toThrow(
      StorageInvalidArgumentError,
    );
  });
});

describe('parseExpiresIn', () => {
  it.each([
    [1, 1],
    [90.9, 90],
    ['15m', 900],
    ['1 hour', 3600],
  ])('takes %j for %d seconds', (given, seconds) => {
    expect(parseExpiresIn(given, 3600)).toBe(seconds);
  });

  it.each([0, 0.5, -1, 3601, '2h', '', 'soon', '-5m', '500ms', Number.NaN, Infinity, null])(
    'refuses %j where an hour is the most',
    (given) => {
      expect(() => parseExpiresIn(given as number, 3600)).toThrow(StorageInvalidArgumentError);
    },
  );
});

describe('a text that is refused', () => {
  it.each([
    [() => parseExpiresIn('8d', 604_800), 'not 691200'],
    [() => parseExpiresIn('0s', 3600), 'not 0'],
    [() => parseExpiresIn('soon', 3600), 'not another text'],
    [() => parseMilliseconds('0s', 'timeout'), 'not 0'],
    [() => parseMilliseconds('-1s', 'timeout'), 'not -1000'],
    [() => parseMilliseconds('10 apples', 'timeout'), 'not another text'],
    [() => parseByteSize('10mib', 'maxSize'), 'not another text'],
    [() => parseByteSize('', 'maxSize'), 'not an empty string'],
  ])('is told by what it says, or not to be one that can be read: %#', (parse, end) => {
    expect(parse).toThrow(new RegExp(`${end}$`));
  });

  it('is not shown, since it may be a secret in the wrong place', () => {
    for (const text of ['hunter2', '5ecret']) {
      expect(() => parseExpiresIn(text, 3600)).not.toThrow(text);
      expect(() => parseExpiresIn(text, 3600)).toThrow(StorageInvalidArgumentError);
      expect(() => parseByteSize(text, 'maxSize')).toThrow(/not another text$/);
    }
  });
});

describe('assertCount', () => {
  it('gives back a whole number within its bounds, and refuses all else by its name', () => {
    expect(assertCount(3, 'limit', 1, 3)).toBe(3);
    for (const given of [0, 4, 1.5, Number.NaN, '2' as unknown as number]) {
      expect(() => assertCount(given, 'limit', 1, 3)).toThrow(/limit must be .* from 1 to 3/);
    }
    expect(() => assertCount(-1, 'limit')).toThrow('0 or more');
  });
});
