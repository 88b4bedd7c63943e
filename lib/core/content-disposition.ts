import { shown } from './arguments.js';
import { StorageInvalidArgumentError } from './errors.js';
import { trimmed } from './trimmed.js';

/** How a browser treats a file, and under which name it saves it. */
export interface NamedDisposition {
  /** Whether a browser shows the file or saves it. */
  readonly type: 'inline' | 'attachment';
  /** In any characters, which are sent as RFC 6266 asks. */
  readonly filename: string;
}

export type Disposition = 'inline' | 'attachment' | NamedDisposition;

// Of UTF-8, so that file systems and keys have room for it, and for what they put before it.
const MAX_NAME_BYTES = 200;
// UTF-16 units of either end of a name that are looked at: plenty for 200 bytes and an extension, and a client that
// sends megabytes as a name costs nothing.
const MAX_END_UNITS = 2048;

/** @throws StorageInvalidArgumentError */
export function parseDisposition(disposition: Disposition): Disposition {
  const named = typeof disposition === 'object' && disposition !== null;
  const type = named ? disposition.type : disposition;
  const isType = type === 'inline' || type === 'attachment';
  if (isType && (!named || typeof disposition.filename === 'string')) return disposition;
  throw new StorageInvalidArgumentError(
    `disposition must be "inline", "attachment" or { type, filename }, not ${shown(disposition)}`,
  );
}

/** A `Content-Disposition` value for any file name whatever (RFC 6266, RFC 8187). Never throws. */
export function contentDisposition(disposition: Disposition): string {
  if (typeof disposition === 'string') return disposition;
  const name = safeFileName(disposition.filename);
  const ascii = name.replace(/[^\x20-\x7E]/gu, '_').replace(/["%]/g, '_');
  const value = `${disposition.type}; filename="${ascii}"`;
  return ascii === name ? value : `${value}; filename*=UTF-8''${encodeExtendedValue(name)}`;
}

// RFC 6266 §4.1: a parameter is a token or a quoted string.
const PARAMETER = /;\s*(filename\*?)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;"]*))/gi;

/**
 * What a `Content-Disposition` value says, as far as it is one (RFC 6266): a type that is not known means `attachment`
 * (§4.2), and `filename*` goes before `filename` (§4.3). Never throws.
 */
export function parseContentDisposition(value: string | undefined): Partial<NamedDisposition> {
  if (value === undefined) return {};
  const names = new Map<string, string>();
  for (const [, parameter, quoted, token] of value.matchAll(PARAMETER)) {
    names.set(parameter!.toLowerCase(), quoted?.replace(/\\(.)/g, '$1') ?? token ?? '');
  }
  const filename = decodeExtendedValue(names.get('filename*')) ?? names.get('filename');
  const type = value.split(';')[0]!.trim().toLowerCase();
  return {
    type: type === 'inline' ? 'inline' : 'attachment',
    ...(filename !== undefined && { filename }),
  };
}

/**
 * The base name of whatever a client called its file, without anything that a file system, a shell, a header or a
 * reader may take for something else. Never empty.
 */
export function safeFileName(filename: string): string {
  const base = filename.slice(Math.max(filename.lastIndexOf('/'), filename.lastIndexOf('\\')) + 1);
  const ends =
    base.length > 2 * MAX_END_UNITS
      ? base.slice(0, MAX_END_UNITS) + base.slice(-MAX_END_UNITS)
      : base;
  const clean = ends
    .toWellFormed()
    .replace(/[\p{Cc}\p{Cf}\p{Cn}\u2028\u2029\uFFFD]/gu, '')
    .normalize('NFC')
    .replace(/[:*?"<>|;$%]/g, '_');
  return trimmed(shorten(trimmed(clean, '. ')), '. ') || 'download';
}

function shorten(name: string): string {
  if (Buffer.byteLength(name) <= MAX_NAME_BYTES) return name;
  const dot = name.lastIndexOf('.');
  const extension = dot > 0 && name.length - dot <= 16 ? name.slice(dot) : '';
  let left = MAX_NAME_BYTES - Buffer.byteLength(extension);
  let stem = '';
  for (const character of name.slice(0, dot > 0 && extension ? dot : undefined)) {
    left -= Buffer.byteLength(character);
    if (left < 0) break;
    stem += character;
  }
  return stem + extension;
}

// RFC 8187 §3.2.1: attr-char leaves out three characters that encodeURIComponent keeps.
function encodeExtendedValue(text: string): string {
  return encodeURIComponent(text).replace(
    /['()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

/** Text of a `UTF-8''…` value; undefined when it is none, or says another encoding. */
function decodeExtendedValue(value: string | undefined): string | undefined {
  const encoded = /^utf-8'[^']*'(.*)$/i.exec(value ?? '')?.[1];
  if (encoded === undefined) return undefined;
  try {
    return decodeURIComponent(encoded);
  } catch {
    return undefined;
  }
}
