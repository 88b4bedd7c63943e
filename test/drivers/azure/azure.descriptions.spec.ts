import { describedBlob, readListing } from '../../../lib/drivers/azure/azure.answers.js';
import { isLength, toChecksum, toEtag } from '../../../lib/drivers/azure/azure.metadata.js';
import { AzureServiceError } from '../../../lib/drivers/azure/azure.service-error.js';

const MD5 = '1B2M2Y8AsgTpgAmY7PhCfg==';
const TIME = 'Fri, 02 Jan 2026 03:04:05 GMT';

describe('the headers of an answer', () => {
  test('tell all that is known of a blob', () => {
    expect(
      describedBlob({
        'content-length': '3',
        'content-range': 'bytes 0-2/10',
        'content-type': 'text/css',
        etag: '"0x1"',
        'last-modified': TIME,
        date: 'Fri, 02 Jan 2026 03:04:06 GMT',
        'x-ms-meta-title': 'x',
        'x-ms-meta-empty': '',
        'cache-control': 'no-store',
        'content-disposition': 'inline',
        'content-encoding': 'br',
        'content-language': 'de',
        'content-md5': MD5,
        'x-ms-blob-content-md5': MD5,
        'x-ms-version-id': 'v1',
        'x-ms-copy-status': 'success',
        'x-ms-access-tier': 'Hot',
        'x-ms-access-tier-inferred': 'true',
      }),
    ).toEqual({
      contentLength: 3,
      contentRange: 'bytes 0-2/10',
      contentType: 'text/css',
      etag: '"0x1"',
      lastModified: new Date('2026-01-02T03:04:05Z'),
      date: new Date('2026-01-02T03:04:06Z'),
      metadata: { title: 'x', empty: '' },
      cacheControl: 'no-store',
      contentDisposition: 'inline',
      contentEncoding: 'br',
      contentLanguage: 'de',
      contentMD5: Buffer.from(MD5, 'base64'),
      blobContentMD5: Buffer.from(MD5, 'base64'),
      versionId: 'v1',
      copyStatus: 'success',
      accessTier: 'Hot',
      accessTierInferred: true,
    });
  });

  test('tell nothing that they lack, or that is none', () => {
    const told = describedBlob({ 'last-modified': 'yesterday', 'content-md5': '' });
    expect(told).toEqual({ metadata: {}, accessTierInferred: false });
  });
});

describe('a listing', () => {
  const listing = (content: string): string =>
    `<?xml version="1.0"?><EnumerationResults>${content}</EnumerationResults>`;

  test('tells all that is known of each blob, and the prefixes', () => {
    const { blobs, prefixes, next } = readListing(
      listing(
        '<Prefix>a</Prefix><Others><Blob><Name>d</Name></Blob></Others><Blobs><Blob><Name>a</Name><VersionId>v1</VersionId>' +
          `<Properties><Creation-Time>${TIME}</Creation-Time><Last-Modified>${TIME}</Last-Modified><Etag>0x1</Etag>` +
          '<Content-Length>3</Content-Length><Content-Type>text/css</Content-Type><Content-Encoding>br</Content-Encoding>' +
          '<Content-Language>de</Content-Language><Content-Disposition>inline</Content-Disposition>' +
          `<Cache-Control>no-store</Cache-Control><Content-MD5>${MD5}</Content-MD5><BlobType>BlockBlob</BlobType></Properties>` +
          '<Metadata><title>x</title><empty/></Metadata></Blob><BlobPrefix><Name>b/</Name></BlobPrefix><Other><Name>c</Name></Other></Blobs>' +
          '<NextMarker/>',
      ),
    );
    const time = new Date('2026-01-02T03:04:05Z');
    expect(blobs).toEqual([
      {
        name: 'a',
        versionId: 'v1',
        metadata: { title: 'x', empty: '' },
        properties: {
          createdOn: time,
          lastModified: time,
          etag: '0x1',
          contentLength: 3,
          contentType: 'text/css',
          contentEncoding: 'br',
          contentLanguage: 'de',
          contentDisposition: 'inline',
          cacheControl: 'no-store',
          contentMD5: Buffer.from(MD5, 'base64'),
        },
      },
    ]);
    expect([prefixes, next]).toEqual([['b/'], undefined]);
  });

  test('tells nothing that it lacks', () => {
    const { blobs } = readListing(
      listing('<Blobs><Blob><Name>a</Name><Properties><Content-Type/></Properties></Blob></Blobs>'),
    );
    expect(blobs).toEqual([{ name: 'a', properties: {} }]);
    expect(readListing(listing(''))).toEqual({ blobs: [], prefixes: [], next: undefined });
  });

  test.each([
    ['Encoded="true"', 'a b'],
    ["Encoded = 'True'", 'a b'],
    ['Encoded="false"', 'a%20b'],
    ['NotEncoded="true"', 'a%20b'],
    ['Encoded="truest"', 'a%20b'],
  ])('has names that are encoded where it says so: %s', (attribute, name) => {
    const { blobs } = readListing(
      listing(`<Blobs><Blob><Name ${attribute}>a%20b</Name></Blob></Blobs>`),
    );
    expect(blobs).toMatchObject([{ name }]);
  });

  test.each([
    '',
    'text',
    '<EnumerationResults>',
    '<Error><Code>x</Code></Error>',
    listing('<Blobs><Blob><Properties/></Blob></Blobs>'),
    listing('<Blobs><BlobPrefix/></Blobs>'),
  ])('is not %j', (xml) => {
    expect(() => readListing(xml)).toThrow('no answer of Azure');
  });
});

test.each([
  [
    '<Error><Code>BlobNotFound</Code><Message>Not there</Message></Error>',
    'BlobNotFound',
    'Not there',
  ],
  ['<Error/>', undefined, ''],
  ['<Other><Code>BlobNotFound</Code><Message>Not there</Message></Other>', undefined, ''],
  ['<html>', undefined, ''],
  ['', undefined, ''],
])('a refusal with %j has the code %s', (body, code, message) => {
  const headers = { 'x-ms-request-id': 'id', 'x-ms-more': ['a', 'b'] as unknown as string };
  const error = new AzureServiceError(404, headers, body);
  expect([error.name, error.statusCode, error.errorCode, error.message]).toEqual([
    'RestError',
    404,
    code,
    message,
  ]);
  expect(error.response.bodyAsText).toBe(body);
  expect(error.response.headers.get('x-ms-request-id')).toBe('id');
  expect(error.response.headers.get('x-ms-more')).toBe('a, b');
});

test.each([
  ['"0x1"', '"0x1"'],
  ['0x1', '"0x1"'],
  ['W/"0x1"', '"0x1"'],
  ['"W/0x1"', '"W/0x1"'],
  ['', undefined],
  [undefined, undefined],
])('the etag %s is told as %s', (etag, told) => {
  expect(toEtag(etag)).toBe(told);
});

test.each([
  [0, true],
  [7, true],
  [-1, false],
  [0.5, false],
  [Number.NaN, false],
  [2 ** 53, false],
  [undefined, false],
])('%s is a length: %s', (length, is) => {
  expect(isLength(length)).toBe(is);
});

test('bytes are an MD5 when there are sixteen', () => {
  expect(toChecksum(Buffer.from(MD5, 'base64'))).toEqual({ algorithm: 'md5', value: MD5 });
  for (const md5 of [undefined, Buffer.alloc(0), Buffer.alloc(15), Buffer.alloc(17)]) {
    expect(toChecksum(md5)).toBeUndefined();
  }
});
