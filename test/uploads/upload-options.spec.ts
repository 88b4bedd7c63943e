import { contentHashKey, datedKey, randomKey } from '../../lib/uploads/key-strategies.js';
import { parseUploadOptions } from '../../lib/uploads/upload-options.js';

const MINUTE = 60_000;
const file = { fieldname: 'f', originalname: 'a', mimetype: 'a/b', contentType: 'a/b' };

test('what is left out has its default', async () => {
  const { checksum, metadata, ...options } = parseUploadOptions({});
  expect(options).toEqual({
    accept: undefined,
    maxSize: 10 * 1024 * 1024,
    minSize: 0,
    image: undefined,
    scan: undefined,
    scanTimeout: MINUTE,
    key: randomKey,
    publication: 'unique',
    cacheControl: undefined,
  });
  expect(await checksum(file, {})).toBeUndefined();
  expect(await metadata(file, {})).toEqual({});
});

test('what is given is taken', async () => {
  const given = {
    storage: 'docs',
    accept: ['image/*'],
    maxSize: '1kb',
    minSize: 5,
    image: { maxWidth: 5 },
    checksum: () => 'sum',
    scan: () => undefined,
    scanTimeout: '2m',
    cacheControl: 'no-store',
  };
  const { metadata, ...options } = parseUploadOptions({ ...given, metadata: { a: 'b' } });
  const { storage: _, ...rest } = given;
  expect(options).toEqual({
    ...rest,
    maxSize: 1024,
    scanTimeout: 2 * MINUTE,
    key: randomKey,
    publication: 'unique',
  });
  expect(await metadata(file, {})).toEqual({ a: 'b' });
  const made = parseUploadOptions({ metadata: ({ originalname }) => ({ originalname }) });
  expect(await made.metadata(file, {})).toEqual({ originalname: 'a' });
});

test.each([
  [{}, 'unique'],
  [{ key: datedKey }, 'unique'],
  [{ key: contentHashKey }, 'create'],
  [{ key: () => 'a' }, 'create'],
  [{ key: () => 'a', overwrite: true }, 'replace'],
  [{ overwrite: true }, 'replace'],
])('%j has its files published as %s', (options, publication) => {
  expect(parseUploadOptions(options).publication).toBe(publication);
});

test('the least size may be the largest', () => {
  expect(parseUploadOptions({ minSize: 5, maxSize: 5 })).toMatchObject({ minSize: 5, maxSize: 5 });
});

test.each([
  [{ key: 'a' }, 'key must be a function, or contentHashKey or its like, not a string'],
  [{ key: null }, 'key must be a function, or contentHashKey or its like, not null'],
  [{ key: {} }, 'key must be a function, or contentHashKey or its like, not '],
  [{ overwrite: 'yes' }, 'overwrite must be a boolean, not a string'],
  [{ checksum: 'md5' }, 'checksum must be a function, not a string'],
  [{ scan: true }, 'scan must be a function, not true'],
  [{ storage: 5 }, 'storage must be the name of a storage, not 5'],
  [{ storage: '' }, 'storage must be the name of a storage, not an empty string'],
  [{ minSize: 5, maxSize: 4 }, 'minSize must be no more than maxSize: 5 bytes are more than 4'],
  [{ minSize: 'a' }, 'minSize'],
  [{ maxSize: 'a' }, 'maxSize'],
  [{ scanTimeout: 'a' }, 'scanTimeout'],
  [{ cacheControl: 'a\r\nb' }, 'cacheControl'],
  [{ metadata: { a: 5 } }, 'metadata'],
  [
    { maxSiez: 5 },
    'There is no upload option "maxSiez"; there are storage, accept, maxSize, minSize, image, checksum, scan, scanTimeout, key, overwrite, metadata, cacheControl, maxFiles',
  ],
])('%j is refused by name', (options, message) => {
  expect(() => parseUploadOptions(options as never, ['maxFiles'])).toThrow(message);
});
