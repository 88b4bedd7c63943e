import { isAbsolute } from 'node:path';
import { parseGivenAttributes } from '../core/attributes.js';
import { StorageConfigurationError } from '../core/errors.js';
import { parseExpiresIn } from '../core/units.js';
import type { CachePreset } from './cache-control.js';

/**
 * Who sends the bytes. `'proxy'`: the app itself. `'redirect'`: the backend, to which a signed URL leads. `'accel'`: the
 * web server in front of the app, told by a header. `'auto'`: `accel` where it is configured, else `redirect` where the
 * backend serves signed URLs, else `proxy`.
 */
export type ServingMode = 'proxy' | 'redirect' | 'accel' | 'auto';

/** How the web server in front of the app finds a file. */
export type AccelOptions =
  | {
      /** nginx. */
      readonly header: 'X-Accel-Redirect';
      /** The `internal` location below which it has the files, e.g. `'/protected/'`. The percent-encoded key is put behind it. */
      readonly location: string;
    }
  | {
      /** Apache's mod_xsendfile, lighttpd. Only for the local driver. */
      readonly header: 'X-Sendfile';
      /** Absolute path of the storage's `root`, as the web server sees it. The percent-encoded key is put behind it. */
      readonly root: string;
    };

export interface ServedFileOptions {
  /**
   * `'attachment'` makes the browser save the file. Default: `'inline'` for types that are safe to show (raster images,
   * audio, video, plain text), `'attachment'` for everything else. Types that run script are never inline.
   */
  disposition?: 'inline' | 'attachment';
  /** Name to save the file under. Default: the name it was uploaded with, else the end of its key. */
  filename?: string;
  /**
   * The two above as a `Content-Disposition` value (RFC 6266), such as a signed URL binds. Default: the one that is
   * stored with the file.
   */
  contentDisposition?: string;
  /** Media type of the answer. Default: what is stored with the file, but `application/octet-stream` for JavaScript. */
  contentType?: string;
  /**
   * Media types such as `'application/pdf'` that are shown, not saved, although they are not known to be harmless.
   * Script in them still does not run: the answer is sandboxed, but for PDF, whose viewer not every browser opens in a
   * sandbox.
   */
  dangerouslyAllowInline?: readonly string[];
  /**
   * `'private'`: nothing keeps a copy. `'immutable'`: everybody keeps it for a year without asking, for keys that never
   * get other bytes. `'revalidate'`: everybody may keep it, and asks each time whether it is still the same.
   */
  cache?: CachePreset;
  /** `Cache-Control` in words of your own. Default: what `@Header()` says, else what is stored with the file, else `private, no-cache, no-transform`. */
  cacheControl?: string;
  /** Seconds: nobody keeps the file longer without asking, whatever else is said of it. For URLs that expire. */
  maxAge?: number;
  /** `Cross-Origin-Resource-Policy`. Default `'same-origin'`. */
  crossOrigin?: 'same-origin' | 'same-site' | 'cross-origin';
  /**
   * Ranges that one request may ask for; several are answered as `multipart/byteranges`, each by a read of its own.
   * A request for more gets the whole file. Default 1, at most 100.
   */
  maxRanges?: number;
  /** Default `'proxy'`. */
  mode?: ServingMode;
  /** How long the URL of a redirect lives: seconds, or text. Default `'15m'`. */
  expiresIn?: number | string;
  /** For the mode `'accel'`. */
  accel?: AccelOptions;
}

const MAX_RANGES = 100;

/** Each answers what the option must be, when it is not. */
const CHECKS: Readonly<Record<keyof ServedFileOptions, (value: unknown) => string | undefined>> = {
  disposition: oneOf('inline', 'attachment'),
  filename: (value) => (typeof value === 'string' ? undefined : 'a string'),
  contentDisposition: checkHeaderValue,
  contentType: checkMediaType,
  dangerouslyAllowInline: (value) =>
    Array.isArray(value) && value.every((type) => checkMediaType(type) === undefined)
      ? undefined
      : 'a list of media types',
  cache: oneOf('private', 'immutable', 'revalidate'),
  cacheControl: checkHeaderValue,
  maxAge: (value) =>
    Number.isInteger(value) && (value as number) >= 0 ? undefined : 'a whole number of seconds',
  crossOrigin: oneOf('same-origin', 'same-site', 'cross-origin'),
  maxRanges: (value) =>
    Number.isInteger(value) && (value as number) >= 1 && (value as number) <= MAX_RANGES
      ? undefined
      : `a whole number from 1 to ${MAX_RANGES}`,
  mode: oneOf('proxy', 'redirect', 'accel', 'auto'),
  expiresIn: checkExpiresIn,
  accel: checkAccel,
};

/** @throws StorageConfigurationError naming the option */
export function assertServingOptions(options: ServedFileOptions): void {
  for (const [name, value] of Object.entries(options)) {
    if (!Object.hasOwn(CHECKS, name)) {
      const known = Object.keys(CHECKS).sort().join(', ');
      throw new StorageConfigurationError(
        `ServedFile: unknown option "${name}"; known are ${known}`,
      );
    }
    const wanted = value === undefined ? undefined : CHECKS[name as keyof ServedFileOptions](value);
    if (wanted) throw new StorageConfigurationError(`ServedFile: ${name} must be ${wanted}`);
  }
  if (options.mode === 'accel' && !options.accel) {
    throw new StorageConfigurationError(
      'ServedFile: mode "accel" needs the option accel, such as { header: "X-Accel-Redirect", location: "/protected/" }',
    );
  }
  if (options.cache !== undefined && options.cacheControl !== undefined) {
    throw new StorageConfigurationError('ServedFile: cache and cacheControl exclude each other');
  }
}

function oneOf(...allowed: readonly string[]): (value: unknown) => string | undefined {
  return (value) =>
    allowed.includes(value as string) ? undefined : `one of ${allowed.join(', ')}`;
}

function checkHeaderValue(value: unknown): string | undefined {
  const fits = typeof value === 'string' && /^[\x20-\x7E]+$/.test(value);
  return fits ? undefined : 'a header value of printable ASCII';
}

function checkMediaType(value: unknown): string | undefined {
  try {
    parseGivenAttributes({ contentType: value as string });
    return undefined;
  } catch {
    return 'a media type such as "image/png"';
  }
}

function checkExpiresIn(value: unknown): string | undefined {
  try {
    // Its greatest value is the backend's affair.
    parseExpiresIn(value as number | string, Number.MAX_VALUE);
    return undefined;
  } catch {
    return '1 or more seconds, as a number or as text such as "15m"';
  }
}

function checkAccel(value: unknown): string | undefined {
  const { header, location, root } = (value ?? {}) as Record<string, unknown>;
  if (header === 'X-Accel-Redirect') {
    const fits = typeof location === 'string' && /^\/(?:[\w.~!$&'()*+,;=:@%-]+\/)*$/.test(location);
    return fits ? undefined : '{ header, location }, the location a path such as "/protected/"';
  }
  if (header === 'X-Sendfile') {
    const fits = typeof root === 'string' && isAbsolute(root);
    return fits ? undefined : '{ header, root }, the root an absolute path';
  }
  return '{ header: "X-Accel-Redirect", location } or { header: "X-Sendfile", root }';
}
