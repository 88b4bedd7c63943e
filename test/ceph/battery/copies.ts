import { completion, startUpload } from './multipart.js';
import { md5Hex, prepared, type Probe, textOf, told, toldWithBody } from './probe.js';
import type { Answer, RawBucket } from './request.js';

const ETAG = `"${md5Hex('hello')}"`;
const PAST = 'Sat, 01 Jan 2000 00:00:00 GMT';
const FUTURE = 'Fri, 01 Jan 2100 00:00:00 GMT';

/** Of `from`, which holds `hello`. */
async function copy(
  bucket: RawBucket,
  headers: Readonly<Record<string, string>> = {},
  to = 'to',
): Promise<Answer> {
  await prepared(
    bucket.ask('PUT', 'from', {
      body: 'hello',
      headers: { 'content-type': 'text/css', 'x-amz-meta-a': 'b' },
    }),
  );
  return bucket.ask('PUT', to, {
    headers: { 'x-amz-copy-source': `${bucket.name}/from`, ...headers },
  });
}

const PRECONDITIONS: readonly (readonly [headers: Record<string, string>, expected: string])[] = [
  [{ 'if-match': ETAG }, '200'],
  [{ 'if-match': '"other"' }, '412 PreconditionFailed'],
  [{ 'if-none-match': '"other"' }, '200'],
  [{ 'if-none-match': ETAG }, '412 PreconditionFailed'],
  [{ 'if-modified-since': PAST }, '200'],
  [{ 'if-unmodified-since': FUTURE }, '200'],
  [{ 'if-unmodified-since': PAST }, '412 PreconditionFailed'],
  [{ 'if-match': ETAG, 'if-unmodified-since': PAST }, '200'],
];

const nameOf = (headers: Readonly<Record<string, string>>): string =>
  Object.entries(headers)
    .map(([name, value]) => `${name}: ${value}`)
    .join(', ')
    .replaceAll(ETAG, 'the etag')
    .replaceAll(PAST, 'long ago')
    .replaceAll(FUTURE, 'long hence');

/** CopyObject. */
export const copies: readonly Probe[] = [
  {
    name: 'CopyObject',
    expected: `200 etag of the source, then 200 content-type=text/css x-amz-meta-a=b "hello"`,
    async ask(bucket) {
      const answer = await copy(bucket);
      const etag = textOf(answer, 'ETag');
      const copied = await bucket.ask('GET', 'to');
      return `${answer.status} ${etag === ETAG ? 'etag of the source' : etag}, then ${toldWithBody(copied, 'content-type', 'x-amz-meta-a')}`;
    },
  },
  {
    name: 'CopyObject with other attributes',
    expected: '200 content-type=text/html x-amz-meta-a=– x-amz-meta-c=d',
    async ask(bucket) {
      await prepared(
        copy(bucket, {
          'x-amz-metadata-directive': 'REPLACE',
          'content-type': 'text/html',
          'x-amz-meta-c': 'd',
        }),
      );
      return told(await bucket.ask('HEAD', 'to'), 'content-type', 'x-amz-meta-a', 'x-amz-meta-c');
    },
  },
  {
    name: 'CopyObject with other attributes that are not asked to replace',
    expected: '200 content-type=text/css x-amz-meta-a=b x-amz-meta-c=–',
    async ask(bucket) {
      await prepared(copy(bucket, { 'content-type': 'text/html', 'x-amz-meta-c': 'd' }));
      return told(await bucket.ask('HEAD', 'to'), 'content-type', 'x-amz-meta-a', 'x-amz-meta-c');
    },
  },
  {
    name: 'CopyObject with a slash before the bucket',
    expected: '200',
    ask: (bucket) => copy(bucket, { 'x-amz-copy-source': `/${bucket.name}/from` }),
  },
  {
    name: 'CopyObject of a key that is encoded',
    expected: '200 "odd"',
    async ask(bucket) {
      await prepared(bucket.ask('PUT', 'ü +%?', { body: 'odd' }));
      const source = `${bucket.name}/${encodeURIComponent('ü +%?')}`;
      await prepared(bucket.ask('PUT', 'to', { headers: { 'x-amz-copy-source': source } }));
      return toldWithBody(await bucket.ask('GET', 'to'));
    },
  },
  {
    name: 'CopyObject onto itself',
    expected: '400 InvalidRequest',
    ask: (bucket) => copy(bucket, {}, 'from'),
  },
  {
    name: 'CopyObject onto itself with other attributes',
    expected: '200 content-type=text/html "hello"',
    async ask(bucket) {
      const headers = { 'x-amz-metadata-directive': 'REPLACE', 'content-type': 'text/html' };
      await prepared(copy(bucket, headers, 'from'));
      return toldWithBody(await bucket.ask('GET', 'from'), 'content-type');
    },
  },
  {
    name: 'CopyObject of what is not there',
    expected: '404 NoSuchKey',
    ask: (bucket) => copy(bucket, { 'x-amz-copy-source': `${bucket.name}/missing` }),
  },
  {
    name: 'CopyObject from a bucket that is not there',
    expected: '404 NoSuchBucket',
    ask: (bucket) => copy(bucket, { 'x-amz-copy-source': 'no-such-bucket/from' }),
  },
  {
    name: 'CopyObject from what is no source',
    expected: '400 InvalidArgument',
    ask: (bucket) => copy(bucket, { 'x-amz-copy-source': 'nonsense' }),
  },
  {
    name: 'CopyObject with a directive that is none',
    expected: '400 InvalidArgument',
    ask: (bucket) => copy(bucket, { 'x-amz-metadata-directive': 'KEEP' }),
  },
  {
    name: 'CopyObject with if-none-match: * onto a key that is taken',
    expected: '412 PreconditionFailed, taken',
    async ask(bucket) {
      await prepared(bucket.ask('PUT', 'to', { body: 'taken' }));
      const answer = await copy(bucket, { 'if-none-match': '*' });
      return `${told(answer)}, ${(await bucket.ask('GET', 'to')).text}`;
    },
  },
  ...PRECONDITIONS.map(([conditions, expected]): Probe => ({
    name: `CopyObject of a source with ${nameOf(conditions)}`,
    expected,
    ask: (bucket) =>
      copy(
        bucket,
        Object.fromEntries(
          Object.entries(conditions).map(([name, value]) => [`x-amz-copy-source-${name}`, value]),
        ),
      ),
  })),
];

/** Of `from`, which holds `hello`, as part 1 of an upload to `to`; the upload is completed when that went well. */
async function copyPart(
  bucket: RawBucket,
  headers: Readonly<Record<string, string>>,
): Promise<Answer> {
  await prepared(bucket.ask('PUT', 'from', { body: 'hello' }));
  const uploadId = await startUpload(bucket, 'to');
  const answer = await bucket.ask('PUT', 'to', {
    query: { partNumber: '1', uploadId },
    headers: { 'x-amz-copy-source': `${bucket.name}/from`, ...headers },
  });
  if (answer.status !== 200) return answer;
  const etag = textOf(answer, 'ETag')!;
  const body = completion([[1, etag]]);
  await prepared(bucket.ask('POST', 'to', { query: { uploadId }, body }));
  return bucket.ask('GET', 'to');
}

/** UploadPartCopy. */
export const partCopies: readonly Probe[] = [
  {
    name: 'UploadPartCopy',
    expected: '200 "hello"',
    ask: async (bucket) => toldWithBody(await copyPart(bucket, {})),
  },
  {
    name: 'UploadPartCopy of a range',
    expected: '200 "ell"',
    ask: async (bucket) =>
      toldWithBody(await copyPart(bucket, { 'x-amz-copy-source-range': 'bytes=1-3' })),
  },
  ...['bytes=1-', 'bytes=3-1', 'bytes=-2', '1-3'].map((range): Probe => ({
    name: `UploadPartCopy of the range ${range}`,
    expected: '400 InvalidArgument',
    ask: (bucket) => copyPart(bucket, { 'x-amz-copy-source-range': range }),
  })),
  {
    name: 'UploadPartCopy of a range beyond the end',
    expected: '400 InvalidArgument',
    ask: (bucket) => copyPart(bucket, { 'x-amz-copy-source-range': 'bytes=3-5' }),
  },
  {
    name: 'UploadPartCopy of a source with if-match: another',
    expected: '412 PreconditionFailed',
    ask: (bucket) => copyPart(bucket, { 'x-amz-copy-source-if-match': '"other"' }),
  },
];
