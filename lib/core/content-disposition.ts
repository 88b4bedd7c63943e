/** How a browser treats a file, and under which name it saves it. */
export type Disposition =
  'inline' | 'attachment' | { readonly type: 'inline' | 'attachment'; readonly filename: string };

const MAX_NAME_LENGTH = 150;

/** A `Content-Disposition` value for any file name whatever (RFC 6266, RFC 8187). Never throws. */
export function contentDisposition(disposition: Disposition): string {
  if (typeof disposition === 'string') return disposition;
  const name = safeFileName(disposition.filename);
  const ascii = name.replace(/[^\x20-\x7E]/gu, '_').replace(/["%]/g, '_');
  const value = `${disposition.type}; filename="${ascii}"`;
  return ascii === name ? value : `${value}; filename*=UTF-8''${encodeExtendedValue(name)}`;
}

/**
 * The base name of whatever a client called its file, without anything that a file system, a shell, a header or a
 * reader may take for something else. Never empty.
 */
export function safeFileName(filename: string): string {
  const base = filename.toWellFormed().normalize('NFC').split(/[\\/]/u).at(-1)!;
  const clean = base
    .replace(/[\p{Cc}\p{Cf}\p{Cn}\u2028\u2029\uFFFD]/gu, '')
    .replace(/[:*?"<>|;$%]/g, '_')
    .replace(/^[. ]+|[. ]+$/g, '');
  return shorten(clean) || 'download';
}

function shorten(name: string): string {
  const characters = Array.from(name);
  if (characters.length <= MAX_NAME_LENGTH) return name;
  const dot = characters.lastIndexOf('.');
  const extension = dot > 0 && characters.length - dot <= 16 ? characters.slice(dot) : [];
  return [...characters.slice(0, MAX_NAME_LENGTH - extension.length), ...extension].join('');
}

// RFC 8187 §3.2.1: attr-char leaves out three characters that encodeURIComponent keeps.
function encodeExtendedValue(text: string): string {
  return encodeURIComponent(text).replace(
    /['()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}
