import { createHash, createHmac } from 'node:crypto';
import { encodePath, encodeStrictly, type Query } from '../servers/url-encoding.js';

export interface SignedParts {
  readonly method: string;
  readonly path: string;
  readonly query: Query;
  /** Lower-case names; values as they came, one character a byte. */
  readonly headers: ReadonlyMap<string, string>;
  readonly signedHeaders: readonly string[];
  readonly payloadHash: string;
}

/** Where and when a signing key is good for. */
export interface CredentialScope {
  /** YYYYMMDD */
  readonly date: string;
  readonly region: string;
  readonly service: string;
}

export function scopeText({ date, region, service }: CredentialScope): string {
  return `${date}/${region}/${service}/aws4_request`;
}

/** The canonical request of Signature Version 4, as S3 builds it. */
export function canonicalRequest(parts: SignedParts): string {
  const query = parts.query.pairs
    .filter(([name]) => name !== 'X-Amz-Signature')
    .map(([name, value]) => [encodeStrictly(name), encodeStrictly(value)])
    .toSorted(([a = '', x = ''], [b = '', y = '']) =>
      a === b ? compareAscii(x, y) : compareAscii(a, b),
    )
    .map(([name, value]) => `${name}=${value}`)
    .join('&');
  const headers = parts.signedHeaders.map((name) => {
    const value = parts.headers.get(name) ?? '';
    return `${name}:${value.trim().replace(/ +/g, ' ')}\n`;
  });
  return [
    parts.method,
    encodePath(parts.path),
    query,
    headers.join(''),
    parts.signedHeaders.join(';'),
    parts.payloadHash,
  ].join('\n');
}

export function stringToSign(timestamp: string, scope: CredentialScope, canonical: string): string {
  return [
    'AWS4-HMAC-SHA256',
    timestamp,
    scopeText(scope),
    sha256Hex(Buffer.from(canonical, 'latin1')),
  ].join('\n');
}

/** The signing keys of a secret. The last one is kept: most requests are signed for the same day and region as the one before. */
export function signingKeysOf(secret: string): (scope: CredentialScope) => Buffer {
  let last: { scope: string; key: Buffer } | undefined;
  return (scope) => {
    const text = scopeText(scope);
    if (last?.scope !== text) last = { scope: text, key: signingKey(secret, scope) };
    return last.key;
  };
}

export function signingKey(secret: string, scope: CredentialScope): Buffer {
  return [scope.date, scope.region, scope.service, 'aws4_request'].reduce(
    (key, text) => createHmac('sha256', key).update(text).digest(),
    Buffer.from(`AWS4${secret}`),
  );
}

export function sign(key: Buffer, text: string): string {
  return createHmac('sha256', key).update(text).digest('hex');
}

export function sha256Hex(bytes: string | Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

export const EMPTY_SHA256 = sha256Hex('');

function compareAscii(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
