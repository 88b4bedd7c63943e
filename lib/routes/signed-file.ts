import { ServedFile } from '../serving/served-file.js';
import type { AllowedRequest } from './signed-routes.js';

/** The file of a signed URL, with what the URL says of it in place of what is stored. */
export function signedFile({ storage, key, signed }: AllowedRequest): ServedFile {
  const { contentType, contentDisposition, cacheControl } = signed;
  // Who signs both has asked for this very type to be shown; the answer is sandboxed all the same.
  const isShown = contentType !== undefined && /^inline\b/.test(contentDisposition ?? '');
  return new ServedFile(storage, key, {
    // Whoever keeps it would hand it out after the URL's time.
    maxAge: Math.max(0, signed.expires - Math.ceil(Date.now() / 1000)),
    ...(contentType !== undefined && { contentType }),
    ...(contentDisposition !== undefined && { contentDisposition }),
    ...(cacheControl !== undefined && { cacheControl }),
    ...(isShown && { dangerouslyAllowInline: [contentType.split(';')[0]!.trim()] }),
  });
}
