import { jest } from '@jest/globals';
import {
  distinctTime,
  etagOf,
  isSameVersion,
  lastModifiedOf,
} from '../../../lib/drivers/local/local.identity.js';

const VERSION = { size: 5n, mtimeNs: 1_900_000_000_123_456_789n, ino: 7n };
const OTHERS = [
  { ...VERSION, size: 6n },
  { ...VERSION, mtimeNs: VERSION.mtimeNs + 1n },
  { ...VERSION, ino: 8n },
];

afterEach(() => {
  jest.restoreAllMocks();
});

test('another size, time or inode is another version', () => {
  expect(isSameVersion(VERSION, { ...VERSION })).toBe(true);
  for (const other of OTHERS) expect(isSameVersion(VERSION, other)).toBe(false);
  expect(new Set([VERSION, ...OTHERS].map(etagOf)).size).toBe(4);
});

test('the time of a version is told in whole milliseconds', () => {
  expect(lastModifiedOf(VERSION).getTime()).toBe(1_900_000_000_123);
});

test('no two times are the same, on a clock that stands still or is set back', () => {
  const now = jest.spyOn(Date, 'now').mockReturnValue(4_000_000_000_000);
  jest.spyOn(Math, 'random').mockReturnValue(0.5);
  const microseconds = (): number => Math.round(distinctTime() * 1_000_000);
  const first = microseconds();
  expect(first).toBe(4_000_000_000_000_500);
  expect(microseconds()).toBe(first + 2);
  now.mockReturnValue(3_000_000_000_000);
  expect(microseconds()).toBe(first + 4);
  now.mockReturnValue(4_000_000_000_001);
  expect(microseconds()).toBe(first + 1000);
});
