import fc from 'fast-check';
import { StorageConfigurationError } from '../../lib/core/errors.js';
import { TokenSealer } from '../../lib/core/sealed-token.js';

const OLD = { id: 'old', secret: 'o'.repeat(32) };
const NEW = { id: 'new', secret: 'n'.repeat(32) };
const LATER = new Date(Date.now() + 3_600_000);

describe('TokenSealer', () => {
  it('opens what it sealed, in another process with the same keys, too', () => {
    fc.assert(
      fc.property(fc.object(), (claims) => {
        const json = JSON.parse(JSON.stringify(claims)) as object;
        const token = new TokenSealer([NEW], 'tests').seal(json, LATER);
        expect(token).toMatch(/^v1\.new\.[\w-]+$/);
        expect(new TokenSealer([NEW], 'tests').open(token)).toEqual(json);
      }),
    );
  });

  it('shows nothing of what it sealed, and makes another token each time', () => {
    const sealer = new TokenSealer([NEW], 'tests');
    const [one, other] = [1, 2].map(() => sealer.seal({ owner: 'somebody' }, LATER));
    expect(one).not.toBe(other);
    expect(Buffer.from(one!.split('.')[2]!, 'base64url').toString('latin1')).not.toContain('owner');
  });

  it('seals with the first key, and opens with each', () => {
    const token = new TokenSealer([OLD], 'tests').seal({ a: 1 }, LATER);
    const rotated = new TokenSealer([NEW, OLD], 'tests');
    expect(rotated.open(token)).toEqual({ a: 1 });
    expect(rotated.seal({}, LATER)).toMatch(/^v1\.new\./);
    expect(new TokenSealer([NEW], 'tests').open(token)).toBeUndefined();
  });

  it('opens no token of another purpose, and none that is over', () => {
    const token = new TokenSealer([NEW], 'tests').seal({}, LATER);
    expect(new TokenSealer([NEW], 'others').open(token)).toBeUndefined();
    const sealer = new TokenSealer([NEW], 'tests');
    expect(sealer.open(token, LATER.getTime() - 1)).toEqual({});
    expect(sealer.open(token, LATER.getTime())).toBeUndefined();
  });

  it('opens nothing that differs in a single character', () => {
    const sealer = new TokenSealer([NEW, OLD], 'tests');
    const token = sealer.seal({ key: 'a.png', size: 12 }, LATER);
    for (let index = 0; index < token.length; index++) {
      for (const other of ['A', 'B', '_', '.', '=', ' ', '\0']) {
        if (token[index] === other) continue;
        const changed = token.slice(0, index) + other + token.slice(index + 1);
        expect(sealer.open(changed)).toBeUndefined();
      }
      expect(sealer.open(token.slice(0, index))).toBeUndefined();
    }
    expect(sealer.open(token.replace('new', 'old'))).toBeUndefined();
    expect(sealer.open(`${token}A`)).toBeUndefined();
  });

  it('opens no arbitrary text, and never throws', () => {
    const sealer = new TokenSealer([NEW], 'tests');
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.base64String()), (text) => {
        expect(sealer.open(text)).toBeUndefined();
        expect(sealer.open(`v1.new.${text}`)).toBeUndefined();
      }),
    );
  });

  it('refuses keys that are too short, or none', () => {
    const sealer = (keys: never[]): TokenSealer<object> => new TokenSealer(keys, 'tests');
    expect(() => sealer([{ id: 'a', secret: 'short' } as never])).toThrow(
      StorageConfigurationError,
    );
    expect(() => sealer([])).toThrow(StorageConfigurationError);
  });
});
