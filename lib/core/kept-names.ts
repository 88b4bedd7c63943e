import { randomBytes } from 'node:crypto';

const KEPT_NAME = /^[0-9a-f]{32}-[0-9a-z]{6,8}$/;

/** Or what begins with it and a dot; below the folder of a scope, too, which a sweep of the whole storage looks into. */
const KEPT_FILE = /^(?:[0-9a-f]{32}\/)?[0-9a-f]{32}-([0-9a-z]{6,8})(?:\.|$)/;

/**
 * A new name in the staging area, which says how long its upload may be alive: until then no sweep removes what lies under
 * it, or under one that begins with it and a dot, however old that is.
 *
 * @param until milliseconds since 1970
 */
export function keptName(until: number): string {
  const seconds = Math.ceil(until / 1000);
  return `${randomBytes(16).toString('hex')}-${seconds.toString(36)}`;
}

/** Whether the whole name is one of `keptName`. */
export function isKeptName(name: string): boolean {
  return KEPT_NAME.test(name);
}

/** Whether a sweep leaves what lies under the name in the staging area, as it says itself. */
export function isStillKept(name: string): boolean {
  const [, seconds] = KEPT_FILE.exec(name) ?? [];
  return seconds !== undefined && Number.parseInt(seconds, 36) * 1000 > Date.now();
}
