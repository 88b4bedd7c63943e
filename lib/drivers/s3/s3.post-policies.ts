import {
  basicTime,
  hmac,
  type S3Identity,
  SIGNATURE_ALGORITHM,
  signingKey,
} from './s3.signature.js';

/** What a form must be, beside its fields: see "Creating a POST policy" in the S3 API reference. */
export type PolicyCondition =
  Readonly<Record<string, string>> | readonly ['content-length-range', number, number];

export interface PolicySigner {
  readonly credentials: S3Identity;
  readonly region: string;
  /** By the clock of the service. */
  readonly signedAt: Date;
  /** Seconds. */
  readonly expiresIn: number;
}

/**
 * The fields of a form that uploads until it expires, bound to these very fields and to the conditions: "Authenticating
 * requests: browser-based uploads using POST (AWS Signature Version 4)".
 */
export function signPolicy(
  fields: Readonly<Record<string, string>>,
  conditions: readonly PolicyCondition[],
  { credentials, region, signedAt, expiresIn }: PolicySigner,
): Record<string, string> {
  const { accessKeyId, secretAccessKey, sessionToken } = credentials;
  const timestamp = basicTime(signedAt);
  const scope = [timestamp.slice(0, 8), region, 's3', 'aws4_request'];
  const bound: Record<string, string> = {
    ...fields,
    'x-amz-algorithm': SIGNATURE_ALGORITHM,
    'x-amz-credential': [accessKeyId, ...scope].join('/'),
    'x-amz-date': timestamp,
    ...(sessionToken !== undefined && { 'x-amz-security-token': sessionToken }),
  };
  const policy = {
    expiration: new Date(signedAt.getTime() + expiresIn * 1000).toISOString(),
    conditions: [
      ...conditions,
      ...Object.entries(bound).map(([name, value]) => ({ [name]: value })),
    ],
  };
  const encoded = Buffer.from(JSON.stringify(policy)).toString('base64');
  const signature = policySignature(encoded, secretAccessKey, scope);
  return { ...bound, policy: encoded, 'x-amz-signature': signature };
}

/** @param scope as `signingKey` takes it */
export function policySignature(
  policy: string,
  secretAccessKey: string,
  scope: readonly string[],
): string {
  return hmac(signingKey(secretAccessKey, scope), policy).toString('hex');
}
