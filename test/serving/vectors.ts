import { asctime, rfc850 } from './http-dates.js';

/** The body of `ten.txt`. `empty.txt` has none. */
export const BODY = '0123456789';
const HOUR = 3_600_000;

/** What a client knows of the file. */
export interface Known {
  readonly etag: string;
  readonly modified: string;
  readonly later: string;
  readonly earlier: string;
  readonly asctime: string;
  readonly rfc850: string;
}

export function knownOf({ etag, lastModified }: { etag?: string; lastModified?: Date }): Known {
  const modified = lastModified!;
  return {
    etag: etag!,
    modified: modified.toUTCString(),
    later: new Date(modified.getTime() + HOUR / 2).toUTCString(),
    earlier: new Date(modified.getTime() - HOUR).toUTCString(),
    asctime: asctime(modified),
    rfc850: rfc850(modified),
  };
}

/** A request for a file and what RFC 9110 has for an answer. */
export interface Vector {
  readonly it: string;
  readonly method?: string;
  readonly file?: string;
  readonly headers: (file: Known) => Record<string, string>;
  readonly status: number;
  readonly body?: string;
  readonly length?: string;
  readonly contentRange?: string;
}

const whole = { status: 200, body: BODY, length: '10' };
const range = (start: number, end: number): Omit<Vector, 'it' | 'headers'> => ({
  status: 206,
  body: BODY.slice(start, end + 1),
  length: String(end - start + 1),
  contentRange: `bytes ${start}-${end}/10`,
});
const unsatisfiable = { status: 416, contentRange: 'bytes */10' };
const head = { method: 'HEAD', status: 200, body: '', length: '10' };

export const VECTORS: readonly Vector[] = [
  { it: 'GET is the whole file', headers: () => ({}), ...whole },
  { it: 'HEAD has the headers of GET and no body', headers: () => ({}), ...head },
  { it: 'HEAD ignores Range', headers: () => ({ Range: 'bytes=0-2' }), ...head },
  { it: 'HEAD ignores a Range that cannot be', headers: () => ({ Range: 'bytes=99-' }), ...head },
  {
    it: 'HEAD ignores If-Range, too',
    headers: (file) => ({ Range: 'bytes=0-2', 'If-Range': file.etag }),
    ...head,
  },
  // Range, §14
  { it: 'a range is that part', headers: () => ({ Range: 'bytes=0-2' }), ...range(0, 2) },
  { it: 'a range of one byte', headers: () => ({ Range: 'bytes=4-4' }), ...range(4, 4) },
  { it: 'a range that is everything', headers: () => ({ Range: 'bytes=0-9' }), ...range(0, 9) },
  { it: 'an open range', headers: () => ({ Range: 'bytes=7-' }), ...range(7, 9) },
  { it: 'the range from 0 on', headers: () => ({ Range: 'bytes=0-' }), ...range(0, 9) },
  { it: 'an end beyond the file', headers: () => ({ Range: 'bytes=8-100' }), ...range(8, 9) },
  {
    it: 'an end of twenty digits',
    headers: () => ({ Range: 'bytes=0-99999999999999999999' }),
    ...range(0, 9),
  },
  {
    it: 'a start of twenty digits',
    headers: () => ({ Range: 'bytes=99999999999999999999-' }),
    ...unsatisfiable,
  },
  {
    it: 'start and end of twenty digits',
    headers: () => ({ Range: 'bytes=99999999999999999998-99999999999999999999' }),
    ...unsatisfiable,
  },
  { it: 'a suffix', headers: () => ({ Range: 'bytes=-3' }), ...range(7, 9) },
  { it: 'a suffix of the size', headers: () => ({ Range: 'bytes=-10' }), ...range(0, 9) },
  { it: 'a longer suffix is all', headers: () => ({ Range: 'bytes=-100' }), ...range(0, 9) },
  {
    it: 'a suffix of twenty digits is all',
    headers: () => ({ Range: 'bytes=-99999999999999999999' }),
    ...range(0, 9),
  },
  { it: 'an empty suffix', headers: () => ({ Range: 'bytes=-0' }), ...unsatisfiable },
  { it: 'a start at the end', headers: () => ({ Range: 'bytes=10-' }), ...unsatisfiable },
  { it: 'a start past the end', headers: () => ({ Range: 'bytes=11-20' }), ...unsatisfiable },
  { it: 'an end before the start', headers: () => ({ Range: 'bytes=5-2' }), ...whole },
  { it: 'no numbers', headers: () => ({ Range: 'bytes=abc' }), ...whole },
  { it: 'a lone hyphen', headers: () => ({ Range: 'bytes=-' }), ...whole },
  { it: 'a sign', headers: () => ({ Range: 'bytes=+1-2' }), ...whole },
  { it: 'a fraction', headers: () => ({ Range: 'bytes=1.5-2' }), ...whole },
  { it: 'hexadecimal digits', headers: () => ({ Range: 'bytes=0x1-0x2' }), ...whole },
  { it: 'no unit', headers: () => ({ Range: '0-2' }), ...whole },
  { it: 'an empty set', headers: () => ({ Range: 'bytes=' }), ...whole },
  { it: 'another unit', headers: () => ({ Range: 'items=0-1' }), ...whole },
  { it: 'the unit in capitals', headers: () => ({ Range: 'BYTES=0-1' }), ...range(0, 1) },
  { it: 'several ranges', headers: () => ({ Range: 'bytes=0-1,4-5' }), ...whole },
  {
    it: 'a thousand ranges',
    headers: () => ({ Range: `bytes=${Array(1000).fill('0-0').join(',')}` }),
    ...whole,
  },
  {
    it: 'several ranges, one of which is none',
    headers: () => ({ Range: 'bytes=0-1,5-2' }),
    ...whole,
  },
  {
    it: 'several ranges that cannot be',
    headers: () => ({ Range: 'bytes=10-,20-' }),
    ...whole,
  },
  {
    it: 'one range in a list with empty elements',
    headers: () => ({ Range: 'bytes=, 0-1 ,' }),
    ...range(0, 1),
  },
  {
    it: 'an end of twenty digits before its start',
    headers: () => ({ Range: 'bytes=99999999999999999999-99999999999999999998' }),
    ...whole,
  },
  // If-Range, §13.1.5
  {
    it: 'If-Range with the etag',
    headers: (file) => ({ Range: 'bytes=0-2', 'If-Range': file.etag }),
    ...range(0, 2),
  },
  {
    it: 'If-Range with another etag',
    headers: () => ({ Range: 'bytes=0-2', 'If-Range': '"other"' }),
    ...whole,
  },
  {
    it: 'If-Range never matches weakly',
    headers: (file) => ({ Range: 'bytes=0-2', 'If-Range': `W/${file.etag}` }),
    ...whole,
  },
  {
    it: 'If-Range takes no list',
    headers: (file) => ({ Range: 'bytes=0-2', 'If-Range': `"zzz", ${file.etag}` }),
    ...whole,
  },
  {
    it: 'If-Range takes no list with the etag first',
    headers: (file) => ({ Range: 'bytes=0-2', 'If-Range': `${file.etag}, "zzz"` }),
    ...whole,
  },
  {
    it: 'If-Range with *',
    headers: () => ({ Range: 'bytes=0-2', 'If-Range': '*' }),
    ...whole,
  },
  {
    it: 'If-Range with the date',
    headers: (file) => ({ Range: 'bytes=0-2', 'If-Range': file.modified }),
    ...range(0, 2),
  },
  {
    it: 'If-Range with a later date',
    headers: (file) => ({ Range: 'bytes=0-2', 'If-Range': file.later }),
    ...whole,
  },
  {
    it: 'If-Range with an earlier date',
    headers: (file) => ({ Range: 'bytes=0-2', 'If-Range': file.earlier }),
    ...whole,
  },
  {
    it: 'If-Range with no date',
    headers: () => ({ Range: 'bytes=0-2', 'If-Range': 'yesterday' }),
    ...whole,
  },
  { it: 'If-Range without Range', headers: () => ({ 'If-Range': '"other"' }), ...whole },
  {
    it: 'If-Range that fails hides a range that cannot be',
    headers: () => ({ Range: 'bytes=99-', 'If-Range': '"other"' }),
    ...whole,
  },
  {
    it: 'If-Range that holds does not',
    headers: (file) => ({ Range: 'bytes=99-', 'If-Range': file.etag }),
    ...unsatisfiable,
  },
  // If-None-Match, §13.1.2
  { it: 'If-None-Match', headers: (file) => ({ 'If-None-Match': file.etag }), status: 304 },
  {
    it: 'If-None-Match on HEAD',
    method: 'HEAD',
    headers: (file) => ({ 'If-None-Match': file.etag }),
    status: 304,
  },
  {
    it: 'If-None-Match with a list',
    headers: (file) => ({ 'If-None-Match': `"a", ${file.etag} , "b"` }),
    status: 304,
  },
  {
    it: 'If-None-Match weakly',
    headers: (file) => ({ 'If-None-Match': `W/${file.etag}` }),
    status: 304,
  },
  { it: 'If-None-Match *', headers: () => ({ 'If-None-Match': '*' }), status: 304 },
  { it: 'If-None-Match with another', headers: () => ({ 'If-None-Match': '"a"' }), ...whole },
  {
    it: 'If-None-Match with part of the etag',
    headers: (file) => ({ 'If-None-Match': file.etag.slice(0, -2) + '"' }),
    ...whole,
  },
  {
    it: 'If-None-Match without quotes',
    headers: (file) => ({ 'If-None-Match': file.etag.slice(1, -1) }),
    ...whole,
  },
  {
    it: 'If-None-Match goes before If-Modified-Since',
    headers: (file) => ({ 'If-None-Match': '"a"', 'If-Modified-Since': file.later }),
    ...whole,
  },
  {
    it: 'If-None-Match goes before Range',
    headers: (file) => ({ 'If-None-Match': file.etag, Range: 'bytes=0-2' }),
    status: 304,
  },
  {
    it: 'If-None-Match goes before a Range that cannot be',
    headers: (file) => ({ 'If-None-Match': file.etag, Range: 'bytes=99-' }),
    status: 304,
  },
  {
    it: 'If-None-Match with another lets Range through',
    headers: () => ({ 'If-None-Match': '"a"', Range: 'bytes=0-2' }),
    ...range(0, 2),
  },
  // If-Modified-Since, §13.1.3
  {
    it: 'If-Modified-Since the date',
    headers: (file) => ({ 'If-Modified-Since': file.modified }),
    status: 304,
  },
  {
    it: 'If-Modified-Since a later date',
    headers: (file) => ({ 'If-Modified-Since': file.later }),
    status: 304,
  },
  {
    it: 'If-Modified-Since an earlier date',
    headers: (file) => ({ 'If-Modified-Since': file.earlier }),
    ...whole,
  },
  {
    it: 'If-Modified-Since in the form of RFC 850',
    headers: (file) => ({ 'If-Modified-Since': file.rfc850 }),
    status: 304,
  },
  {
    it: 'If-Modified-Since in the form of asctime',
    headers: (file) => ({ 'If-Modified-Since': file.asctime }),
    status: 304,
  },
  ...[
    'yesterday',
    '2099',
    'Jan 1 2099',
    '2099-01-01T00:00:00Z',
    'Fri, 32 Jan 2099 00:00:00 GMT',
    'Thu, 01 Jan 2099 00:00:00 +0000',
    '',
  ].map((date) => ({
    it: `If-Modified-Since ${JSON.stringify(date)}, which is no HTTP date`,
    headers: () => ({ 'If-Modified-Since': date }),
    ...whole,
  })),
  // If-Match and If-Unmodified-Since, §13.1.1, §13.1.4
  { it: 'If-Match', headers: (file) => ({ 'If-Match': file.etag }), ...whole },
  { it: 'If-Match *', headers: () => ({ 'If-Match': '*' }), ...whole },
  {
    it: 'If-Match with a list',
    headers: (file) => ({ 'If-Match': `"a", ${file.etag}` }),
    ...whole,
  },
  { it: 'If-Match with another', headers: () => ({ 'If-Match': '"a"' }), status: 412 },
  {
    it: 'If-Match with a list of others',
    headers: () => ({ 'If-Match': '"a", "b"' }),
    status: 412,
  },
  {
    it: 'If-Match never matches weakly',
    headers: (file) => ({ 'If-Match': `W/${file.etag}` }),
    status: 412,
  },
  {
    it: 'If-Match with another on HEAD',
    method: 'HEAD',
    headers: () => ({ 'If-Match': '"a"' }),
    status: 412,
  },
  {
    it: 'If-Match goes before If-None-Match',
    headers: (file) => ({ 'If-Match': '"a"', 'If-None-Match': file.etag }),
    status: 412,
  },
  {
    it: 'If-Match that holds lets If-None-Match through',
    headers: (file) => ({ 'If-Match': file.etag, 'If-None-Match': file.etag }),
    status: 304,
  },
  {
    it: 'If-Match goes before If-Unmodified-Since',
    headers: (file) => ({ 'If-Match': file.etag, 'If-Unmodified-Since': file.earlier }),
    ...whole,
  },
  {
    it: 'If-Match goes before Range',
    headers: () => ({ 'If-Match': '"a"', Range: 'bytes=0-2' }),
    status: 412,
  },
  {
    it: 'If-Unmodified-Since the date',
    headers: (file) => ({ 'If-Unmodified-Since': file.modified }),
    ...whole,
  },
  {
    it: 'If-Unmodified-Since an earlier date',
    headers: (file) => ({ 'If-Unmodified-Since': file.earlier }),
    status: 412,
  },
  {
    it: 'If-Unmodified-Since no date',
    headers: () => ({ 'If-Unmodified-Since': 'Jan 1 1999' }),
    ...whole,
  },
  // An empty file
  {
    it: 'an empty file',
    file: 'empty.txt',
    headers: () => ({}),
    status: 200,
    body: '',
    length: '0',
  },
  ...['bytes=0-', 'bytes=0-5', 'bytes=-5', 'bytes=-0', 'bytes=5-'].map((Range) => ({
    it: `${Range} of an empty file`,
    file: 'empty.txt',
    headers: () => ({ Range }),
    status: 200,
    body: '',
    length: '0',
  })),
  {
    it: 'HEAD of an empty file',
    method: 'HEAD',
    file: 'empty.txt',
    headers: () => ({}),
    status: 200,
    body: '',
    length: '0',
  },
];
