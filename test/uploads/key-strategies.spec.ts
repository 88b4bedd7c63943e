import { jest } from '@jest/globals';
import {
  chosenKey,
  contentHashKey,
  datedKey,
  isUniqueKey,
  randomKey,
} from '../../lib/uploads/key-strategies.js';

const file = (contentType: string) => ({
  fieldname: 'photo',
  originalname: 'mine.exe',
  mimetype: 'image/x',
  contentType,
});

afterEach(() => jest.useRealTimers());

test.each([
  ['image/png', '.png'],
  ['application/x-nobody-knows', ''],
])('a key of a file of %s ends with "%s"', async (contentType, suffix) => {
  const random = await randomKey(file(contentType), {});
  expect(random).toMatch(new RegExp(`^[\\da-f]{32}${suffix.replace('.', '\\.')}$`));
  const hashed = { ...file(contentType), size: 1, sha256: 'abc' };
  expect(await contentHashKey.fromContent(hashed, {})).toBe(`abc${suffix}`);
});

test('a dated key is in the folder of the day, in UTC', async () => {
  jest.useFakeTimers({ now: new Date('2026-01-02T23:59:59Z') });
  expect(await datedKey(file('image/png'), {})).toMatch(/^2026\/01\/02\/[\da-f]{32}\.png$/);
});

test('a chosen key is text, and a key', () => {
  expect(chosenKey('a/b')).toBe('a/b');
  expect(() => chosenKey('a//b')).toThrow('Invalid key');
  for (const [given, shown] of [
    [undefined, 'undefined'],
    [5, '5'],
  ] as const) {
    expect(() => chosenKey(given)).toThrow(
      `The function key of the upload options must return a string, not ${shown}`,
    );
  }
});

test('random keys are unique, and others may not be', () => {
  expect([randomKey, datedKey].map(isUniqueKey)).toEqual([true, true]);
  expect([contentHashKey, () => 'a'].map(isUniqueKey)).toEqual([false, false]);
});
