import { sign, signingKey } from './canonical-request.js';
import { s3Error } from './errors.js';
import { checkIdentity, parseCredential, parseTimestamp, type Verifier } from './signature-v4.js';

export interface SizeLimits {
  readonly min: number;
  readonly max: number;
}

type Condition =
  | { readonly kind: 'eq' | 'starts-with'; readonly field: string; readonly value: string }
  | ({ readonly kind: 'content-length-range' } & SizeLimits);

/** Fields no condition has to cover. */
const EXEMPT = ['policy', 'x-amz-signature', 'file'];

/**
 * Verifies the signature of a browser form's policy, its expiry, and that
 * every field of the form is one the policy allows.
 *
 * @returns the sizes the policy allows for the file
 * @throws S3Error AccessDenied, InvalidPolicyDocument, SignatureDoesNotMatch, …
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

/**
 * Checks that a policy, whose signature was verified, has not expired and allows every field of the form.
 *
 * @returns the sizes the policy allows for the file
 * @throws S3Error AccessDenied, InvalidPolicyDocument
 */
export function checkPolicy(
  policy: string,
  fields: ReadonlyMap<string, string>,
  { bucket, now, exempt }: { bucket: string; now: number; exempt: readonly string[] },
): SizeLimits {
  const { expiration, conditions } = parsePolicy(policy);
  if (now >= expiration) {
    throw denied('Policy expired.');
  }

  const values = new Map([...fields, ['bucket', bucket]]);
  let limits: SizeLimits = { min: 0, max: Number.POSITIVE_INFINITY };
  const covered = new Set<string>(exempt);
  for (const condition of conditions) {
    if (condition.kind === 'content-length-range') {
      limits = condition;
      continue;
    }
    const { kind, field, value } = condition;
    covered.add(field);
    const given = values.get(field);
    const holds =
      given !== undefined && (kind === 'eq' ? given === value : given.startsWith(value));
    if (!holds) {
      throw denied(`Policy Condition failed: ${JSON.stringify([kind, `$${field}`, value])}`);
    }
  }
  const extra = [...values.keys()].filter(
    (field) => !covered.has(field) && !field.startsWith('x-ignore-'),
  );
  if (extra.length > 0) throw denied(`Extra input fields: ${extra.join(', ')}`);
  return limits;
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
  const key = signingKey(verifier.credentials.secretAccessKey, scope);
  if (sign(key, policy) !== field('x-amz-signature')) {
    throw s3Error(
      'SignatureDoesNotMatch',
      'The request signature we calculated does not match the signature you provided. Check your key and signing method.',
      { details: { StringToSign: policy } },
    );
  }
}

function parsePolicy(policy: string): {
  expiration: number;
  conditions: Condition[];
} {
  let document: unknown;
  try {
    document = JSON.parse(Buffer.from(policy, 'base64').toString('utf8'));
  } catch {
    throw invalid('Invalid JSON.');
  }
  if (!isRecord(document)) throw invalid('Invalid JSON.');
  const expiration =
    typeof document['expiration'] === 'string' ? Date.parse(document['expiration']) : Number.NaN;
  if (Number.isNaN(expiration)) throw invalid("Invalid 'expiration' value");
  if (!Array.isArray(document['conditions'])) {
    throw invalid('Policy is missing conditions.');
  }
  return { expiration, conditions: document['conditions'].flatMap(parseCondition) };
}

function parseCondition(condition: unknown): Condition[] {
  if (Array.isArray(condition) && condition.length === 3) {
    const [kind, first, second] = condition as [unknown, unknown, unknown];
    if (kind === 'content-length-range') {
      const [min, max] = [Number(first), Number(second)];
      if (!Number.isInteger(min) || !Number.isInteger(max)) {
        throw invalid('Invalid content-length-range.');
      }
      return [{ kind, min, max }];
    }
    if (
      (kind === 'eq' || kind === 'starts-with') &&
      typeof first === 'string' &&
      first.startsWith('$') &&
      typeof second === 'string'
    ) {
      return [{ kind, field: first.slice(1).toLowerCase(), value: second }];
    }
  } else if (isRecord(condition) && !Array.isArray(condition)) {
    return Object.entries(condition).map(([name, value]) => {
      if (typeof value !== 'string') throw invalid('Invalid Simple-Condition.');
      return { kind: 'eq', field: name.toLowerCase(), value };
    });
  }
  throw invalid(`Invalid condition: ${JSON.stringify(condition)}`);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

function denied(why: string): Error {
  return s3Error('AccessDenied', `Invalid according to Policy: ${why}`);
}

function invalid(why: string): Error {
  return s3Error('InvalidPolicyDocument', `Invalid Policy: ${why}`);
}
