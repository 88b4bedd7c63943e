import type { StoredFile } from '../core/stored-file.js';

/** Request headers as Node gives them: names in lower case. */
export type RequestHeaders = Readonly<Record<string, string | string[] | undefined>>;

type Version = Pick<StoredFile, 'etag' | 'lastModified'>;

/**
 * What the conditions of a GET or HEAD say about the file, in the order of RFC 9110 §13.2.2: go on, 304 or 412.
 * A condition that is not well-formed is ignored, as the RFC has it for dates.
 */
export function evaluateConditions(headers: RequestHeaders, file: Version): 'proceed' | 304 | 412 {
  const ifMatch = joined(headers['if-match']);
  const ifUnmodifiedSince = parseDate(joined(headers['if-unmodified-since']));
  if (ifMatch !== undefined) {
    if (!listsStrongly(ifMatch, file.etag)) return 412;
  } else if (ifUnmodifiedSince !== undefined && file.lastModified) {
    // Without a date of the file, this is no condition (§13.1.4).
    if (modifiedAfter(file, ifUnmodifiedSince)) return 412;
  }
  const ifNoneMatch = joined(headers['if-none-match']);
  const ifModifiedSince = parseDate(joined(headers['if-modified-since']));
  if (ifNoneMatch !== undefined) {
    if (listsWeakly(ifNoneMatch, file.etag)) return 304;
  } else if (ifModifiedSince !== undefined && !modifiedAfter(file, ifModifiedSince)) {
    return 304;
  }
  return 'proceed';
}

/** Whether a Range may be honoured: `If-Range` is absent, or names exactly this version (RFC 9110 §13.1.5). */
export function evaluateIfRange(headers: RequestHeaders, file: Version): boolean {
  const ifRange = joined(headers['if-range']);
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

/** Whether the client wants a certain version or none, so that another must not be sent in its place. */
export function demandsVersion(headers: RequestHeaders): boolean {
  const ifMatch = joined(headers['if-match']);
  if (ifMatch !== undefined) return ifMatch.trim() !== '*';
  return parseDate(joined(headers['if-unmodified-since'])) !== undefined;
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

const ENTITY_TAG = '(?:W/)?"[\\x21\\x23-\\x7E\\x80-\\xFF]*"';
const ENTITY_TAGS = new RegExp(`^[ \\t,]*(?:${ENTITY_TAG}[ \\t]*(?:,[ \\t,]*|$))*$`);

/** The entity tags of a list; none of one that holds anything else (RFC 9110 §8.8.3). */
function parseEtags(list: string): string[] {
  return ENTITY_TAGS.test(list) ? (list.match(new RegExp(ENTITY_TAG, 'g')) ?? []) : [];
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const MONTH = `(?<month>${MONTHS.join('|')})`;
const TIME = '(?<hours>\\d\\d):(?<minutes>\\d\\d):(?<seconds>\\d\\d)';
const DAY = '(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)';
const WHOLE_DAY = '(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day';

// The form of today, and those of RFC 850 and asctime(); Date.parse() takes much that is none.
const HTTP_DATES = [
  new RegExp(`^${DAY}, (?<day>\\d\\d) ${MONTH} (?<year>\\d{4}) ${TIME} GMT$`),
  new RegExp(`^${WHOLE_DAY}, (?<day>\\d\\d)-${MONTH}-(?<year>\\d\\d) ${TIME} GMT$`),
  new RegExp(`^${DAY} ${MONTH} (?<day>[ \\d]\\d) ${TIME} (?<year>\\d{4})$`),
];

/** Seconds since 1970 of an HTTP date, RFC 9110 §5.6.7. */
function parseDate(value: string | undefined): number | undefined {
  if (value === undefined) return undefined;
  const fields = HTTP_DATES.map((form) => form.exec(value)?.groups).find((found) => found);
  if (!fields) return undefined;
  const [day, hours, minutes, seconds] = ['day', 'hours', 'minutes', 'seconds'].map((name) =>
    Number(fields[name]),
  ) as [number, number, number, number];
  const year = fields['year']!.length === 2 ? wholeYear(fields['year']!) : Number(fields['year']);
  const date = new Date(Date.UTC(year, MONTHS.indexOf(fields['month']!), day));
  // A day that its month does not have is one of the next.
  const isTime = hours < 24 && minutes < 60 && seconds <= 60;
  if (!isTime || date.getUTCDate() !== day) return undefined;
  return date.getTime() / 1000 + hours * 3600 + minutes * 60 + seconds;
}

/** Of two digits: a year that would be more than 50 years ahead is one of the past. */
function wholeYear(digits: string): number {
  const now = new Date().getUTCFullYear();
  const year = now - (now % 100) + Number(digits);
  return year > now + 50 ? year - 100 : year;
}

function modifiedAfter(file: Version, time: number): boolean {
  const modified = seconds(file);
  return modified === undefined || modified > time;
}

function seconds({ lastModified }: Version): number | undefined {
  return lastModified && Math.floor(lastModified.getTime() / 1000);
}

function joined(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value.join(', ') : value;
}
