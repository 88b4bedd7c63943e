import fc from 'fast-check';
import { seededRandom } from './seeded-random.js';
import { sniffContentType } from '../../lib/uploads/content-sniffing.js';

const latin1 = (text: string): Buffer => Buffer.from(text, 'latin1');
const utf8 = (text: string): Buffer => Buffer.from(text);
const utf16le = (text: string): Buffer => Buffer.from(`\uFEFF${text}`, 'utf16le');
const utf16be = (text: string): Buffer => utf16le(text).swap16();
const junk = Buffer.from([0x93, 0x00, 0x11, 0xfe, 0x80, 0x42, 0x00, 0x07]);

const samples: [what: string, bytes: Buffer, type: string | undefined][] = [
  // Signatures
  ['PNG', latin1('\x89PNG\r\n\x1A\n\0\0\0\rIHDR'), 'image/png'],
  ['JPEG (JFIF)', latin1('\xFF\xD8\xFF\xE0\0\x10JFIF\0'), 'image/jpeg'],
  ['JPEG (Exif)', latin1('\xFF\xD8\xFF\xE1\0\x10Exif\0'), 'image/jpeg'],
  ['GIF87a', latin1('GIF87a\x01\0\x01\0'), 'image/gif'],
  ['GIF89a', latin1('GIF89a\x01\0\x01\0'), 'image/gif'],
  ['WebP', latin1('RIFF\x24\0\0\0WEBPVP8 '), 'image/webp'],
  ['WAV', latin1('RIFF\x24\0\0\0WAVEfmt '), 'audio/wav'],
  ['AVI', latin1('RIFF\x24\0\0\0AVI LIST'), 'video/x-msvideo'],
  ['AVIF', latin1('\0\0\0\x20ftypavif\0\0\0\0'), 'image/avif'],
  ['HEIC', latin1('\0\0\0\x20ftypheic\0\0\0\0'), 'image/heic'],
  ['HEIF', latin1('\0\0\0\x20ftypmif1\0\0\0\0'), 'image/heif'],
  [
    'AVIF that says so among its compatible brands',
    latin1('\0\0\0\x1Cftypmif1\0\0\0\0mif1avifmiaf'),
    'image/avif',
  ],
  [
    'HEIC that says so among its compatible brands',
    latin1('\0\0\0\x18ftypmif1\0\0\0\0mif1heic'),
    'image/heic',
  ],
  ...(
    [
      ['avis', 'image/avif'],
      ['heic', 'image/heic'],
      ['heix', 'image/heic'],
      ['heim', 'image/heic'],
      ['heis', 'image/heic'],
      ['hevc', 'image/heic-sequence'],
      ['hevx', 'image/heic-sequence'],
      ['heiX', 'image/heif'],
    ] as const
  ).map(([brand, type]): [string, Buffer, string] => [
    `HEIF with the compatible brand ${brand}`,
    latin1(`\0\0\0\x1Cftypmif1\0\0\0\0mif1miaf${brand}`),
    type,
  ]),
  ['HEIF cut within a brand', latin1('\0\0\0\x1Cftypmif1\0\0\0\0mif1avi'), 'image/heif'],
  [
    'HEIF whose brands go on for ever',
    latin1(`\x7F\0\0\0ftypmif1\0\0\0\0${'mif1'.repeat(60)}avif`),
    'image/heif',
  ],
  [
    'HEIF whose box ends before another brand',
    latin1('\0\0\0\x14ftypmif1\0\0\0\0mif1avif'),
    'image/heif',
  ],
  [
    'CSV in Windows-1252',
    latin1('name;stra\xDFe;preis\r\nM\xFCller;Am Markt;5 \x80\r\n'),
    'text/plain',
  ],
  ['bytes that are mostly beyond ASCII', latin1('\xDF\xFC\xE4\xF6'.repeat(8)), undefined],
  ['text of which a quarter is beyond ASCII', latin1('abc\xFC'.repeat(4)), 'text/plain'],
  ['text of which more is beyond ASCII', latin1('abc\xFC'.repeat(3) + 'ab\xFC\xFC'), undefined],
  ['text of which half is beyond ASCII', latin1('ab\xFC\xDF'.repeat(8)), undefined],
  [
    'text in Latin-1 with a tab and a line end',
    latin1('abc\xFC\tdefg\r\nhi\xFC jkl'),
    'text/plain',
  ],
  ['text in Latin-1 with a DEL', latin1('abcd\xFC efghijkl\x7Fmnop'), undefined],
  ['text in Latin-1 with a control character', latin1('abcd\xFC efghijkl\x1Fmnop'), undefined],
  ['a few bytes that are no UTF-8', latin1('abc\xFCdef'), undefined],
  [
    'a property list of Apple',
    latin1(
      '<?xml version="1.0"?>\n<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "x">\n<plist version="1.0">',
    ),
    'text/xml',
  ],
  [
    'XHTML behind an XML declaration',
    latin1('<?xml version="1.0"?><!DOCTYPE html><x>'),
    'text/html',
  ],
  [
    'a property list with two blanks',
    latin1('<?xml version="1.0"?><!DOCTYPE  plist><plist version="1.0">'),
    'text/xml',
  ],
  ['XML whose root has one letter', latin1('<?xml version="1.0"?><!DOCTYPE x><x>'), 'text/xml'],
  ['a doctype of its own without an XML declaration', latin1('<!DOCTYPE plist><x>'), 'text/html'],
  [
    'HTML behind a UTF-8 mark and beside a control character',
    latin1('\xEF\xBB\xBF<html><script>\x01'),
    'text/html',
  ],
  ['SVG behind a UTF-8 mark in Windows-1252', latin1('\xEF\xBB\xBF<svg>\xFC\x01'), 'image/svg+xml'],
  [
    'HTML in UTF-16 beside a control character',
    Buffer.from('\uFEFF<html><script>\x01', 'utf16le'),
    'text/html',
  ],
  ['MP4', latin1('\0\0\0\x20ftypisom\0\0\x02\0'), 'video/mp4'],
  ['M4A', latin1('\0\0\0\x20ftypM4A \0\0\0\0'), 'audio/mp4'],
  ['QuickTime', latin1('\0\0\0\x14ftypqt  \0\0\0\0'), 'video/quicktime'],
  ['WebM', latin1('\x1A\x45\xDF\xA3\x01\0\0\0'), 'video/webm'],
  ['BMP', latin1('BM\x36\0\x0C\0\0\0\0\0\x36'), 'image/bmp'],
  ['TIFF, little-endian', latin1('II*\0\x08\0\0\0'), 'image/tiff'],
  ['TIFF, big-endian', latin1('MM\0*\0\0\0\x08'), 'image/tiff'],
  ['ICO', latin1('\0\0\x01\0\x01\0\x10\x10'), 'image/vnd.microsoft.icon'],
  ['PDF', latin1('%PDF-1.7\n%\xE2\xE3\xCF\xD3\n'), 'application/pdf'],
  ['PDF of nothing but ASCII', utf8('%PDF-1.4\n1 0 obj <<>> endobj'), 'application/pdf'],
  ['zip', latin1('PK\x03\x04\x14\0\0\0'), 'application/zip'],
  ['empty zip', latin1('PK\x05\x06\0\0\0\0'), 'application/zip'],
  ['gzip', latin1('\x1F\x8B\x08\0\0\0\0\0'), 'application/gzip'],
  ['7z', latin1("7z\xBC\xAF'\x1C\0\x04"), 'application/x-7z-compressed'],
  ['RAR', latin1('Rar!\x1A\x07\x01\0'), 'application/vnd.rar'],
  ['bzip2', latin1('BZh91AY&SY\xD8r\x01\x2F'), 'application/x-bzip2'],
  ['xz', latin1('\xFD7zXZ\0\0\x04'), 'application/x-xz'],
  ['Zstandard', latin1('\x28\xB5\x2F\xFD\x04\0'), 'application/zstd'],
  ['MP3 with ID3', latin1('ID3\x03\0\0\0\0\x0F\x76'), 'audio/mpeg'],
  ['MP3 without ID3', latin1('\xFF\xFB\x90\x64\0\0\0\0'), 'audio/mpeg'],
  ['MP3, MPEG-2', latin1('\xFF\xF3\x40\xC4\0\0\0\0'), 'audio/mpeg'],
  ['FLAC', latin1('fLaC\0\0\0\x22'), 'audio/flac'],
  ['Ogg', latin1('OggS\0\x02\0\0'), 'audio/ogg'],
  ['WOFF2', latin1('wOF2\0\x01\0\0'), 'font/woff2'],
  ['WOFF', latin1('wOFF\0\x01\0\0'), 'font/woff'],
  ['WebAssembly', latin1('\0asm\x01\0\0\0'), 'application/wasm'],
  [
    'Windows program',
    latin1('MZ\x90\0\x03\0\0\0'),
    'application/vnd.microsoft.portable-executable',
  ],
  ['ELF', latin1('\x7FELF\x02\x01\x01\0'), 'application/x-elf'],
  ['Mach-O, 32 bits', latin1('\xCE\xFA\xED\xFE\x07\0\0\0'), 'application/x-mach-binary'],
  ['Mach-O, 64 bits', latin1('\xCF\xFA\xED\xFE\x07\0\0\x01'), 'application/x-mach-binary'],
  ['Mach-O for PowerPC', latin1('\xFE\xED\xFA\xCE\0\0\0\x12'), 'application/x-mach-binary'],
  ['Java class', latin1('\xCA\xFE\xBA\xBE\0\0\0\x34'), 'application/java-vm'],
  ['Flash', latin1('FWS\x06\x10\0\0\0'), 'application/x-shockwave-flash'],
  ['HEIC of several images', latin1('\0\0\0\x18ftyphevc\0\0\0\0'), 'image/heic-sequence'],
  ['AVIF that moves', latin1('\0\0\0\x20ftypavis\0\0\0\0'), 'image/avif'],
  ['HEIF that moves', latin1('\0\0\0\x18ftypmsf1\0\0\0\0'), 'image/heif-sequence'],
  ['3GP', latin1('\0\0\0\x18ftyp3gp4\0\0\0\0'), 'video/3gpp'],
  ['raw photograph', latin1('\0\0\0\x18ftypcrx \0\0\0\0'), 'image/x-canon-cr3'],
  ['audio book', latin1('\0\0\0\x20ftypM4B \0\0\0\0'), 'audio/mp4'],
  ['MP4 of a brand that is not known', latin1('\0\0\0\x20ftypxxxx\0\0\x02\0'), 'video/mp4'],
  [
    'Matroska',
    latin1('\x1A\x45\xDF\xA3\x01\0\0\0\0\0\0\x23\x42\x82\x88matroska'),
    'video/x-matroska',
  ],
  ['WebM by its name', latin1('\x1A\x45\xDF\xA3\x9F\x42\x82\x84webm'), 'video/webm'],
  ['Ogg with Theora', latin1(`OggS\0\x02${'\0'.repeat(22)}\x80theora`), 'video/ogg'],
  ['JPEG XL', latin1('\0\0\0\x0CJXL \r\n\x87\n'), 'image/jxl'],
  ['JPEG XL without its box', latin1('\xFF\x0A\xFA\x1F\0'), 'image/jxl'],
  ['JPEG 2000', latin1('\0\0\0\x0CjP  \r\n\x87\n'), 'image/jp2'],
  ['PostScript', utf8('%!PS-Adobe-3.0\n'), 'application/postscript'],
  ['RTF', utf8('{\\rtf1\\ansi hello}'), 'application/rtf'],
  ['tar', latin1(`a.txt${'\0'.repeat(252)}ustar\x0000`), 'application/x-tar'],
  [
    'Word up to 2003',
    latin1('\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1\0\0\0\0'),
    'application/x-ole-storage',
  ],
  ['Word', latin1('PK\x03\x04\x14\0\x06\0[Content_Types].xml'), 'application/zip'],
  ['OpenDocument', latin1('PK\x03\x04\x14\0\0\x08mimetypeapplication/'), 'application/zip'],
  // Markup, however it is dressed
  ['HTML', utf8('<html><body>'), 'text/html'],
  ['HTML by its doctype', utf8('<!DOCTYPE html><title>x</title>'), 'text/html'],
  ['HTML by a doctype alone', utf8('<!doctype html>'), 'text/html'],
  ['HTML behind white space', utf8('\r\n\t\f  <HTML lang=de>'), 'text/html'],
  ['HTML behind a BOM', utf8('\uFEFF<html>'), 'text/html'],
  ['HTML behind a comment', utf8('<!-- x --> <!-- > --><body>'), 'text/html'],
  ['HTML behind an abrupt comment', utf8('<!--><script>alert(1)</script>'), 'text/html'],
  ['HTML behind a comment without end', utf8('<!-- <png>'), 'text/html'],
  ['HTML in UTF-16LE', utf16le('<html><script>'), 'text/html'],
  ['HTML in UTF-16BE', utf16be('<!doctype html>'), 'text/html'],
  ['a script', utf8('<script>alert(1)</script>'), 'text/html'],
  ['a script with attributes', utf8('<SCRIPT\nsrc=//x>'), 'text/html'],
  ['an iframe', utf8('<iframe/src=x>'), 'text/html'],
  ['an image that fails', utf8('<img src=x onerror=alert(1)>'), 'text/html'],
  ['a link', utf8('<a href=x>'), 'text/html'],
  ['XHTML', utf8('<?xml version="1.0"?><html xmlns="x">'), 'text/html'],
  ['SVG', utf8('<svg xmlns="http://www.w3.org/2000/svg">'), 'image/svg+xml'],
  ['SVG without attributes', utf8('<svg><script>'), 'image/svg+xml'],
  ['SVG behind XML', utf8('<?xml version="1.0"?>\n<!-- x -->\n<svg >'), 'image/svg+xml'],
  [
    'SVG behind a doctype',
    utf8('<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "x">\n<svg >'),
    'image/svg+xml',
  ],
  [
    'SVG behind a doctype with entities',
    utf8('<!DOCTYPE svg [<!ENTITY a "b">]><svg >'),
    'image/svg+xml',
  ],
  ['SVG with a prefix', utf8('<s:svg xmlns:s="http://www.w3.org/2000/svg">'), 'image/svg+xml'],
  [
    'SVG with a longer prefix',
    utf8('<svg:svg xmlns:svg="http://www.w3.org/2000/svg">'),
    'image/svg+xml',
  ],
  ['SVG by its doctype, behind two blanks', utf8('<!DOCTYPE  svg>'), 'image/svg+xml'],
  ['HTML with the doctype of SVG within a comment of it', utf8('<!x <!doctype svg>'), 'text/html'],
  ['SVG in UTF-16', utf16le('<svg >'), 'image/svg+xml'],
  ['SVG behind a BOM', utf8('\uFEFF<svg >'), 'image/svg+xml'],
  ['XML', utf8('<?xml version="1.0"?><feed>'), 'text/xml'],
  ['XML with a stylesheet', utf8('<?xml-stylesheet href="x.xsl"?><feed>'), 'text/xml'],
  ['XML with some other declaration', utf8('<?x-sheet a?><feed>'), 'text/xml'],
  ['PHP', utf8('<?php system($_GET[0]); ?>'), 'text/xml'],
  ['SVG behind some other declaration', utf8('<?x-sheet a?><svg >'), 'image/svg+xml'],
  ['SVG behind two BOMs', utf8('\uFEFF\uFEFF<svg >'), 'image/svg+xml'],
  ['SVG in UTF-16BE', utf16be('<?xml version="1.0"?><svg >'), 'image/svg+xml'],
  ['SVG in capitals', utf8('<SVG ONLOAD=alert(1)>'), 'image/svg+xml'],
  ['SVG behind a comment', utf8('<!-- \u0089PNG --><svg/onload=alert(1)>'), 'image/svg+xml'],
  ['SVG behind CDATA', utf8('<![CDATA[x]]><svg >'), 'image/svg+xml'],
  [
    'SVG behind a doctype of something else',
    utf8('<!DOCTYPE x [<!ENTITY a "b">]><svg >'),
    'text/html',
  ],
  ['HTML in Latin-1', latin1('<html><p>caf\xE9'), 'text/html'],
  ['HTML with a NUL', latin1('<script>\0alert(1)</script>'), 'text/html'],
  ['HTML by a doctype without a blank', utf8('<!doctype><script>alert(1)</script>'), 'text/html'],
  ['HTML behind what it takes for a comment', utf8('<!x><script>alert(1)</script>'), 'text/html'],
  ['HTML behind sixty-four comments', utf8(`${'<!---->'.repeat(64)}<script>`), 'text/html'],
  ['HTML behind more comments', utf8(`${'<!---->'.repeat(400)}<script>`), 'text/html'],
  ['a form', utf8('<form action=//x>'), 'text/html'],
  ['MathML', utf8('<math href="javascript:alert(1)">'), 'text/html'],
  ['XHTML with a prefix', utf8('<x:html xmlns:x="http://www.w3.org/1999/xhtml">'), 'text/html'],
  // Two things at once: what it begins with
  ['HTML that ends as a PNG', latin1('<html>\x89PNG\r\n\x1A\n'), 'text/html'],
  ['PDF behind HTML', utf8('<html>\n%PDF-1.4\n'), 'text/html'],
  ['zip behind a GIF', latin1('GIF89a\x01\0\x01\0PK\x03\x04'), 'image/gif'],
  ['PDF behind a line of text', utf8('hello\n%PDF-1.4\n'), 'text/plain'],
  ['GIF with a script', latin1('GIF89a/*<script>alert(1)</script>*/=1;'), 'image/gif'],
  ['PNG with a script', latin1('\x89PNG\r\n\x1A\n<script>alert(1)</script>'), 'image/png'],
  ['JPEG with HTML', latin1('\xFF\xD8\xFF\xE0<html>'), 'image/jpeg'],
  ['PDF with HTML', utf8('%PDF-1.4\n<html>'), 'application/pdf'],
  // Text
  ['plain text', utf8('Hello, Zürich.\n'), 'text/plain'],
  ['CSV', utf8('a;b\r\n1;2\r\n'), 'text/plain'],
  ['JSON', utf8('{"a": [1, 2]}'), 'text/plain'],
  ['JavaScript', utf8('alert(document.cookie)'), 'text/plain'],
  ['text in UTF-16', utf16le('Grüße'), 'text/plain'],
  ['a shell script', utf8('#!/bin/sh\nrm -rf /\n'), 'text/plain'],
  ['text with terminal colours', utf8('\x1B[31mred\x1B[0m'), 'text/plain'],
  ['text that only mentions a tag', utf8('use <html> as the root'), 'text/plain'],
  ['text that only mentions a declaration', utf8('see <?xml version="1.0"?>'), 'text/plain'],
  ['text that only mentions a doctype', utf8('see <!doctype html>'), 'text/plain'],
  ['text that starts with <', utf8('< 5 and > 3'), 'text/plain'],
  ['text that starts like a program', utf8('MZ is a signature'), 'text/plain'],
  ['text that starts like an MP3', utf8('ID3,name\n1,x\n'), 'text/plain'],
  ['text that starts like bzip2', utf8('BZhang,1\n'), 'text/plain'],
  ['text that starts like an MP4', utf8('new ftyp box'), 'text/plain'],
  ['text that starts like FLAC', utf8('fLaC and OggS'), 'text/plain'],
  ['text cut inside a character', utf8('x'.repeat(4095) + 'ü').subarray(0, 4096), 'text/plain'],
  // Nothing to go by
  ['nothing', Buffer.alloc(0), undefined],
  ['a BOM alone', utf8('\uFEFF'), undefined],
  ['binary junk', junk, undefined],
  ['zeros', Buffer.alloc(5000), undefined],
  ['a PNG cut inside its signature', latin1('\x89PN'), undefined],
  ['a RIFF of nothing known', latin1('RIFF\x24\0\0\0XXXX'), undefined],
  ['half a mark of UTF-16BE', latin1('\xFE\0\0a\0b'), undefined],
  ['a RIFF cut short', latin1('RIFF\x24\0\0'), undefined],
  ['text with a NUL', latin1('hello\0'), undefined],
  ['text that is no UTF-8', latin1('caf\xE9 au lait'), undefined],
  ['a PDF behind junk', latin1('\0\x01junk%PDF-1.7\n'), undefined],
  ['markup in UTF-16 without a BOM', Buffer.from('<html>', 'utf16le'), undefined],
];

test.each(samples)('%s', (_what, bytes, type) => {
  expect(sniffContentType(bytes)).toBe(type);
});

test('the table has its samples', () => {
  expect(samples.length).toBeGreaterThanOrEqual(120);
});

test('only the first 4096 bytes count', () => {
  expect(sniffContentType(utf8(' '.repeat(4095) + '<html>'))).toBe('text/plain');
  expect(sniffContentType(Buffer.concat([utf8('a'.repeat(4096)), junk]))).toBe('text/plain');
});

test('a view into a larger buffer is read from its own start', () => {
  const large = latin1('....\x89PNG\r\n\x1A\n');
  expect(sniffContentType(new Uint8Array(large.buffer, large.byteOffset + 4, 8))).toBe('image/png');
});

describe('hostile input takes no time', () => {
  test.each([
    '<!--',
    '<!---->',
    '<?xml',
    '<?xml?>',
    '<!doctype ',
    '<!doctype >',
    ' ',
    '\n<!-- -->',
    '<',
    '<a',
    '<a:',
    'a:'.repeat(30),
    '-->',
    '<!DOCTYPE svg',
    '\u2028',
  ])('%j over and over', (piece) => {
    const bytes = utf8(piece.repeat(4096)).subarray(0, 4096);
    const start = process.cpuUsage();
    for (let index = 0; index < 100; index++) sniffContentType(bytes);
    const { user } = process.cpuUsage(start);
    // Of the processor, 50 ms each; usually it is a thousandth of that.
    expect(user).toBeLessThan(5_000_000);
  });
});

test('it never throws, and finds a media type or nothing', () => {
  const mediaType = /^[\w]+\/[\w.+-]+$/;
  const pieces = fc.constantFrom(
    ...[
      '<',
      '<!--',
      '-->',
      '<?xml',
      '?>',
      '<!doctype ',
      '>',
      'svg',
      'html',
      ' ',
      '\0',
      'ftyp',
      'RIFF',
      'WEBP',
      '\uFEFF',
      '\uD800',
    ].map((text) => utf8(text)),
    junk,
    latin1('\xFF\xFE'),
    latin1('\xFE\xFF'),
  );
  const mixture = fc.array(fc.oneof(pieces, fc.uint8Array({ maxLength: 16 })), { maxLength: 40 });
  fc.assert(
    fc.property(
      fc.oneof(
        mixture.map((each) => Buffer.concat(each)),
        fc.uint8Array({ maxLength: 5000 }),
      ),
      (bytes) => {
        const found = sniffContentType(bytes);
        expect(found === undefined || mediaType.test(found)).toBe(true);
      },
    ),
    { numRuns: 2000 },
  );
});

test('any part of a sample is sniffed without a throw', () => {
  for (const [, bytes] of samples) {
    const end = Math.min(bytes.length, 64);
    for (let length = 0; length <= end; length++) {
      expect(() => sniffContentType(bytes.subarray(0, length))).not.toThrow();
    }
  }
});

test('two hundred thousand random and truncated files are sniffed without a throw', () => {
  const random = seededRandom(20261125);
  const starts = samples.map(([, bytes]) => bytes);
  const found = new Set<string | undefined>();
  for (let index = 0; index < 200_000; index++) {
    const start = starts[index % starts.length]!;
    const bytes = Buffer.concat([
      start.subarray(0, Math.floor(random() * (start.length + 1))),
      Buffer.from(Array.from({ length: Math.floor(random() * 24) }, () => random() * 256)),
    ]);
    found.add(sniffContentType(bytes));
  }
  found.delete(undefined);
  expect(found.size).toBeGreaterThan(50);
  expect([...found].filter((type) => !/^[a-z]+\/[\w.+-]+$/.test(type!))).toEqual([]);
});

test('work ends after sixty-four comments: what comes then is not looked at', () => {
  const behind = (comments: number): string | undefined =>
    sniffContentType(utf8(`${'<!---->'.repeat(comments)}<svg >`));
  expect(behind(64)).toBe('image/svg+xml');
  expect(behind(65)).toBe('text/html');
});
