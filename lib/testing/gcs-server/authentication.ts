import { checkScopes, invalidCredentials, loginRequired, type Access } from './access-tokens.js';
import type { Authentication, GcsService } from './call.js';
import { accessDenied, notImplemented } from './errors.js';
import type { Destination } from './routes.js';
import { verifySignedRequest, type SignedRequest } from './signed-request.js';

const STORAGE_AUDIENCES = ['https://storage.googleapis.com/', 'https://www.googleapis.com/'];

/**
 * Who sent a request, by its token or its signature; anonymous when it has neither.
 *
 * @throws GcsError when what it has does not hold
 */
export function authenticate(
  request: SignedRequest,
  service: GcsService,
  now: number,
): Authentication {
  const { query } = request.target;
  if (query.has('GoogleAccessId')) throw notImplemented('V2 signatures');
  if (query.has('X-Goog-Algorithm') || query.has('X-Goog-Signature')) {
    verifySignedRequest(request, service.account, now);
    return { kind: 'signed' };
  }
  const authorization = request.headers.get('authorization');
  if (authorization === undefined) return { kind: 'anonymous' };
  const token = /^Bearer (\S+)$/i.exec(authorization)?.[1];
  if (token === undefined) throw invalidCredentials();
  const audiences = [...STORAGE_AUDIENCES, service.endpoint];
  return { kind: 'bearer', scopes: service.tokens.scopesOf(token, audiences, now) };
}

/**
 * Lets a request pass or not.
 *
 * @param access what it takes; `undefined` where the request itself, by a secret in its address or body, proves what it
 *   may
 * @throws GcsError required (401), insufficientPermissions, AccessDenied
 */
export function authorize(
  authentication: Authentication,
  access: Access | undefined,
  { operation, api, bucket, name }: Destination,
  service: GcsService,
): void {
  if (access === undefined) return;
  if (authentication.kind === 'bearer') return checkScopes(authentication.scopes, access);
  const isXml = api === 'xml';
  if (authentication.kind === 'signed' && isXml) return;
  if (access === 'read' && bucket !== '' && service.publicBuckets.includes(bucket)) return;
  if (service.anonymous && !isXml) return;
  const target =
    name === '' ? 'the Google Cloud Storage bucket' : 'the Google Cloud Storage object';
  const refusal = loginRequired(operation, target);
  // The XML API tells those who did not authenticate that they may not.
  throw isXml ? accessDenied(refusal.message) : refusal;
}
