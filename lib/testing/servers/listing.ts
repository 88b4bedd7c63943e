/** One line of a listing: an object, or the prefix that stands for several. */
type ListEntry =
  | { readonly kind: 'key'; readonly key: string }
  | { readonly kind: 'prefix'; readonly prefix: string };

/** Where a page ended: behind a key, or behind all keys of a prefix. */
export interface ListPosition {
  readonly text: string;
  readonly wholePrefix: boolean;
}

export interface ListPage {
  readonly entries: readonly ListEntry[];
  /** Where the next page starts; absent on the last one. */
  readonly next: ListPosition | undefined;
}

/**
 * One page of the sorted keys that start with the prefix. Keys sharing their
 * beginning up to a delimiter behind the prefix are one entry, counted once.
 */
export function listPage(
  sorted: readonly string[],
  options: {
    prefix: string;
    delimiter: string;
    after: ListPosition | undefined;
    maxKeys: number;
  },
): ListPage {
  const { prefix, delimiter, after, maxKeys } = options;
  const behind = ({ text, wholePrefix }: ListPosition): number =>
    firstIndex(
      sorted,
      (key) => compareKeys(key, text) > 0 && !(wholePrefix && key.startsWith(text)),
    );
  let index = Math.max(
    firstIndex(sorted, (key) => compareKeys(key, prefix) >= 0),
    after ? behind(after) : 0,
  );

  const entries: ListEntry[] = [];
  let last: ListPosition | undefined;
  for (;;) {
    const key = sorted[index];
    if (!key?.startsWith(prefix) || maxKeys === 0) {
      return { entries, next: undefined };
    }
    if (entries.length === maxKeys) return { entries, next: last };
    const at = delimiter === '' ? -1 : key.indexOf(delimiter, prefix.length);
    if (at < 0) {
      entries.push({ kind: 'key', key });
      last = { text: key, wholePrefix: false };
      index++;
    } else {
      const common = key.slice(0, at + delimiter.length);
      entries.push({ kind: 'prefix', prefix: common });
      last = { text: common, wholePrefix: true };
      index = behind(last);
    }
  }
}

/** The first index whose key fulfils a condition that stays true after it. */
function firstIndex(sorted: readonly string[], fulfils: (key: string) => boolean): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (fulfils(sorted[middle] ?? '')) high = middle;
    else low = middle + 1;
  }
  return low;
}

/**
 * Orders strings as their UTF-8 bytes would be: by code point, where
 * JavaScript's own order puts surrogate pairs before U+E000.
 */
export function compareKeys(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let index = 0; index < length; index++) {
    const x = a.charCodeAt(index);
    const y = b.charCodeAt(index);
    if (x !== y) return codePointRank(x) - codePointRank(y);
  }
  return a.length - b.length;
}

function codePointRank(unit: number): number {
  if (unit < 0xd800) return unit;
  return unit >= 0xe000 ? unit - 0x800 : unit + 0x2000;
}
