import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { describeProgress, ProgressLine } from '../../lib/command-line/progress-line.js';

const half = {
  operation: 'upload' as const,
  key: 'a',
  bytesTransferred: 50 * 1024 ** 2,
  bytesPerSecond: 0.5 * 1024 ** 2,
};

describe('the line of progress', () => {
  test.each([
    [100 * 1024 ** 2, ' 50 %  512 KB/s  1:40 left  a'],
    [4 * 1024 ** 3, '  1 %  512 KB/s  2:14:52 left  a'],
    [undefined, '50 MB  512 KB/s  a'],
  ])('tells speed and, of %p bytes, the time left', (totalBytes, line) => {
    expect(describeProgress(half, totalBytes)).toBe(line);
  });

  test.each([
    ['letters', 'abcdefghij', 'abcdefghi'],
    ['what is two columns wide', '東京都庁舎.jpg', '東京都庁'],
    ['half of one', 'ab東京都庁舎', 'ab東京都'],
    ['emoji', '🚀🚀🚀🚀🚀🚀', '🚀🚀🚀🚀'],
    ['full-width letters', 'ａｂｃｄｅｆ', 'ａｂｃｄ'],
    ['Hangul', '사진사진사진', '사진사진'],
    ['accents', 'äöüßéèñøåx', 'äöüßéèñøå'],
    ['tabs', 'a\tb', 'a\t'],
  ])('is no wider than nine of ten columns: %s', async (_what, described, shown) => {
    const output = Object.assign(new PassThrough(), { isTTY: true, columns: 10 });
    new ProgressLine(output).show(() => described);
    output.end();
    expect(await text(output)).toBe(`\r\x1b[K${shown}`);
  });
});
