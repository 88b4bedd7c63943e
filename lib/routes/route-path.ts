import { RequestMethod } from '@nestjs/common';
import type { ApplicationConfig } from '@nestjs/core';
import { StorageConfigurationError } from '../core/errors.js';
import { parseKey } from '../core/key.js';

/** @throws StorageConfigurationError. Answers it with a slash in front, and none at its end. */
export function parseRoutePath(where: string, path: unknown): string {
  // Written as it appears in a URL: what follows it in the raw path of a request is the key.
  if (typeof path === 'string' && /^\/?[\w.~-]+(?:\/[\w.~-]+)*\/?$/.test(path)) {
    return `/${path.replace(/^\/|\/$/g, '')}`;
  }
  throw new StorageConfigurationError(
    `${where}: path must be one such as "/storage", of letters, digits and ._~-, without parameters`,
  );
}

const claimed = new WeakMap<ApplicationConfig, Set<string>>();

/**
 * Takes the path for one controller of the app: of two with the same path, Express would ask only the first.
 *
 * @throws StorageConfigurationError when it is taken
 */
export function claimPath(path: string, config: ApplicationConfig): void {
  const paths = claimed.get(config) ?? new Set();
  if (paths.has(path)) {
    throw new StorageConfigurationError(
      `Two modules serve storages below the path "${path}"; give each its own: routes: { path } of StorageModule, path of ServeStorageModule and of TusModule`,
    );
  }
  claimed.set(config, paths.add(path));
}

/**
 * Where the routes of a controller are, with the app's global prefix and the path of its module. To be asked when the app is set up.
 *
 * @throws StorageConfigurationError when there are parameters in them: no URL could be signed, and none be told from others
 */
export function mountedPath(path: string, config: ApplicationConfig, modulePath = ''): string {
  const routes = joined(modulePath) + path;
  const prefix = config.getGlobalPrefix();
  const { exclude = [] } = config.getGlobalPrefixOptions();
  const isExcluded = exclude.some(
    ({ pathRegex, requestMethod }) =>
      (requestMethod === RequestMethod.ALL || requestMethod === RequestMethod.GET) &&
      pathRegex.test(`${routes}/*key`),
  );
  const mount = (isExcluded ? '' : joined(prefix)) + routes;
  if (!PATTERN.test(mount)) return mount;
  throw new StorageConfigurationError(
    `The routes of storages cannot be at "${mount}", which is a pattern: take their module out of the path of RouterModule, or their paths out of the global prefix: app.setGlobalPrefix(…, { exclude: ["${path.slice(1)}", "${path.slice(1)}/*path"] })`,
  );
}

/** What routers take for more than the characters themselves. */
const PATTERN = /[:*?+!()[\]{}\\]/;

function joined(path: string): string {
  const segments = path.split('/').filter((segment) => segment !== '');
  return segments.map((segment) => `/${segment}`).join('');
}

/** Whether the URL is the path itself, with whatever query, or lies below it. */
export function isAtOrBelow(mount: string, url = ''): boolean {
  return url.startsWith(mount) && /^(?:[/?]|$)/.test(url.slice(mount.length));
}

/** What a request asks for below a path, as it was sent: nothing is decoded yet. */
export interface RawTarget {
  readonly path: string;
  readonly query: string;
}

/** `undefined` when the URL is not below the path, spelt exactly so. */
export function targetBelow(mount: string, url = ''): RawTarget | undefined {
  if (!url.startsWith(`${mount}/`)) return undefined;
  const target = url.slice(mount.length + 1);
  const end = target.indexOf('?');
  return end === -1
    ? { path: target, query: '' }
    : { path: target.slice(0, end), query: target.slice(end + 1) };
}

// Letters, digits and -._~ (RFC 3986 §2.3), encoded although no client needs to.
const NEEDLESS_ESCAPE = /%(?:2[de]|3\d|4[1-9a-f]|5[\daf]|6[1-9a-f]|7[\dae])/i;

/**
 * The key that a raw path stands for, decoded exactly once; `undefined` for every path that is no key's: with an encoded
 * slash, backslash or NUL, with dot segments, `//`, a slash at its end, or what is not well-formed. Letters, digits and
 * -._~ stand for themselves only: who binds middleware to a path looks for that spelling. Other characters may be encoded
 * or not, as clients differ.
 *
 * The routers decode in ways of their own, and each another way; this is the one that counts.
 */
export function keyOfPath(path: string): string | undefined {
  const key = decodedPath(path);
  try {
    return key === undefined ? undefined : parseKey(key);
  } catch {
    return undefined;
  }
}

/** The same text, whether it is a key or not: for paths that a signature vouches for. */
export function decodedPath(path: string): string | undefined {
  // Decoded, a slash would divide what is one segment here; behind a "#", the routers see nothing.
  if (/%2f|[^!"$-~]/i.test(path) || NEEDLESS_ESCAPE.test(path)) return undefined;
  try {
    return decodeURIComponent(path);
  } catch {
    return undefined;
  }
}
