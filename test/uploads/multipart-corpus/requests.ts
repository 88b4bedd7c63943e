import { BOUNDARY, form, formHeaders, part, partHead, png } from '../forms.js';

/** A request that has brought some server down, or might: byte by byte. */
export interface HostileRequest {
  /** What it is, and the advisory of the package in which it was a bug. */
  readonly what: string;
  readonly bytes: Buffer;
  /** What the answer may be. */
  readonly statuses: readonly number[];
}

const TYPE = formHeaders['Content-Type'];
const END = `--${BOUNDARY}--\r\n`;
const file = { name: 'f', filename: 'a.png', type: 'image/png', content: png(6000) };
const field = (name: string, content = 'x'): Buffer => part({ name, content });
const brackets = (count: number): string => `a${'[b]'.repeat(count)}`;

function request(
  body: string | Buffer,
  { type = TYPE, headers = '', length = Buffer.byteLength(body) } = {},
): Buffer {
  const head = `POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: ${type}\r\nContent-Length: ${length}\r\n${headers}\r\n`;
  return Buffer.concat([Buffer.from(head), Buffer.from(body)]);
}

/** A form with a file first, so that there is something to leave behind. */
function afterFile(...rest: (string | Buffer)[]): Buffer {
  return Buffer.concat([part(file), ...rest.map((each) => Buffer.from(each))]);
}

const rawPart = (headers: string, content = 'x'): string =>
  `--${BOUNDARY}\r\n${headers}\r\n\r\n${content}\r\n`;

const bad = [400];

export const CORPUS: readonly HostileRequest[] = [
  // The body is not the form that it is said to be.
  { what: 'an empty body', bytes: request(''), statuses: bad },
  { what: 'no form at all', bytes: request('hello'), statuses: bad },
  { what: 'nothing but line ends', bytes: request('\r\n'.repeat(5000)), statuses: bad },
  { what: 'nothing but dashes', bytes: request('-'.repeat(100_000)), statuses: bad },
  {
    what: 'nothing but starts of boundaries',
    bytes: request(`\r\n--${BOUNDARY.slice(0, -1)}`.repeat(5000)),
    statuses: bad,
  },
  { what: 'another boundary', bytes: request('--other\r\n\r\nx\r\n--other--\r\n'), statuses: bad },
  // A truncated form: CVE-2025-47944, CVE-2026-5038.
  { what: 'a form without its end', bytes: request(afterFile(field('a'))), statuses: bad },
  { what: 'a form cut in its end', bytes: request(form(file).subarray(0, -6)), statuses: bad },
  { what: 'a form cut in a file', bytes: request(form(file).subarray(0, 5000)), statuses: bad },
  {
    what: 'a form cut in the first bytes of a file',
    bytes: request(form(file).subarray(0, 150)),
    statuses: bad,
  },
  {
    what: 'a form cut in a header',
    bytes: request(afterFile(part(file).subarray(0, 60))),
    statuses: bad,
  },
  {
    what: 'a form cut in a boundary',
    bytes: request(afterFile(`--${BOUNDARY.slice(0, 5)}`)),
    statuses: bad,
  },
  {
    what: 'a form cut in a text field',
    bytes: request(afterFile(field('a').subarray(0, -3))),
    statuses: bad,
  },
  {
    what: 'a form whose last part has only its boundary',
    bytes: request(afterFile(`--${BOUNDARY}\r\n`)),
    statuses: bad,
  },
  // The type.
  {
    what: 'no boundary',
    bytes: request(form(file), { type: 'multipart/form-data' }),
    statuses: bad,
  },
  {
    what: 'an empty boundary',
    bytes: request(form(file), { type: 'multipart/form-data; boundary=' }),
    statuses: bad,
  },
  {
    what: 'an empty quoted boundary',
    bytes: request(form(file), { type: 'multipart/form-data; boundary=""' }),
    statuses: bad,
  },
  {
    what: 'a boundary without end',
    bytes: request(form(file), { type: 'multipart/form-data; boundary="abc' }),
    statuses: bad,
  },
  {
    what: 'a boundary of ten thousand bytes',
    bytes: request(form(file), { type: `multipart/form-data; boundary=${'b'.repeat(10_000)}` }),
    statuses: bad,
  },
  {
    what: 'a type without a subtype',
    bytes: request(form(file), { type: 'multipart/' }),
    statuses: [400, 415],
  },
  {
    what: 'a type of no form',
    bytes: request(form(file), { type: `multipart/mixed; boundary=${BOUNDARY}` }),
    statuses: [400, 415],
  },
  {
    what: 'a type that repeats its parameter',
    bytes: request(form(file), { type: `multipart/form-data${'; boundary=a'.repeat(200)}` }),
    statuses: bad,
  },
  // Headers of parts: CVE-2022-24434 (dicer), CVE-2025-7338, CVE-2026-3520.
  {
    what: 'a header that starts with a blank',
    bytes: request(afterFile(rawPart(' Content-Disposition: form-data; name="a"'), END)),
    statuses: bad,
  },
  {
    what: 'a header that starts with a blank, alone',
    bytes: request(
      `--${BOUNDARY}\r\n Content-Disposition: form-data; name="f"; filename="a"\r\n\r\nx\r\n${END}`,
    ),
    statuses: bad,
  },
  {
    what: 'a header without a colon',
    bytes: request(afterFile(rawPart('Content-Disposition'), END)),
    statuses: bad,
  },
  {
    what: 'a header without a name',
    bytes: request(afterFile(rawPart(': form-data; name="a"'), END)),
    statuses: bad,
  },
  {
    what: 'a header with a NUL',
    bytes: request(afterFile(rawPart('Content-Disposition: form-data; name="a\0b"'), END)),
    statuses: bad,
  },
  {
    what: 'a file name with a NUL',
    bytes: request(form(file, { ...file, filename: 'a\0.png' })),
    statuses: bad,
  },
  {
    what: 'a header without end',
    bytes: request(afterFile(partHead({ name: 'f', filename: 'x'.repeat(100_000) }))),
    statuses: bad,
  },
  {
    what: 'ten thousand headers',
    bytes: request(afterFile(rawPart('X-A: b\r\n'.repeat(10_000).trimEnd()), END)),
    statuses: bad,
  },
  {
    what: 'headers that end in the middle',
    bytes: request(afterFile(`--${BOUNDARY}\r\nContent-Disposition: form-data; na\r`, END)),
    statuses: bad,
  },
  // Names of fields: CVE-2025-48997, CVE-2026-5079, CVE-2026-77078.
  {
    what: 'an empty name of a file',
    bytes: request(form(file, { ...file, name: '' })),
    statuses: bad,
  },
  {
    what: 'no name of a file',
    bytes: request(
      afterFile(
        rawPart('Content-Disposition: form-data; filename="a.png"\r\nContent-Type: image/png'),
        END,
      ),
    ),
    statuses: bad,
  },
  {
    what: 'no name of a field',
    bytes: request(afterFile(rawPart('Content-Disposition: form-data'), END)),
    statuses: bad,
  },
  {
    what: 'a name of two hundred bytes',
    bytes: request(afterFile(field('n'.repeat(200)), END)),
    statuses: bad,
  },
  {
    what: 'a name of a file of two hundred bytes',
    bytes: request(form(file, { ...file, name: 'n'.repeat(200) })),
    statuses: bad,
  },
  {
    what: 'a name that is ten thousand deep',
    bytes: request(afterFile(field(brackets(10_000)), END)),
    statuses: bad,
  },
  {
    what: 'a name that is thirty-three deep',
    bytes: request(afterFile(field(brackets(32).slice(0, 90) + '['.repeat(9)), END)),
    statuses: bad,
  },
  {
    what: 'an index of eleven digits',
    bytes: request(afterFile(field('a[99999999999]'), END)),
    statuses: bad,
  },
  {
    what: 'an index of ten digits',
    bytes: request(afterFile(field('a[4294967295]'), END)),
    statuses: bad,
  },
  {
    what: 'an index that is large',
    bytes: request(afterFile(field('a[1001]'), END)),
    statuses: bad,
  },
  {
    what: 'an index deep down',
    bytes: request(afterFile(field('a[0][b][99999999999]'), END)),
    statuses: bad,
  },
  {
    what: 'a list that becomes an object',
    bytes: request(afterFile(field('a[]'), field('a[b]'), field('a[b][c]'), END)),
    statuses: [201, 400],
  },
  {
    what: 'names of what objects inherit',
    bytes: request(
      afterFile(
        field('__proto__[x]'),
        field('constructor[prototype][x]'),
        field('toString'),
        field('hasOwnProperty'),
        END,
      ),
    ),
    statuses: [201, 400],
  },
  // Too much of something: the limits.
  {
    what: 'too many files',
    bytes: request(form(...Array.from({ length: 12 }, () => ({ ...file, content: png(16) })))),
    statuses: bad,
  },
  {
    what: 'too many fields',
    bytes: request(form(file, ...Array.from({ length: 101 }, (_, at) => ({ name: `n${at}` })))),
    statuses: bad,
  },
  {
    what: 'too many parts',
    bytes: request(
      Buffer.concat([
        part(file),
        ...Array.from({ length: 5000 }, () => Buffer.from(rawPart('X: y', ''))),
        Buffer.from(END),
      ]),
    ),
    statuses: [201, 400],
  },
  {
    what: 'a field that is too large',
    bytes: request(afterFile(field('a', 'x'.repeat(1024 * 1024 + 1)), END)),
    statuses: [413],
  },
  {
    what: 'a file that is too large',
    bytes: request(form(file, { ...file, content: png(100_001) })),
    statuses: [413],
  },
  {
    what: 'a form that announces too much',
    bytes: request(form(file), { length: 1e12 }),
    statuses: [413],
  },
  {
    what: 'a length that is no number',
    bytes: Buffer.concat([
      Buffer.from(
        `POST / HTTP/1.1\r\nHost: x\r\nContent-Type: ${TYPE}\r\nContent-Length: 5x\r\n\r\n`,
      ),
      form(file),
    ]),
    statuses: bad,
  },
  {
    what: 'two lengths',
    bytes: request(form(file), { headers: 'Content-Length: 5\r\n' }),
    statuses: bad,
  },
  {
    what: 'a length and chunks',
    bytes: request(form(file), { headers: 'Transfer-Encoding: chunked\r\n' }),
    statuses: bad,
  },
  // A file that is refused while others follow: CVE-2026-3304, CVE-2026-77063.
  {
    what: 'a type that is not accepted',
    bytes: request(form(file, { ...file, content: '<html><script>' }, file)),
    statuses: [415],
  },
  {
    what: 'an SVG that is said to be a PNG',
    bytes: request(form({ ...file, content: '<svg onload=alert(1)>' })),
    statuses: [415],
  },
];
