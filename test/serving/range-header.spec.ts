import { runInNewContext } from 'node:vm';
import { parseRangeHeader } from '../../lib/serving/range-header.js';

describe('A Range header', () => {
  it('may have blanks around each of its ranges', () => {
    expect(parseRangeHeader('bytes= \t0-1 \t,\t -2\t', 2)).toEqual([
      { start: 0, end: 1 },
      { suffix: 2 },
    ]);
  });

  it('takes no blank within a range', () => {
    expect(parseRangeHeader('bytes=0 -1', 1)).toBeUndefined();
  });

  it.each(['bytes=0-0%x', 'bytes=%0-0', 'bytes=0-0%', 'bytes=%'])(
    'is read once, whatever run of blanks it has: %s',
    (form) => {
      const header = form.replace('%', ' \t'.repeat(2 ** 20));
      const expected =
        form.includes('0') && !form.includes('x') ? [{ start: 0, end: 0 }] : undefined;
      // Read once for each of the blanks, it would take hours: the limit is what ends the test then.
      const parsed: unknown = runInNewContext(
        'parse(header)',
        { parse: (text: string) => parseRangeHeader(text, 1), header },
        { timeout: 60_000 },
      );
      expect(parsed).toEqual(expected);
    },
  );
});
