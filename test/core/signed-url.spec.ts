import { StorageConfigurationError } from '../../lib/core/errors.js';
import { type SignedRequest, UrlSigner } from '../../lib/core/signed-url.js';
import type { SigningKey } from '../../lib/core/signing-keys.js';

const SECRET = 'a secret of at least thirty-two bytes';
const BASE = 'https://example.com/files/';
const KEY = 'folder/a b+ä.txt';
const FULL: SignedRequest = {
  method: 'PUT',
  key: KEY,
  expires: 2_000_000_000,
  contentDisposition: 'attachment; filename="a b.txt"',
  contentType: 'text/plain; charset=utf-8',
  cacheControl: 'private, max-age=60',
  size: 1000,
  maxSize: 2000,
  checksum: 'md5:1B2M2Y8AsgTpgAmY7PhCfg==',
  createOnly: true,
  uploadId: 'an-upload',
  partNumber: 7,
};
const NOW = 1_900_000_000_000;

function signer(
  storage = 'uploads',
  keys: SigningKey[] = [{ id: 'one', secret: SECRET }],
): UrlSigner {
  return new UrlSigner(storage, BASE, keys);
}

/** What a server makes of the URL. */
function request(url: string): [key: string, query: string] {
  const { pathname, search } = new URL(url);
  return [decodeURIComponent(pathname.slice('/files/'.length)), search.slice(1)];
}

function verify(by: UrlSigner, method: string, url: string, now = NOW): SignedRequest | undefined {
  return by.verify(method, ...request(url), now);
}

describe('UrlSigner', () => {
  it('tells what a URL allows, as it was signed', () => {
    expect(verify(signer(), 'PUT', signer().sign(FULL))).toEqual(FULL);
    const plain: SignedRequest = { method: 'GET', key: KEY, expires: 2_000_000_000 };
    expect(verify(signer(), 'GET', signer().sign(plain))).toEqual(plain);
  });

  it('puts the key below the base URL, each segment encoded', () => {
    const url = signer().sign(FULL);
    expect(url.startsWith('https://example.com/files/folder/a%20b%2B%C3%A4.txt?')).toBe(true);
  });

  it('refuses every URL of which a single character of the query was changed', () => {
    const [key, query] = request(signer().sign(FULL));
    const accepted: string[] = [];
    for (let index = 0; index < query.length; index++) {
      for (const other of ['', 'A', 'a', '1', '=', '&', '%', '+', '-', '.', '_']) {
        if (query[index] === other) continue;
        const changed = query.slice(0, index) + other + query.slice(index + 1);
        // The same fields in another spelling (%2B for +, …) are the same request.
        if (new URLSearchParams(changed).toString() === new URLSearchParams(query).toString())
          continue;
        if (signer().verify('PUT', key, changed, NOW)) accepted.push(changed);
      }
    }
    expect(accepted).toEqual([]);
  });

  it('refuses every URL into which a character was put', () => {
    const [key, query] = request(signer().sign(FULL));
    const accepted: string[] = [];
    for (let index = 0; index <= query.length; index++) {
      for (const other of ['A', '0', '=', '%', '-', ' ', '*']) {
        const changed = query.slice(0, index) + other + query.slice(index);
        if (new URLSearchParams(changed).toString() === new URLSearchParams(query).toString())
          continue;
        if (signer().verify('PUT', key, changed, NOW)) accepted.push(changed);
      }
    }
    expect(accepted).toEqual([]);
  });

  it('refuses a URL from which a parameter was taken, or to which one was added', () => {
    const [key, query] = request(signer().sign(FULL));
    for (const name of new URLSearchParams(query).keys()) {
      const less = new URLSearchParams(query);
      less.delete(name);
      expect(signer().verify('PUT', key, less.toString(), NOW)).toBeUndefined();
      expect(signer().verify('PUT', key, `${query}&${name}=1`, NOW)).toBeUndefined();
    }
    expect(signer().verify('PUT', key, `${query}&other=1`, NOW)).toBeUndefined();
    expect(signer().verify('PUT', key, `other=1&${query}`, NOW)).toBeUndefined();
  });

  it('refuses a URL in which two parameters were made one, to be rid of what they ask', () => {
    const [key, query] = request(signer().sign(FULL));
    const parameters = [...new URLSearchParams(query)].sort(([a], [b]) => (a < b ? -1 : 1));
    for (let index = 0; index + 1 < parameters.length; index++) {
      const [[name, value], [nextName, nextValue]] = [parameters[index]!, parameters[index + 1]!];
      for (const merged of [
        [`${name}=${encodeURIComponent(value)}\n${nextName}`, nextValue],
        [`${name}=${value}\n${nextName}`, nextValue],
        [name, `${value}\n${nextName}=${nextValue}`],
      ] as [string, string][]) {
        const changed = new URLSearchParams(parameters.toSpliced(index, 2, merged));
        expect(signer().verify('PUT', key, changed.toString(), NOW)).toBeUndefined();
      }
    }
  });

  it('refuses a URL for another key', () => {
    const [, query] = request(signer().sign(FULL));
    for (const key of [
      '',
      'folder',
      `${KEY}x`,
      KEY.toUpperCase(),
      `/${KEY}`,
      'folder//a b+ä.txt',
    ]) {
      expect(signer().verify('PUT', key, query, NOW)).toBeUndefined();
    }
  });

  it('refuses a key that is no text, as it refuses any other', () => {
    const files = signer();
    const query = files.sign({ method: 'GET', key: 'a', expires: 2_000_000_000 }).split('?')[1]!;
    expect(files.verify('GET', '\ud800', query)).toBeUndefined();
    expect(files.verifyForm({ key: '\ud800' })).toBeUndefined();
  });

  it('allows the method that was signed, and HEAD where that is GET', () => {
    const get = signer().sign({ ...FULL, method: 'GET' });
    const put = signer().sign(FULL);
    const allowed = (url: string): string[] =>
      ['GET', 'HEAD', 'PUT', 'POST', 'DELETE', 'get', ''].filter((method) =>
        verify(signer(), method, url),
      );
    expect(allowed(get)).toEqual(['GET', 'HEAD']);
    expect(allowed(put)).toEqual(['PUT']);
  });

  it('ends with its second', () => {
    const url = signer().sign(FULL);
    expect(verify(signer(), 'PUT', url, FULL.expires * 1000 - 1)).toBeDefined();
    expect(verify(signer(), 'PUT', url, FULL.expires * 1000)).toBeUndefined();
  });

  it('opens nothing of another storage with the same secret', () => {
    expect(verify(signer('other'), 'PUT', signer('uploads').sign(FULL))).toBeUndefined();
  });

  it('verifies with every key, and signs with the first', () => {
    const [old, fresh] = [
      { id: 'old', secret: SECRET },
      { id: 'new', secret: Buffer.alloc(32, 7) },
    ];
    const url = signer('uploads', [old]).sign(FULL);
    const rotated = signer('uploads', [fresh, old]);
    expect(verify(rotated, 'PUT', url)).toEqual(FULL);
    expect(new URL(rotated.sign(FULL)).searchParams.get('kid')).toBe('new');
    expect(verify(signer('uploads', [fresh]), 'PUT', url)).toBeUndefined();
    const renamed = signer('uploads', [{ ...fresh, id: 'old' }]);
    expect(verify(renamed, 'PUT', url)).toBeUndefined();
  });

  it('gives no answer but one to whatever else it is asked', () => {
    for (const query of [
      '',
      'signature=',
      'kid=one',
      'signature=a&signature=b',
      '%',
      '&&&',
      '\uD800',
    ]) {
      expect(signer().verify('GET', KEY, query)).toBeUndefined();
    }
  });

  it.each([
    [[], 'at least one'],
    [[{ id: 'one', secret: 'short' }], '5 bytes'],
    [[{ id: 'a b', secret: SECRET }], 'id'],
    [[{ id: '', secret: SECRET }], 'id'],
    [
      [
        { id: 'one', secret: SECRET },
        { id: 'one', secret: SECRET },
      ],
      'id of its own',
    ],
  ])('refuses the keys %#', (keys, message) => {
    expect(() => signer('uploads', keys)).toThrow(StorageConfigurationError);
    expect(() => signer('uploads', keys)).toThrow(message);
  });

  it('tells no secret when it refuses one', () => {
    const refused = (): unknown => signer('uploads', [{ id: 'one', secret: 'too-short-secret' }]);
    expect(refused).toThrow(/^(?!.*too-short-secret)/);
  });

  it('makes an upload request whose headers carry the type that is asked', () => {
    const { signal } = new AbortController();
    const upload = signer().uploadUrl(KEY, {
      signal,
      method: 'PUT',
      expiresIn: 60,
      contentType: 'image/png',
      checksum: { algorithm: 'md5', value: '1B2M2Y8AsgTpgAmY7PhCfg==' },
      ifNoneMatch: '*',
    });
    expect(upload).toMatchObject({ method: 'PUT', headers: { 'content-type': 'image/png' } });
    expect(verify(signer(), 'PUT', upload.url, Date.now())).toMatchObject({
      contentType: 'image/png',
      checksum: 'md5:1B2M2Y8AsgTpgAmY7PhCfg==',
      createOnly: true,
      expires: upload.expiresAt.getTime() / 1000,
    });
  });

  it('makes the request of a part, which is limited in any case', () => {
    const { signal } = new AbortController();
    const upload = { key: KEY, uploadId: 'an upload/1' };
    const part = { method: 'PUT', key: KEY, uploadId: 'an upload/1', partNumber: 2 } as const;
    const checksum = { algorithm: 'md5', value: '1B2M2Y8AsgTpgAmY7PhCfg==' } as const;
    const bound = signer().uploadPartUrl(upload, 2, { signal, expiresIn: 60, size: 5, checksum });
    const expires = bound.expiresAt.getTime() / 1000;
    expect(bound).toMatchObject({ method: 'PUT', headers: {} });
    expect(verify(signer(), 'PUT', bound.url, Date.now())).toEqual({
      ...part,
      expires,
      size: 5,
      checksum: 'md5:1B2M2Y8AsgTpgAmY7PhCfg==',
    });
    expect(verify(signer(), 'PUT', bound.url, expires * 1000)).toBeUndefined();
    const free = signer().uploadPartUrl(upload, 2, { signal, expiresIn: 60 });
    expect(verify(signer(), 'PUT', free.url, Date.now())).toMatchObject({
      ...part,
      maxSize: 64 * 1024 ** 2,
    });
  });

  it('refuses a URL whose parameters stand in another order, or are spelt otherwise', () => {
    const [key, query] = request(signer().sign(FULL));
    const parameters = query.split('&');
    for (let index = 0; index + 1 < parameters.length; index++) {
      const [one, next] = parameters.slice(index) as [string, string];
      const changed = parameters.toSpliced(index, 2, next, one).join('&');
      expect(signer().verify('PUT', key, changed, NOW)).toBeUndefined();
    }
    for (const changed of [query.replaceAll('+', '%20'), `?${query}`, query.replace('m', '%6D')]) {
      expect(changed).not.toBe(query);
      expect(signer().verify('PUT', key, changed, NOW)).toBeUndefined();
    }
  });

  it('asks for the base URL when it signs, where that is a function', () => {
    let base = 'http://127.0.0.1:1/files/';
    const lazy = new UrlSigner('uploads', () => base, [{ id: 'one', secret: SECRET }]);
    expect(lazy.sign(FULL)).toMatch(/^http:\/\/127\.0\.0\.1:1\/files\/folder\//);
    base = 'https://example.com';
    expect(lazy.sign(FULL)).toMatch(/^https:\/\/example\.com\/folder\//);
    base = 'not a URL';
    expect(() => lazy.sign(FULL)).toThrow(StorageConfigurationError);
  });

  describe('of a form', () => {
    const { signal } = new AbortController();
    const makeForm = (): Record<string, string> => ({
      ...signer().uploadUrl(KEY, {
        signal,
        method: 'POST',
        expiresIn: 60,
        contentType: 'image/png',
        maxSize: 1000,
        checksum: { algorithm: 'md5', value: '1B2M2Y8AsgTpgAmY7PhCfg==' },
        ifNoneMatch: '*',
      }).fields,
    });

    it('tells what its fields allow, in whatever order they come', () => {
      const form = makeForm();
      expect(Object.keys(form).slice(0, 2)).toEqual(['key', 'Content-Type']);
      const allowed = {
        method: 'POST',
        key: KEY,
        contentType: 'image/png',
        maxSize: 1000,
        checksum: 'md5:1B2M2Y8AsgTpgAmY7PhCfg==',
        createOnly: true,
      };
      expect(signer().verifyForm(form)).toMatchObject(allowed);
      const reversed = Object.fromEntries(Object.entries(form).toReversed());
      expect(signer().verifyForm(reversed)).toMatchObject(allowed);
    });

    it('is sent to the base URL', () => {
      const { url, headers } = signer().uploadUrl(KEY, { signal, method: 'POST', expiresIn: 60 });
      expect([url, headers]).toEqual(['https://example.com/files', {}]);
    });

    it('refuses fields of which one was changed, taken away, renamed or added', () => {
      const form = makeForm();
      const accepted: Record<string, string>[] = [];
      const attempt = (fields: Record<string, string>): void => {
        if (signer().verifyForm(fields)) accepted.push(fields);
      };
      for (const [name, value] of Object.entries(form)) {
        const { [name]: _, ...less } = form;
        attempt(less);
        attempt({ ...less, [name.toUpperCase() === name ? 'x' : name.toUpperCase()]: value });
        for (const other of [
          '',
          `${value}1`,
          `1${value}`,
          ` ${value}`,
          value.slice(1),
          `${value}\n`,
        ]) {
          attempt({ ...form, [name]: other });
        }
      }
      for (const added of ['method', 'type', 'disposition', 'size', 'x', '', '__proto__x']) {
        attempt({ ...form, [added]: '1' });
        attempt({ ...form, [added]: added === 'method' ? 'POST' : 'image/png' });
      }
      const { 'Content-Type': type, ...untyped } = form;
      attempt({ ...untyped, type: type! });
      expect(accepted).toEqual([]);
    });

    it('refuses the parameters of a URL, and a URL the fields of a form', () => {
      const [key, query] = request(signer().sign(FULL));
      const fields = Object.fromEntries(new URLSearchParams(query));
      expect(signer().verifyForm({ key, ...fields }, NOW)).toBeUndefined();
      const { method: _, ...rest } = fields;
      expect(signer().verifyForm({ key, ...rest }, NOW)).toBeUndefined();
      const { key: formKey, ...form } = makeForm();
      const asQuery = new URLSearchParams({ method: 'POST', ...form }).toString();
      expect(signer().verify('POST', formKey!, asQuery)).toBeUndefined();
    });

    it('ends with its second, and opens nothing of another storage', () => {
      const form = makeForm();
      const expires = Number(form['expires']) * 1000;
      expect(signer().verifyForm(form, expires - 1)).toBeDefined();
      expect(signer().verifyForm(form, expires)).toBeUndefined();
      expect(signer('other').verifyForm(form)).toBeUndefined();
    });
  });
});

test('a base URL may end with slashes, and is one of the web', () => {
  const signerAt = (base: string): UrlSigner =>
    new UrlSigner('uploads', base, [{ id: 'one', secret: SECRET }]);
  const url = signerAt('HTTPS://example.com/files//').readUrl('a', {
    expiresIn: 60,
    signal: new AbortController().signal,
  });
  expect(url).toMatch(/^HTTPS:\/\/example\.com\/files\/a\?/);
  for (const base of ['xhttps://example.com', 'ftp://example.com', 'a:https://example.com']) {
    expect(() => signerAt(base)).toThrow(StorageConfigurationError);
  }
});
