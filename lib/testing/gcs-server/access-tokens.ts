import { randomBytes, verify, type KeyObject } from 'node:crypto';
import { isRecord } from './attributes.js';
import { GcsError } from './errors.js';
import { publicKeyOf, type GcsServiceAccount } from './service-account.js';

interface Grant {
  readonly scopes: readonly string[];
  /** Milliseconds since the epoch. */
  readonly expires: number;
}

const CLOUD_PLATFORM = 'https://www.googleapis.com/auth/cloud-platform';
const STORAGE = 'https://www.googleapis.com/auth/devstorage';
const WRITE_SCOPES = [CLOUD_PLATFORM, `${STORAGE}.full_control`, `${STORAGE}.read_write`];
const READ_SCOPES = [...WRITE_SCOPES, `${STORAGE}.read_only`, `${CLOUD_PLATFORM}.read-only`];
const IAM_SCOPES = [CLOUD_PLATFORM, 'https://www.googleapis.com/auth/iam'];

export type Access = 'read' | 'write' | 'iam';

const SUFFICIENT: Readonly<Record<Access, readonly string[]>> = {
  read: READ_SCOPES,
  write: WRITE_SCOPES,
  iam: IAM_SCOPES,
};

/** The tokens handed out, and what each of them is good for. */
export class AccessTokens {
  readonly #grants = new Map<string, Grant>();
  readonly #publicKey: KeyObject;

  constructor(
    private readonly account: GcsServiceAccount,
    /** Seconds. */
    readonly lifetime: number,
  ) {
    this.#publicKey = publicKeyOf(account);
  }

  issue(scopes: readonly string[], now: number): string {
    const token = `ya29.${randomBytes(24).toString('base64url')}`;
    this.#grants.set(token, { scopes, expires: now + this.lifetime * 1000 });
    return token;
  }

  revoke(): void {
    this.#grants.clear();
  }

  /**
   * The scopes of an access token, or of a JWT the account signed by itself for this service, which Google takes in its
   * place.
   *
   * @throws GcsError authError (401)
   */
  scopesOf(token: string, audiences: readonly string[], now: number): readonly string[] {
    const grant = this.#grants.get(token);
    if (grant) {
      if (now >= grant.expires) throw invalidCredentials();
      return grant.scopes;
    }
    try {
      const { aud, scope } = this.claimsOf(token, now);
      if (typeof scope === 'string') return scope.split(' ');
      if (typeof aud === 'string' && audiences.some((audience) => aud.startsWith(audience))) {
        return [CLOUD_PLATFORM];
      }
    } catch (error) {
      if (!(error instanceof InvalidJwt)) throw error;
    }
    throw invalidCredentials();
  }

  /**
   * What a JWT claims, once issuer, signature and time are verified.
   *
   * @throws InvalidJwt
   */
  claimsOf(jwt: string, now: number): Record<string, unknown> {
    const [header = '', payload = '', signature = '', ...rest] = jwt.split('.');
    const head = parsePart(header);
    const claims = parsePart(payload);
    if (rest.length > 0 || !head || !claims || head['alg'] !== 'RS256') {
      throw new InvalidJwt('Invalid JWT: not three parts signed with RS256.');
    }
    const signed = Buffer.from(`${header}.${payload}`);
    if (!verify('sha256', signed, this.#publicKey, Buffer.from(signature, 'base64url'))) {
      throw new InvalidJwt('Invalid JWT Signature.');
    }
    if (claims['iss'] !== this.account.client_email) {
      throw new InvalidJwt('Invalid JWT: unknown issuer.');
    }
    const [issued, expires] = [Number(claims['iat']), Number(claims['exp'])];
    const seconds = now / 1000;
    if (!(issued <= seconds + 300 && seconds < expires && expires - issued <= 3600)) {
      throw new InvalidJwt(
        'Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe.',
      );
    }
    return claims;
  }
}

export class InvalidJwt extends Error {}

function parsePart(part: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(part, 'base64url').toString('utf8'));
    return isRecord(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** @throws GcsError insufficientPermissions (403) */
export function checkScopes(scopes: readonly string[], access: Access): void {
  if (scopes.some((scope) => SUFFICIENT[access].includes(scope))) return;
  throw new GcsError(
    403,
    'insufficientPermissions',
    'AccessDenied',
    'Request had insufficient authentication scopes.',
  );
}

export function invalidCredentials(): GcsError {
  return new GcsError(401, 'authError', 'AuthenticationRequired', 'Invalid Credentials', {
    location: { type: 'header', name: 'Authorization' },
    headers: {
      'www-authenticate': 'Bearer realm="https://accounts.google.com/", error="invalid_token"',
    },
  });
}

export function loginRequired(operation: string, target: string): GcsError {
  return new GcsError(
    401,
    'required',
    'AccessDenied',
    `Anonymous caller does not have storage.${operation} access to ${target}. Permission 'storage.${operation}' denied on resource (or it may not exist).`,
    {
      location: { type: 'header', name: 'Authorization' },
      headers: { 'www-authenticate': 'Bearer realm="https://accounts.google.com/"' },
    },
  );
}
