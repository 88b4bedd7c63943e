import fc from 'fast-check';
import assert from 'node:assert/strict';
import { join, sep } from 'node:path';
import {
  contentDisposition,
  parseContentDisposition,
  safeFileName,
} from '../../lib/core/content-disposition.js';
import { StorageInvalidKeyError, StorageRangeNotSatisfiableError } from '../../lib/core/errors.js';
import { encodeKey, parseKey } from '../../lib/core/key.js';
import { satisfiableRanges } from '../../lib/serving/byte-ranges.js';
import { parseRangeHeader } from '../../lib/serving/range-header.js';
import { runs } from './runs.js';

const ROOT = join(sep, 'srv', 'files');

/** Made of what paths, encodings and normalization are about, and of anything else. */
const hostileText = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 60 }),
  fc
    .array(
      fc.oneof(
        fc.constantFrom(
          '..',
          '.',
          '/',
          '//',
          '\\',
          '%2e%2e',
          '%2f',
          '\0',
          '\n',
          '"',
          ';',
          '*',
          "'",
        ),
        fc.constantFrom('a', 'Ä', 'A\u0308', '\u202e', '\u200b', '\ud800', '😀', '=', 'UTF-8', ' '),
        fc.constantFrom('.nestjs-storages', '.NestJS-Storages', 'COM1', 'x'.repeat(255)),
      ),
      { maxLength: 12 },
    )
    .map((pieces) => pieces.join('')),
);

describe('any text', () => {
  it('is no key, or one that stays below its root and comes back as it was', () => {
    fc.assert(
      fc.property(hostileText, (text) => {
        let key: string;
        try {
          key = parseKey(text);
        } catch (error) {
          assert.ok(error instanceof StorageInvalidKeyError, error as Error);
          return;
        }
        expect(key).toBe(text);
        expect(join(ROOT, key)).toBe(`${ROOT}${sep}${key}`);
        expect(key.split('/')[0]!.toLowerCase()).not.toBe('.nestjs-storages');
        const path = encodeKey(key);
        expect(new URL(`https://example.com/files/${path}`).pathname).toBe(`/files/${path}`);
        expect(path.split('/').map(decodeURIComponent).join('/')).toBe(key);
      }),
      runs(),
    );
  });

  it('is a file name that comes back from its Content-Disposition, and breaks no header', () => {
    fc.assert(
      fc.property(hostileText, fc.constantFrom('inline', 'attachment'), (filename, type) => {
        const value = contentDisposition({ type, filename });
        expect(value).toMatch(/^[\x20-\x7e]*$/);
        const name = safeFileName(filename);
        expect(parseContentDisposition(value)).toEqual({ type, filename: name });
        expect(name).not.toMatch(/[/\\\0\r\n]/);
        expect(['.', '..', '']).not.toContain(name);
      }),
      runs(),
    );
  });

  it('is a Range header that is ignored, or asks for bytes that the file has', () => {
    const number = fc.oneof(fc.nat(40).map(String), fc.bigInt({ min: 0n }).map(String));
    const range = fc
      .tuple(fc.oneof(number, fc.constant('')), fc.oneof(number, fc.constant('')))
      .map((ends) => ends.join('-'));
    const header = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc
        .array(fc.oneof(range, fc.string({ maxLength: 4 })), { maxLength: 8 })
        .map((all) => `bytes=${all.join(', ')}`),
    );
    fc.assert(
      fc.property(header, fc.nat(30), (text, size) => {
        const asked = parseRangeHeader(text, 5);
        if (!asked) return;
        expect(asked.length).toBeLessThanOrEqual(5);
        let found;
        try {
          found = satisfiableRanges(asked, size);
        } catch (error) {
          assert.ok(error instanceof StorageRangeNotSatisfiableError, error as Error);
          return;
        }
        let next = 0;
        for (const { start, end } of found) {
          expect(start).toBeGreaterThanOrEqual(next);
          expect(end).toBeGreaterThanOrEqual(start);
          expect(end).toBeLessThan(size);
          next = end + 2;
        }
      }),
      runs(),
    );
  });
});
