import { Outlook } from '../../lib/command-line/outlook.js';

describe('what is left of many files', () => {
  test('is told once all are counted, by their bytes and their number', () => {
    let now = 0;
    const outlook = new Outlook(() => now);
    for (let number = 0; number < 10; number++) outlook.count(0);
    now += 4000;
    outlook.add(0);
    outlook.add(0);
    expect(outlook.rest).toBeUndefined();
    outlook.end();
    expect(outlook.rest).toEqual({ share: expect.closeTo(0.2), seconds: expect.closeTo(16) });
  });

  test('goes by the speed of the last half minute', () => {
    let now = 0;
    const outlook = new Outlook(() => now);
    for (let number = 0; number < 1100; number++) outlook.count(1024 ** 2);
    outlook.end();
    // Files that are the same already pass by; those that are copied take a second each.
    for (let number = 0; number < 1000; number++) outlook.add(1024 ** 2);
    for (let number = 0; number < 50; number++) {
      now += 1000;
      outlook.add(1024 ** 2);
    }
    expect(outlook.rest).toEqual({
      share: expect.closeTo(1050 / 1100),
      seconds: expect.closeTo(50),
    });
  });

  test('is nothing less than nothing when files have come meanwhile', () => {
    let now = 0;
    const outlook = new Outlook(() => now);
    outlook.count(5);
    outlook.end();
    now += 1000;
    outlook.add(5);
    outlook.add(5);
    expect(outlook.rest).toEqual({ share: 1, seconds: 0 });
  });
});
