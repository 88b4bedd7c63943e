import { completion, startUpload, uploadPart } from './multipart.js';
import { md5Hex, prepared, type Probe, told } from './probe.js';

const ETAG = `"${md5Hex('hello')}"`;
const PAST = 'Sat, 01 Jan 2000 00:00:00 GMT';
const FUTURE = 'Fri, 01 Jan 2100 00:00:00 GMT';

const READS: readonly (readonly [headers: Record<string, string>, expected: string])[] = [
  [{ 'if-match': ETAG }, '200'],
  [{ 'if-match': '"other"' }, '412 PreconditionFailed'],
  [{ 'if-match': '*' }, '200'],
  [{ 'if-match': `"other", ${ETAG}` }, '200'],
  [{ 'if-match': ETAG.replaceAll('"', '') }, '200'],
  [{ 'if-none-match': ETAG }, '304'],
  [{ 'if-none-match': '"other"' }, '200'],
  [{ 'if-none-match': '*' }, '304'],
  [{ 'if-none-match': `"other", ${ETAG}` }, '304'],
  [{ 'if-none-match': `W/${ETAG}` }, '304'],
  [{ 'if-modified-since': PAST }, '200'],
  [{ 'if-unmodified-since': PAST }, '412 PreconditionFailed'],
  [{ 'if-unmodified-since': FUTURE }, '200'],
  // RFC 9110 §13.2.2: the etag decides.
  [{ 'if-match': ETAG, 'if-unmodified-since': PAST }, '200'],
  [{ 'if-none-match': '"other"', 'if-modified-since': FUTURE }, '200'],
  [{ 'if-none-match': ETAG, 'if-modified-since': PAST }, '304'],
];

const named = (headers: Readonly<Record<string, string>>): string =>
  Object.entries(headers)
    .map(([name, value]) => `${name}: ${value}`)
    .join(', ')
    .replaceAll(ETAG, 'the etag')
    .replaceAll(ETAG.replaceAll('"', ''), 'the etag without quotes')
    .replaceAll(PAST, 'long ago')
    .replaceAll(FUTURE, 'long hence');

/** Conditions of GetObject and HeadObject. */
export const readConditions: readonly Probe[] = [
  ...READS.map(([headers, expected]): Probe => ({
    name: `GET with ${named(headers)}`,
    expected,
    async ask(bucket) {
      await prepared(bucket.ask('PUT', 'a', { body: 'hello' }));
      return bucket.ask('GET', 'a', { headers });
    },
  })),
  {
    name: 'GET with if-modified-since: the time of the last change',
    expected: '304',
    async ask(bucket) {
      await prepared(bucket.ask('PUT', 'a', { body: 'hello' }));
      const { headers } = await bucket.ask('HEAD', 'a');
      return bucket.ask('GET', 'a', {
        headers: { 'if-modified-since': headers['last-modified'] ?? '' },
      });
    },
  },
  {
    name: 'GET with if-match of what is not there',
    expected: '404 NoSuchKey',
    ask: (bucket) => bucket.ask('GET', 'a', { headers: { 'if-match': ETAG } }),
  },
  {
    name: 'HEAD with if-none-match: the etag',
    expected: `304 etag=${ETAG}`,
    async ask(bucket) {
      await prepared(bucket.ask('PUT', 'a', { body: 'hello' }));
      return told(await bucket.ask('HEAD', 'a', { headers: { 'if-none-match': ETAG } }), 'etag');
    },
  },
  {
    name: 'HEAD with if-match: another',
    expected: '412',
    async ask(bucket) {
      await prepared(bucket.ask('PUT', 'a', { body: 'hello' }));
      return bucket.ask('HEAD', 'a', { headers: { 'if-match': '"other"' } });
    },
  },
];

/** Conditions of PutObject, CompleteMultipartUpload and DeleteObject. */
export const writeConditions: readonly Probe[] = [
  {
    name: 'PutObject with if-none-match: * under a free key',
    expected: '200',
    ask: (bucket) => bucket.ask('PUT', 'a', { body: 'x', headers: { 'if-none-match': '*' } }),
  },
  {
    name: 'PutObject with if-none-match: * under a key that is taken',
    expected: '412 PreconditionFailed, hello',
    async ask(bucket) {
      await prepared(bucket.ask('PUT', 'a', { body: 'hello' }));
      const answer = await bucket.ask('PUT', 'a', {
        body: 'x',
        headers: { 'if-none-match': '*' },
      });
      return `${told(answer)}, ${(await bucket.ask('GET', 'a')).text}`;
    },
  },
  {
    name: 'PutObject with if-none-match: * from eight writers at once',
    expected: '1 of 8 wins',
    async ask(bucket) {
      const answers = await Promise.all(
        Array.from({ length: 8 }, (_, index) =>
          bucket.ask('PUT', 'a', { body: `${index}`, headers: { 'if-none-match': '*' } }),
        ),
      );
      return `${answers.filter(({ status }) => status === 200).length} of 8 wins`;
    },
  },
  {
    name: 'PutObject with if-match: the etag',
    expected: '200',
    async ask(bucket) {
      await prepared(bucket.ask('PUT', 'a', { body: 'hello' }));
      return bucket.ask('PUT', 'a', { body: 'x', headers: { 'if-match': ETAG } });
    },
  },
  {
    name: 'PutObject with if-match: another',
    expected: '412 PreconditionFailed',
    async ask(bucket) {
      await prepared(bucket.ask('PUT', 'a', { body: 'hello' }));
      return bucket.ask('PUT', 'a', { body: 'x', headers: { 'if-match': '"other"' } });
    },
  },
  {
    name: 'PutObject with if-match under a free key',
    expected: '404 NoSuchKey',
    ask: (bucket) => bucket.ask('PUT', 'a', { body: 'x', headers: { 'if-match': ETAG } }),
  },
  {
    name: 'PutObject with if-none-match: an etag',
    expected: '501 NotImplemented',
    ask: (bucket) => bucket.ask('PUT', 'a', { body: 'x', headers: { 'if-none-match': ETAG } }),
  },
  {
    name: 'CompleteMultipartUpload with if-none-match: * under a key that is taken',
    expected: '412 PreconditionFailed',
    async ask(bucket) {
      await prepared(bucket.ask('PUT', 'a', { body: 'hello' }));
      const uploadId = await startUpload(bucket, 'a');
      const etag = await uploadPart(bucket, 'a', uploadId, 1, 'part');
      return bucket.ask('POST', 'a', {
        query: { uploadId },
        headers: { 'if-none-match': '*' },
        body: completion([[1, etag]]),
      });
    },
  },
  {
    name: 'CompleteMultipartUpload with if-match: another',
    expected: '412 PreconditionFailed',
    async ask(bucket) {
      await prepared(bucket.ask('PUT', 'a', { body: 'hello' }));
      const uploadId = await startUpload(bucket, 'a');
      const etag = await uploadPart(bucket, 'a', uploadId, 1, 'part');
      return bucket.ask('POST', 'a', {
        query: { uploadId },
        headers: { 'if-match': '"other"' },
        body: completion([[1, etag]]),
      });
    },
  },
  {
    name: 'DeleteObject with if-match: another',
    expected: '412 PreconditionFailed',
    async ask(bucket) {
      await prepared(bucket.ask('PUT', 'a', { body: 'hello' }));
      return bucket.ask('DELETE', 'a', { headers: { 'if-match': '"other"' } });
    },
  },
];
