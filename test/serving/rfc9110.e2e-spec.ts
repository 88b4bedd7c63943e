import { closeApps } from '../nest/app-fixture.js';
import { send } from '../nest/http-client.js';
import { serve, type ServingApp } from './serving-fixture.js';

const BODY = '0123456789';
const HOUR = 3_600_000;

let app: ServingApp;
let etag: string;
let modified: Date;
let stored: string;

// The file is old enough for its date to be a strong validator (RFC 9110 §8.8.2.2).
beforeAll(async () => {
  app = await serve((memory) => {
    const aged = <T extends { lastModified?: Date }>(file: T): T => ({
      ...file,
      lastModified: new Date(Math.floor(file.lastModified!.getTime() / 1000) * 1000 - HOUR),
    });
    return {
      info: async (key, options) => aged(await memory.info(key, options)),
      get: async (key, options) => {
        const download = await memory.get(key, options);
        return { ...download, file: aged(download.file) };
      },
    };
  });
  ({ etag } = await app.put('ten.txt', BODY));
  await app.put('empty.txt', '');
  modified = (await app.storage.info('ten.txt')).lastModified!;
  stored = modified.toUTCString();
});
afterAll(closeApps);

interface Row {
  it: string;
  method?: string;
  file?: string;
  headers: () => Record<string, string>;
  status: number;
  body?: string;
  length?: string;
  contentRange?: string;
}

const later = (): string => new Date(modified.getTime() + HOUR / 2).toUTCString();
const earlier = (): string => new Date(modified.getTime() - HOUR).toUTCString();
const asctime = (date: Date): string => {
  const [day, number, month, year, time] = date.toUTCString().replace(',', '').split(' ');
  return `${day} ${month} ${number!.replace(/^0/, ' ')} ${time} ${year}`;
};
const rfc850 = (date: Date): string => {
  const [, number, month, year, time] = date.toUTCString().replace(',', '').split(' ');
  const weekday = date.toLocaleDateString('en', { weekday: 'long', timeZone: 'UTC' });
  return `${weekday}, ${number}-${month}-${year!.slice(2)} ${time} GMT`;
};

const whole = { status: 200, body: BODY, length: '10' };
const range = (start: number, end: number): Omit<Row, 'it' | 'headers'> => ({
  status: 206,
  body: BODY.slice(start, end + 1),
  length: String(end - start + 1),
  contentRange: `bytes ${start}-${end}/10`,
});
const unsatisfiable = { status: 416, contentRange: 'bytes */10' };
const head = { method: 'HEAD', status: 200, body: '', length: '10' };

const rows: Row[] = [
  { it: 'GET is the whole file', headers: () => ({}), ...whole },
  { it: 'HEAD has the headers of GET and no body', headers: () => ({}), ...head },
  { it: 'HEAD ignores Range', headers: () => ({ Range: 'bytes=0-2' }), ...head },
  { it: 'HEAD ignores a Range that cannot be', headers: () => ({ Range: 'bytes=99-' }), ...head },
  {
    it: 'HEAD ignores If-Range, too',
    headers: () => ({ Range: 'bytes=0-2', 'If-Range': etag }),
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
  // If-Range, §13.1.5
  {
    it: 'If-Range with the etag',
    headers: () => ({ Range: 'bytes=0-2', 'If-Range': etag }),
    ...range(0, 2),
  },
  {
    it: 'If-Range with another etag',
    headers: () => ({ Range: 'bytes=0-2', 'If-Range': '"other"' }),
    ...whole,
  },
  {
    it: 'If-Range never matches weakly',
    headers: () => ({ Range: 'bytes=0-2', 'If-Range': `W/${etag}` }),
    ...whole,
  },
  {
    it: 'If-Range takes no list',
    headers: () => ({ Range: 'bytes=0-2', 'If-Range': `"zzz", ${etag}` }),
    ...whole,
  },
  {
    it: 'If-Range takes no list with the etag first',
    headers: () => ({ Range: 'bytes=0-2', 'If-Range': `${etag}, "zzz"` }),
    ...whole,
  },
  {
    it: 'If-Range with *',
    headers: () => ({ Range: 'bytes=0-2', 'If-Range': '*' }),
    ...whole,
  },
  {
    it: 'If-Range with the date',
    headers: () => ({ Range: 'bytes=0-2', 'If-Range': stored }),
    ...range(0, 2),
  },
  {
    it: 'If-Range with a later date',
    headers: () => ({ Range: 'bytes=0-2', 'If-Range': later() }),
    ...whole,
  },
  {
    it: 'If-Range with an earlier date',
    headers: () => ({ Range: 'bytes=0-2', 'If-Range': earlier() }),
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
    headers: () => ({ Range: 'bytes=99-', 'If-Range': etag }),
    ...unsatisfiable,
  },
  // If-None-Match, §13.1.2
  { it: 'If-None-Match', headers: () => ({ 'If-None-Match': etag }), status: 304 },
  {
    it: 'If-None-Match on HEAD',
    method: 'HEAD',
    headers: () => ({ 'If-None-Match': etag }),
    status: 304,
  },
  {
    it: 'If-None-Match with a list',
    headers: () => ({ 'If-None-Match': `"a", ${etag} , "b"` }),
    status: 304,
  },
  {
    it: 'If-None-Match weakly',
    headers: () => ({ 'If-None-Match': `W/${etag}` }),
    status: 304,
  },
  { it: 'If-None-Match *', headers: () => ({ 'If-None-Match': '*' }), status: 304 },
  { it: 'If-None-Match with another', headers: () => ({ 'If-None-Match': '"a"' }), ...whole },
  {
    it: 'If-None-Match with part of the etag',
    headers: () => ({ 'If-None-Match': etag.slice(0, -2) + '"' }),
    ...whole,
  },
  {
    it: 'If-None-Match without quotes',
    headers: () => ({ 'If-None-Match': etag.slice(1, -1) }),
    ...whole,
  },
  {
    it: 'If-None-Match goes before If-Modified-Since',
    headers: () => ({ 'If-None-Match': '"a"', 'If-Modified-Since': later() }),
    ...whole,
  },
  {
    it: 'If-None-Match goes before Range',
    headers: () => ({ 'If-None-Match': etag, Range: 'bytes=0-2' }),
    status: 304,
  },
  {
    it: 'If-None-Match goes before a Range that cannot be',
    headers: () => ({ 'If-None-Match': etag, Range: 'bytes=99-' }),
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
    headers: () => ({ 'If-Modified-Since': stored }),
    status: 304,
  },
  {
    it: 'If-Modified-Since a later date',
    headers: () => ({ 'If-Modified-Since': later() }),
    status: 304,
  },
  {
    it: 'If-Modified-Since an earlier date',
    headers: () => ({ 'If-Modified-Since': earlier() }),
    ...whole,
  },
  {
    it: 'If-Modified-Since in the form of RFC 850',
    headers: () => ({ 'If-Modified-Since': rfc850(modified) }),
    status: 304,
  },
  {
    it: 'If-Modified-Since in the form of asctime',
    headers: () => ({ 'If-Modified-Since': asctime(modified) }),
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
  { it: 'If-Match', headers: () => ({ 'If-Match': etag }), ...whole },
  { it: 'If-Match *', headers: () => ({ 'If-Match': '*' }), ...whole },
  { it: 'If-Match with a list', headers: () => ({ 'If-Match': `"a", ${etag}` }), ...whole },
  { it: 'If-Match with another', headers: () => ({ 'If-Match': '"a"' }), status: 412 },
  {
    it: 'If-Match with a list of others',
    headers: () => ({ 'If-Match': '"a", "b"' }),
    status: 412,
  },
  {
    it: 'If-Match never matches weakly',
    headers: () => ({ 'If-Match': `W/${etag}` }),
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
    headers: () => ({ 'If-Match': '"a"', 'If-None-Match': etag }),
    status: 412,
  },
  {
    it: 'If-Match that holds lets If-None-Match through',
    headers: () => ({ 'If-Match': etag, 'If-None-Match': etag }),
    status: 304,
  },
  {
    it: 'If-Match goes before If-Unmodified-Since',
    headers: () => ({ 'If-Match': etag, 'If-Unmodified-Since': earlier() }),
    ...whole,
  },
  {
    it: 'If-Match goes before Range',
    headers: () => ({ 'If-Match': '"a"', Range: 'bytes=0-2' }),
    status: 412,
  },
  {
    it: 'If-Unmodified-Since the date',
    headers: () => ({ 'If-Unmodified-Since': stored }),
    ...whole,
  },
  {
    it: 'If-Unmodified-Since an earlier date',
    headers: () => ({ 'If-Unmodified-Since': earlier() }),
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

test.each(rows)('$it: $status', async ({ method = 'GET', file = 'ten.txt', headers, ...want }) => {
  app.calls.length = 0;
  const answer = await send(app.port, `/files/${file}`, { method, headers: headers() });
  expect(answer.status).toBe(want.status);
  if (want.body !== undefined) expect(answer.text).toBe(want.body);
  if (want.length !== undefined) expect(answer.headers['content-length']).toBe(want.length);
  expect(answer.headers['content-range']).toBe(want.contentRange);

  // One look and one read at most, and no read where no body is sent.
  expect(app.count('info')).toBeLessThanOrEqual(1);
  expect(app.count('get')).toBe(method === 'GET' && want.status < 300 ? 1 : 0);

  expect(answer.headers['x-content-type-options']).toBe('nosniff');
  expect(answer.headers['content-security-policy']).toContain("default-src 'none'");
  expect(answer.headers['content-security-policy']).toContain('sandbox');
  expect(answer.headers['cross-origin-resource-policy']).toBe('same-origin');
  if (want.status < 300) {
    expect(answer.headers).toMatchObject({
      'accept-ranges': 'bytes',
      'content-type': 'text/plain; charset=utf-8',
      'cache-control': 'private, no-cache',
      'content-disposition': `inline; filename="${file}"`,
      'last-modified': stored,
    });
    expect(answer.headers['etag']).toMatch(/^"/);
  }
  if (want.status === 304) {
    expect(answer.headers).toMatchObject({ etag, 'cache-control': 'private, no-cache' });
    expect(answer.headers['date']).toBeDefined();
    expect(answer.headers).not.toHaveProperty('content-type');
    expect(answer.headers).not.toHaveProperty('content-length');
    expect(answer.text).toBe('');
  }
  if (want.status > 400 && method === 'GET') {
    expect(answer.headers['content-type']).toContain('application/json');
    expect(answer.headers).not.toHaveProperty('content-disposition');
    expect(answer.headers).not.toHaveProperty('last-modified');
    expect(answer.json).toMatchObject({ statusCode: want.status });
  }
});

test('the table has its rows', () => {
  expect(rows.length).toBeGreaterThanOrEqual(45);
});
