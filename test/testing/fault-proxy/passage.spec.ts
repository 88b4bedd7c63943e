import { paceOf } from '../../../lib/testing/fault-proxy/passage.js';

test.each([1, 7, 49, 50, 99, 1000, 65_536])('%d bytes a second are as many', (bytesPerSecond) => {
  const { slice, pause } = paceOf(bytesPerSecond);
  expect(Number.isInteger(slice)).toBe(true);
  expect((slice / pause) * 1000).toBeCloseTo(bytesPerSecond);
});
