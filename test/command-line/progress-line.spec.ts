import { describeProgress } from '../../lib/command-line/progress-line.js';

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
});
