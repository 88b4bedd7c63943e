import fc from 'fast-check';
import { StorageInvalidKeyError } from '../../lib/core/errors.js';
import { compareKeys, encodeKey, parseKey, parsePrefix } from '../../lib/core/key.js';

const anyText = fc.string({ unit: 'binary', maxLength: 40 });
// Arbitrary UTF-16 units, lone surrogates included.
const anyUnits = fc
  .array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 30 })
  .map((units) => String.fromCharCode(...units));
const keyLike = fc
  .array(
    fc.constantFrom('a', 'B', '.', '..', '/', ' ', '\\', 'ä', '\u0308', '😀', '%2F', '\u200B'),
    {
      maxLength: 12,
    },
  )
  .map((parts) => parts.join(''));

function verdict(parse: () => string): string | undefined {
  try {
    return parse();
  } catch (error) {
    if (error instanceof StorageInvalidKeyError) return undefined;
    throw error;
  }
}

describe('parseKey', () => {
  it('returns a key unchanged, or refuses it with StorageInvalidKeyError, whatever it is given', () => {
    fc.assert(
      fc.property(fc.oneof(anyText, anyUnits, keyLike), (text) => {
        const parsed = verdict(() => parseKey(text));
        expect([undefined, text]).toContain(parsed);
      }),
    );
  });

  it('accepts what it has accepted', () => {
    fc.assert(
      fc.property(fc.oneof(anyText, keyLike), (text) => {
        const parsed = verdict(() => parseKey(text));
        fc.pre(parsed !== undefined);
        expect(parseKey(parsed!)).toBe(text);
      }),
    );
  });

  it('accepts only keys that stay below a folder when they are taken for paths', () => {
    fc.assert(
      fc.property(keyLike, (text) => {
        fc.pre(verdict(() => parseKey(text)) !== undefined);
        const { pathname } = new URL(encodeKey(text), 'https://host/root/');
        expect(pathname.startsWith('/root/')).toBe(true);
        expect(decodeURIComponent(pathname.slice('/root/'.length))).toBe(text);
      }),
    );
  });

  it('accepts every key as a prefix', () => {
    fc.assert(
      fc.property(fc.oneof(anyText, keyLike), (text) => {
        fc.pre(verdict(() => parseKey(text)) !== undefined);
        expect(parsePrefix(text)).toBe(text);
        expect(parsePrefix(`${text}/`)).toBe(`${text}/`);
      }),
    );
  });

  it('accepts every beginning of a key as a prefix, unless it ends within a character', () => {
    fc.assert(
      fc.property(keyLike, fc.nat(12), (text, length) => {
        fc.pre(verdict(() => parseKey(text)) !== undefined);
        const prefix = Array.from(text).slice(0, length).join('');
        expect(parsePrefix(prefix)).toBe(prefix);
      }),
    );
  });

  it('counts the bytes of the prefix towards the limit', () => {
    const key = `${'a'.repeat(255)}/`.repeat(4).slice(0, 1000);
    expect(parseKey(key, 24)).toBe(key);
    expect(() => parseKey(key, 25)).toThrow(/1025 bytes.*limit is 1024/);
  });

  it.each([
    ['', 'empty'],
    ['a//b', 'empty segment'],
    ['/a', 'starts with "/"'],
    ['a/', 'ends with "/"'],
    ['a/../b', 'segment ".."'],
    ['a\\b', 'backslash'],
    ['a\nb', 'control character'],
    ['a\u202Eb', 'bidirectional'],
    ['a\u200Db', 'zero-width'],
    ['\uD800', 'lone surrogate'],
    ['A\u030A', 'NFC'],
    ['.nestjs-storages', 'reserved'],
    ['a/b/.NestJS-Storages/c', 'reserved'],
    ['a/.nestjs-storages', 'reserved'],
  ])('names the rule that %j breaks', (key, rule) => {
    expect(() => parseKey(key)).toThrow(StorageInvalidKeyError);
    expect(() => parseKey(key)).toThrow(rule);
  });
});

describe('what is no text', () => {
  it.each([
    [null, 'not null'],
    [['a'], 'not an array'],
    [7, 'not number'],
    [undefined, 'not undefined'],
  ])('is told by its kind: %j', (given, told) => {
    expect(() => parseKey(given as never)).toThrow(`A key must be a string, ${told}`);
    expect(() => parsePrefix(given as never)).toThrow(`A prefix must be a string, ${told}`);
  });
});

describe('parsePrefix', () => {
  it('takes the empty prefix, and one that ends within a segment', () => {
    for (const prefix of ['', 'a', 'a/', 'a/.', 'a/..', '.', '..', 'a/b']) {
      expect(parsePrefix(prefix)).toBe(prefix);
    }
  });

  it('takes segments of up to 255 bytes', () => {
    const segment = 'ä'.repeat(127) + 'a';
    for (const prefix of [segment, `${segment}/`, `a/${segment}`]) {
      expect(parsePrefix(prefix)).toBe(prefix);
      const longer = prefix.replace(segment, `${segment}a`);
      expect(() => parsePrefix(longer)).toThrow('longer than 255 bytes');
    }
  });

  it('tells which prefix is refused', () => {
    expect(() => parsePrefix('a//')).toThrow(expect.objectContaining({ key: 'a//' }));
    expect(() => parseKey('a//b')).toThrow(expect.objectContaining({ key: 'a//b' }));
  });

  it('refuses a prefix whose whole segments break a rule', () => {
    for (const prefix of ['/', '../', 'a/./', 'a//', '.nestjs-storages/', 'a'.repeat(256)]) {
      expect(() => parsePrefix(prefix)).toThrow(StorageInvalidKeyError);
    }
  });
});

describe('compareKeys', () => {
  it('orders well-formed strings by their UTF-8 bytes', () => {
    const text = fc.string({ unit: 'binary', maxLength: 6 });
    const near = fc
      .array(
        fc.constantFrom('a', 'b', '\uD7FF', '\uE000', '\uFF5E', '\uFFFD', '😀', '😁', '\u{10FFFF}'),
        {
          maxLength: 5,
        },
      )
      .map((parts) => parts.join(''));
    fc.assert(
      fc.property(fc.oneof(text, near), fc.oneof(text, near), (left, right) => {
        const bytes = Buffer.compare(Buffer.from(left), Buffer.from(right));
        expect(Math.sign(compareKeys(left, right))).toBe(bytes);
      }),
      { numRuns: 2000 },
    );
  });
});

describe('encodeKey', () => {
  it('encodes what encodeURIComponent leaves, and is no unreserved character', () => {
    expect(encodeKey("it's (a) *b*!/-._~")).toBe('it%27s%20%28a%29%20%2Ab%2A%21/-._~');
  });

  it('gives a URL path from which each segment decodes to what it was', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 20 }), (key) => {
        const encoded = encodeKey(key);
        expect(encoded).toMatch(/^[A-Za-z0-9._~%/-]*$/);
        expect(encoded.split('/').map(decodeURIComponent).join('/')).toBe(key);
      }),
    );
  });
});
