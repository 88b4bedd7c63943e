import { jest } from '@jest/globals';
import { type ProgressInfo, ProgressMeter } from '../../lib/core/progress.js';

describe('ProgressMeter', () => {
  let reports: ProgressInfo[];
  const onProgress = (report: ProgressInfo): void => void reports.push(report);

  beforeEach(() => {
    jest.useFakeTimers();
    // The clock of a process starts at 0, and that of a test must not look like a first report.
    jest.advanceTimersByTime(5000);
    reports = [];
  });

  afterEach(() => {
    jest.useRealTimers();
  });

  it('reports at most every 100 ms, and at the end', () => {
    const meter = new ProgressMeter('upload', 'a', 1000, onProgress);
    for (let step = 0; step < 100; step++) {
      meter.add(10);
      jest.advanceTimersByTime(10);
    }
    meter.finish();
    expect(reports).toHaveLength(11);
    expect(reports.at(-1)).toMatchObject({ bytesTransferred: 1000, percentage: 100 });
  });

  it('says 100 % only when it is finished', () => {
    const meter = new ProgressMeter('upload', 'a', 100, onProgress);
    meter.add(50);
    jest.advanceTimersByTime(1000);
    meter.add(50);
    expect(reports.map(({ percentage }) => percentage)).toEqual([50]);
    meter.finish();
    expect(reports.map(({ percentage }) => percentage)).toEqual([50, 100]);
  });

  it('says 100 % of nothing', () => {
    new ProgressMeter('download', 'a', 0, onProgress).finish();
    expect(reports).toEqual([
      expect.objectContaining({
        bytesTransferred: 0,
        totalBytes: 0,
        percentage: 100,
        bytesPerSecond: 0,
      }),
    ]);
  });

  it('knows no percentage before the end when the length is unknown', () => {
    const meter = new ProgressMeter('upload', 'a', undefined, onProgress);
    meter.add(50);
    expect(reports[0]).not.toHaveProperty('totalBytes');
    expect(reports[0]).not.toHaveProperty('percentage');
    meter.finish();
    expect(reports[1]).toMatchObject({ totalBytes: 50, percentage: 100 });
  });

  it('tells the mean speed', () => {
    const meter = new ProgressMeter('upload', 'a', undefined, onProgress);
    jest.advanceTimersByTime(2000);
    meter.add(500);
    expect(reports[0]!.bytesPerSecond).toBe(250);
  });

  it('handles the rejection of a callback that is async', () => {
    const answer = Promise.reject(new Error('broken'));
    const handled = jest.spyOn(answer, 'catch');
    new ProgressMeter('upload', 'a', 0, (() => answer) as () => void).finish();
    expect(handled).toHaveBeenCalledTimes(1);
  });

  it('is deaf to what the callback throws, rejects with or returns', async () => {
    for (const callback of [
      () => {
        throw new Error('broken');
      },
      async () => Promise.reject(new Error('broken')),
      () => 5 as unknown as void,
      () => ({}) as Promise<void>,
    ]) {
      const meter = new ProgressMeter('upload', 'a', 10, callback);
      expect(() => {
        meter.add(5);
        meter.finish();
      }).not.toThrow();
    }
    await Promise.resolve();
  });
});
