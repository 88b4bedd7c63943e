import { parseTimestamp } from '../servers/timestamp.js';
import type { RequestTarget } from './addressing.js';
import { canonicalRequest, sign, stringToSign, type CredentialScope } from './canonical-request.js';
import { s3Error } from './errors.js';

export interface Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

/** Whom signatures are checked against, and the time it is. */
export interface Verifier {
  readonly credentials: Credentials;
  readonly signingKey: (scope: CredentialScope) => Buffer;
  readonly region: string;
  readonly now: number;
  readonly acceptsRegion: (region: string) => boolean;
}

export interface SignedRequest {
  readonly method: string;
  readonly target: RequestTarget;
  readonly headers: ReadonlyMap<string, string>;
}

/** What the signature promises about the body. */
export type PayloadPromise =
  | { readonly kind: 'sha256'; readonly hex: string }
  | { readonly kind: 'unsigned' }
  | { readonly kind: 'chunked-unsigned' }
  | {
      readonly kind: 'chunked-signed';
      readonly trailer: boolean;
      readonly seed: string;
      readonly key: Buffer;
      readonly timestamp: string;
      readonly scope: CredentialScope;
    };

export interface Authentication {
  readonly kind: 'header' | 'presigned' | 'form' | 'anonymous';
  readonly payload: PayloadPromise;
}

const SKEW_MS = 15 * 60 * 1000;
const WEEK_SECONDS = 7 * 24 * 60 * 60;

/**
 * Verifies the Authorization header or the presigned query of a request, and
 * tells what was promised about its body; the body itself is checked as it is
 * read. A request without either is anonymous.
 *
 * @throws S3Error with the code S3 answers
 */
export function authenticate(request: SignedRequest, verifier: Verifier): Authentication {
  const header = request.headers.get('authorization');
  const presigned =
    request.target.query.has('X-Amz-Signature') || request.target.query.has('X-Amz-Algorithm');
  if (header !== undefined && presigned) {
    throw s3Error(
      'InvalidArgument',
      'Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string parameter or the Authorization header should be specified',
    );
  }
  if (header !== undefined) return verifyHeader(header, request, verifier);
  if (presigned) return verifyQuery(request, verifier);
  return { kind: 'anonymous', payload: { kind: 'unsigned' } };
}

function verifyHeader(header: string, request: SignedRequest, verifier: Verifier): Authentication {
  const fields = /^AWS4-HMAC-SHA256\s+(.+)$/.exec(header)?.[1];
  if (fields === undefined) {
    throw s3Error('InvalidArgument', 'Unsupported Authorization Type');
  }
  const field = (name: string): string => {
    const value = new RegExp(`(?:^|,)\\s*${name}=([^,\\s]+)`).exec(fields)?.[1];
    if (value === undefined) {
      throw s3Error(
        'AuthorizationHeaderMalformed',
        `The authorization header is malformed; the authorization header requires ${name}.`,
      );
    }
    return value;
  };
  const malformed = (why: string, details = {}): Error =>
    s3Error('AuthorizationHeaderMalformed', `The authorization header is malformed; ${why}`, {
      details,
    });

  const { accessKeyId, scope } = parseCredential(field('Credential'), verifier, malformed);
  const timestamp = requestTimestamp(request.headers);
  if (!timestamp.startsWith(scope.date)) {
    throw malformed('Invalid credential date.');
  }
  checkIdentity(accessKeyId, request.headers.get('x-amz-security-token'), verifier.credentials);
  const signedAt = parseTimestamp(timestamp);
  if (Math.abs(signedAt - verifier.now) > SKEW_MS) {
    throw s3Error(
      'RequestTimeTooSkewed',
      'The difference between the request time and the current time is too large.',
      {
        details: {
          RequestTime: timestamp,
          ServerTime: new Date(verifier.now).toISOString(),
          MaxAllowedSkewMilliseconds: SKEW_MS,
        },
      },
    );
  }

  const signedHeaders = field('SignedHeaders').split(';');
  checkSignedHeaders(request.headers, signedHeaders, malformed);
  const payloadHash = request.headers.get('x-amz-content-sha256');
  if (payloadHash === undefined) {
    throw s3Error(
      'InvalidRequest',
      'Missing required header for this request: x-amz-content-sha256',
    );
  }
  const key = verifier.signingKey(scope);
  const seed = field('Signature');
  checkSignature(seed, request, { signedHeaders, payloadHash, timestamp, scope, key });
  return {
    kind: 'header',
    payload: payloadPromise(payloadHash, { seed, key, timestamp, scope }),
  };
}

function verifyQuery(request: SignedRequest, verifier: Verifier): Authentication {
  const { query } = request.target;
  const malformed = (why: string, details = {}): Error =>
    s3Error('AuthorizationQueryParametersError', why, { details });
  const field = (name: string): string => {
    const value = query.get(name);
    if (value === undefined) {
      throw malformed(
        'Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.',
      );
    }
    return value;
  };

  if (field('X-Amz-Algorithm') !== 'AWS4-HMAC-SHA256') {
    throw malformed('X-Amz-Algorithm only supports "AWS4-HMAC-SHA256"');
  }
  const { accessKeyId, scope } = parseCredential(
    field('X-Amz-Credential'),
    verifier,
    (why, details) => malformed(`Error parsing the X-Amz-Credential parameter; ${why}`, details),
  );
  const timestamp = field('X-Amz-Date');
  const signedAt = parseTimestamp(timestamp);
  if (Number.isNaN(signedAt)) {
    throw malformed("X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"");
  }
  if (!timestamp.startsWith(scope.date)) {
    throw malformed('Invalid credential date. This date is not the same as X-Amz-Date.');
  }
  const expires = field('X-Amz-Expires');
  if (!/^-?\d+$/.test(expires)) throw malformed('X-Amz-Expires should be a number');
  if (Number(expires) < 0) throw malformed('X-Amz-Expires must be non-negative');
  if (Number(expires) > WEEK_SECONDS) {
    throw malformed(
      'X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than 604800 seconds',
    );
  }
  checkIdentity(
    accessKeyId,
    query.get('X-Amz-Security-Token') ?? request.headers.get('x-amz-security-token'),
    verifier.credentials,
  );
  const expiresAt = signedAt + Number(expires) * 1000;
  if (signedAt - verifier.now > SKEW_MS) {
    throw s3Error('AccessDenied', 'Request is not yet valid');
  }
  if (verifier.now >= expiresAt) {
    throw s3Error('AccessDenied', 'Request has expired', {
      details: {
        'X-Amz-Expires': expires,
        Expires: new Date(expiresAt).toISOString(),
        ServerTime: new Date(verifier.now).toISOString(),
      },
    });
  }

  const signedHeaders = field('X-Amz-SignedHeaders').split(';');
  checkSignedHeaders(request.headers, signedHeaders, malformed);
  // A signed body hash is kept to; otherwise a URL says nothing of the body.
  const payloadHash =
    request.headers.get('x-amz-content-sha256') ??
    query.get('X-Amz-Content-Sha256') ??
    query.get('x-amz-content-sha256') ??
    'UNSIGNED-PAYLOAD';
  const key = verifier.signingKey(scope);
  const seed = field('X-Amz-Signature');
  checkSignature(seed, request, { signedHeaders, payloadHash, timestamp, scope, key });
  return {
    kind: 'presigned',
    payload: payloadPromise(payloadHash, { seed, key, timestamp, scope }),
  };
}

/**
 * Reads `<key id>/<date>/<region>/<service>/aws4_request`; key ids may hold
 * slashes, so it is read from its end.
 */
export function parseCredential(
  credential: string,
  verifier: Verifier,
  malformed: (why: string, details?: Record<string, string>) => Error,
): { accessKeyId: string; scope: CredentialScope } {
  const match = /^(.+)\/(\d{8})\/([^/]*)\/([^/]*)\/aws4_request$/.exec(credential);
  const [, accessKeyId, date, region, service] = match ?? [];
  if (!accessKeyId || !date || region === undefined || service === undefined) {
    throw malformed(
      'the Credential is mal-formed; expecting "<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request".',
    );
  }
  if (!verifier.acceptsRegion(region)) {
    throw malformed(`the region '${region}' is wrong; expecting '${verifier.region}'`, {
      Region: verifier.region,
    });
  }
  if (service !== 's3') {
    throw malformed(`incorrect service "${service}". This endpoint belongs to "s3".`);
  }
  return { accessKeyId, scope: { date, region, service } };
}

export function checkIdentity(
  accessKeyId: string,
  token: string | undefined,
  credentials: Credentials,
): void {
  if (
    accessKeyId !== credentials.accessKeyId ||
    (token === undefined && credentials.sessionToken !== undefined)
  ) {
    throw s3Error(
      'InvalidAccessKeyId',
      'The AWS Access Key Id you provided does not exist in our records.',
      { details: { AWSAccessKeyId: accessKeyId } },
    );
  }
  if (token !== credentials.sessionToken) {
    throw s3Error('InvalidToken', 'The provided token is malformed or otherwise invalid.');
  }
}

function requestTimestamp(headers: ReadonlyMap<string, string>): string {
  const given = headers.get('x-amz-date');
  if (given !== undefined && !Number.isNaN(parseTimestamp(given))) return given;
  const date = given === undefined ? Date.parse(headers.get('date') ?? '') : NaN;
  if (Number.isNaN(date)) {
    throw s3Error('AccessDenied', 'AWS authentication requires a valid Date or x-amz-date header');
  }
  return `${new Date(date).toISOString().slice(0, 19).replaceAll(/[-:]/g, '')}Z`;
}

function checkSignedHeaders(
  headers: ReadonlyMap<string, string>,
  signed: readonly string[],
  malformed: (why: string) => Error,
): void {
  if (!signed.includes('host')) {
    throw malformed('the SignedHeaders must include "host"');
  }
  const unsigned = [...headers.keys()].filter(
    (name) => name.startsWith('x-amz-') && !signed.includes(name),
  );
  if (unsigned.length > 0) {
    throw s3Error(
      'AccessDenied',
      'There were headers present in the request which were not signed',
      { details: { HeadersNotSigned: unsigned.join(', ') } },
    );
  }
}

function checkSignature(
  given: string,
  request: SignedRequest,
  signing: {
    signedHeaders: readonly string[];
    payloadHash: string;
    timestamp: string;
    scope: CredentialScope;
    key: Buffer;
  },
): void {
  const canonical = canonicalRequest({
    method: request.method,
    path: request.target.path,
    query: request.target.query,
    headers: request.headers,
    signedHeaders: signing.signedHeaders,
    payloadHash: signing.payloadHash,
  });
  const text = stringToSign(signing.timestamp, signing.scope, canonical);
  if (sign(signing.key, text) !== given) {
    throw s3Error(
      'SignatureDoesNotMatch',
      'The request signature we calculated does not match the signature you provided. Check your key and signing method.',
      {
        details: {
          SignatureProvided: given,
          StringToSign: text,
          CanonicalRequest: canonical,
        },
      },
    );
  }
}

function payloadPromise(
  hash: string,
  signing: {
    seed: string;
    key: Buffer;
    timestamp: string;
    scope: CredentialScope;
  },
): PayloadPromise {
  switch (hash) {
    case 'UNSIGNED-PAYLOAD':
      return { kind: 'unsigned' };
    case 'STREAMING-UNSIGNED-PAYLOAD-TRAILER':
      return { kind: 'chunked-unsigned' };
    case 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD':
    case 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER':
      return {
        kind: 'chunked-signed',
        trailer: hash.endsWith('-TRAILER'),
        ...signing,
      };
    default:
      if (!/^[0-9a-f]{64}$/.test(hash)) {
        throw s3Error(
          'InvalidArgument',
          'x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER or a valid sha256 value.',
        );
      }
      return { kind: 'sha256', hex: hash };
  }
}
