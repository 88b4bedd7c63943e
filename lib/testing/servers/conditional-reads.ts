/** How a GET or HEAD is answered by its conditions. */
type ReadDecision =
  'send' | 'not-modified' | { readonly failed: 'If-Match' | 'If-Unmodified-Since' };

/** What conditions are about. */
interface Validators {
  /** Without quotes. */
  readonly etag: string;
  /** Milliseconds since 1970, on a whole second. */
  readonly lastModified: number;
}

/** Decides a GET or HEAD by its conditions, in the order of RFC 9110 §13.2.2. */
export function readDecision(
  { etag, lastModified }: Validators,
  headers: ReadonlyMap<string, string>,
): ReadDecision {
  const ifMatch = headers.get('if-match');
  if (ifMatch !== undefined) {
    if (!matchesEtag(ifMatch, etag)) return { failed: 'If-Match' };
  } else {
    const since = parseDate(headers.get('if-unmodified-since'));
    if (since !== undefined && lastModified > since) return { failed: 'If-Unmodified-Since' };
  }
  const ifNoneMatch = headers.get('if-none-match');
  if (ifNoneMatch !== undefined) return matchesEtag(ifNoneMatch, etag) ? 'not-modified' : 'send';
  const since = parseDate(headers.get('if-modified-since'));
  return since !== undefined && lastModified <= since ? 'not-modified' : 'send';
}

/** Whether a list of entity tags, quoted or not, or `*`, names this one. */
export function matchesEtag(list: string, etag: string): boolean {
  return list
    .split(',')
    .map((tag) =>
      tag
        .trim()
        .replace(/^W\//, '')
        .replace(/^"(.*)"$/, '$1'),
    )
    .some((tag) => tag === '*' || tag === etag);
}

export interface ByteRange {
  readonly start: number;
  /** Exclusive. */
  readonly end: number;
}

/**
 * The bytes that a Range header asks for. It is ignored, `undefined`, with other units, broken syntax or several ranges, as S3 and
 * GCS do.
 */
export function parseRange(
  header: string | undefined,
  size: number,
): ByteRange | 'unsatisfiable' | undefined {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header?.trim() ?? '');
  if (!match) return undefined;
  const [, first = '', last = ''] = match;
  if (first === '' && last === '') return undefined;
  if (first !== '' && last !== '' && Number(last) < Number(first)) return undefined;
  const range =
    first === ''
      ? { start: Math.max(0, size - Number(last)), end: size }
      : { start: Number(first), end: last === '' ? size : Math.min(size, Number(last) + 1) };
  return range.start < range.end ? range : 'unsatisfiable';
}

/** The services keep time in seconds, in headers and, as `.000Z`, in listings of S3. */
export function wholeSecond(milliseconds: number): number {
  return Math.floor(milliseconds / 1000) * 1000;
}

function parseDate(text: string | undefined): number | undefined {
  const date = Date.parse(text ?? '');
  return Number.isNaN(date) ? undefined : wholeSecond(date);
}
