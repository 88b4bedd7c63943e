import { Estimate } from '../../lib/command-line/estimate.js';

describe('what is left of many files', () => {
  test('is told once all are counted, by their bytes and their number', () => {
    let now = 0;
    const estimate = new Estimate(() => now);
    for (let number = 0; number < 10; number++) estimate.count(0);
    now += 4000;
    estimate.add(0);
    estimate.add(0);
    expect(estimate.rest).toBeUndefined();
    estimate.end();
    expect(estimate.rest).toEqual({ share: expect.closeTo(0.2), seconds: expect.closeTo(16) });
  });

  test('goes by the speed of the last half minute', () => {
    let now = 0;
    const estimate = new Estimate(() => now);
    for (let number = 0; number < 1100; number++) estimate.count(1024 ** 2);
    estimate.end();
    // Files that are the same already pass by; those that are copied take a second each.
    for (let number = 0; number < 1000; number++) estimate.add(1024 ** 2);
    for (let number = 0; number < 50; number++) {
      now += 1000;
      estimate.add(1024 ** 2);
    }
    expect(estimate.rest).toEqual({
      share: expect.closeTo(1050 / 1100),
      seconds: expect.closeTo(50),
    });
  });

  test('is nothing less than nothing when files have come meanwhile', () => {
    let now = 0;
    const estimate = new Estimate(() => now);
    estimate.count(5);
    estimate.end();
    now += 1000;
    estimate.add(5);
    estimate.add(5);
    expect(estimate.rest).toEqual({ share: 1, seconds: 0 });
  });
});
