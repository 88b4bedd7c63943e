import { StorageInvalidArgumentError } from '../core/errors.js';
import { hasSignature, OLE, sniffContentType, ZIP } from './content-sniffing.js';

// Types that run script or restyle the page when a browser opens them, or that hold such. They are stored as such only
// when the bytes show it, never because the client says so.
const ACTIVE_TYPES =
  /script|^(?:text|application)\/(?:html|css|xsl|xml.*|x-component|cache-manifest|x-shockwave-flash|x-mimearchive)$|^(?:message|multipart)\/|\+xml$/;

// RFC 6838 §4.2.
const BARE_TYPE = /^[\w!#$&^.+-]{1,127}\/[\w!#$&^.+-]{1,127}$/;

/** Whether the text is a media type without parameters. */
export function isBareType(text: string): boolean {
  return BARE_TYPE.test(text);
}

/**
 * The media type under which a file is stored: what its first bytes show; for text and for what shows nothing, the
 * client's word, as long as that is harmless.
 */
export function contentTypeByBytes(head: Uint8Array, declared: string): string {
  const found = sniffContentType(head);
  if (found !== undefined && found !== 'text/plain' && !isContainer(found)) return found;
  const type = declared.split(';')[0]!.trim().toLowerCase();
  const plausible = isBareType(type) && !runsScript(type) && agrees(type, found, head.length === 0);
  return plausible ? type : (found ?? 'application/octet-stream');
}

// Names that are in use for types that have another one, by which no file would be accepted.
const SLIPS: Readonly<Record<string, readonly [what: string, type: string]>> = {
  'image/jpg': ['a JPEG', 'image/jpeg'],
  'image/pjpeg': ['a JPEG', 'image/jpeg'],
  'image/svg': ['an SVG', 'image/svg+xml'],
  'image/tif': ['a TIFF', 'image/tiff'],
  'audio/mp3': ['an MP3', 'audio/mpeg'],
  'application/x-zip-compressed': ['a zip archive', 'application/zip'],
};

/** @throws StorageInvalidArgumentError when it is no allow-list of types, or has a name that is often mistaken for one, such as `image/jpg` */
export function assertAccept(accept: readonly string[]): void {
  if (!(Array.isArray(accept) && accept.every(isTypePattern))) {
    throw new StorageInvalidArgumentError(
      'accept must be a list of media types such as "image/png" or "image/*"',
    );
  }
  const slip = accept.map((pattern) => pattern.toLowerCase()).find((type) => SLIPS[type]);
  if (slip === undefined) return;
  const [what, type] = SLIPS[slip]!;
  throw new StorageInvalidArgumentError(
    `accept: ${slip} is no media type: that of ${what} is ${type}`,
  );
}

function isTypePattern(pattern: unknown): pattern is string {
  return typeof pattern === 'string' && /^(?:\*|[\w.+-]+\/(?:\*|[\w.+-]+)|\*\/\*)$/.test(pattern);
}

/**
 * Whether a type is on an allow-list of types such as `image/png`, `image/*` and `*` + `/*`. Types that run script, such
 * as `image/svg+xml`, are no part of `image/*`: whoever wants them says so.
 */
export function isAccepted(type: string, accept: readonly string[]): boolean {
  return accept.some((pattern) => {
    const wanted = pattern.toLowerCase();
    if (wanted === '*' || wanted === '*/*') return true;
    if (!wanted.endsWith('/*')) return type === wanted;
    return type.startsWith(wanted.slice(0, -1)) && !runsScript(type);
  });
}

/** Whether files of the type run script or restyle the page when a browser opens them, or hold such. */
export function runsScript(type: string): boolean {
  return ACTIVE_TYPES.test(type);
}

// Formats inside of a container, which must have shown it.
const INSIDE: Readonly<Record<string, RegExp>> = {
  [ZIP]:
    /^application\/(?:vnd\.openxmlformats-|vnd\.oasis\.opendocument\.|vnd\.ms-[\w.-]+\.macroenabled|epub\+zip$|java-archive$|vnd\.android\.package-archive$)/,
  [OLE]: /^application\/(?:msword|x-msi|vnd\.ms-(?:excel|powerpoint|outlook|project|works))$/,
};

function isContainer(found: string): boolean {
  return Object.hasOwn(INSIDE, found);
}

const TEXT_FORMATS =
  /^text\/|^application\/(?:json|yaml|x-yaml|toml|sql|csv|ndjson|x-ndjson|jsonl|graphql|geo\+json|ld\+json)$|\+(?:json|yaml)$/;

// A declared type that has a signature must have shown it: a "PNG" of text is text.
function agrees(declared: string, found: string | undefined, isEmpty: boolean): boolean {
  if (hasSignature(declared)) return false;
  // A text format has to be text, and text one of those. An empty text shows nothing.
  const isTextFormat = TEXT_FORMATS.test(declared);
  const isText = found === 'text/plain' || isEmpty;
  if (isTextFormat || found === 'text/plain') return isTextFormat && isText;
  const container = Object.keys(INSIDE).find((type) => INSIDE[type]!.test(declared));
  if (container !== undefined) return container === found;
  // Other formats may use the containers as well; what shows nothing may be any application's.
  return declared.startsWith('application/');
}
