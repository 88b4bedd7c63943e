import { checkPolicy, type SizeLimits } from '../servers/form-policy.js';
import { parseTimestamp } from '../servers/timestamp.js';
import { sign } from './canonical-request.js';
import { s3Error } from './errors.js';
import { checkIdentity, parseCredential, type Verifier } from './signature-v4.js';

/** Fields no condition has to cover. */
const EXEMPT = ['policy', 'x-amz-signature', 'file'];

/**
 * Verifies the signature of a browser form's policy, its expiry, and that every field of the form is one the policy allows.
 *
 * @returns the sizes the policy allows for the file
 * @throws S3Error SignatureDoesNotMatch, …; FormError AccessDenied, InvalidPolicyDocument
 */
export function verifyPolicy(
  fields: ReadonlyMap<string, string>,
  bucket: string,
  verifier: Verifier,
): SizeLimits {
  const policy = fields.get('policy');
  if (policy === undefined) {
    throw s3Error('AccessDenied', 'Access Denied');
  }
  verifySignature(policy, fields, verifier);
  return checkPolicy(policy, fields, { bucket, now: verifier.now, exempt: EXEMPT });
}

function verifySignature(
  policy: string,
  fields: ReadonlyMap<string, string>,
  verifier: Verifier,
): void {
  const field = (name: string): string => {
    const value = fields.get(name);
    if (value === undefined) {
      throw s3Error(
        'InvalidArgument',
        `Bucket POST must contain a field named '${name}'. If it is specified, please check the order of the fields.`,
        { details: { ArgumentName: name, ArgumentValue: '' } },
      );
    }
    return value;
  };
  if (field('x-amz-algorithm') !== 'AWS4-HMAC-SHA256') {
    throw s3Error('InvalidArgument', 'Unsupported x-amz-algorithm');
  }
  const { accessKeyId, scope } = parseCredential(
    field('x-amz-credential'),
    verifier,
    (why, details = {}) => s3Error('AuthorizationQueryParametersError', why, { details }),
  );
  const date = field('x-amz-date');
  if (Number.isNaN(parseTimestamp(date)) || !date.startsWith(scope.date)) {
    throw s3Error('InvalidArgument', 'X-Amz-Date does not fit the credential.');
  }
  checkIdentity(accessKeyId, fields.get('x-amz-security-token'), verifier.credentials);
  if (sign(verifier.signingKey(scope), policy) !== field('x-amz-signature')) {
    throw s3Error(
      'SignatureDoesNotMatch',
      'The request signature we calculated does not match the signature you provided. Check your key and signing method.',
      { details: { StringToSign: policy } },
    );
  }
}
