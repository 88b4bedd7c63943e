import fc from 'fast-check';
import {
  decodeMetadataValue,
  encodeMetadataValue,
  toChecksum,
  toEtag,
} from '../../../lib/drivers/s3/s3.metadata.js';
import { openS3, putOptions, signal } from './open-s3.js';

const AWKWARD = [
  '',
  ' ',
  'plain',
  'two  spaces',
  ' at the edges ',
  'tab\there',
  'Zoë',
  ' Zoë ',
  '日本語 🙂',
  '=?UTF-8?B?WA==?=',
  'before =?UTF-8?Q?X?= after',
  "UTF-8''%41",
  "utf-8''",
  '100%',
  '"quoted", with; separators=1',
];

describe('metadata values', () => {
  test('come back as they were, through the wire', async () => {
    await using s3 = await openS3();
    const metadata = Object.fromEntries(AWKWARD.map((value, index) => [`v${index}`, value]));
    await s3.driver.put('key', Buffer.from('x'), putOptions({ metadata }));
    expect((await s3.driver.info('key', { signal })).metadata).toEqual(metadata);
  });

  test('are ASCII without folded spaces on the wire, whatever they were', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (value) => {
        const encoded = encodeMetadataValue(value);
        expect(encoded).toMatch(/^[\t\x21-\x7E]+( [\t\x21-\x7E]+)*$/);
        expect(decodeMetadataValue(encoded)).toBe(value);
      }),
    );
  });

  test('go as they are when they are plain, so that other tools read them', () => {
    for (const value of ['plain', 'with a space', '100%', 'a=b; c="d"'])
      expect(encodeMetadataValue(value)).toBe(value);
  });

  test('survive a service that reads encoded words and answers ASCII bare, as S3 does', () => {
    for (const value of AWKWARD) {
      const encoded = encodeMetadataValue(value);
      const word = /^=\?UTF-8\?B\?(.*)\?=$/.exec(encoded)?.[1];
      const stored = word === undefined ? encoded : Buffer.from(word, 'base64').toString();
      const answered = /^[\x20-\x7E]*$/.test(stored)
        ? stored.trim()
        : `=?UTF-8?Q?${[...Buffer.from(stored)].map((byte) => `=${byte.toString(16).padStart(2, '0').toUpperCase()}`).join('')}?=`;
      expect(decodeMetadataValue(answered)).toBe(value);
    }
  });

  test('of other programs are read, too', () => {
    expect(decodeMetadataValue('=?utf-8?q?Zo=C3=AB_x?=')).toBe('Zoë x');
    expect(decodeMetadataValue('=?UTF-8?B?Wm8=?= =?UTF-8?B?w6s=?=')).toBe('Zoë');
    expect(decodeMetadataValue('=?iso-8859-1?Q?a?=')).toBe('=?iso-8859-1?Q?a?=');
    expect(decodeMetadataValue("UTF-8''%FF")).toBe("UTF-8''%FF");
  });
});

test('etags are strong and quoted', () => {
  expect(toEtag('"abc-2"')).toBe('"abc-2"');
  expect(toEtag('abc')).toBe('"abc"');
  expect(toEtag('W/"abc"')).toBe('"abc"');
  expect(toEtag('')).toBeUndefined();
});

test('a checksum of checksums is not that of the file', () => {
  expect(toChecksum({ ChecksumSHA256: 'abc=-3' })).toBeUndefined();
  expect(toChecksum({ ChecksumCRC32: 'abc=', ChecksumType: 'COMPOSITE' })).toBeUndefined();
  expect(toChecksum({ ChecksumCRC32: 'abc=', ChecksumType: 'FULL_OBJECT' })).toEqual({
    algorithm: 'crc32',
    value: 'abc=',
  });
});
