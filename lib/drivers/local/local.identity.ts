import type { BigIntStats } from 'node:fs';

/** What tells one version of a file from every other. Renaming keeps it, any write changes it. */
export type Identity = Pick<BigIntStats, 'size' | 'mtimeNs' | 'ino'>;

/** The version as a strong etag. */
export function etagOf({ size, mtimeNs, ino }: Identity): string {
  return `"${size.toString(36)}-${mtimeNs.toString(36)}-${ino.toString(36)}"`;
}

export function isSameVersion(left: Identity, right: Identity): boolean {
  return left.ino === right.ino && left.mtimeNs === right.mtimeNs && left.size === right.size;
}

export function lastModifiedOf({ mtimeNs }: Identity): Date {
  return new Date(Number(mtimeNs / 1_000_000n));
}

let lastMicroseconds = 0;

/**
 * A modification time, in seconds, that this process gives to one version only.
 *
 * The kernel's own clock stands still for milliseconds, and the number of a deleted file's inode is used again at once:
 * delete and create within a tick could give two versions one identity. The steps of 2 µs outlive the rounding to a double
 * and to whole microseconds; the random part keeps processes apart.
 */
export function distinctTime(): number {
  const now = Date.now() * 1000 + Math.floor(Math.random() * 1000);
  lastMicroseconds = Math.max(now, lastMicroseconds + 2);
  return lastMicroseconds / 1_000_000;
}
