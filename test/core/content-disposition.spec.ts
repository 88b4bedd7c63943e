import fc from 'fast-check';
import {
  contentDisposition,
  parseContentDisposition,
  safeFileName,
} from '../../lib/core/content-disposition.js';
import { parseKey } from '../../lib/core/key.js';

const anyUnits = fc
  .array(
    fc.oneof(
      fc.integer({ min: 0, max: 0xffff }),
      fc.integer({ min: 0, max: 0x7f }),
      fc.constantFrom(0x2e, 0x20, 0x2f, 0x5c, 0x300, 0x308, 0x200d, 0xd83d, 0xde00),
    ),
    { maxLength: 300 },
  )
  .map((units) => String.fromCharCode(...units));

describe('safeFileName', () => {
  it('takes no longer for a name of megabytes, and keeps its extension', () => {
    const started = performance.now();
    for (const filling of [' ', '.', 'x ', '\u0301', '\u200d', '/', '😀']) {
      const name = safeFileName(`a${filling.repeat(1_000_000)}z.png`);
      expect(name.endsWith('z.png') || name.endsWith('.png')).toBe(true);
      expect(Buffer.byteLength(name)).toBeLessThanOrEqual(200);
      expect(name.isWellFormed()).toBe(true);
    }
    expect(safeFileName(' '.repeat(1_000_000))).toBe('download');
    expect(performance.now() - started).toBeLessThan(10_000);
  });
});

describe('contentDisposition', () => {
  it('writes a header value for any name whatever', () => {
    fc.assert(
      fc.property(anyUnits, fc.constantFrom('inline', 'attachment'), (filename, type) => {
        const value = contentDisposition({ type: type as 'inline', filename });
        expect(value).toMatch(
          /^(inline|attachment); filename="[\x20-\x7e]*"(; filename\*=UTF-8''[A-Za-z0-9!#$&+.^_`|~%-]*)?$/,
        );
        expect(value.split('"')).toHaveLength(3);
      }),
      { numRuns: 20_000 },
    );
  });

  it('gives browsers the name itself, where it is not ASCII', () => {
    expect(contentDisposition({ type: 'attachment', filename: "Größe 'a'(1).txt" })).toBe(
      `attachment; filename="Gr__e 'a'(1).txt"; filename*=UTF-8''Gr%C3%B6%C3%9Fe%20%27a%27%281%29.txt`,
    );
    expect(contentDisposition({ type: 'inline', filename: 'a b.txt' })).toBe(
      'inline; filename="a b.txt"',
    );
    expect(contentDisposition('attachment')).toBe('attachment');
  });
});

describe('safeFileName', () => {
  it('gives a name that is a key of one segment, for any name whatever', () => {
    fc.assert(
      fc.property(anyUnits, (filename) => {
        const name = safeFileName(filename);
        expect(parseKey(name)).toBe(name);
        expect(name).not.toContain('/');
        expect(name).not.toMatch(/^[. ]|[. ]$/);
      }),
      { numRuns: 2000 },
    );
  });

  it('changes nothing of a name that it gave', () => {
    fc.assert(
      fc.property(anyUnits, (filename) => {
        const name = safeFileName(filename);
        expect(safeFileName(name)).toBe(name);
      }),
    );
  });

  it.each([
    ['../../etc/passwd', 'passwd'],
    ['C:\\fakepath\\photo.jpg', 'photo.jpg'],
    ['..', 'download'],
    ['', 'download'],
    ['.htaccess', 'htaccess'],
    ['a\u202Egpj.exe', 'agpj.exe'],
    ['a:b*c?.txt', 'a_b_c_.txt'],
    ['\uD800.txt', 'txt'],
  ])('makes of %j the name %j', (given, name) => {
    expect(safeFileName(given)).toBe(name);
  });

  it('keeps the extension of a long name', () => {
    expect(safeFileName(`${'a'.repeat(500)}.jpeg`)).toMatch(/^a+\.jpeg$/);
    expect(Buffer.byteLength(safeFileName(`${'😀'.repeat(500)}.jpeg`))).toBeLessThanOrEqual(255);
    expect(safeFileName(`${'😀'.repeat(500)}.jpeg`)).toMatch(/😀\.jpeg$/u);
  });
});

describe('a name that is too long', () => {
  it('has all the bytes that there is room for', () => {
    expect(safeFileName('a'.repeat(201))).toBe('a'.repeat(200));
    expect(safeFileName(`${'a'.repeat(500)}.jpeg`)).toBe(`${'a'.repeat(195)}.jpeg`);
    expect(safeFileName(`${'ä'.repeat(500)}.jpg`)).toBe(`${'ä'.repeat(98)}.jpg`);
  });

  it('keeps an extension of fifteen letters, and takes a longer one for a part of the name', () => {
    const extension = `.${'b'.repeat(15)}`;
    expect(safeFileName('a'.repeat(300) + extension)).toBe('a'.repeat(184) + extension);
    expect(safeFileName(`${'a'.repeat(300)}${extension}b`)).toBe('a'.repeat(200));
  });

  it('goes on behind a dot that begins no extension', () => {
    expect(safeFileName(`1. ${'x'.repeat(300)}`)).toBe(`1. ${'x'.repeat(197)}`);
  });
});

describe('parseContentDisposition', () => {
  it.each([
    ['inline', { type: 'inline' }],
    ['ATTACHMENT', { type: 'attachment' }],
    ['form-data; name="a"', { type: 'attachment' }],
    ['', { type: 'attachment' }],
    ['inline; filename="a b.txt"', { type: 'inline', filename: 'a b.txt' }],
    ['inline;filename=a.txt', { type: 'inline', filename: 'a.txt' }],
    ['attachment; FileName = "a.txt" ; x=y', { type: 'attachment', filename: 'a.txt' }],
    ['inline; filename="a\\"b\\\\c;d.txt"', { type: 'inline', filename: 'a"b\\c;d.txt' }],
    [
      `inline; filename="e.txt"; filename*=UTF-8''%E2%82%AC.txt`,
      { type: 'inline', filename: '€.txt' },
    ],
    [
      `inline; filename*=utf-8'en'%E2%82%AC.txt; filename="e.txt"`,
      { type: 'inline', filename: '€.txt' },
    ],
    [`inline; filename="e.txt"; filename*=UTF-8''%FF`, { type: 'inline', filename: 'e.txt' }],
    [`inline; filename="e.txt"; filename*=ISO-8859-1''%FC`, { type: 'inline', filename: 'e.txt' }],
    ['inline; filename="not closed', { type: 'inline', filename: '' }],
  ])('reads %j', (value, disposition) => {
    expect(parseContentDisposition(value)).toEqual(disposition);
  });

  it('reads what was written, for any name whatever', () => {
    fc.assert(
      fc.property(anyUnits, (filename) => {
        const written = contentDisposition({ type: 'inline', filename });
        const read = parseContentDisposition(written);
        expect(read).toEqual({ type: 'inline', filename: safeFileName(filename) });
      }),
      { numRuns: 5000 },
    );
  });

  it('never throws', () => {
    fc.assert(
      fc.property(anyUnits, (value) => {
        expect(parseContentDisposition(value)).toHaveProperty('type');
        parseContentDisposition(`inline; filename="${value}"; filename*=UTF-8''${value}`);
      }),
      { numRuns: 20_000 },
    );
  });

  it('takes no longer for megabytes', () => {
    const started = performance.now();
    for (const filling of [' ', ';', '"', '\\', ';filename', '; filename="', '=']) {
      parseContentDisposition(`inline; filename=${filling.repeat(300_000)}`);
    }
    expect(performance.now() - started).toBeLessThan(10_000);
  });
});
