import { md5Hex, prepared, type Probe, told, toldWithBody } from './probe.js';

const HELLO = `etag="${md5Hex('hello')}"`;

/** Objects and buckets, whole. */
export const objects: readonly Probe[] = [
  {
    name: 'PutObject',
    expected: `200 ${HELLO}`,
    ask: async (bucket) => told(await bucket.ask('PUT', 'a', { body: 'hello' }), 'etag'),
  },
  {
    name: 'GetObject',
    expected: `200 content-length=5 accept-ranges=bytes ${HELLO} "hello"`,
    async ask(bucket) {
      await prepared(bucket.ask('PUT', 'a', { body: 'hello' }));
      const answer = await bucket.ask('GET', 'a');
      return toldWithBody(answer, 'content-length', 'accept-ranges', 'etag');
    },
  },
  {
    name: 'HeadObject',
    expected: `200 content-length=5 ${HELLO} ""`,
    async ask(bucket) {
      await prepared(bucket.ask('PUT', 'a', { body: 'hello' }));
      return toldWithBody(await bucket.ask('HEAD', 'a'), 'content-length', 'etag');
    },
  },
  {
    name: 'GetObject of what is not there',
    expected: '404 NoSuchKey',
    ask: (bucket) => bucket.ask('GET', 'a'),
  },
  {
    name: 'HeadObject of what is not there',
    expected: '404 ""',
    ask: async (bucket) => toldWithBody(await bucket.ask('HEAD', 'a')),
  },
  {
    name: 'GetObject in a bucket that is not there',
    expected: '404 NoSuchBucket',
    ask: (bucket) => bucket.ask('GET', 'a', { bucket: 'no-such-bucket' }),
  },
  {
    name: 'PutObject in a bucket that is not there',
    expected: '404 NoSuchBucket',
    ask: (bucket) => bucket.ask('PUT', 'a', { bucket: 'no-such-bucket', body: 'hello' }),
  },
  {
    name: 'PutObject without bytes',
    expected: '200 content-length=0 ""',
    async ask(bucket) {
      await prepared(bucket.ask('PUT', 'a'));
      return toldWithBody(await bucket.ask('GET', 'a'), 'content-length');
    },
  },
  {
    name: 'PutObject over what is there',
    expected: '200 content-length=3 "new"',
    async ask(bucket) {
      await prepared(bucket.ask('PUT', 'a', { body: 'longer' }));
      await prepared(bucket.ask('PUT', 'a', { body: 'new' }));
      return toldWithBody(await bucket.ask('GET', 'a'), 'content-length');
    },
  },
  {
    name: 'PutObject without Content-Length',
    expected: '411 MissingContentLength',
    ask: (bucket) =>
      bucket.ask('PUT', 'a', {
        body: 'hello',
        tamper: (headers) => (headers['transfer-encoding'] = 'chunked'),
      }),
  },
  {
    name: 'DeleteObject',
    expected: '204, then 404 NoSuchKey',
    async ask(bucket) {
      await prepared(bucket.ask('PUT', 'a', { body: 'hello' }));
      const deleted = told(await bucket.ask('DELETE', 'a'));
      return `${deleted}, then ${told(await bucket.ask('GET', 'a'))}`;
    },
  },
  {
    name: 'DeleteObject of what is not there',
    expected: '204',
    ask: (bucket) => bucket.ask('DELETE', 'a'),
  },
  {
    name: 'an object as soon as it was put, from eight writers at once',
    expected: '200 of one of them',
    async ask(bucket) {
      const bodies = Array.from({ length: 8 }, (_, index) => `${index}`.repeat(1000));
      await Promise.all(bodies.map((body) => prepared(bucket.ask('PUT', 'a', { body }))));
      const { status, text } = await bucket.ask('GET', 'a');
      return `${status} of ${bodies.includes(text) ? 'one of them' : 'a mixture'}`;
    },
  },
  {
    name: 'HeadBucket',
    expected: '200',
    ask: (bucket) => bucket.ask('HEAD'),
  },
  {
    name: 'HeadBucket of what is not there',
    expected: '404',
    ask: (bucket) => bucket.ask('HEAD', '', { bucket: 'no-such-bucket' }),
  },
  {
    name: 'GetBucketLocation of the oldest region',
    expected: '200 nothing',
    async ask(bucket) {
      const { status, text } = await bucket.ask('GET', '', { query: { location: '' } });
      const location = />([^<]+)<\/LocationConstraint>/.exec(text)?.[1];
      return `${status} ${location ?? 'nothing'}`;
    },
  },
  {
    name: 'ListBuckets',
    expected: '200 with the bucket',
    async ask(bucket) {
      const { status, text } = await bucket.ask('GET', '', { bucket: '', wirePath: '/' });
      return `${status} with${text.includes(`<Name>${bucket.name}</Name>`) ? '' : 'out'} the bucket`;
    },
  },
  {
    name: 'CreateBucket with a name that is none',
    expected: '400 InvalidBucketName',
    ask: (bucket) => bucket.ask('PUT', '', { bucket: 'Not_a_name' }),
  },
  {
    name: 'CreateBucket that the same owner has, in the oldest region',
    expected: '200',
    ask: (bucket) => bucket.ask('PUT'),
  },
  {
    name: 'a method that S3 does not have',
    expected: '405 MethodNotAllowed',
    ask: (bucket) => bucket.ask('PATCH', 'a'),
  },
];
