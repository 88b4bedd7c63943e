import { StorageInvalidKeyError } from './errors.js';

const MAX_KEY_BYTES = 1024;
const MAX_SEGMENT_BYTES = 255;

/**
 * Segment that no key may have: drivers keep their temporary files and metadata there. At any depth, since a storage may have its root,
 * or its prefix, below that of another one.
 */
export const RESERVED_FOLDER = '.nestjs-storages';

const RESERVED = /(?:^|\/)\.nestjs-storages(?:\/|$)/i;

const PLAIN_ASCII = /^[\x20-\x5B\x5D-\x7E]*$/;

// Characters that are invisible, reorder text, end a line, or are no characters at all. Two keys that look alike
// must be alike, and none may break a header, a log line or a listing.
const FORBIDDEN: readonly (readonly [RegExp, string])[] = [
  [/[\u0000-\u001F\u007F-\u009F\u2028\u2029]/u, 'a control character'],
  [/\\/u, 'a backslash'],
  [/[\u061C\u200E\u200F\u202A-\u202E\u2066-\u2069]/u, 'a bidirectional control character'],
  [/[\u200B-\u200D\u2060\uFEFF]/u, 'a zero-width character'],
  [/[\uFDD0-\uFDEF]|[\uFFFE\uFFFF]|\p{Noncharacter_Code_Point}/u, 'a noncharacter'],
];

/**
 * Returns the key unchanged, or refuses it: keys are never repaired, so no two spellings reach one file and every
 * driver gives the same verdict.
 *
 * @param prefixBytes UTF-8 bytes that a configured prefix adds; they count towards the limit of 1,024.
 * @throws StorageInvalidKeyError naming the rule.
 */
export function parseKey(key: string, prefixBytes = 0): string {
  if (typeof key !== 'string') {
    throw new StorageInvalidKeyError(`A key must be a string, not ${typeName(key)}`);
  }
  const refuse = (rule: string): never => {
    throw new StorageInvalidKeyError(`Invalid key: ${rule}`, { key });
  };
  if (key === '') refuse('it is empty');
  const rule = brokenRule(key, prefixBytes);
  if (rule) refuse(rule);
  if (key.endsWith('/')) refuse('it ends with "/"');
  return key;
}

/**
 * Returns the prefix unchanged, or refuses it. A prefix is a plain string: `'a'` also matches `'ab'`, and it may end
 * anywhere, so the rules of a key hold for its whole segments only.
 *
 * @throws StorageInvalidKeyError naming the rule.
 */
export function parsePrefix(prefix: string, prefixBytes = 0): string {
  if (typeof prefix !== 'string') {
    throw new StorageInvalidKeyError(`A prefix must be a string, not ${typeName(prefix)}`);
  }
  if (prefix === '') return prefix;
  const rule = brokenRule(prefix, prefixBytes, { openEnded: true });
  if (rule) throw new StorageInvalidKeyError(`Invalid prefix: ${rule}`, { key: prefix });
  return prefix;
}

/** Whether a backend's key lies in a reserved folder: no key of ours does, but others may put files there. */
export function isReserved(key: string): boolean {
  return RESERVED.test(key);
}

/**
 * Compares two keys in the order in which every driver lists: by their UTF-8 bytes.
 * JavaScript's own `<` compares UTF-16 units, which puts U+FF5E after emoji.
 */
export function compareKeys(left: string, right: string): number {
  const length = Math.min(left.length, right.length);
  for (let index = 0; index < length; index++) {
    let a = left.charCodeAt(index);
    let b = right.charCodeAt(index);
    if (a === b) continue;
    // Surrogates stand for code points above every other unit: lift them over U+E000–U+FFFF.
    if (a >= 0xd800 && b >= 0xd800) {
      a = a >= 0xe000 ? a - 0x2000 : a + 0x2000;
      b = b >= 0xe000 ? b - 0x2000 : b + 0x2000;
    }
    return a - b;
  }
  return left.length - right.length;
}

/** The key as a URL path: each segment percent-encoded (RFC 3986 §2.1), the slashes kept. */
export function encodeKey(key: string): string {
  return key.split('/').map(percentEncode).join('/');
}

/** Percent-encodes everything but the unreserved characters of RFC 3986 §2.3. */
export function percentEncode(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

function brokenRule(
  text: string,
  prefixBytes: number,
  { openEnded = false } = {},
): string | undefined {
  if (!PLAIN_ASCII.test(text)) {
    if (!text.isWellFormed()) return 'it holds a lone surrogate';
    for (const [pattern, what] of FORBIDDEN) {
      if (pattern.test(text)) return `it holds ${what}`;
    }
    if (text !== text.normalize('NFC')) return 'it is not in Unicode normalization form C (NFC)';
  }
  if (text.startsWith('/')) return 'it starts with "/"';
  const bytes = Buffer.byteLength(text) + prefixBytes;
  if (bytes > MAX_KEY_BYTES) {
    return `it is ${bytes} bytes of UTF-8, prefix included; the limit is ${MAX_KEY_BYTES}`;
  }
  const segments = text.split('/');
  if (isReserved(text)) return `"${RESERVED_FOLDER}" is reserved`;
  const open = openEnded ? segments.pop()! : undefined;
  if (!openEnded && segments.at(-1) === '') segments.pop();
  for (const segment of segments) {
    if (segment === '') return 'it holds an empty segment ("//")';
    if (segment === '.' || segment === '..') return `it holds the segment "${segment}"`;
    if (Buffer.byteLength(segment) > MAX_SEGMENT_BYTES) {
      return `a segment is longer than ${MAX_SEGMENT_BYTES} bytes of UTF-8`;
    }
  }
  if (open !== undefined && Buffer.byteLength(open) > MAX_SEGMENT_BYTES) {
    return `a segment is longer than ${MAX_SEGMENT_BYTES} bytes of UTF-8`;
  }
  return undefined;
}

function typeName(value: unknown): string {
  return value === null ? 'null' : Array.isArray(value) ? 'an array' : typeof value;
}
