/** Answers of radosgw 16.2.15 that are not what AWS documents, for one reason. */
interface Explanation {
  readonly why: string;
  /**
   * What the strict server answers in the role of Ceph: the same as radosgw, the same as without a role, or something of
   * its own. It plays what decides how a driver has to be written, and elsewhere stays with the stricter answer.
   */
  readonly asCeph: 'like radosgw' | 'like S3' | { readonly answers: string };
  /** By the name of the probe. */
  readonly answers: Readonly<Record<string, string>>;
}

/** A difference that is not listed fails the test, and so does one that is no more. */
export const EXPLANATIONS: readonly Explanation[] = [
  {
    why: 'It names its zonegroup, `default`, where S3 leaves the oldest region out.',
    asCeph: 'like S3',
    answers: {
      'GetBucketLocation of the oldest region': '200 default',
    },
  },
  {
    why: 'It keeps `aws-chunked` in Content-Encoding, which S3 leaves out.',
    asCeph: 'like S3',
    answers: {
      'Content-Encoding: aws-chunked,gzip without chunks': '200 content-encoding=aws-chunked,gzip',
      'signed chunks': '200, then 200 content-encoding=aws-chunked the bytes',
      'signed chunks, streamed': '200, then 200 content-encoding=aws-chunked the bytes',
    },
  },
  {
    why: 'It keeps metadata as the bytes that came, words of RFC 2047 and all; S3 decodes them, reads the rest as Latin-1, and answers words only where they are needed.',
    asCeph: 'like S3',
    answers: {
      'metadata as RFC 2047 words of plain ASCII': '200 x-amz-meta-a==?UTF-8?B?Z3JlZW4=?=',
      'metadata in bytes of UTF-8 on the wire': '200 x-amz-meta-a=grÃ¼n',
    },
  },
  {
    why: 'It has no limit of 2 KB for metadata.',
    asCeph: 'like S3',
    answers: {
      'metadata of 2049 bytes': '200',
    },
  },
  {
    why: 'It refuses for the same reason under another name, or none.',
    asCeph: 'like S3',
    answers: {
      'a storage class that is none': '400 InvalidArgument',
      'a key of 1025 bytes': '400 InvalidObjectName',
      'a key of 1025 bytes, in fewer characters': '400 InvalidObjectName',
      'no payload hash': '403 SignatureDoesNotMatch',
      'a payload hash that is none': '400 XAmzContentSHA256Mismatch',
      'no Signature in the Authorization': '400 InvalidArgument',
      'a presigned GET without its signature': '403 AccessDenied',
      'a presigned GET for more than a week': '403 AccessDenied',
      'a presigned GET for a time that is none': '403 AccessDenied',
      'a form with a policy that was changed': '403 AccessDenied',
      'a form with another signature': '403 AccessDenied',
      'a form of somebody unknown': '403 AccessDenied',
      'a form whose policy is no JSON': '400 InvalidArgument',
      'ListParts of an upload that never was': '404 NoSuchKey',
      'DeleteObjects of 1001 keys': '400',
      'DeleteObjects with something other than XML': '400',
    },
  },
  {
    why: 'It has no error of its own for a path that cannot be decoded.',
    asCeph: 'like S3',
    answers: {
      'a path with percent signs that encode nothing': '405 MethodNotAllowed',
      'a path with percent signs that encode no UTF-8': '403 SignatureDoesNotMatch',
    },
  },
  {
    why: 'It takes the first of several ranges, answers the whole to an empty suffix and a Content-Range to another unit, and refuses a range that ends before it begins, which RFC 9110 §14.2 has ignored.',
    asCeph: 'like S3',
    answers: {
      'Range: bytes=5-3': '416 InvalidRange content-range=–',
      'Range: lines=1-2': '200 content-range=bytes 0-9/10 "0123456789"',
      'Range: bytes=0-1,4-5': '206 content-range=bytes 0-1/10 "01"',
      'Range: bytes=-0': '206',
    },
  },
  {
    why: 'It compares the header as a whole with the etag: it knows no `*` there, no lists and no weak etags (RFC 9110 §13.1).',
    asCeph: 'like S3',
    answers: {
      'GET with if-match: *': '412 PreconditionFailed',
      'GET with if-match: "other", the etag': '412 PreconditionFailed',
      'GET with if-none-match: *': '200',
      'GET with if-none-match: "other", the etag': '200',
      'GET with if-none-match: W/the etag': '200',
    },
  },
  {
    why: 'Its 304 has no etag, which RFC 9110 §15.4.5 asks for.',
    asCeph: 'like S3',
    answers: {
      'HEAD with if-none-match: the etag': '304 etag=–',
    },
  },
  {
    why: 'Its conditional PutObject is older than that of S3: any etag in If-None-Match, never a 404, and If-Match holds only for an etag without quotes.',
    asCeph: 'like S3',
    answers: {
      'PutObject with if-match: the etag': '412 PreconditionFailed',
      'PutObject with if-match under a free key': '412 PreconditionFailed',
      'PutObject with if-none-match: an etag': '412 PreconditionFailed',
    },
  },
  {
    why: 'It ignores conditions of CompleteMultipartUpload, of DeleteObject and of the destination of a copy.',
    asCeph: 'like radosgw',
    answers: {
      'CompleteMultipartUpload with if-none-match: * under a key that is taken': '200',
      'CompleteMultipartUpload with if-match: another': '200',
      'CopyObject with if-none-match: * onto a key that is taken': '200, hello',
    },
  },
  {
    why: 'It ignores conditions of CompleteMultipartUpload, of DeleteObject and of the destination of a copy.',
    asCeph: 'like S3',
    answers: {
      'DeleteObject with if-match: another': '204',
    },
  },
  {
    why: 'It ignores the conditions of the source of a copy.',
    asCeph: 'like radosgw',
    answers: {
      'CopyObject of a source with if-match: "other"': '200',
      'CopyObject of a source with if-none-match: the etag': '200',
      'CopyObject of a source with if-unmodified-since: long ago': '200',
      'UploadPartCopy of a source with if-match: another': '200',
    },
  },
  {
    why: 'The etag in its CopyObjectResult has no quotes.',
    asCeph: 'like S3',
    answers: {
      CopyObject:
        '200 5d41402abc4b2a76b9719d911017c592, then 200 content-type=text/css x-amz-meta-a=b "hello"',
    },
  },
  {
    why: 'It judges ranges of the source of a part by rules of its own.',
    asCeph: 'like S3',
    answers: {
      'UploadPartCopy of the range bytes=1-': '416 InvalidRange',
      'UploadPartCopy of the range bytes=3-1': '416 InvalidRange',
      'UploadPartCopy of the range bytes=-2': '200',
      'UploadPartCopy of a range beyond the end': '416 InvalidRange',
    },
  },
  {
    why: 'It takes parts in any order, and joins them by number.',
    asCeph: 'like S3',
    answers: {
      'CompleteMultipartUpload with parts out of order': '200',
      'CompleteMultipartUpload with a part twice': '200',
    },
  },
  {
    why: 'It completes an upload only with all of its parts.',
    asCeph: 'like S3',
    answers: {
      'CompleteMultipartUpload without all parts that were sent': '400 InvalidPart',
    },
  },
  {
    why: 'It takes the absence of the upload for an accident of its own.',
    asCeph: 'like S3',
    answers: {
      'CompleteMultipartUpload of an upload that never was': '500 InternalError',
      'CompleteMultipartUpload of an upload that was aborted': '500 InternalError',
    },
  },
  {
    why: 'It takes any number for a part.',
    asCeph: 'like S3',
    answers: {
      'UploadPart with the number 0': '200',
      'UploadPart with the number 10001': '200',
    },
  },
  {
    why: 'DeleteObjects goes by no checksum, and need not name a key.',
    asCeph: 'like S3',
    answers: {
      'DeleteObjects of no keys': '200',
      'DeleteObjects without any checksum': '200',
      'DeleteObjects with a wrong Content-MD5': '200, 0 left',
    },
  },
  {
    why: 'It leaves out the common prefix that `start-after` lies in. S3 documents that listing starts after the key, and there are more of them below the prefix.',
    asCeph: 'like S3',
    answers: {
      'ListObjectsV2 after a key below a common prefix': '200 c e [d/]',
      'ListObjectsV2 after a common prefix': '200 c e [d/]',
    },
  },
  {
    why: 'It encodes listings as URLs are: a space is `%20` and a slash `%2F`. S3 encodes as forms are, and leaves slashes.',
    asCeph: 'like S3',
    answers: {
      'ListObjectsV2 encoded': '200 %01 a%20b a%25b a%2Bb a%2Fb%3F %C3%BC',
      'ListObjectsV2 by pages of one, of odd keys, encoded':
        '1:a%20b | 1:a%25b | 1:a%2Fb%3F | 1:%C3%BC',
    },
  },
  {
    why: 'It ignores parameters of listings that it cannot read. Its tokens are keys.',
    asCeph: 'like S3',
    answers: {
      'ListObjectsV2 of at most -1 keys': '200',
      'ListObjectsV2 with a token that is none': '200 a b/1 b/2 c d/1 e',
      'ListObjectsV2 with an encoding that is none': '200 a b/1 b/2 c d/1 e',
    },
  },
  {
    why: 'It knows no checksums but Content-MD5 and the hash of the payload: it neither compares nor keeps others.',
    asCeph: 'like radosgw',
    answers: {
      'x-amz-checksum-crc32': '200 x-amz-checksum-crc32=–',
      'x-amz-checksum-crc32 of other bytes': '200',
      'x-amz-checksum-crc32c': '200 x-amz-checksum-crc32c=–',
      'x-amz-checksum-crc32c of other bytes': '200',
      'x-amz-checksum-crc64nvme': '200 x-amz-checksum-crc64nvme=–',
      'x-amz-checksum-crc64nvme of other bytes': '200',
      'x-amz-checksum-sha1': '200 x-amz-checksum-sha1=–',
      'x-amz-checksum-sha1 of other bytes': '200',
      'x-amz-checksum-sha256': '200 x-amz-checksum-sha256=–',
      'x-amz-checksum-sha256 of other bytes': '200',
      'x-amz-checksum-crc32 that is none': '200',
      'two checksums': '200',
      'x-amz-sdk-checksum-algorithm without a checksum': '200',
    },
  },
  {
    why: 'It knows no trailers, and takes the framing for the content: what does not tell its length is a 411, what does has another hash.',
    asCeph: 'like radosgw',
    answers: {
      'unsigned chunks with a trailer, streamed': '411 MissingContentLength',
    },
  },
  {
    why: 'It knows no trailers, and takes the framing for the content, which has another hash. The strict server refuses trailers of any kind as it refuses those of streams.',
    asCeph: { answers: '411 MissingContentLength' },
    answers: {
      'signed chunks with a trailer': '400 XAmzContentSHA256Mismatch',
      'unsigned chunks with a trailer': '400 XAmzContentSHA256Mismatch',
      'unsigned chunks of no bytes with a trailer': '400 XAmzContentSHA256Mismatch',
      'signed chunks with a trailer that was changed': '400 XAmzContentSHA256Mismatch',
      'signed chunks with a wrong checksum in the trailer': '400 XAmzContentSHA256Mismatch',
      'unsigned chunks with a wrong checksum in the trailer': '400 XAmzContentSHA256Mismatch',
      'unsigned chunks without the trailer that was announced': '400 XAmzContentSHA256Mismatch',
      'unsigned chunks of another length than was told': '400 XAmzContentSHA256Mismatch',
      'a checksum from a trailer': '400 XAmzContentSHA256Mismatch',
    },
  },
  {
    why: 'It knows no trailers, and takes the framing for the content, which has another hash.',
    asCeph: 'like S3',
    answers: {
      'unsigned chunks without their length': '400 XAmzContentSHA256Mismatch',
    },
  },
  {
    why: 'It finds a signature of a chunk that is wrong, and a length, but calls both a wrong hash of the content.',
    asCeph: 'like S3',
    answers: {
      'signed chunks, one of which was changed': '400 XAmzContentSHA256Mismatch',
      'signed chunks of another length than was told': '400 XAmzContentSHA256Mismatch',
    },
  },
  {
    why: 'It ends with the body, whether or not there was a last chunk, and takes small chunks anywhere.',
    asCeph: 'like S3',
    answers: {
      'signed chunks, the last of which is missing': '200',
      'a small chunk that is not the last': '200',
    },
  },
  {
    why: 'It takes a signature for any region.',
    asCeph: 'like radosgw',
    answers: {
      'a wrong region': '200',
    },
  },
  {
    why: 'It looks neither at the service and the day of a credential nor for the host among the signed headers, and needs x-amz-date.',
    asCeph: 'like S3',
    answers: {
      'a wrong service': '200',
      'a credential of another day': '200',
      'a host that is not signed': '200',
      'a Date instead of x-amz-date': '403 AccessDenied',
    },
  },
  {
    why: 'It takes headers that were not signed. Whoever holds a presigned PUT can add metadata.',
    asCeph: 'like S3',
    answers: {
      'an x-amz-* header that is not signed': '200',
      'a presigned PUT with metadata that it does not sign': '200',
    },
  },
  {
    why: 'It ignores a session token where the key is a permanent one.',
    asCeph: 'like S3',
    answers: {
      'a session token that nobody issued': '200',
    },
  },
  {
    why: 'It looks whether a presigned URL has expired, not whether it has begun.',
    asCeph: 'like S3',
    answers: {
      'a presigned GET from an hour ahead': '200',
    },
  },
];

/** What is expected of the servers instead of what AWS documents. */
export interface Difference {
  readonly why: string;
  readonly asCeph: string | undefined;
  readonly radosgw: string;
}

/** By the name of the probe. */
export const DIFFERENCES: ReadonlyMap<string, Difference> = new Map(
  EXPLANATIONS.flatMap(({ why, asCeph, answers }) =>
    Object.entries(answers).map(([name, radosgw]) => [
      name,
      {
        why,
        radosgw,
        asCeph:
          typeof asCeph === 'object'
            ? asCeph.answers
            : asCeph === 'like radosgw'
              ? radosgw
              : undefined,
      },
    ]),
  ),
);

/** Where the strict server is stricter than S3 on purpose, by the name of the probe. */
export const STRICTER: ReadonlyMap<string, { readonly answer: string; readonly why: string }> =
  new Map([
    [
      'CreateBucket that the same owner has, in the oldest region',
      {
        answer: '409 BucketAlreadyOwnedByYou',
        why: 'S3 answers 200 in us-east-1 alone, for the sake of old clients; a test that creates a bucket twice is mistaken.',
      },
    ],
  ]);
