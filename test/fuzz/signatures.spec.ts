import fc from 'fast-check';
import { TokenSealer } from '../../lib/core/sealed-token.js';
import { UrlSigner } from '../../lib/core/signed-url.js';
import { runs } from './runs.js';

const KEYS = [
  { id: 'new', secret: 'the new secret of thirty-two bytes and more' },
  { id: 'old', secret: 'the old secret of thirty-two bytes and more' },
];
// Standing still: a life of one second ends with the second in which it began.
const NOW = 1_900_000_000_999;
const signer = new UrlSigner('files', 'https://example.com/files', KEYS, () => NOW);
const sealer = new TokenSealer<{ key: string }>(KEYS, 'fuzz');

const key = fc
  .array(fc.constantFrom('a', 'b', '/', 'ä', '😀', ' ', '+', '%', '?', '#', '=', '&'), {
    minLength: 1,
    maxLength: 12,
  })
  .map((pieces) => pieces.join(''));
const request = fc.record(
  {
    expiresIn: fc.integer({ min: 1, max: 1000 }),
    contentType: fc.constantFrom('text/plain', 'image/png'),
    size: fc.nat(1000),
    maxSize: fc.nat(1000),
    ifNoneMatch: fc.constant('*' as const),
  },
  { requiredKeys: ['expiresIn'] },
);
const signal = new AbortController().signal;

/** One character of the text is another one, is missing, or is there twice. */
const change = fc.record({
  at: fc.nat(),
  how: fc.constantFrom('replace', 'remove', 'repeat', 'insert'),
  character: fc.oneof(
    fc.string({ minLength: 1, maxLength: 1 }),
    fc.constantFrom('&', '=', '%', '.'),
  ),
});

function changed(
  text: string,
  { at, how, character }: { at: number; how: string; character: string },
): string {
  const index = at % text.length;
  const before = text.slice(0, index);
  const after = text.slice(index + 1);
  if (how === 'replace') return before + character + after;
  if (how === 'remove') return before + after;
  if (how === 'repeat') return before + text[index]! + text.slice(index);
  return before + character + text.slice(index);
}

describe('whoever changes one character', () => {
  it('of the query of a signed URL is refused', () => {
    fc.assert(
      fc.property(key, request, change, (file, { expiresIn, ...options }, edit) => {
        const { url } = signer.uploadUrl(file, { method: 'PUT', expiresIn, ...options, signal });
        const query = url.slice(url.indexOf('?') + 1);
        expect(signer.verify('PUT', file, query, NOW)).toBeDefined();
        const other = changed(query, edit);
        fc.pre(other !== query);
        expect(signer.verify('PUT', file, other, NOW)).toBeUndefined();
      }),
      runs(),
    );
  });

  it('of the key of a signed URL is refused', () => {
    fc.assert(
      fc.property(key, request, change, (file, { expiresIn }, edit) => {
        const url = signer.readUrl(file, { expiresIn, signal });
        const query = url.slice(url.indexOf('?') + 1);
        expect(signer.verify('GET', file, query, NOW)).toBeDefined();
        const other = changed(file, edit);
        fc.pre(other !== file);
        expect(signer.verify('GET', other, query, NOW)).toBeUndefined();
      }),
      runs(),
    );
  });

  it('of a signed form is refused', () => {
    fc.assert(
      fc.property(key, request, change, fc.nat(), (file, { expiresIn, ...options }, edit, nth) => {
        const upload = signer.uploadUrl(file, { method: 'POST', expiresIn, ...options, signal });
        const fields = upload.fields!;
        expect(signer.verifyForm(fields, NOW)).toBeDefined();
        const names = Object.keys(fields);
        const name = names[nth % names.length]!;
        const value = changed(fields[name]!, edit);
        fc.pre(value !== fields[name]);
        expect(signer.verifyForm({ ...fields, [name]: value }, NOW)).toBeUndefined();
        const { [name]: _, ...fewer } = fields;
        expect(signer.verifyForm(fewer, NOW)).toBeUndefined();
      }),
      runs(),
    );
  });

  it('of a sealed token has none, as whoever makes one up', () => {
    fc.assert(
      fc.property(key, change, fc.string(), (file, edit, text) => {
        const token = sealer.seal({ key: file }, new Date(Date.now() + 60_000));
        expect(sealer.open(token)).toEqual({ key: file });
        const other = changed(token, edit);
        fc.pre(other !== token);
        expect(sealer.open(other)).toBeUndefined();
        expect(sealer.open(text)).toBeUndefined();
      }),
      runs(),
    );
  });
});
