import { Query } from '../../../lib/testing/servers/url-encoding.js';
import {
  canonicalRequest,
  type CredentialScope,
  scopeText,
  sha256Hex,
  sign,
  signingKey,
  stringToSign,
} from '../../../lib/testing/s3-server/canonical-request.js';

export interface Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

/** Who signs, and for where. */
export interface Signing extends Credentials {
  readonly region: string;
}

/** What a signer should not do, so that it can be seen to be refused. */
export interface SigningChoices extends Partial<Signing> {
  /** Default: now. */
  readonly at?: Date;
  /** YYYYMMDD of the credential; default: that of `at`. */
  readonly date?: string;
  readonly service?: string;
  /** Default: all of them. */
  readonly signedHeaders?: readonly string[];
  /** Value of `x-amz-content-sha256`; default: the SHA-256 of the body. */
  readonly payloadHash?: string;
}

export interface Unsigned {
  readonly method: string;
  /** Not encoded. */
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  /** By lower-case name, `host` among them. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
}

/** What a signature is made of; chunks and forms go on from here. */
export interface SignatureContext {
  readonly accessKeyId: string;
  readonly timestamp: string;
  readonly scope: CredentialScope;
  readonly key: Buffer;
}

export function signatureContext(signer: Signing, choices: SigningChoices = {}): SignatureContext {
  const { at = new Date(), service = 's3', ...rest } = choices;
  const { accessKeyId, secretAccessKey, region } = { ...signer, ...defined(rest) };
  const timestamp = toTimestamp(at);
  const scope = { date: choices.date ?? timestamp.slice(0, 8), region, service };
  return { accessKeyId, timestamp, scope, key: signingKey(secretAccessKey, scope) };
}

/** The headers and the Authorization that signs them. */
export function signatureHeaders(
  request: Unsigned,
  signer: Signing,
  choices: SigningChoices,
): Record<string, string> {
  const { accessKeyId, timestamp, scope, key } = signatureContext(signer, choices);
  const payloadHash = choices.payloadHash ?? sha256Hex(request.body ?? '');
  const headers: Record<string, string> = {
    ...request.headers,
    'x-amz-content-sha256': payloadHash,
    ...(!('date' in request.headers) && { 'x-amz-date': timestamp }),
  };
  const signedHeaders = (choices.signedHeaders ?? Object.keys(headers)).toSorted();
  const canonical = canonicalRequest({
    method: request.method,
    path: request.path,
    query: new Query(Object.entries(request.query)),
    headers: new Map(Object.entries(headers)),
    signedHeaders,
    payloadHash,
  });
  const signature = sign(key, stringToSign(timestamp, scope, canonical));
  headers['authorization'] =
    `AWS4-HMAC-SHA256 Credential=${accessKeyId}/${scopeText(scope)}, ` +
    `SignedHeaders=${signedHeaders.join(';')}, Signature=${signature}`;
  return headers;
}

/** The whole query of a presigned URL. */
export function presignedQuery(
  request: Unsigned,
  signer: Signing,
  choices: SigningChoices & { readonly expires?: string },
): Record<string, string> {
  const { accessKeyId, timestamp, scope, key } = signatureContext(signer, choices);
  const signedHeaders = (choices.signedHeaders ?? Object.keys(request.headers)).toSorted();
  const query: Record<string, string> = {
    ...request.query,
    'X-Amz-Algorithm': 'AWS4-HMAC-SHA256',
    'X-Amz-Credential': `${accessKeyId}/${scopeText(scope)}`,
    'X-Amz-Date': timestamp,
    'X-Amz-Expires': choices.expires ?? '60',
    'X-Amz-SignedHeaders': signedHeaders.join(';'),
  };
  const canonical = canonicalRequest({
    method: request.method,
    path: request.path,
    query: new Query(Object.entries(query)),
    headers: new Map(Object.entries(request.headers)),
    signedHeaders,
    payloadHash: choices.payloadHash ?? 'UNSIGNED-PAYLOAD',
  });
  return { ...query, 'X-Amz-Signature': sign(key, stringToSign(timestamp, scope, canonical)) };
}

function toTimestamp(date: Date): string {
  return `${date.toISOString().slice(0, 19).replaceAll(/[-:]/g, '')}Z`;
}

function defined(choices: Partial<Signing>): Partial<Signing> {
  return Object.fromEntries(Object.entries(choices).filter(([, value]) => value !== undefined));
}
