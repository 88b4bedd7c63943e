import fc from 'fast-check';
import assert from 'node:assert/strict';
import { crc32 } from 'node:zlib';
import { startChecksum } from '../../lib/core/checksum.js';
import { sniffContentType } from '../../lib/uploads/content-sniffing.js';
import { imageDimensions, MOST_STEPS, StepCount } from '../../lib/uploads/image-dimensions.js';
import { runs } from './runs.js';

const IMAGES = ['image/png', 'image/jpeg', 'image/gif', 'image/webp', 'image/avif', 'image/heic'];
const BEGINNINGS = [
  '\x89PNG\r\n\x1a\n\0\0\0\rIHDR',
  '\xff\xd8\xff\xe1\0\x10Exif\0\0',
  'GIF89a',
  'RIFF\xff\xff\xff\xffWEBPVP8X',
  'RIFF\0\0\0\0WEBPVP8L',
  '\0\0\0\x18ftypavif\0\0\0\0',
  '\0\0\0\0meta',
  'PK\x03\x04',
  '<svg',
  '<!DOCTYPE html>',
  '%PDF-',
].map((text) => Buffer.from(text, 'latin1'));

/** Beginnings of formats, their pieces and noise, in any order. */
const bytes = fc
  .array(
    fc.oneof(
      fc.constantFrom(...BEGINNINGS),
      fc.uint8Array({ maxLength: 40 }),
      fc
        .constantFrom('\0\0\0\x01', '\xff\xc0', '\xff\xda', 'ispe', '\0\0\0\x08iprp')
        .map((text) => Buffer.from(text, 'latin1')),
    ),
    { maxLength: 60 },
  )
  .map((pieces) => Buffer.concat(pieces));

describe('any bytes', () => {
  it('have a content type or none, and dimensions after a bounded number of steps or none', () => {
    fc.assert(
      fc.property(bytes, fc.constantFrom(...IMAGES), (content, type) => {
        const found = sniffContentType(content);
        expect(found === undefined || /^[\w.+-]+\/[\w.+-]+$/.test(found)).toBe(true);
        const steps = new StepCount();
        const dimensions = imageDimensions(type, content, steps);
        expect(steps.taken).toBeLessThanOrEqual(MOST_STEPS);
        if (!dimensions) return;
        expect(Number.isSafeInteger(dimensions.width) && dimensions.width > 0).toBe(true);
        expect(Number.isSafeInteger(dimensions.height) && dimensions.height > 0).toBe(true);
      }),
      runs(),
    );
  });

  it('have one checksum, however they are cut, and another one with any bit flipped', () => {
    const algorithm = fc.constantFrom('crc32', 'crc32c', 'md5', 'sha1', 'sha256');
    fc.assert(
      fc.property(
        algorithm,
        fc.uint8Array({ minLength: 1, maxLength: 200 }),
        fc.nat(),
        fc.nat(7),
        (name, content, nth, bit) => {
          const digest = (...chunks: Uint8Array[]): string => {
            const running = startChecksum(name);
            for (const chunk of chunks) running.update(chunk);
            return running.digest().value;
          };
          const at = nth % content.length;
          const whole = digest(content);
          expect(digest(content.subarray(0, at), content.subarray(at))).toBe(whole);
          if (name === 'crc32') {
            assert.equal(Buffer.from(whole, 'base64').readUInt32BE(), crc32(content));
          }
          const flipped = Uint8Array.from(content);
          flipped[at]! ^= 1 << bit;
          expect(digest(flipped)).not.toBe(whole);
        },
      ),
      runs(),
    );
  });
});
