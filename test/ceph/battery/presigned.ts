import { prepared, type Probe, told, toldWithBody } from './probe.js';
import type { RawBucket } from './request.js';

const MINUTE = 60_000;
const ago = (milliseconds: number): Date => new Date(Date.now() - milliseconds);

async function withHello(bucket: RawBucket): Promise<void> {
  await prepared(bucket.ask('PUT', 'a', { body: 'hello' }));
}

/** URLs that carry their signature. */
export const presigned: readonly Probe[] = [
  {
    name: 'a presigned GET',
    expected: '200 "hello"',
    async ask(bucket) {
      await withHello(bucket);
      return toldWithBody(await bucket.send('GET', bucket.presign('GET', 'a')));
    },
  },
  {
    name: 'a presigned GET of a range',
    expected: '206 "ell"',
    async ask(bucket) {
      await withHello(bucket);
      const url = bucket.presign('GET', 'a');
      return toldWithBody(await bucket.send('GET', url, { range: 'bytes=1-3' }));
    },
  },
  {
    name: 'a presigned GET with headers of the answer',
    expected: '200 content-type=text/html content-disposition=attachment; filename="ä.txt"',
    async ask(bucket) {
      await withHello(bucket);
      const query = {
        'response-content-type': 'text/html',
        'response-content-disposition': 'attachment; filename="ä.txt"',
      };
      const answer = await bucket.send('GET', bucket.presign('GET', 'a', { query }));
      const disposition = Buffer.from(answer.headers['content-disposition'] ?? '', 'latin1');
      return `${told(answer, 'content-type')} content-disposition=${disposition.toString()}`;
    },
  },
  {
    name: 'a presigned GET, of an odd key',
    expected: '200 "odd"',
    async ask(bucket) {
      await prepared(bucket.ask('PUT', 'ü &+%?#/ =', { body: 'odd' }));
      return toldWithBody(await bucket.send('GET', bucket.presign('GET', 'ü &+%?#/ =')));
    },
  },
  {
    name: 'a presigned GET sent as HEAD',
    expected: '403',
    async ask(bucket) {
      await withHello(bucket);
      return bucket.send('HEAD', bucket.presign('GET', 'a'));
    },
  },
  {
    name: 'a presigned GET sent as PUT',
    expected: '403 SignatureDoesNotMatch',
    ask: (bucket) => bucket.send('PUT', bucket.presign('GET', 'a'), {}, 'x'),
  },
  {
    name: 'a presigned GET of another key',
    expected: '403 SignatureDoesNotMatch',
    async ask(bucket) {
      await withHello(bucket);
      return bucket.send('GET', bucket.presign('GET', 'b').replace('/b?', '/a?'));
    },
  },
  {
    name: 'a presigned GET with another signature',
    expected: '403 SignatureDoesNotMatch',
    async ask(bucket) {
      await withHello(bucket);
      const url = bucket.presign('GET', 'a');
      return bucket.send('GET', url.replace(/Signature=.*/, `Signature=${'0'.repeat(64)}`));
    },
  },
  {
    name: 'a presigned GET without its signature',
    expected: '400 AuthorizationQueryParametersError',
    async ask(bucket) {
      await withHello(bucket);
      return bucket.send('GET', bucket.presign('GET', 'a').replace(/&X-Amz-Signature=.*/, ''));
    },
  },
  {
    name: 'a presigned GET with a parameter more',
    expected: '403 SignatureDoesNotMatch',
    async ask(bucket) {
      await withHello(bucket);
      return bucket.send('GET', `${bucket.presign('GET', 'a')}&response-content-type=text%2Fhtml`);
    },
  },
  {
    name: 'a presigned GET that has expired',
    expected: '403 AccessDenied',
    async ask(bucket) {
      await withHello(bucket);
      return bucket.send('GET', bucket.presign('GET', 'a', { at: ago(2 * MINUTE) }));
    },
  },
  {
    name: 'a presigned GET that was prolonged',
    expected: '403 SignatureDoesNotMatch',
    async ask(bucket) {
      await withHello(bucket);
      const url = bucket.presign('GET', 'a', { at: ago(2 * MINUTE) });
      return bucket.send('GET', url.replace('X-Amz-Expires=60', 'X-Amz-Expires=6000'));
    },
  },
  {
    name: 'a presigned GET for more than a week',
    expected: '400 AuthorizationQueryParametersError',
    async ask(bucket) {
      await withHello(bucket);
      return bucket.send('GET', bucket.presign('GET', 'a', { expires: '604801' }));
    },
  },
  {
    name: 'a presigned GET for a week',
    expected: '200',
    async ask(bucket) {
      await withHello(bucket);
      return bucket.send('GET', bucket.presign('GET', 'a', { expires: '604800' }));
    },
  },
  {
    name: 'a presigned GET for a time that is none',
    expected: '400 AuthorizationQueryParametersError',
    async ask(bucket) {
      await withHello(bucket);
      return bucket.send('GET', bucket.presign('GET', 'a', { expires: 'soon' }));
    },
  },
  {
    name: 'a presigned GET from an hour ahead',
    expected: '403 AccessDenied',
    async ask(bucket) {
      await withHello(bucket);
      return bucket.send('GET', bucket.presign('GET', 'a', { at: ago(-60 * MINUTE) }));
    },
  },
  {
    name: 'a presigned GET of somebody unknown',
    expected: '403 InvalidAccessKeyId',
    ask: (bucket) => bucket.send('GET', bucket.presign('GET', 'a', { accessKeyId: 'nobody' })),
  },
  {
    name: 'a presigned GET with an Authorization, too',
    expected: '400 InvalidArgument',
    async ask(bucket) {
      await withHello(bucket);
      const headers = { authorization: 'AWS4-HMAC-SHA256 Credential=x' };
      return bucket.send('GET', bucket.presign('GET', 'a'), headers);
    },
  },
  {
    name: 'a presigned PUT',
    expected: '200, then 200 "hello"',
    async ask(bucket) {
      const put = await bucket.send('PUT', bucket.presign('PUT', 'a'), {}, 'hello');
      return `${told(put)}, then ${toldWithBody(await bucket.ask('GET', 'a'))}`;
    },
  },
  {
    name: 'a presigned PUT with the Content-Type that it signs',
    expected: '200, then 200 content-type=image/png',
    async ask(bucket) {
      const headers = { 'content-type': 'image/png' };
      const put = await bucket.send('PUT', bucket.presign('PUT', 'a', { headers }), headers, 'x');
      return `${told(put)}, then ${told(await bucket.ask('HEAD', 'a'), 'content-type')}`;
    },
  },
  {
    name: 'a presigned PUT with another Content-Type than it signs',
    expected: '403 SignatureDoesNotMatch',
    ask: (bucket) =>
      bucket.send(
        'PUT',
        bucket.presign('PUT', 'a', { headers: { 'content-type': 'image/png' } }),
        { 'content-type': 'text/html' },
        'x',
      ),
  },
  {
    name: 'a presigned PUT with another Content-Length than it signs',
    expected: '403 SignatureDoesNotMatch',
    ask: (bucket) =>
      bucket.send(
        'PUT',
        bucket.presign('PUT', 'a', { headers: { 'content-length': '5' } }),
        {},
        'longer than that',
      ),
  },
  {
    name: 'a presigned PUT with metadata that it does not sign',
    expected: '403 AccessDenied',
    ask: (bucket) => bucket.send('PUT', bucket.presign('PUT', 'a'), { 'x-amz-meta-a': 'b' }, 'x'),
  },
  {
    name: 'a presigned PUT with metadata in its query',
    expected: '200, then 200 x-amz-meta-a=b',
    async ask(bucket) {
      const url = bucket.presign('PUT', 'a', { query: { 'x-amz-meta-a': 'b' } });
      const put = await bucket.send('PUT', url, {}, 'x');
      return `${told(put)}, then ${told(await bucket.ask('HEAD', 'a'), 'x-amz-meta-a')}`;
    },
  },
  {
    name: 'a presigned PUT that only creates, under a key that is taken',
    expected: '412 PreconditionFailed',
    async ask(bucket) {
      await withHello(bucket);
      const headers = { 'if-none-match': '*' };
      return bucket.send('PUT', bucket.presign('PUT', 'a', { headers }), headers, 'x');
    },
  },
  {
    name: 'a presigned UploadPart',
    expected: '200',
    async ask(bucket) {
      const start = await prepared(bucket.ask('POST', 'a', { query: { uploads: '' } }));
      const uploadId = /<UploadId>([^<]*)</.exec(start.text)?.[1] ?? '';
      const url = bucket.presign('PUT', 'a', { query: { partNumber: '1', uploadId } });
      return bucket.send('PUT', url, {}, 'part');
    },
  },
];
