import {
  assertAccept,
  contentTypeByBytes,
  isAccepted,
} from '../../lib/uploads/content-type-policy.js';
import { png } from './forms.js';

const text = Buffer.from('just, text\n');
const junk = Buffer.from([0x93, 0x00, 0x11, 0xfe, 0x80, 0x42, 0x00, 0x07]);
const zip = Buffer.from('PK\x03\x04\x14\0\0\0', 'latin1');
const ole = Buffer.from('\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1\0\0', 'latin1');
const html = Buffer.from('<html><script>');
const svg = Buffer.from('<svg xmlns="x">');

test.each([
  // What the bytes show goes before what the client says.
  [png(), 'image/png', 'image/png'],
  [png(), 'text/html', 'image/png'],
  [png(), 'application/pdf', 'image/png'],
  [html, 'image/png', 'text/html'],
  [html, 'text/plain', 'text/html'],
  [svg, 'image/png', 'image/svg+xml'],
  [svg, 'image/svg+xml', 'image/svg+xml'],
  // Text: the client's word, where it is harmless.
  [text, 'text/plain', 'text/plain'],
  [text, 'text/csv', 'text/csv'],
  [text, 'TEXT/CSV; charset=utf-8', 'text/csv'],
  [text, ' text/csv ; charset=utf-8', 'text/csv'],
  [text, 'text/markdown', 'text/markdown'],
  [text, 'application/json', 'application/json'],
  [text, 'application/geo+json', 'application/geo+json'],
  [text, 'image/png', 'text/plain'],
  [text, 'application/pdf', 'text/plain'],
  [text, 'application/octet-stream', 'text/plain'],
  // An empty text is one.
  [Buffer.alloc(0), 'text/csv', 'text/csv'],
  [Buffer.alloc(0), 'application/json', 'application/json'],
  [Buffer.alloc(0), 'text/html', 'application/octet-stream'],
  [Buffer.alloc(0), 'image/png', 'application/octet-stream'],
  [Buffer.alloc(0), '', 'application/octet-stream'],
  // What shows nothing.
  [junk, 'application/x-own-format', 'application/x-own-format'],
  [junk, 'application/octet-stream', 'application/octet-stream'],
  [junk, 'image/png', 'application/octet-stream'],
  [junk, 'video/mp4', 'application/octet-stream'],
  [junk, 'text/plain', 'application/octet-stream'],
  [junk, 'application/pdf', 'application/octet-stream'],
  [junk, 'application/json', 'application/octet-stream'],
  [junk, 'application/problem+json', 'application/octet-stream'],
  [junk, 'application/zip', 'application/octet-stream'],
  [junk, 'application/gzip', 'application/octet-stream'],
  [Buffer.alloc(0), 'image/png', 'application/octet-stream'],
  // Zip: what is a zip inside.
  [zip, 'application/zip', 'application/zip'],
  [
    zip,
    'application/vnd.openxmlformats-officedocument.wordprocessingml.document',
    'application/vnd.openxmlformats-officedocument.wordprocessingml.document',
  ],
  [zip, 'application/epub+zip', 'application/epub+zip'],
  [zip, 'application/pdf', 'application/zip'],
  [zip, 'application/gzip', 'application/zip'],
  [zip, 'image/png', 'application/zip'],
  [zip, 'application/msword', 'application/zip'],
  [zip, 'application/x-own-format', 'application/x-own-format'],
  // A compound file: what is one inside.
  [ole, 'application/msword', 'application/msword'],
  [ole, 'application/vnd.ms-excel', 'application/vnd.ms-excel'],
  [ole, 'image/png', 'application/x-ole-storage'],
  [ole, 'application/epub+zip', 'application/x-ole-storage'],
  // What only begins like one inside may be of any program.
  [junk, 'application/epub+zipped', 'application/epub+zipped'],
  [junk, 'application/vnd.android.package-archives', 'application/vnd.android.package-archives'],
  [junk, 'application/vnd.ms-workspace', 'application/vnd.ms-workspace'],
  [junk, 'application/mswordx', 'application/mswordx'],
  // A format inside of a container without the container.
  [junk, 'application/msword', 'application/octet-stream'],
  [junk, 'application/epub+zip', 'application/octet-stream'],
  [
    junk,
    'application/vnd.openxmlformats-officedocument.wordprocessingml.document',
    'application/octet-stream',
  ],
  // No type at all.
  [text, '', 'text/plain'],
  [text, 'text', 'text/plain'],
  [junk, 'application/x\r\nSet-Cookie: a', 'application/octet-stream'],
  [junk, '*/*', 'application/octet-stream'],
  [junk, `application/${'x'.repeat(128)}`, 'application/octet-stream'],
])('“%s”, said to be %j, is %s', (bytes, declared, type) => {
  expect(contentTypeByBytes(bytes, declared)).toBe(type);
});

test.each([
  'text/html',
  'Text/HTML; charset=utf-8',
  'application/xhtml+xml',
  'image/svg+xml',
  'text/xml',
  'application/xml',
  'application/rss+xml',
  'text/xsl',
  'text/css',
  'text/javascript',
  'application/javascript',
  'text/ecmascript',
  'application/ecmascript',
  'application/x-javascript',
  'application/x-ecmascript',
  'text/x-javascript',
  'text/x-ecmascript',
  'text/javascript1.5',
  'text/jscript',
  'text/livescript',
  'text/vbscript',
  'text/x-component',
  'text/cache-manifest',
  'application/xml-dtd',
  'application/xml-external-parsed-entity',
  'application/x-shockwave-flash',
  'application/x-mimearchive',
  'multipart/related',
  'message/rfc822',
])('%s is never the client’s to say', (declared) => {
  expect(contentTypeByBytes(text, declared)).toBe('text/plain');
  expect(contentTypeByBytes(junk, declared)).toBe('application/octet-stream');
  expect(contentTypeByBytes(zip, declared)).toBe('application/zip');
  expect(contentTypeByBytes(Buffer.alloc(0), declared)).toBe('application/octet-stream');
});

test.each([
  ['image/png', ['image/png'], true],
  ['image/png', ['IMAGE/PNG'], true],
  ['image/png', ['image/*'], true],
  ['image/png', ['*/*'], true],
  ['image/png', ['*'], true],
  ['image/png', ['text/plain', 'image/png'], true],
  ['image/png', ['image/jpeg'], false],
  ['image/png', ['image/p'], false],
  ['imagex/png', ['image/*'], false],
  ['text/html', ['image/*', 'text/plain'], false],
  ['image/png', [], false],
  ['image/svg+xml', ['image/*'], false],
  ['image/svg+xml', ['image/svg+xml'], true],
  ['text/html', ['text/*'], false],
  ['text/plain', ['text/*'], true],
  ['text/html', ['*/*'], true],
])('%s is accepted by %j: %s', (type, accept, accepted) => {
  expect(isAccepted(type, accept)).toBe(accepted);
});

test('a type that only ends like one that runs script is part of its kind', () => {
  expect(isAccepted('x-message/x-own', ['x-message/*'])).toBe(true);
  expect(isAccepted('message/x-own', ['message/*'])).toBe(false);
});

test.each([
  'image',
  'image/',
  '/png',
  'image/png;q=1',
  'image/png, image/gif',
  ' image/png',
  '**',
  7,
])('a list of types has no %j', (pattern) => {
  expect(() => assertAccept(['text/plain', pattern as string])).toThrow('accept must be a list');
});

test.each([
  ['IMAGE/JPG', 'image/jpg is no media type: that of a JPEG is image/jpeg'],
  ['image/svg', 'image/svg is no media type: that of an SVG is image/svg+xml'],
])('a list of types has no %s, however it is written', (pattern, message) => {
  expect(() => assertAccept([pattern])).toThrow(message);
});
