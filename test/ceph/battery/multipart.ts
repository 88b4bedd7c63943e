import { prepared, type Probe, textOf, textsOf, told, toldWithBody } from './probe.js';
import type { Answer, RawBucket } from './request.js';

const MIN_PART = Buffer.alloc(5 * 1024 ** 2, 'x');

export async function startUpload(
  bucket: RawBucket,
  key: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<string> {
  const answer = await prepared(bucket.ask('POST', key, { query: { uploads: '' }, headers }));
  return textOf(answer, 'UploadId')!;
}

/** Answers the etag of the part. */
export async function uploadPart(
  bucket: RawBucket,
  key: string,
  uploadId: string,
  partNumber: number,
  body: string | Buffer,
): Promise<string> {
  const query = { partNumber: String(partNumber), uploadId };
  const { headers } = await prepared(bucket.ask('PUT', key, { query, body }));
  return String(headers['etag']);
}

/** The document of CompleteMultipartUpload. */
export function completion(parts: readonly (readonly [number: number, etag: string])[]): string {
  const listed = parts.map(
    ([number, etag]) => `<Part><PartNumber>${number}</PartNumber><ETag>${etag}</ETag></Part>`,
  );
  return `<CompleteMultipartUpload>${listed.join('')}</CompleteMultipartUpload>`;
}

function complete(
  bucket: RawBucket,
  uploadId: string,
  parts: Parameters<typeof completion>[0],
): Promise<Answer> {
  return bucket.ask('POST', 'a', { query: { uploadId }, body: completion(parts) });
}

/** An upload to the key `a` with the parts 1, 2, …: what is done with it is the question. */
function withParts(
  bodies: readonly (string | Buffer)[],
  ask: (bucket: RawBucket, uploadId: string, etags: string[]) => Promise<Answer | string>,
): Probe['ask'] {
  return async (bucket) => {
    const uploadId = await startUpload(bucket, 'a');
    const etags = [];
    for (const [index, body] of bodies.entries()) {
      etags.push(await uploadPart(bucket, 'a', uploadId, index + 1, body));
    }
    return ask(bucket, uploadId, etags);
  };
}

const partOf = (uploadId: string, partNumber: string): { query: Record<string, string> } => ({
  query: { partNumber, uploadId },
});

/** The rules of multipart uploads. */
export const multipart: readonly Probe[] = [
  {
    name: 'CompleteMultipartUpload of two parts',
    expected: '200 content-length=5242884 etag ends in -2',
    ask: withParts([MIN_PART, 'last'], async (bucket, uploadId, [one, two]) => {
      await prepared(
        complete(bucket, uploadId, [
          [1, one!],
          [2, two!],
        ]),
      );
      const answer = await bucket.ask('HEAD', 'a');
      const ending = /-\d+(?="$)/.exec(answer.headers['etag'] ?? '')?.[0];
      return `${told(answer, 'content-length')} etag ends in ${ending}`;
    }),
  },
  {
    name: 'CompleteMultipartUpload of one small part',
    expected: '200 "only"',
    ask: withParts(['only'], async (bucket, uploadId, [one]) => {
      await prepared(complete(bucket, uploadId, [[1, one!]]));
      return toldWithBody(await bucket.ask('GET', 'a'));
    }),
  },
  {
    name: 'CompleteMultipartUpload with etags without quotes',
    expected: '200',
    ask: withParts(['only'], (bucket, uploadId, [one]) =>
      complete(bucket, uploadId, [[1, one!.replaceAll('"', '')]]),
    ),
  },
  {
    name: 'CompleteMultipartUpload with parts out of order',
    expected: '400 InvalidPartOrder',
    ask: withParts([MIN_PART, 'last'], (bucket, uploadId, [one, two]) =>
      complete(bucket, uploadId, [
        [2, two!],
        [1, one!],
      ]),
    ),
  },
  {
    name: 'CompleteMultipartUpload with a part twice',
    expected: '400 InvalidPartOrder',
    ask: withParts([MIN_PART], (bucket, uploadId, [one]) =>
      complete(bucket, uploadId, [
        [1, one!],
        [1, one!],
      ]),
    ),
  },
  {
    name: 'CompleteMultipartUpload with a small part that is not the last',
    expected: '400 EntityTooSmall',
    ask: withParts(['small', 'last'], (bucket, uploadId, [one, two]) =>
      complete(bucket, uploadId, [
        [1, one!],
        [2, two!],
      ]),
    ),
  },
  {
    name: 'CompleteMultipartUpload with a part that is not there',
    expected: '400 InvalidPart',
    ask: withParts([MIN_PART], (bucket, uploadId, [one]) =>
      complete(bucket, uploadId, [
        [1, one!],
        [2, one!],
      ]),
    ),
  },
  {
    name: 'CompleteMultipartUpload with a wrong etag',
    expected: '400 InvalidPart',
    ask: withParts(['only'], (bucket, uploadId) =>
      complete(bucket, uploadId, [[1, `"${'0'.repeat(32)}"`]]),
    ),
  },
  {
    name: 'CompleteMultipartUpload without all parts that were sent',
    expected: '200 content-length=5242880',
    ask: withParts([MIN_PART, 'not wanted'], async (bucket, uploadId, [one]) => {
      const answer = await complete(bucket, uploadId, [[1, one!]]);
      return answer.status === 200 ? told(await bucket.ask('HEAD', 'a'), 'content-length') : answer;
    }),
  },
  {
    name: 'CompleteMultipartUpload with gaps between the numbers',
    expected: '200',
    async ask(bucket) {
      const uploadId = await startUpload(bucket, 'a');
      const first = await uploadPart(bucket, 'a', uploadId, 3, MIN_PART);
      const last = await uploadPart(bucket, 'a', uploadId, 10_000, 'last');
      return complete(bucket, uploadId, [
        [3, first],
        [10_000, last],
      ]);
    },
  },
  {
    name: 'CompleteMultipartUpload with a part that was sent again',
    expected: '200 "second"',
    ask: withParts(['first'], async (bucket, uploadId) => {
      const again = await uploadPart(bucket, 'a', uploadId, 1, 'second');
      await prepared(complete(bucket, uploadId, [[1, again]]));
      return toldWithBody(await bucket.ask('GET', 'a'));
    }),
  },
  {
    name: 'CompleteMultipartUpload with the etag of a part from before it was sent again',
    expected: '400 InvalidPart',
    ask: withParts(['first'], async (bucket, uploadId, [one]) => {
      await uploadPart(bucket, 'a', uploadId, 1, 'second');
      return complete(bucket, uploadId, [[1, one!]]);
    }),
  },
  {
    name: 'CompleteMultipartUpload with no parts',
    expected: '400 MalformedXML',
    ask: withParts(['only'], (bucket, uploadId) => complete(bucket, uploadId, [])),
  },
  {
    name: 'CompleteMultipartUpload with something other than XML',
    expected: '400 MalformedXML',
    ask: withParts(['only'], (bucket, uploadId) =>
      bucket.ask('POST', 'a', { query: { uploadId }, body: '<CompleteMultipartUpload>' }),
    ),
  },
  {
    name: 'CompleteMultipartUpload of an upload that never was',
    expected: '404 NoSuchUpload',
    ask: (bucket) => complete(bucket, 'never', [[1, '"0"']]),
  },
  {
    name: 'CompleteMultipartUpload of an upload that was aborted',
    expected: '404 NoSuchUpload',
    ask: withParts(['only'], async (bucket, uploadId, [one]) => {
      await prepared(bucket.ask('DELETE', 'a', { query: { uploadId } }));
      return complete(bucket, uploadId, [[1, one!]]);
    }),
  },
  {
    name: 'an upload before it is completed',
    expected: '404 NoSuchKey, 0 listed',
    ask: withParts(['only'], async (bucket) => {
      const read = told(await bucket.ask('GET', 'a'));
      const list = await bucket.ask('GET', '', { query: { 'list-type': '2' } });
      return `${read}, ${textsOf(list, 'Key').length} listed`;
    }),
  },
  {
    name: 'attributes of an upload',
    expected: '200 content-type=text/css cache-control=no-cache x-amz-meta-a=b',
    async ask(bucket) {
      const uploadId = await startUpload(bucket, 'a', {
        'content-type': 'text/css',
        'cache-control': 'no-cache',
        'x-amz-meta-a': 'b',
      });
      const etag = await uploadPart(bucket, 'a', uploadId, 1, 'only');
      await prepared(complete(bucket, uploadId, [[1, etag]]));
      const answer = await bucket.ask('HEAD', 'a');
      return told(answer, 'content-type', 'cache-control', 'x-amz-meta-a');
    },
  },
  {
    name: 'UploadPart of an upload that never was',
    expected: '404 NoSuchUpload',
    ask: (bucket) => bucket.ask('PUT', 'a', { ...partOf('never', '1'), body: 'x' }),
  },
  {
    name: 'UploadPart to another key than that of the upload',
    expected: '404 NoSuchUpload',
    ask: withParts([], (bucket, uploadId) =>
      bucket.ask('PUT', 'b', { ...partOf(uploadId, '1'), body: 'x' }),
    ),
  },
  ...['0', '10001', 'one'].map((number): Probe => ({
    name: `UploadPart with the number ${number}`,
    expected: '400 InvalidArgument',
    ask: withParts([], (bucket, uploadId) =>
      bucket.ask('PUT', 'a', { ...partOf(uploadId, number), body: 'x' }),
    ),
  })),
  {
    name: 'ListParts',
    expected: '200 1,2 5242880,4 truncated=false',
    ask: withParts([MIN_PART, 'last'], async (bucket, uploadId) => {
      const answer = await bucket.ask('GET', 'a', { query: { uploadId } });
      const numbers = textsOf(answer, 'PartNumber').join(',');
      const truncated = textOf(answer, 'IsTruncated');
      return `${answer.status} ${numbers} ${textsOf(answer, 'Size').join(',')} truncated=${truncated}`;
    }),
  },
  {
    name: 'ListParts by pages',
    expected: '1,2|3',
    ask: withParts(['1', '2', '3'], async (bucket, uploadId) => {
      const pages: string[] = [];
      let marker = '0';
      for (;;) {
        const query = { uploadId, 'max-parts': '2', 'part-number-marker': marker };
        const answer = await prepared(bucket.ask('GET', 'a', { query }));
        pages.push(textsOf(answer, 'PartNumber').join(','));
        if (textOf(answer, 'IsTruncated') !== 'true') return pages.join('|');
        marker = textOf(answer, 'NextPartNumberMarker')!;
      }
    }),
  },
  {
    name: 'ListParts of an upload that never was',
    expected: '404 NoSuchUpload',
    ask: (bucket) => bucket.ask('GET', 'a', { query: { uploadId: 'never' } }),
  },
  {
    name: 'ListMultipartUploads',
    expected: '200 a,b',
    async ask(bucket) {
      await startUpload(bucket, 'b');
      await startUpload(bucket, 'a');
      const answer = await bucket.ask('GET', '', { query: { uploads: '' } });
      return `${answer.status} ${textsOf(answer, 'Key').join(',')}`;
    },
  },
  {
    name: 'AbortMultipartUpload',
    expected: '204, 0 left',
    ask: withParts(['only'], async (bucket, uploadId) => {
      const aborted = told(await bucket.ask('DELETE', 'a', { query: { uploadId } }));
      const list = await bucket.ask('GET', '', { query: { uploads: '' } });
      return `${aborted}, ${textsOf(list, 'UploadId').length} left`;
    }),
  },
  {
    name: 'AbortMultipartUpload of an upload that never was',
    expected: '404 NoSuchUpload',
    ask: (bucket) => bucket.ask('DELETE', 'a', { query: { uploadId: 'never' } }),
  },
];
