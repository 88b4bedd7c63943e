import { pickAttributes, storedFile } from '../../lib/core/stored-file.js';

test('a stored file has no field for what is not known of it', () => {
  const unknown = {
    contentType: undefined,
    etag: undefined,
    lastModified: undefined,
    metadata: undefined,
    cacheControl: undefined,
    contentDisposition: undefined,
    contentEncoding: undefined,
    contentLanguage: undefined,
    checksum: undefined,
    version: undefined,
  };
  expect(Object.keys(storedFile({ key: 'a', size: 1, ...unknown }))).toEqual([
    'key',
    'size',
    'metadata',
  ]);
});

test('of the fields of a file, the attributes are picked', () => {
  const attributes = {
    contentType: 'text/css',
    cacheControl: 'no-store',
    contentDisposition: 'inline',
    contentEncoding: 'gzip',
    contentLanguage: 'de',
    metadata: { a: 'b' },
  };
  expect(pickAttributes(storedFile({ key: 'a', size: 1, etag: '"1"', ...attributes }))).toEqual(
    attributes,
  );
});

test('attributes that are not there are not picked', () => {
  expect(Object.entries(pickAttributes({ contentType: 'text/css' }))).toEqual([
    ['contentType', 'text/css'],
  ]);
  expect(Object.keys(pickAttributes({}))).toEqual([]);
});
