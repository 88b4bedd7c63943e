import { createHash } from 'node:crypto';
import type { Tenant } from './tenant.guard.js';

const MiB = 1024 ** 2;

/** Tenants by the SHA-256 of their token. An app has them in its database. */
export const tenants: ReadonlyMap<string, Tenant> = new Map([
  [sha256('token-of-acme'), { id: 'acme', quota: 10 * MiB }],
  [sha256('token-of-globex'), { id: 'globex', quota: 1 * MiB }],
]);

function sha256(token: string): string {
  return createHash('sha256').update(token).digest('hex');
}
