import { contentTypeOf, parseAttributes, parseGivenAttributes } from '../../lib/core/attributes.js';
import { StorageInvalidArgumentError } from '../../lib/core/errors.js';

describe('contentTypeOf', () => {
  it.each([
    ['a.png', 'image/png'],
    ['a/b.c/d.TXT', 'text/plain'],
    ['a.tar.gz', 'application/gzip'],
    ['a.png/b', 'application/octet-stream'],
    ['png', 'application/octet-stream'],
    ['a.', 'application/octet-stream'],
    ['a.constructor', 'application/octet-stream'],
  ])('knows %s as %s', (key, type) => {
    expect(contentTypeOf(key)).toBe(type);
  });
});

describe('parseAttributes', () => {
  it('fills in the content type and empty metadata', () => {
    expect(parseAttributes('a.css', {})).toEqual({ contentType: 'text/css', metadata: {} });
  });

  it('copies the metadata of the caller', () => {
    const metadata = { a: 'b' };
    const parsed = parseAttributes('a', { metadata });
    expect(parsed.metadata).toEqual(metadata);
    expect(parsed.metadata).not.toBe(metadata);
  });

  it('keeps nothing that is no attribute', () => {
    const given = { contentType: 'text/plain', signal: 1, size: 2 };
    expect(parseGivenAttributes(given)).toEqual({ contentType: 'text/plain' });
  });

  it.each([
    'text/plain',
    'text/plain;charset=utf-8',
    'text/plain ; charset="utf-8"',
    'text/plain\t;\tcharset=utf-8',
    'application/vnd.api+json; a=b; c="d e"',
    'image/svg+xml',
    '*/*',
  ])('takes the content type %j', (contentType) => {
    expect(parseGivenAttributes({ contentType })).toEqual({ contentType });
  });

  it.each([
    '',
    'text',
    '/plain',
    'text/',
    'text/plain;',
    'text/plain; charset',
    'text/plain, text/html',
    'text/plain\n',
    'text/plain; a="\u0000"',
    'text/plain; a="\\"',
    'text/plän',
  ])('refuses the content type %j', (contentType) => {
    expect(() => parseGivenAttributes({ contentType })).toThrow(StorageInvalidArgumentError);
  });

  it('refuses a content type within moments, however long it is', () => {
    const contentType = `a/b${'; a=b'.repeat(20_000)};`;
    expect(() => parseGivenAttributes({ contentType })).toThrow(StorageInvalidArgumentError);
    const quotes = `a/b; a="${' '.repeat(50_000)}`;
    expect(() => parseGivenAttributes({ contentType: quotes })).toThrow(
      StorageInvalidArgumentError,
    );
  });

  it('counts the bytes of metadata in UTF-8, keys included', () => {
    const exact = { ab: 'ä'.repeat(1023) };
    expect(parseGivenAttributes({ metadata: exact })).toEqual({ metadata: exact });
    expect(() => parseGivenAttributes({ metadata: { abc: 'ä'.repeat(1023) } })).toThrow(
      /2049 bytes in all; the limit is 2048/,
    );
  });

  it('names what it refuses', () => {
    expect(() => parseGivenAttributes({ metadata: { A: 'b' } })).toThrow(/"A"/);
    expect(() => parseGivenAttributes({ metadata: { a: 5 as unknown as string } })).toThrow(
      /"a" must be a string, not number/,
    );
    expect(() => parseGivenAttributes({ cacheControl: 'a\r\nb' })).toThrow(/cacheControl/);
    expect(() => parseGivenAttributes({ contentLanguage: 5 as never })).toThrow(/contentLanguage/);
    expect(() => parseGivenAttributes({ metadata: { '-a': 'b' } })).toThrow(/"-a"/);
    expect(() => parseGivenAttributes({ metadata: { a: '\uD800' } })).toThrow(/Unicode text/);
  });

  it('refuses metadata that is no object', () => {
    for (const metadata of [null, 'text', ['a'], 5]) {
      expect(() =>
        parseGivenAttributes({ metadata: metadata as unknown as Record<string, string> }),
      ).toThrow(StorageInvalidArgumentError);
    }
  });
});
