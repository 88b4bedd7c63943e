import fc from 'fast-check';
import {
  decodeMetadataValue,
  encodeMetadata,
  encodeMetadataValue,
  fileOf,
  hasRoomForToken,
  toChecksum,
  toEtag,
  toLastModified,
  toS3Attributes,
  toVersion,
  writeTokenOf,
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
    expect(decodeMetadataValue("UTF-8''a b")).toBe("UTF-8''a b");
    expect(decodeMetadataValue("x UTF-8''%41")).toBe("x UTF-8''%41");
    expect(decodeMetadataValue("utf-8''%c3%a4(1)~")).toBe('ä(1)~');
    for (const beside of ['x =?utf-8?q?a?=', '=?utf-8?q?a?= x', '=?utf-8?x?a?=', '=?utf-8?q?a']) {
      expect(decodeMetadataValue(beside)).toBe(beside);
    }
  });
});

test.each([
  [1, 2047],
  [0, 2048],
])('takes metadata with %i bytes to spare, and none with one more than the limit', (_, size) => {
  const metadata = { a: 'x'.repeat(size - 1) };
  expect(encodeMetadata(metadata)).toEqual(metadata);
  const more = { a: 'x'.repeat(2048) };
  expect(() => encodeMetadata(more)).toThrow('metadata is 2049 bytes as S3 encodes it');
  expect(() => encodeMetadata({ a: 'x', bc: 'x'.repeat(2045) })).toThrow('2049 bytes');
});

test('a token goes along as long as there is room for it', () => {
  const room = 2048 - 'nestjs-storages-write'.length - 16;
  expect(hasRoomForToken()).toBe(true);
  expect(hasRoomForToken({ a: 'x'.repeat(room - 1) })).toBe(true);
  expect(hasRoomForToken({ a: 'x'.repeat(room) })).toBe(false);
  const token = { Metadata: { 'nestjs-storages-write': 't' } };
  expect(toS3Attributes({}, 't')).toEqual(token);
  expect(toS3Attributes({})).toStrictEqual({});
  expect(toS3Attributes({ metadata: {} })).toEqual({ Metadata: {} });
  const full = { a: 'x'.repeat(room) };
  expect(toS3Attributes({ metadata: full }, 't')).toEqual({ Metadata: full });
  expect(writeTokenOf(token)).toBe('t');
  expect(writeTokenOf({})).toBeUndefined();
  expect(() => encodeMetadata(token.Metadata)).toThrow('"nestjs-storages-write" is the s3 driver');
});

test('attributes are sent by the names of S3, and read by them', () => {
  const attributes = {
    contentType: 'text/css',
    cacheControl: 'no-store',
    contentDisposition: 'inline',
    contentEncoding: 'br',
    contentLanguage: 'de',
    metadata: { a: 'b' },
  };
  const sent = toS3Attributes(attributes);
  expect(sent).toEqual({
    ContentType: 'text/css',
    CacheControl: 'no-store',
    ContentDisposition: 'inline',
    ContentEncoding: 'br',
    ContentLanguage: 'de',
    Metadata: { a: 'b' },
  });
  expect(fileOf('k', 3, { ...sent, ETag: '"x"', VersionId: 'v' })).toMatchObject({
    ...attributes,
    key: 'k',
    size: 3,
    etag: '"x"',
    version: 'v',
  });
  const empty = {
    CacheControl: '',
    ContentDisposition: '',
    ContentEncoding: '',
    ContentLanguage: '',
  };
  expect(fileOf('k', 3, empty)).toEqual({ key: 'k', size: 3, metadata: {} });
});

test('times are in whole seconds, and versions have ids', () => {
  const whole = new Date(1_700_000_000_000);
  expect(toLastModified(whole)).toBe(whole);
  expect(toLastModified(new Date(1_700_000_000_999))).toEqual(whole);
  expect(toLastModified(undefined)).toBeUndefined();
  expect(toVersion('v')).toBe('v');
  expect(toVersion('null')).toBeUndefined();
});

test('etags are strong and quoted', () => {
  expect(toEtag('"')).toBe('""');
  expect(toEtag('"abc')).toBe('"abc"');
  expect(toEtag('abc"')).toBe('"abc"');
  expect(toEtag(undefined)).toBeUndefined();
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
  const all = { ChecksumSHA256: 'a', ChecksumSHA1: 'b', ChecksumCRC32C: 'c', ChecksumCRC32: 'd' };
  expect(toChecksum(all)).toEqual({ algorithm: 'sha256', value: 'a' });
  expect(toChecksum({ ...all, ChecksumSHA256: '' })).toEqual({ algorithm: 'sha1', value: 'b' });
  const crc = { ChecksumCRC32C: 'c', ChecksumCRC32: 'd' };
  expect(toChecksum(crc)).toEqual({ algorithm: 'crc32c', value: 'c' });
});
