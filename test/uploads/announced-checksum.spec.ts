import { createHash } from 'node:crypto';
import type { HttpException } from '@nestjs/common';
import {
  announcedChecksum,
  announcedInForm,
  Sha512Inspection,
} from '../../lib/uploads/announced-checksum.js';

const digest = (algorithm: string): string =>
  createHash(algorithm).update('hello').digest('base64');
const [MD5, SHA1, SHA256, SHA512] = ['md5', 'sha1', 'sha256', 'sha512'].map(digest) as [
  string,
  string,
  string,
  string,
];

test('nothing is announced by nothing', () => {
  for (const announced of [undefined, '']) {
    expect(announcedChecksum(announced, 'file')).toBeUndefined();
    expect(announcedInForm(announced, 'file')).toBeUndefined();
  }
});

test('a checksum is announced as such, or as the strongest of a digest field', () => {
  const sha256 = { algorithm: 'sha256', value: SHA256 } as const;
  const field = `md5=:${MD5}:, sha-256=:${SHA256}:, sha=:${SHA1}:`;
  for (const announced of [sha256, field, `sha-256=:${SHA256}:`]) {
    expect(announcedChecksum(announced, 'file')).toEqual(sha256);
    expect(announcedInForm(announced, 'file')).toEqual(sha256);
  }
  const weaker = announcedChecksum(`md5=:${MD5}:, sha=:${SHA1}:`, 'file');
  expect(weaker).toEqual({ algorithm: 'sha1', value: SHA1 });
});

test.each(['; a', ';a=1', ';  a=1;b="c;,d"', ';a="\\"\\\\"', ';a=%"z%c3%bc"', '; *a.b-c=?1'])(
  'parameters say nothing of a digest: %s',
  (parameters) => {
    const field = `sha-256=:${SHA256}:${parameters} , md5=:${MD5}:`;
    expect(announcedChecksum(field, 'file')).toEqual({ algorithm: 'sha256', value: SHA256 });
  },
);

test('a SHA-512 counts in a form only, where the bytes come by', () => {
  const field = `sha-512=:${SHA512}:, md5=:${MD5}:`;
  expect(announcedInForm(field, 'file')).toEqual({ algorithm: 'sha512', value: SHA512 });
  expect(announcedChecksum(field, 'file')).toEqual({ algorithm: 'md5', value: MD5 });
  expect(() => announcedChecksum(`sha-512=:${SHA512}:`, 'file')).toThrow(
    expect.objectContaining({ status: 400 }),
  );
});

test.each([
  'sha-256',
  'sha-256=:YQ==:',
  `sha-256=:${SHA256}`,
  `sha-256=:${SHA256}:,`,
  `sha-256=:${SHA256}: md5=:${MD5}:`,
  'adler=:AAAA:',
])('%s is refused', (field) => {
  expect(() => announcedChecksum(field, 'file')).toThrow(expect.objectContaining({ status: 400 }));
  expect(() => announcedInForm(field, 'file')).toThrow(expect.objectContaining({ status: 400 }));
});

/** What the client is told, and why. */
function refusal(announce: () => unknown): object {
  try {
    announce();
  } catch (error) {
    const { cause } = error as Error;
    const response = (error as HttpException).getResponse() as object;
    return { ...response, cause: (cause as Error | undefined)?.message };
  }
  return {};
}

const MALFORMED = {
  statusCode: 400,
  code: 'INVALID_CHECKSUM',
  message: 'The checksum that is announced for the file is not one',
  field: 'file',
};
const BYTES = 'The digest is not the base64 of 64 bytes';

test.each([
  ['nonsense', 'The digest is not well-formed'],
  [`sha-512=:${SHA512}:;`, 'The digest is not well-formed'],
  ['sha-512=:AAAA:', BYTES],
  [`sha-512=:${SHA512.replace(/=+$/, '')}:`, BYTES],
  [`sha-512=:${Buffer.alloc(65).toString('base64')}:`, BYTES],
])('%s is refused as malformed', (field, cause) => {
  expect(refusal(() => announcedInForm(field, 'file'))).toEqual({ ...MALFORMED, cause });
});

test('an algorithm that nobody knows is told with those that are known', () => {
  const field = 'unixsum=:MTIzNA==:';
  const words =
    'The checksum that is announced for the file is of an unknown algorithm; known are ';
  const told = { ...MALFORMED, cause: undefined };
  expect(refusal(() => announcedChecksum(field, 'file'))).toEqual({
    ...told,
    message: `${words}sha-256, sha, md5, crc32c`,
  });
  expect(refusal(() => announcedInForm(field, 'file'))).toEqual({
    ...told,
    message: `${words}sha-512, sha-256, sha, md5, crc32c`,
  });
});

test.each([
  ['in one piece', ['hello'], true],
  ['in several', ['he', 'llo'], true],
  ['of other bytes', ['hallo'], false],
])('a SHA-512 is compared with that of the bytes: %s', (_, chunks, isRight) => {
  const inspection = new Sha512Inspection({ algorithm: 'sha512', value: SHA512 }, 'file');
  for (const chunk of chunks) inspection.see(Buffer.from(chunk));
  const told = isRight ? {} : { code: 'INTEGRITY', field: 'file' };
  const refused = refusal(() => inspection.decide());
  expect(refused).toMatchObject(told);
  expect(Object.keys(refused).length > 0).toBe(!isRight);
});
