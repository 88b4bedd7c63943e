import { prepared, type Probe, told } from './probe.js';

/** What HeadObject tells of a PutObject with these headers. */
function kept(
  name: string,
  headers: Readonly<Record<string, string>>,
  expected: string,
  look: readonly string[] = Object.keys(headers),
): Probe {
  return {
    name,
    expected,
    async ask(bucket) {
      const put = await bucket.ask('PUT', 'a', { body: 'x', headers });
      return put.status === 200 ? told(await bucket.ask('HEAD', 'a'), ...look) : put;
    },
  };
}

const latin1 = (text: string): string => Buffer.from(text).toString('latin1');

/** Headers that are kept with an object. */
export const attributes: readonly Probe[] = [
  kept('no Content-Type', {}, '200 content-type=binary/octet-stream', ['content-type']),
  kept(
    'Content-Type',
    { 'content-type': 'text/html; charset=utf-8' },
    '200 content-type=text/html; charset=utf-8',
  ),
  kept(
    'the other headers of content',
    {
      'cache-control': 'max-age=60',
      'content-disposition': 'attachment; filename="a.txt"',
      'content-encoding': 'gzip',
      'content-language': 'de',
      expires: 'Fri, 01 Jan 2100 00:00:00 GMT',
    },
    '200 cache-control=max-age=60 content-disposition=attachment; filename="a.txt" content-encoding=gzip content-language=de expires=Fri, 01 Jan 2100 00:00:00 GMT',
  ),
  kept(
    'Content-Encoding: aws-chunked,gzip without chunks',
    { 'content-encoding': 'aws-chunked,gzip' },
    '200 content-encoding=gzip',
  ),
  kept(
    'metadata',
    { 'x-amz-meta-a': 'b', 'x-amz-meta-c-d': 'e f' },
    '200 x-amz-meta-a=b x-amz-meta-c-d=e f',
  ),
  kept('metadata with an empty value', { 'x-amz-meta-a': '' }, '200 x-amz-meta-a='),
  kept(
    'metadata as RFC 2047 words',
    { 'x-amz-meta-a': `=?UTF-8?B?${Buffer.from('grün').toString('base64')}?=` },
    `200 x-amz-meta-a==?UTF-8?B?${Buffer.from('grün').toString('base64')}?=`,
  ),
  kept(
    'metadata as RFC 2047 words of plain ASCII',
    { 'x-amz-meta-a': `=?UTF-8?B?${Buffer.from('green').toString('base64')}?=` },
    '200 x-amz-meta-a=green',
  ),
  kept(
    'metadata as RFC 8187 extended values',
    { 'x-amz-meta-a': "UTF-8''%20a%20" },
    "200 x-amz-meta-a=UTF-8''%20a%20",
  ),
  kept('metadata of 2048 bytes', { 'x-amz-meta-a': 'b'.repeat(2047) }, '200', []),
  kept('metadata of 2049 bytes', { 'x-amz-meta-a': 'b'.repeat(2048) }, '400 MetadataTooLarge', []),
  kept(
    'a storage class that is none',
    { 'x-amz-storage-class': 'CHEAP' },
    '400 InvalidStorageClass',
    [],
  ),
  {
    name: 'metadata in bytes of UTF-8 on the wire',
    // Read as Latin-1, as the API reference of PutObject shows it.
    expected: `200 x-amz-meta-a==?UTF-8?B?${Buffer.from(latin1('grün')).toString('base64')}?=`,
    async ask(bucket) {
      const headers = { 'x-amz-meta-a': latin1('grün') };
      const put = await bucket.ask('PUT', 'a', { body: 'x', headers });
      return put.status === 200 ? told(await bucket.ask('HEAD', 'a'), 'x-amz-meta-a') : put;
    },
  },
  {
    name: 'names of metadata in capitals',
    expected: '200 x-amz-meta-abc=d',
    async ask(bucket) {
      await prepared(
        bucket.ask('PUT', 'a', {
          body: 'x',
          headers: { 'x-amz-meta-abc': 'd' },
          tamper(headers) {
            delete headers['x-amz-meta-abc'];
            headers['X-Amz-Meta-ABC'] = 'd';
          },
        }),
      );
      return told(await bucket.ask('HEAD', 'a'), 'x-amz-meta-abc');
    },
  },
  {
    name: 'attributes after another PutObject',
    expected: '200 content-type=binary/octet-stream x-amz-meta-a=–',
    async ask(bucket) {
      const headers = { 'content-type': 'text/css', 'x-amz-meta-a': 'b' };
      await prepared(bucket.ask('PUT', 'a', { body: 'x', headers }));
      await prepared(bucket.ask('PUT', 'a', { body: 'x' }));
      return told(await bucket.ask('HEAD', 'a'), 'content-type', 'x-amz-meta-a');
    },
  },
];
