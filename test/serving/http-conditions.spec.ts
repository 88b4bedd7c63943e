import { evaluateConditions, evaluateIfRange } from '../../lib/serving/http-conditions.js';

const file = { etag: '"a,b"', lastModified: new Date('2020-02-29T10:00:00Z') };
const year = new Date().getUTCFullYear();
const digits = (ahead: number): string => String((year + ahead) % 100).padStart(2, '0');

describe('a condition of HTTP', () => {
  test.each([
    'Sat, 29 Feb 2020 10:00:00 GMT',
    'Saturday, 29-Feb-20 10:00:00 GMT',
    'Sat Feb 29 10:00:00 2020',
    'Sun Mar  1 00:00:00 2020',
    'Sat, 29 Feb 2020 10:00:60 GMT',
    `Sunday, 06-Nov-${digits(30)} 08:49:37 GMT`,
    `Sunday, 06-Nov-${digits(50)} 08:49:37 GMT`,
  ])('takes %j for the date of the file, or a later one', (date) => {
    expect(evaluateConditions({ 'if-modified-since': date }, file)).toBe(304);
    expect(evaluateConditions({ 'if-unmodified-since': date }, file)).toBe('proceed');
  });

  test.each(['Sun, 06 Nov 1994 08:49:37 GMT', `Sunday, 06-Nov-${digits(51)} 08:49:37 GMT`])(
    'takes %j for an earlier one',
    (date) => {
      expect(evaluateConditions({ 'if-modified-since': date }, file)).toBe('proceed');
      expect(evaluateConditions({ 'if-unmodified-since': date }, file)).toBe(412);
    },
  );

  test.each([
    'Sat, 31 Feb 2099 10:00:00 GMT',
    'Sat, 29 Feb 2021 10:00:00 GMT',
    'Foo, 01 Jan 2098 00:00:00 GMT',
    'Wed, 01 Foo 2098 00:00:00 GMT',
    'Wed, 00 Jan 2098 00:00:00 GMT',
    'Wed, 01 Jan 2098 24:00:00 GMT',
    'Wed, 01 Jan 2098 10:60:00 GMT',
    'Wed, 01 Jan 2098 10:00:61 GMT',
    'Wed, 01 Jan 2098 10:00:00 UTC',
    'wed, 01 jan 2098 10:00:00 gmt',
    'Wed, 01-Jan-98 10:00:00 GMT',
    '2098-01-01T00:00:00Z',
    '',
  ])('takes no notice of %j, which is no date', (date) => {
    expect(evaluateConditions({ 'if-modified-since': date }, file)).toBe('proceed');
    expect(evaluateConditions({ 'if-unmodified-since': date }, file)).toBe('proceed');
  });

  it('takes no notice of dates where the file has none', () => {
    const date = 'Sun, 06 Nov 1994 08:49:37 GMT';
    const undated = { etag: file.etag };
    expect(evaluateConditions({ 'if-modified-since': date }, undated)).toBe('proceed');
    expect(evaluateConditions({ 'if-unmodified-since': date }, undated)).toBe('proceed');
  });

  test.each(['"a,b"', '"x", "a,b"', ', "x" ,, "a,b" ,'])('finds the etag in %j', (list) => {
    expect(evaluateConditions({ 'if-match': list }, file)).toBe('proceed');
    expect(evaluateConditions({ 'if-none-match': list }, file)).toBe(304);
    const weak = list.replaceAll('"a', 'W/"a');
    expect(evaluateConditions({ 'if-match': weak }, file)).toBe(412);
    expect(evaluateConditions({ 'if-none-match': weak }, file)).toBe(304);
  });

  test.each(['w/"a,b"', 'junk"a,b"', '"a,b"junk', '"x" "a,b"', 'a,b', '"a,b', 'junk, "a,b"', ''])(
    'finds no etag in %j',
    (list) => {
      expect(evaluateConditions({ 'if-match': list }, file)).toBe(412);
      expect(evaluateConditions({ 'if-none-match': list }, file)).toBe('proceed');
    },
  );

  it('is decided within moments, however long its list is', () => {
    for (const list of [`${'"x" '.repeat(20_000)}`, `${' ,'.repeat(20_000)}x`]) {
      expect(evaluateConditions({ 'if-match': list }, file)).toBe(412);
    }
  });
});

describe('If-Range', () => {
  const secondsAgo = (seconds: number): Date =>
    new Date(Math.floor(Date.now() / 1000 - seconds) * 1000);

  test.each([
    [3600, true],
    // Longer than this test takes.
    [30, false],
    [-30, false],
  ])('with the date of a file that changed %i seconds ago names one version: %j', (ago, isOne) => {
    const changed = { etag: '"a"', lastModified: secondsAgo(ago) };
    const headers = { 'if-range': changed.lastModified.toUTCString() };
    expect(evaluateIfRange(headers, changed)).toBe(isOne);
  });

  test.each([
    ['"a,b"', true],
    ['"a"', false],
    ['W/"a,b"', false],
    ['"a,b", "c"', false],
    [file.lastModified.toUTCString(), true],
    ['Sat, 29 Feb 2020 10:00:01 GMT', false],
    ['Sat, 29 Feb 2020 09:59:59 GMT', false],
    ['yesterday', false],
  ])('with %j names the version: %j', (ifRange, isIt) => {
    expect(evaluateIfRange({ 'if-range': ifRange }, file)).toBe(isIt);
  });

  it('is no condition where it is absent, and none that a file without a date can meet', () => {
    expect(evaluateIfRange({}, file)).toBe(true);
    const ifRange = file.lastModified.toUTCString();
    const undated = { etag: '"a"' };
    expect(evaluateIfRange({ 'if-range': ifRange }, undated)).toBe(false);
    expect(evaluateIfRange({ 'if-range': 'yesterday' }, undated)).toBe(false);
  });
});
