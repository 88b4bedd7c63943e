import { StorageInvalidArgumentError } from '../../lib/core/errors.js';
import { parseMultipartUpload, parsePartNumber, parseParts } from '../../lib/core/multipart.js';

describe('parseParts', () => {
  const part = (partNumber: number): { partNumber: number; etag: string } => ({
    partNumber,
    etag: `"${partNumber}"`,
  });

  it('gives the parts by number, and leaves the array of the caller as it is', () => {
    const given = [part(10), part(2), part(1)];
    expect(parseParts(given, 100).map(({ partNumber }) => partNumber)).toEqual([1, 2, 10]);
    expect(given.map(({ partNumber }) => partNumber)).toEqual([10, 2, 1]);
  });

  it.each([
    [[], 'at least one'],
    [[part(1), part(1)], 'twice'],
    [[part(0)], 'partNumber'],
    [[part(101)], 'from 1 to 100'],
    [[{ partNumber: 1, etag: '' }], 'no etag'],
  ])('refuses %j', (parts, message) => {
    expect(() => parseParts(parts, 100)).toThrow(StorageInvalidArgumentError);
    expect(() => parseParts(parts, 100)).toThrow(message);
  });
});

describe('parsePartNumber', () => {
  it('takes whole numbers from 1 to the most that there can be', () => {
    expect(parsePartNumber(1, 10)).toBe(1);
    expect(parsePartNumber(10, 10)).toBe(10);
    for (const given of [0, 11, 1.5, Number.NaN, '1' as unknown as number]) {
      expect(() => parsePartNumber(given, 10)).toThrow(StorageInvalidArgumentError);
    }
  });
});

describe('parseMultipartUpload', () => {
  it('takes an upload, and what its JSON gives back', () => {
    const upload = { key: 'a', uploadId: 'b', partSize: 5 };
    expect(parseMultipartUpload(JSON.parse(JSON.stringify(upload)))).toEqual(upload);
  });

  it.each([[null], [undefined], ['a'], [{}], [{ key: 'a' }], [{ key: 'a', uploadId: '' }]])(
    'refuses %j',
    (given) => {
      expect(() => parseMultipartUpload(given as never)).toThrow(StorageInvalidArgumentError);
    },
  );
});
