/** Bytes from the start of a file that decide about its type. */
export const SNIFF_LENGTH = 4096;

/** A zip archive, whatever it is the container of. */
export const ZIP = 'application/zip';
/** A compound file: the formats of Office up to 2003 are such. */
export const OLE = 'application/x-ole-storage';

interface Signature {
  readonly type: string;
  readonly offset?: number;
  /** Bytes in latin1; `?` stands for any byte. */
  readonly bytes: string;
}

// Formats by their own specifications. Order matters where one starts like another.
const SIGNATURES: readonly Signature[] = [
  { type: 'image/png', bytes: '\x89PNG\r\n\x1A\n' },
  { type: 'image/jpeg', bytes: '\xFF\xD8\xFF' },
  { type: 'image/gif', bytes: 'GIF87a' },
  { type: 'image/gif', bytes: 'GIF89a' },
  { type: 'image/webp', bytes: 'RIFF????WEBP' },
  { type: 'audio/wav', bytes: 'RIFF????WAVE' },
  { type: 'video/x-msvideo', bytes: 'RIFF????AVI ' },
  { type: 'image/avif', offset: 4, bytes: 'ftypavif' },
  { type: 'image/avif', offset: 4, bytes: 'ftypavis' },
  { type: 'image/heic', offset: 4, bytes: 'ftypheic' },
  { type: 'image/heic', offset: 4, bytes: 'ftypheix' },
  { type: 'image/heic', offset: 4, bytes: 'ftypheim' },
  { type: 'image/heic', offset: 4, bytes: 'ftypheis' },
  { type: 'image/heic-sequence', offset: 4, bytes: 'ftyphevc' },
  { type: 'image/heic-sequence', offset: 4, bytes: 'ftyphevx' },
  { type: 'image/heif', offset: 4, bytes: 'ftypmif1' },
  { type: 'image/heif-sequence', offset: 4, bytes: 'ftypmsf1' },
  { type: 'video/quicktime', offset: 4, bytes: 'ftypqt  ' },
  { type: 'audio/mp4', offset: 4, bytes: 'ftypM4A ' },
  { type: 'audio/mp4', offset: 4, bytes: 'ftypM4B ' },
  { type: 'video/3gpp', offset: 4, bytes: 'ftyp3gp' },
  { type: 'video/3gpp2', offset: 4, bytes: 'ftyp3g2' },
  { type: 'image/x-canon-cr3', offset: 4, bytes: 'ftypcrx ' },
  { type: 'video/mp4', offset: 4, bytes: 'ftyp' },
  { type: 'image/bmp', bytes: 'BM????\0\0\0\0' },
  { type: 'image/tiff', bytes: 'II*\0' },
  { type: 'image/tiff', bytes: 'MM\0*' },
  { type: 'image/vnd.microsoft.icon', bytes: '\0\0\x01\0' },
  { type: 'image/jxl', bytes: '\0\0\0\x0CJXL \r\n\x87\n' },
  { type: 'image/jxl', bytes: '\xFF\x0A' },
  { type: 'image/jp2', bytes: '\0\0\0\x0CjP  \r\n\x87\n' },
  { type: 'application/pdf', bytes: '%PDF-' },
  { type: 'application/postscript', bytes: '%!PS-Adobe-' },
  { type: 'application/rtf', bytes: '{\\rtf' },
  { type: ZIP, bytes: 'PK\x03\x04' },
  { type: ZIP, bytes: 'PK\x05\x06' },
  { type: 'application/gzip', bytes: '\x1F\x8B\x08' },
  { type: 'application/x-7z-compressed', bytes: "7z\xBC\xAF'\x1C" },
  { type: 'application/vnd.rar', bytes: 'Rar!\x1A\x07' },
  { type: 'application/x-bzip2', bytes: 'BZh' },
  { type: 'application/x-xz', bytes: '\xFD7zXZ\0' },
  { type: 'application/zstd', bytes: '\x28\xB5\x2F\xFD' },
  { type: 'application/x-tar', offset: 257, bytes: 'ustar' },
  { type: OLE, bytes: '\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1' },
  { type: 'video/webm', bytes: '\x1A\x45\xDF\xA3' },
  { type: 'audio/mpeg', bytes: 'ID3' },
  { type: 'audio/mpeg', bytes: '\xFF\xFB' },
  { type: 'audio/mpeg', bytes: '\xFF\xF3' },
  { type: 'audio/mpeg', bytes: '\xFF\xF2' },
  { type: 'audio/aac', bytes: '\xFF\xF1' },
  { type: 'audio/aac', bytes: '\xFF\xF9' },
  { type: 'audio/aiff', bytes: 'FORM????AIFF' },
  { type: 'audio/midi', bytes: 'MThd\0\0\0\x06' },
  { type: 'audio/flac', bytes: 'fLaC' },
  { type: 'video/ogg', bytes: `OggS${'?'.repeat(24)}\x80theora` },
  { type: 'audio/ogg', bytes: 'OggS' },
  { type: 'font/woff', bytes: 'wOFF' },
  { type: 'font/woff2', bytes: 'wOF2' },
  { type: 'font/ttf', bytes: '\0\x01\0\0\0' },
  { type: 'font/otf', bytes: 'OTTO\0' },
  { type: 'application/wasm', bytes: '\0asm' },
  { type: 'application/vnd.microsoft.portable-executable', bytes: 'MZ' },
  { type: 'application/x-elf', bytes: '\x7FELF' },
  { type: 'application/x-mach-binary', bytes: '\xFE\xED\xFA\xCE' },
  { type: 'application/x-mach-binary', bytes: '\xFE\xED\xFA\xCF' },
  { type: 'application/x-mach-binary', bytes: '\xCE\xFA\xED\xFE' },
  { type: 'application/x-mach-binary', bytes: '\xCF\xFA\xED\xFE' },
  // A Java class; programs of macOS for several processors begin alike.
  { type: 'application/java-vm', bytes: '\xCA\xFE\xBA\xBE' },
  { type: 'application/x-shockwave-flash', bytes: 'FWS' },
  { type: 'application/x-shockwave-flash', bytes: 'CWS' },
  { type: 'application/x-shockwave-flash', bytes: 'ZWS' },
];

/** Bytes below which something that is not UTF-8 may be anything. */
const LEAST_TEXT = 16;

/** Comments and declarations that markup may stand behind; more of them are markup in any case. */
const MOST_PROLOG = 64;

const HTML_ELEMENTS = new Set(
  'html head body script iframe frameset title style table meta a br p div span h1 font img object embed form input button video audio math link base template'.split(
    ' ',
  ),
);

/**
 * The media type that the first bytes of a file show, whatever its name or its sender say; `text/plain` for any other
 * text; `undefined` when they show nothing. Looks at `SNIFF_LENGTH` bytes at most, follows no structure of the file,
 * and so takes the same short time for any input.
 */
export function sniffContentType(head: Uint8Array): string | undefined {
  const bytes = head.subarray(0, SNIFF_LENGTH);
  const text = decodeText(bytes);
  // Browsers take markup for such whatever else is in it, stray control characters and other encodings included.
  const markup = markupType(text ?? readLeniently(bytes));
  if (markup) return markup;
  // Up to four letters may just as well begin a text; the formats with so short a signature are binary throughout.
  const found = SIGNATURES.find(
    (signature) => matches(bytes, signature) && (text === undefined || signature.bytes.length > 4),
  );
  if (found) return (CONTAINERS[found.type] ?? (() => found.type))(bytes);
  const isText = text === undefined ? isSingleByteText(bytes) : text !== '';
  return isText ? 'text/plain' : undefined;
}

/** Whether files of the type show it in their first bytes. */
export function hasSignature(type: string): boolean {
  return SIGNATURES.some((signature) => signature.type === type);
}

/** Formats that share a signature, and tell soon behind it which of them it is. */
const CONTAINERS: Readonly<Record<string, (bytes: Uint8Array) => string>> = {
  'video/webm': matroskaType,
  'image/heif': (bytes) => heifType(bytes, 'image/heif'),
  'image/heif-sequence': (bytes) => heifType(bytes, 'image/heif-sequence'),
};

const HEIF_BRANDS: ReadonlyMap<string, string> = new Map([
  ['avif', 'image/avif'],
  ['avis', 'image/avif'],
  ['heic', 'image/heic'],
  ['heix', 'image/heic'],
  ['heim', 'image/heic'],
  ['heis', 'image/heic'],
  ['hevc', 'image/heic-sequence'],
  ['hevx', 'image/heic-sequence'],
]);

/** Images whose file names the format among its compatible brands only, ISO/IEC 14496-12 §4.3. */
function heifType(bytes: Uint8Array, general: string): string {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const end = Math.min(view.readUInt32BE(0), view.length - 3, 256);
  for (let at = 16; at < end; at += 4) {
    const type = HEIF_BRANDS.get(view.toString('latin1', at, at + 4));
    if (type !== undefined) return type;
  }
  return general;
}

/** Text of a single-byte encoding such as Windows-1252: no control characters, and most of it ASCII. */
function isSingleByteText(bytes: Uint8Array): boolean {
  let ascii = 0;
  for (const byte of bytes) {
    const isSpace = byte === 0x09 || byte === 0x0a || byte === 0x0d;
    if (byte === 0x7f || (byte < 0x20 && !isSpace)) return false;
    if (byte < 0x80) ascii++;
  }
  return bytes.length >= LEAST_TEXT && ascii * 4 >= bytes.length * 3;
}

/** Both have the same signature; the type of the document is named soon after it. */
function matroskaType(bytes: Uint8Array): string {
  const start = Buffer.from(bytes.subarray(0, 64)).toString('latin1');
  return start.includes('matroska') ? 'video/x-matroska' : 'video/webm';
}

/** What a browser would run or render as a document. White space, comments and declarations before it do not hide it. */
function markupType(text: string): string | undefined {
  let declared: string | undefined;
  let position = 0;
  const end = (terminator: string): number => {
    const found = text.indexOf(terminator, position);
    return found === -1 ? text.length : found + terminator.length;
  };
  // Every turn moves on, by indexOf: linear, where a pattern that backtracks could be made slow on purpose.
  for (let turn = 0; turn < MOST_PROLOG; turn++) {
    while (/\s/.test(text[position] ?? '')) position++;
    const start = text.slice(position, position + 32);
    if (start.startsWith('<!--')) {
      declared ??= 'text/html';
      position = end('-->');
    } else if (/^<\?[a-z_]/i.test(start)) {
      declared = 'text/xml';
      position = end('?>');
    } else if (/^<![a-z[]/i.test(start)) {
      // Anything but a comment that begins so is a doctype, or what HTML takes for a comment. XML has its own behind its
      // declaration, a property list for one.
      const isOfXml =
        declared === 'text/xml' && /^<!DOCTYPE\s+(?!x?html)[\w:.-]+[\s>]/i.test(start);
      const isSvg = /^<!doctype\s+svg/i.test(start);
      declared = isSvg ? 'image/svg+xml' : isOfXml ? 'text/xml' : 'text/html';
      position = end('>');
    } else {
      break;
    }
  }
  const tag = /^<(?:[a-z][\w-]*:)?([a-z][\w-]*)[\s/>]/i.exec(text.slice(position, position + 64));
  const element = tag?.[1]?.toLowerCase();
  if (element === 'svg') return 'image/svg+xml';
  return element !== undefined && HTML_ELEMENTS.has(element) ? 'text/html' : declared;
}

function matches(bytes: Uint8Array, { offset = 0, bytes: pattern }: Signature): boolean {
  if (bytes.length < offset + pattern.length) return false;
  for (let index = 0; index < pattern.length; index++) {
    const expected = pattern[index]!;
    if (expected !== '?' && bytes[offset + index] !== expected.charCodeAt(0)) return false;
  }
  return true;
}

/** The bytes as a browser reads them that takes them for text: by the byte order mark, and whatever is wrong with them. */
function readLeniently(bytes: Uint8Array): string {
  const isUtf8 = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf;
  const encoding = isUtf8 ? 'utf-8' : markedUtf16(bytes);
  return encoding ? new TextDecoder(encoding).decode(bytes) : Buffer.from(bytes).toString('latin1');
}

function markedUtf16(bytes: Uint8Array): 'utf-16le' | 'utf-16be' | undefined {
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return 'utf-16le';
  return bytes[0] === 0xfe && bytes[1] === 0xff ? 'utf-16be' : undefined;
}

/** The bytes as text, if they are such: UTF-8, or UTF-16 with a byte order mark, without binary control characters. */
function decodeText(bytes: Uint8Array): string | undefined {
  const encoding = markedUtf16(bytes) ?? 'utf-8';
  try {
    // `stream`: the last character may be cut.
    const text = new TextDecoder(encoding, { fatal: true }).decode(bytes, { stream: true });
    return /[\u0000-\u0008\u000E-\u001A\u001C-\u001F\u007F]/.test(text) ? undefined : text;
  } catch {
    return undefined;
  }
}
