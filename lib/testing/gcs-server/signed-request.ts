import { createHash, verify } from 'node:crypto';
import { parseTimestamp } from '../servers/timestamp.js';
import { encodePath, encodeStrictly } from '../servers/url-encoding.js';
import type { RequestTarget } from './addressing.js';
import { accessDenied, GcsError, invalid, notImplemented } from './errors.js';
import { publicKeyOf, type GcsServiceAccount } from './service-account.js';

const ALGORITHM = 'GOOG4-RSA-SHA256';
const MAX_EXPIRES = 7 * 24 * 60 * 60;
const MAX_SKEW = 15 * 60 * 1000;

export interface SignedRequest {
  readonly method: string;
  readonly target: RequestTarget;
  /** Lower-case names; values as they came, one character a byte. */
  readonly headers: ReadonlyMap<string, string>;
}

/** The parts of a V4 credential, `email/date/location/storage/goog4_request`. */
export interface CredentialScope {
  readonly email: string;
  readonly scope: string;
}

/**
 * Verifies a V4 signature in the query: that it covers method, path, every query parameter and the headers it names, those
 * of Google among them, and that its time has come and not passed.
 *
 * @throws GcsError AccessDenied, ExpiredToken, MalformedSecurityHeader, SignatureDoesNotMatch, …
 */
export function verifySignedRequest(
  request: SignedRequest,
  account: GcsServiceAccount,
  now: number,
): void {
  const { query } = request.target;
  const parameter = (name: string): string => {
    const value = query.get(name);
    if (value === undefined) throw invalid(`Missing query parameter: ${name}`);
    return value;
  };
  if (parameter('X-Goog-Algorithm') !== ALGORITHM) {
    throw notImplemented(`signatures by ${parameter('X-Goog-Algorithm')}`);
  }
  const date = parameter('X-Goog-Date');
  const { scope } = parseCredential(parameter('X-Goog-Credential'), date, account);
  checkTime(date, parameter('X-Goog-Expires'), now);

  const signedHeaders = parameter('X-Goog-SignedHeaders').split(';');
  checkSignedHeaders(signedHeaders, request.headers);
  const stringToSign = (canonicalRequest: string): string =>
    [ALGORITHM, date, scope, createHash('sha256').update(canonicalRequest).digest('hex')].join(
      '\n',
    );
  // The SDK signs the name of the host without its port, which Google's has not; others sign what they send.
  const host = request.headers.get('host') ?? '';
  const candidates = [host, host.replace(/:\d+$/, '')].map((name) =>
    canonicalRequestOf(request, signedHeaders, name),
  );
  const signature = parameter('X-Goog-Signature');
  if (candidates.some((candidate) => isSigned(stringToSign(candidate), signature, account))) return;
  const [expected = ''] = candidates;
  throw signatureDoesNotMatch({
    StringToSign: stringToSign(expected),
    CanonicalRequest: expected,
  });
}

function canonicalRequestOf(
  { method, target, headers }: SignedRequest,
  signedHeaders: readonly string[],
  host: string,
): string {
  const query = target.query.pairs
    .filter(([name]) => name !== 'X-Goog-Signature')
    .map(([name, value]) => `${encodeStrictly(name)}=${encodeStrictly(value)}`)
    .toSorted()
    .join('&');
  const valueOf = (name: string): string => {
    const value = name === 'host' ? host : (headers.get(name) ?? '');
    return Buffer.from(value, 'latin1').toString('utf8').trim().replace(/\s+/g, ' ');
  };
  return [
    method,
    `/${encodePath(target.segments.join('/'))}`,
    query,
    ...signedHeaders.map((name) => `${name}:${valueOf(name)}`),
    '',
    signedHeaders.join(';'),
    payloadHash(headers),
  ].join('\n');
}

export function signatureDoesNotMatch(elements: Readonly<Record<string, string>>): GcsError {
  return new GcsError(
    403,
    'forbidden',
    'SignatureDoesNotMatch',
    'Access denied. The request signature we calculated does not match the signature you provided. Check your Google secret key and signing method.',
    { elements },
  );
}

/** @throws GcsError when it is not of this account, date and service */
export function parseCredential(
  credential: string,
  date: string,
  account: GcsServiceAccount,
): CredentialScope {
  const [email = '', ...scope] = credential.split('/');
  const [day, location, service, version] = scope;
  const wellFormed =
    scope.length === 4 &&
    location !== '' &&
    service === 'storage' &&
    version === 'goog4_request' &&
    day === date.slice(0, 8);
  if (!wellFormed) throw invalid(`The credential is malformed: ${credential}`);
  if (email !== account.client_email) {
    throw accessDenied(`The account ${email} is not known.`, 'InvalidSecurity');
  }
  return { email, scope: scope.join('/') };
}

/** Whether the hexadecimal signature of the text is by the account. */
export function isSigned(text: string, signature: string, account: GcsServiceAccount): boolean {
  if (!/^[0-9a-f]+$/.test(signature)) return false;
  return verify('sha256', Buffer.from(text), publicKeyOf(account), Buffer.from(signature, 'hex'));
}

function checkTime(date: string, expires: string, now: number): void {
  const start = parseTimestamp(date);
  if (Number.isNaN(start)) throw invalid(`Invalid X-Goog-Date: ${date}`);
  if (!/^\d+$/.test(expires) || Number(expires) < 1 || Number(expires) > MAX_EXPIRES) {
    throw invalid(`X-Goog-Expires must be 1 to ${MAX_EXPIRES} seconds, not ${expires}.`);
  }
  if (start > now + MAX_SKEW) throw accessDenied('Request is not yet valid.', 'AccessDenied');
  const end = start + Number(expires) * 1000;
  if (now >= end) {
    throw invalid(
      `The provided token has expired. Request signature expired at: ${new Date(end).toISOString()}`,
      'ExpiredToken',
    );
  }
}

function checkSignedHeaders(signed: readonly string[], headers: ReadonlyMap<string, string>): void {
  const malformed = (name: string, why: string): GcsError =>
    new GcsError(
      400,
      'invalid',
      'MalformedSecurityHeader',
      `Your request has a malformed header. ${why}`,
      { elements: { ParameterName: name } },
    );
  for (const name of ['host', ...signed]) {
    if (!headers.has(name)) {
      throw malformed(
        name,
        `Header was included in signedheaders, but not in the request: ${name}`,
      );
    }
  }
  if (!signed.includes('host')) throw malformed('host', 'The header host must be signed.');
  for (const name of headers.keys()) {
    if (name.startsWith('x-goog-') && !signed.includes(name)) {
      throw malformed(name, `Header was not included in signedheaders: ${name}`);
    }
  }
}

function payloadHash(headers: ReadonlyMap<string, string>): string {
  const hash = headers.get('x-goog-content-sha256');
  if (hash !== undefined && hash !== 'UNSIGNED-PAYLOAD') {
    throw notImplemented('a hash in x-goog-content-sha256');
  }
  return 'UNSIGNED-PAYLOAD';
}
