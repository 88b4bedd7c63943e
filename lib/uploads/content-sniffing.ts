/** Bytes from the start of a file that decide about its type. */
export const SNIFF_LENGTH = 4096;

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
  { type: 'image/heif', offset: 4, bytes: 'ftypmif1' },
  { type: 'video/quicktime', offset: 4, bytes: 'ftypqt  ' },
  { type: 'audio/mp4', offset: 4, bytes: 'ftypM4A ' },
  { type: 'video/mp4', offset: 4, bytes: 'ftyp' },
  { type: 'image/bmp', bytes: 'BM????\0\0\0\0' },
  { type: 'image/tiff', bytes: 'II*\0' },
  { type: 'image/tiff', bytes: 'MM\0*' },
  { type: 'image/vnd.microsoft.icon', bytes: '\0\0\x01\0' },
  { type: 'application/pdf', bytes: '%PDF-' },
  { type: 'application/zip', bytes: 'PK\x03\x04' },
  { type: 'application/zip', bytes: 'PK\x05\x06' },
  { type: 'application/gzip', bytes: '\x1F\x8B\x08' },
  { type: 'application/x-7z-compressed', bytes: "7z\xBC\xAF'\x1C" },
  { type: 'application/vnd.rar', bytes: 'Rar!\x1A\x07' },
  { type: 'application/x-bzip2', bytes: 'BZh' },
  { type: 'application/x-xz', bytes: '\xFD7zXZ\0' },
  { type: 'application/zstd', bytes: '\x28\xB5\x2F\xFD' },
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
  { type: 'audio/ogg', bytes: 'OggS' },
  { type: 'font/woff', bytes: 'wOFF' },
  { type: 'font/woff2', bytes: 'wOF2' },
  { type: 'font/ttf', bytes: '\0\x01\0\0\0' },
  { type: 'font/otf', bytes: 'OTTO\0' },
  { type: 'application/wasm', bytes: '\0asm' },
  { type: 'application/vnd.microsoft.portable-executable', bytes: 'MZ' },
  { type: 'application/x-elf', bytes: '\x7FELF' },
];

const HTML_ELEMENTS = new Set(
  'html head body script iframe title style table meta a br p div h1 font img object embed form link base'.split(
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
  if (text !== undefined) {
    const markup = markupType(text);
    if (markup) return markup;
  }
  // Up to four letters may just as well begin a text; the formats with so short a signature are binary throughout.
  const found = SIGNATURES.find(
    (signature) => matches(bytes, signature) && (text === undefined || signature.bytes.length > 4),
  );
  if (found) return found.type;
  return text === undefined || text === '' ? undefined : 'text/plain';
}

/** Whether files of the type show it in their first bytes. */
export function hasSignature(type: string): boolean {
  return SIGNATURES.some((signature) => signature.type === type);
}

/** What a browser would run or render as a document. White space, comments and declarations before it do not hide it. */
function markupType(text: string): string | undefined {
  let declared: string | undefined;
  let position = 0;
  // Every turn moves on, by indexOf: linear, where a pattern that backtracks could be made slow on purpose.
  for (;;) {
    while (/\s/.test(text[position] ?? '')) position++;
    const end = (terminator: string): number => {
      const found = text.indexOf(terminator, position);
      return found === -1 ? text.length : found + terminator.length;
    };
    if (text.startsWith('<!--', position)) {
      declared ??= 'text/html';
      position = end('-->');
    } else if (text.startsWith('<?xml', position)) {
      declared = 'text/xml';
      position = end('?>');
    } else if (/^<!doctype\s/i.test(text.slice(position, position + 10))) {
      declared = /^\s+svg/i.test(text.slice(position + 9, position + 32))
        ? 'image/svg+xml'
        : 'text/html';
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

/** The bytes as text, if they are such: UTF-8, or UTF-16 with a byte order mark, without binary control characters. */
function decodeText(bytes: Uint8Array): string | undefined {
  const utf16 = bytes[0] === 0xff && bytes[1] === 0xfe ? 'utf-16le' : undefined;
  const bigEndian = bytes[0] === 0xfe && bytes[1] === 0xff ? 'utf-16be' : undefined;
  const encoding = utf16 ?? bigEndian ?? 'utf-8';
  try {
    // `stream`: the last character may be cut.
    const text = new TextDecoder(encoding, { fatal: true }).decode(bytes, { stream: true });
    return /[\u0000-\u0008\u000E-\u001A\u001C-\u001F\u007F]/.test(text) ? undefined : text;
  } catch {
    return undefined;
  }
}
