import { createHash } from 'node:crypto';
import { announcedChecksum, announcedInForm } from '../../lib/uploads/announced-checksum.js';

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
