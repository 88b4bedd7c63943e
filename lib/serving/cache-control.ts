import type { StoredFile } from '../core/stored-file.js';
import { headerValue } from './header-value.js';
import type { ServedFileOptions } from './serving-options.js';

/** How long whom an answer may serve again: the usual cases of RFC 9111 by name. */
export type CachePreset = 'private' | 'immutable' | 'revalidate';

// No-transform is for what stands between app and client: a file is sent as it is stored, and its etag names those
// bytes. A proxy that compresses it and keeps the etag would have a range of what is stored joined to what it compressed.
const PRESETS: Readonly<Record<CachePreset | 'default', string>> = {
  private: 'private, no-store, no-transform',
  immutable: 'public, max-age=31536000, immutable, no-transform',
  revalidate: 'no-cache, no-transform',
  default: 'private, no-cache, no-transform',
};

/** @param given what the app itself set, as by `@Header()` */
export function cacheControl(
  { cache, cacheControl, maxAge }: ServedFileOptions,
  given: string | undefined,
  file: Pick<StoredFile, 'cacheControl'>,
): string {
  const value =
    cacheControl ??
    (cache && PRESETS[cache]) ??
    given ??
    headerValue(file.cacheControl) ??
    PRESETS.default;
  return maxAge === undefined ? value : atMost(maxAge, value);
}

/** What the app itself says, where it is more than the backend would say of the file on its own. */
export function ownCacheControl(
  options: ServedFileOptions,
  given: string | undefined,
  file: Pick<StoredFile, 'cacheControl'>,
): string | undefined {
  const said = options.cacheControl ?? options.cache ?? options.maxAge ?? given;
  const value = cacheControl(options, given, file);
  return said === undefined || value === file.cacheControl ? undefined : value;
}

/** The value, by which nobody answers from a copy that is older than so many seconds. */
function atMost(maxAge: number, value: string): string {
  const fresh = capped(value, /\b(max-age|s-maxage)="?(\d+)"?/gi, maxAge);
  const ages = [...fresh.matchAll(/\b(?:max-age|s-maxage)=(\d+)/gi)].map(([, age]) => Number(age));
  // Without a time, a browser takes one of its own (RFC 9111 §4.2.2).
  const isTimed = /\bmax-age=\d|(?:^|,)\s*no-(?:cache|store)\s*(?:,|$)/i.test(fresh);
  const timed = isTimed ? fresh : `${fresh}, max-age=${maxAge}`;
  // These begin where freshness ends (RFC 5861).
  const left = isTimed ? maxAge - Math.max(0, ...ages) : 0;
  return capped(timed, /\b(stale-while-revalidate|stale-if-error)="?(\d+)"?/gi, left);
}

function capped(value: string, times: RegExp, most: number): string {
  return value.replace(
    times,
    (_, name: string, seconds: string) => `${name}=${Math.min(Number(seconds), most)}`,
  );
}

/** The value for a part of a file, which nobody on the way may compress, whatever the app says of whole files. */
export function cacheControlOfPart(value: string): string {
  return /(?:^|,)\s*no-transform\s*(?:,|$)/i.test(value) ? value : `${value}, no-transform`;
}

// Seconds before a URL expires in which it is not handed out again: a browser has to get there, and clocks differ.
const MARGIN = 30;
const LONGEST = 300;

/** For a redirect to a URL that lives so many seconds: the redirect is forgotten before the URL expires. */
export function cacheControlOfRedirect(expiresIn: number): string {
  const maxAge = Math.min(expiresIn - MARGIN, LONGEST);
  return maxAge > 0 ? `private, max-age=${maxAge}` : 'private, no-store';
}
