import type { StoredFile } from '../core/stored-file.js';

/** Request headers as Node gives them: names in lower case. */
export type RequestHeaders = Readonly<Record<string, string | string[] | undefined>>;

type Version = Pick<StoredFile, 'etag' | 'lastModified'>;

/**
 * What the conditions of a GET or HEAD say about the file, in the order of RFC 9110 §13.2.2: go on, 304 or 412.
 * A condition that is not well-formed is ignored, as the RFC has it for dates.
 */
export function evaluateConditions(headers: RequestHeaders, file: Version): 'proceed' | 304 | 412 {
  const ifMatch = single(headers['if-match']);
  const ifUnmodifiedSince = parseDate(single(headers['if-unmodified-since']));
  if (ifMatch !== undefined) {
    if (!listsStrongly(ifMatch, file.etag)) return 412;
  } else if (ifUnmodifiedSince !== undefined && modifiedAfter(file, ifUnmodifiedSince)) {
    return 412;
  }
  const ifNoneMatch = single(headers['if-none-match']);
  const ifModifiedSince = parseDate(single(headers['if-modified-since']));
  if (ifNoneMatch !== undefined) {
    if (listsWeakly(ifNoneMatch, file.etag)) return 304;
  } else if (ifModifiedSince !== undefined && !modifiedAfter(file, ifModifiedSince)) {
    return 304;
  }
  return 'proceed';
}

/** Whether a Range may be honoured: `If-Range` is absent, or names exactly this version (RFC 9110 §13.1.5). */
export function evaluateIfRange(headers: RequestHeaders, file: Version): boolean {
  const ifRange = single(headers['if-range']);
  if (ifRange === undefined) return true;
  if (ifRange.startsWith('"')) return ifRange === file.etag;
  // A date is a strong validator only when it is exactly ours and lies far enough back for the file not to have
  // changed twice within its second (RFC 9110 §8.8.2.2).
  const date = parseDate(ifRange);
  const modified = seconds(file);
  return date !== undefined && date === modified && modified <= Math.floor(Date.now() / 1000) - 60;
}

export function hasConditions(headers: RequestHeaders): boolean {
  return CONDITIONS.some((name) => headers[name] !== undefined);
}

const CONDITIONS = ['if-match', 'if-none-match', 'if-modified-since', 'if-unmodified-since'];

function listsStrongly(list: string, etag: string | undefined): boolean {
  if (list.trim() === '*') return true;
  return etag !== undefined && parseEtags(list).includes(etag);
}

function listsWeakly(list: string, etag: string | undefined): boolean {
  if (list.trim() === '*') return true;
  return parseEtags(list).some((each) => each.replace(/^W\//, '') === etag);
}

function parseEtags(list: string): string[] {
  return list.match(/(?:W\/)?"[\x21\x23-\x7E\x80-\xFF]*"/g) ?? [];
}

// The form of today, and those of RFC 850 and asctime(); Date.parse() alone takes much that is none.
const HTTP_DATE =
  /^(?:[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} [\d:]{8} GMT|[A-Z][a-z]{5,8}, \d\d-[A-Z][a-z]{2}-\d\d [\d:]{8} GMT|[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d [\d:]{8} \d{4})$/;

/** Seconds since 1970 of an HTTP date, RFC 9110 §5.6.7. */
function parseDate(value: string | undefined): number | undefined {
  if (value === undefined || !HTTP_DATE.test(value)) return undefined;
  const time = Date.parse(value.endsWith(' GMT') ? value : `${value} GMT`);
  return Number.isNaN(time) ? undefined : Math.floor(time / 1000);
}

function modifiedAfter(file: Version, time: number): boolean {
  const modified = seconds(file);
  return modified === undefined || modified > time;
}

function seconds({ lastModified }: Version): number | undefined {
  return lastModified && Math.floor(lastModified.getTime() / 1000);
}

function single(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value.join(', ') : value;
}
