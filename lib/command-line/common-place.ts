import { randomUUID } from 'node:crypto';
import type { Place } from './place.js';

/** Whether two addresses differ in nothing but the key: the storage can do by itself what leads from one to the other. */
export function isInside(one: string, from: Place, other: string, to: Place): boolean {
  return withoutKey(one, from.path) === withoutKey(other, to.path);
}

function withoutKey(address: string, path: string): string {
  const [location, query = ''] = address.split('?', 2) as [string, string?];
  const key = [path, encodeURI(path)].find((each) => location.endsWith(each)) ?? '';
  return `${location.slice(0, location.length - key.length)}?${query}`;
}

/**
 * Whether what is stored at the one place is found at the other: addresses of one place can be spelled in many ways, and a file that
 * is moved onto itself would be deleted.
 */
export async function isSamePlace(from: Place, to: Place, signal: AbortSignal): Promise<boolean> {
  if (from.storage.driver !== to.storage.driver) return false;
  const probe = `.${randomUUID()}`;
  await to.storage.put(`${to.path}${probe}`, '', { signal });
  try {
    return await from.storage.exists(`${from.path}${probe}`, { signal });
  } finally {
    await to.storage.delete(`${to.path}${probe}`);
  }
}
