import { StorageUnsupportedError } from '../core/errors.js';
import { encodeKey } from '../core/key.js';
import { parseExpiresIn } from '../core/units.js';
import type { AnswerHead } from './answer.js';
import { cacheControlOfRedirect, ownCacheControl } from './cache-control.js';
import { EmptyBody } from './empty-body.js';
import {
  contentType,
  dispositionOf,
  isPdf,
  setCacheControl,
  setContentHeaders,
} from './file-headers.js';
import type { ServedFile } from './served-file.js';
import type { AccelOptions, ServedFileOptions, ServingMode } from './serving-options.js';

const REDIRECT_LIVES = '15m';

/**
 * Who is to send the bytes of this file; see `ServingMode`.
 *
 * @param given the `Cache-Control` that the app itself set
 */
export async function deliverer(
  { storage, serving }: ServedFile,
  given: string | undefined,
): Promise<Exclude<ServingMode, 'auto'>> {
  const { mode = 'proxy', accel } = serving;
  if (mode !== 'auto') return mode;
  if (accel) return 'accel';
  // What they sign is served by an app such as this one: a redirect would lead back.
  if (storage.driver === 'memory' || storage.driver === 'local') return 'proxy';
  await storage.open();
  const { signedUrls, signedCacheControl } = storage.capabilities;
  const saysForHowLong = serving.cache ?? serving.cacheControl ?? serving.maxAge ?? given;
  return signedUrls && (signedCacheControl || saysForHowLong === undefined) ? 'redirect' : 'proxy';
}

/**
 * A redirect to a URL that the backend serves, with what the app would say of the file bound by its signature.
 * 302: the next request gets another URL.
 *
 * @throws StorageFileNotFoundError, StorageUnsupportedError
 */
export async function redirect(
  { storage, key, serving }: ServedFile,
  signal: AbortSignal,
  head: AnswerHead,
): Promise<EmptyBody> {
  const file = await storage.info(key, { signal });
  const cacheControl = ownCacheControl(serving, head.given('Cache-Control'), file);
  const shown = withoutSandboxed(serving);
  const { maxExpiresIn } = storage.capabilities.limits;
  const expiresIn = parseExpiresIn(serving.expiresIn ?? REDIRECT_LIVES, maxExpiresIn);
  const url = await storage.url(key, {
    expiresIn,
    disposition: dispositionOf(shown, file),
    contentType: contentType(shown, file),
    ...(cacheControl !== undefined && { cacheControl }),
    signal,
  });
  head.status(302);
  head.header('Location', url);
  head.header('Cache-Control', cacheControlOfRedirect(expiresIn));
  head.header('Content-Length', '0');
  return new EmptyBody();
}

/** Without the types that are shown in a sandbox only: no URL can bind a backend to one. */
function withoutSandboxed({
  dangerouslyAllowInline = [],
  ...serving
}: ServedFileOptions): ServedFileOptions {
  return { ...serving, dangerouslyAllowInline: dangerouslyAllowInline.filter(isPdf) };
}

/**
 * An answer whose body the web server in front of the app puts in, along with ranges, conditions and validators of its
 * own.
 *
 * @throws StorageFileNotFoundError, StorageUnsupportedError
 */
export async function accelerate(
  served: ServedFile,
  accel: AccelOptions,
  signal: AbortSignal,
  head: AnswerHead,
): Promise<EmptyBody> {
  const { storage, key } = served;
  if (accel.header === 'X-Sendfile' && storage.driver !== 'local') {
    throw new StorageUnsupportedError(
      `X-Sendfile names a path of this machine, and storage "${storage.name}" (${storage.driver}) has none; use another mode`,
    );
  }
  const file = await storage.info(key, { signal });
  const path = encodeKey(storage.prefix + key);
  head.header(
    accel.header,
    accel.header === 'X-Sendfile'
      ? `${encodeKey(accel.root.replace(/\/+$/, ''))}/${path}`
      : accel.location + path,
  );
  setContentHeaders(served, file, head);
  setCacheControl(served, file, head);
  head.header('Content-Length', '0');
  return new EmptyBody();
}
