import { FormError } from './form-error.js';

/** Bytes that a file may have. */
export interface SizeLimits {
  readonly min: number;
  readonly max: number;
}

type Condition =
  | { readonly kind: 'eq' | 'starts-with'; readonly field: string; readonly value: string }
  | ({ readonly kind: 'content-length-range' } & SizeLimits);

/**
 * Checks that a policy, whose signature was verified, has not expired and allows every field of the form.
 *
 * @returns the sizes the policy allows for the file
 * @throws FormError AccessDenied, InvalidPolicyDocument
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

function denied(why: string): FormError {
  return new FormError('AccessDenied', `Invalid according to Policy: ${why}`);
}

function invalid(why: string): FormError {
  return new FormError('InvalidPolicyDocument', `Invalid Policy: ${why}`);
}
