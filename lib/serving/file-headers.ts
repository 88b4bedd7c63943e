import { contentTypeOf, isMediaType } from '../core/attributes.js';
import {
  contentDisposition,
  type NamedDisposition,
  parseContentDisposition,
} from '../core/content-disposition.js';
import type { StoredFile } from '../core/stored-file.js';
import type { AnswerHead } from './answer.js';
import { cacheControl } from './cache-control.js';
import { headerValue } from './header-value.js';
import type { ServedFile } from './served-file.js';
import type { ServedFileOptions } from './serving-options.js';

// What a browser shows without running anything. Everything else is saved, not shown; so is any type in `+xml`, which
// browsers render as XML whatever stands before it.
const INLINE_TYPES =
  /^(?:image\/(?:png|jpeg|gif|webp|avif|bmp|tiff|vnd\.microsoft\.icon|x-icon)|text\/plain)$/;
const PLAYED_TYPES = /^(?:audio|video)\/[\w.-]+$/;

// https://mimesniff.spec.whatwg.org/#javascript-mime-type
const SCRIPT_TYPES =
  /^(?:(?:application|text)\/(?:x-)?(?:java|ecma)script|text\/(?:javascript1\.[0-5]|jscript|livescript))$/;

const POLICY = "default-src 'none'; style-src 'unsafe-inline'";
const SANDBOX = `${POLICY}; sandbox`;
// A browser that opens a film makes a page of its own around it, which asks for the file once more: with the sandbox's
// opaque origin, or without media-src, it would not get it. No script runs there either.
const PLAYER = `${POLICY}; media-src 'self'; sandbox allow-same-origin`;

/** Headers that every answer about a file has, also those without one. */
export function setSafeHeaders(
  { serving }: Pick<ServedFile, 'serving'>,
  head: Pick<AnswerHead, 'header'>,
): void {
  head.header('X-Content-Type-Options', 'nosniff');
  head.header('Content-Security-Policy', SANDBOX);
  head.header('Cross-Origin-Resource-Policy', serving.crossOrigin ?? 'same-origin');
  head.header('Referrer-Policy', 'no-referrer');
}

/** Takes back what would let somebody keep an error for the file. */
export function removeCacheHeaders(head: AnswerHead): void {
  for (const name of ['Cache-Control', 'ETag', 'Expires', 'Last-Modified']) head.remove(name);
}

/** The headers that a 304 has, too, and no others of the file (RFC 9110 §15.4.5). */
export function setValidators(served: ServedFile, file: StoredFile, head: AnswerHead): void {
  // Of two validators the better one is enough.
  if (file.etag !== undefined) head.header('ETag', file.etag);
  else setLastModified(file, head);
  setCacheControl(served, file, head);
}

export function setCacheControl({ serving }: ServedFile, file: StoredFile, head: AnswerHead): void {
  head.header('Cache-Control', cacheControl(serving, head.given('Cache-Control'), file));
}

export function setLastModified({ lastModified }: StoredFile, head: AnswerHead): void {
  if (lastModified) head.header('Last-Modified', lastModified.toUTCString());
}

/** What the bytes are and how a browser is to treat them. */
export function setContentHeaders(
  { serving }: ServedFile,
  file: StoredFile,
  head: AnswerHead,
): void {
  const type = contentType(serving, file);
  const disposition = dispositionOf(serving, file);
  head.header('Content-Type', type);
  head.header('Content-Disposition', contentDisposition(disposition));
  if (disposition.type === 'inline') head.header('Content-Security-Policy', policyFor(type));
  const encoding = headerValue(file.contentEncoding);
  const language = headerValue(file.contentLanguage);
  if (encoding !== undefined) head.header('Content-Encoding', encoding);
  if (language !== undefined) head.header('Content-Language', language);
}

/**
 * The media type to send: the stored one, with the encoding of plain text, so that no browser guesses it. Script is
 * bytes: what a page takes for a script is decided by the type alone, whatever the other headers say. So is what is not
 * exactly one type: of `image/png;, text/html`, which anybody may have stored at the backend, browsers take the last.
 */
export function contentType(serving: ServedFileOptions, file: StoredFile): string {
  const stored = serving.contentType ?? file.contentType ?? contentTypeOf(file.key);
  const type = isMediaType(stored) ? stored : 'application/octet-stream';
  if (/^text\/plain$/i.test(type)) return 'text/plain; charset=utf-8';
  return SCRIPT_TYPES.test(mediaType(type)) && !isAllowed(serving, type)
    ? 'application/octet-stream'
    : type;
}

/** How a browser is to treat the file: `inline` only for types that are safe to show, or that the app asked for. */
export function dispositionOf(serving: ServedFileOptions, file: StoredFile): NamedDisposition {
  const whole = parseContentDisposition(serving.contentDisposition ?? file.contentDisposition);
  const type = contentType(serving, file);
  const mayShow =
    INLINE_TYPES.test(mediaType(type)) ||
    PLAYED_TYPES.test(mediaType(type)) ||
    isAllowed(serving, type);
  const wanted = serving.disposition ?? whole.type ?? 'inline';
  return {
    type: mayShow ? wanted : 'attachment',
    filename:
      serving.filename ??
      whole.filename ??
      file.metadata['filename'] ??
      file.key.slice(file.key.lastIndexOf('/') + 1),
  };
}

function policyFor(type: string): string {
  // Not every browser opens its viewer of PDF in a sandbox; what runs in a viewer does so outside of this origin.
  if (isPdf(type)) return POLICY;
  return PLAYED_TYPES.test(mediaType(type)) ? PLAYER : SANDBOX;
}

export function isPdf(type: string): boolean {
  return mediaType(type) === 'application/pdf';
}

function isAllowed({ dangerouslyAllowInline = [] }: ServedFileOptions, type: string): boolean {
  return dangerouslyAllowInline.some((allowed) => mediaType(allowed) === mediaType(type));
}

function mediaType(contentType: string): string {
  return contentType.split(';')[0]!.trim().toLowerCase();
}
