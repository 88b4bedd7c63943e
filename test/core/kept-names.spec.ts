import { jest } from '@jest/globals';
import { isKeptName, isStillKept, keptName } from '../../lib/core/kept-names.js';

const HOUR = 3_600_000;

test('a name is kept until the time that it tells, and not longer', () => {
  const kept = keptName(Date.now() + HOUR);
  expect(isStillKept(kept)).toBe(true);
  expect(isStillKept(`${kept}.json`)).toBe(true);
  const over = keptName(Date.now() - HOUR);
  expect(isStillKept(over)).toBe(false);
  expect(isStillKept(`${over}.json`)).toBe(false);
});

test('a name is kept for all of its last second', () => {
  const now = jest.spyOn(Date, 'now').mockReturnValue(1_800_000_000_999);
  try {
    expect(isStillKept(keptName(1_800_000_000_500))).toBe(true);
    expect(isStillKept(keptName(1_800_000_000_000))).toBe(false);
    now.mockReturnValue(1_800_000_001_000);
    expect(isStillKept(keptName(1_800_000_000_500))).toBe(false);
  } finally {
    now.mockRestore();
  }
});

test('each name is another one, and known by its whole', () => {
  const name = keptName(Date.now());
  expect(keptName(Date.now())).not.toBe(name);
  expect(isKeptName(name)).toBe(true);
  const [random, until] = name.split('-') as [string, string];
  const others = [
    `${name}.json`,
    `x${name}`,
    `${name}-x`,
    random,
    `${random.slice(1)}-${until}`,
    `${random}-${until}${until}`,
    `${random}-${until.slice(1, 4)}`,
    `${random}/${until}`,
    '',
  ];
  for (const other of others) expect([other, isKeptName(other)]).toEqual([other, false]);
});

test('a name is kept in the folder of a scope, too, and is not such a name as a whole', () => {
  const inScope = `${'0a'.repeat(16)}/${keptName(Date.now() + HOUR)}`;
  expect(isStillKept(inScope)).toBe(true);
  expect(isStillKept(`${inScope}.json`)).toBe(true);
  expect(isKeptName(inScope)).toBe(false);
  const over = `${'0a'.repeat(16)}/${keptName(Date.now() - HOUR)}`;
  expect(isStillKept(over)).toBe(false);
});

test('what is not such a name is not kept', () => {
  const later = keptName(Date.now() + HOUR);
  for (const name of [
    'upload',
    later.slice(1),
    `x${later}`,
    `${later}x0x0x`,
    `${later}/a`,
    `a/${later}`,
  ]) {
    expect([name, isStillKept(name)]).toEqual([name, false]);
  }
});
