import type { Query } from '../servers/url-encoding.js';
import type { RequestTarget } from './addressing.js';
import { createBucket, getBucketLocation, headBucket, listBuckets } from './bucket-operations.js';
import type { Operation } from './call.js';
import { CHECKSUM_ALGORITHMS, checksumHeader } from './checksums.js';
import { copyObject, uploadPartCopy } from './copy-operations.js';
import { notImplemented } from './errors.js';
import { listMultipartUploads, listObjects, listObjectsV2, listParts } from './list-operations.js';
import {
  abortMultipartUpload,
  completeMultipartUpload,
  createMultipartUpload,
  uploadPart,
} from './multipart-operations.js';
import { deleteObject, deleteObjects, putObject, readObject } from './object-operations.js';
import type { S3OperationName } from './operation-names.js';
import { postObject } from './post-object.js';

interface Route {
  readonly run: Operation;
  /** Whether the operation takes the body in itself. */
  readonly readsBody?: boolean;
  /** Query parameters it honours. */
  readonly query?: readonly string[];
  /** `x-amz-*` headers it honours beside those of the signature. */
  readonly headers?: readonly string[];
  /** Conditional headers it honours. */
  readonly conditions?: readonly string[];
}

const CHECKSUMS = ['x-amz-sdk-checksum-algorithm', ...CHECKSUM_ALGORITHMS.map(checksumHeader)];
const STREAM = [...CHECKSUMS, 'x-amz-decoded-content-length', 'x-amz-trailer'];
const ATTRIBUTES = [
  'x-amz-acl',
  'x-amz-storage-class',
  'x-amz-server-side-encryption',
  'x-amz-meta-*',
];
const COPY_SOURCE = [
  'x-amz-copy-source',
  'x-amz-copy-source-if-match',
  'x-amz-copy-source-if-none-match',
  'x-amz-copy-source-if-modified-since',
  'x-amz-copy-source-if-unmodified-since',
];
const READ: Route = {
  run: readObject,
  query: [
    'response-cache-control',
    'response-content-disposition',
    'response-content-encoding',
    'response-content-language',
    'response-content-type',
    'response-expires',
  ],
  headers: ['x-amz-checksum-mode'],
  conditions: ['if-match', 'if-none-match', 'if-modified-since', 'if-unmodified-since'],
};
const WRITE_CONDITIONS = ['if-match', 'if-none-match'];
const LIST = ['prefix', 'delimiter', 'max-keys', 'encoding-type'];

export const ROUTES: Record<S3OperationName, Route> = {
  AbortMultipartUpload: { run: abortMultipartUpload, query: ['uploadId'] },
  CompleteMultipartUpload: {
    run: completeMultipartUpload,
    readsBody: true,
    query: ['uploadId'],
    headers: [...STREAM, 'x-amz-checksum-type', 'x-amz-mp-object-size'],
    conditions: WRITE_CONDITIONS,
  },
  CopyObject: {
    run: copyObject,
    headers: [
      ...ATTRIBUTES,
      ...COPY_SOURCE,
      'x-amz-checksum-algorithm',
      'x-amz-metadata-directive',
      'x-amz-tagging-directive',
    ],
    conditions: WRITE_CONDITIONS,
  },
  CreateBucket: { run: createBucket, readsBody: true, headers: STREAM },
  CreateMultipartUpload: {
    run: createMultipartUpload,
    readsBody: true,
    query: ['uploads'],
    headers: [...ATTRIBUTES, 'x-amz-checksum-algorithm', 'x-amz-checksum-type'],
  },
  DeleteObject: { run: deleteObject, conditions: ['if-match'] },
  DeleteObjects: {
    run: deleteObjects,
    readsBody: true,
    query: ['delete'],
    headers: STREAM,
  },
  GetBucketLocation: { run: getBucketLocation, query: ['location'] },
  GetObject: READ,
  HeadBucket: { run: headBucket },
  HeadObject: READ,
  ListBuckets: { run: listBuckets },
  ListMultipartUploads: {
    run: listMultipartUploads,
    query: ['uploads', 'prefix', 'key-marker', 'upload-id-marker', 'max-uploads', 'encoding-type'],
  },
  ListObjects: { run: listObjects, query: [...LIST, 'marker'] },
  ListObjectsV2: {
    run: listObjectsV2,
    query: [...LIST, 'list-type', 'start-after', 'continuation-token', 'fetch-owner'],
  },
  ListParts: {
    run: listParts,
    query: ['uploadId', 'max-parts', 'part-number-marker'],
  },
  PostObject: { run: postObject, readsBody: true },
  PutObject: {
    run: putObject,
    readsBody: true,
    headers: [...ATTRIBUTES, ...STREAM],
    conditions: WRITE_CONDITIONS,
  },
  UploadPart: {
    run: uploadPart,
    readsBody: true,
    query: ['uploadId', 'partNumber'],
    headers: STREAM,
  },
  UploadPartCopy: {
    run: uploadPartCopy,
    query: ['uploadId', 'partNumber'],
    headers: [...COPY_SOURCE, 'x-amz-copy-source-range'],
  },
};

/** The operation a request asks for, `undefined` when it is none of ours. */
export function operationOf(
  method: string,
  { bucket, key, query }: Pick<RequestTarget, 'bucket' | 'key' | 'query'>,
  headers: ReadonlyMap<string, string>,
): S3OperationName | undefined {
  if (bucket === undefined) return method === 'GET' ? 'ListBuckets' : undefined;
  if (key === undefined) return bucketOperation(method, query, headers);
  const copies = headers.has('x-amz-copy-source');
  switch (method) {
    case 'GET':
      return query.has('uploadId') ? 'ListParts' : 'GetObject';
    case 'HEAD':
      return 'HeadObject';
    case 'PUT':
      if (query.has('uploadId') || query.has('partNumber')) {
        return copies ? 'UploadPartCopy' : 'UploadPart';
      }
      return copies ? 'CopyObject' : 'PutObject';
    case 'POST':
      if (query.has('uploads')) return 'CreateMultipartUpload';
      return query.has('uploadId') ? 'CompleteMultipartUpload' : undefined;
    case 'DELETE':
      return query.has('uploadId') ? 'AbortMultipartUpload' : 'DeleteObject';
    default:
      return undefined;
  }
}

function bucketOperation(
  method: string,
  query: Query,
  headers: ReadonlyMap<string, string>,
): S3OperationName | undefined {
  switch (method) {
    case 'GET':
      if (query.has('location')) return 'GetBucketLocation';
      if (query.has('uploads')) return 'ListMultipartUploads';
      return query.get('list-type') === '2' ? 'ListObjectsV2' : 'ListObjects';
    case 'HEAD':
      return 'HeadBucket';
    case 'PUT':
      return 'CreateBucket';
    case 'POST':
      if (query.has('delete')) return 'DeleteObjects';
      return headers.get('content-type')?.startsWith('multipart/form-data')
        ? 'PostObject'
        : undefined;
    default:
      return undefined;
  }
}

const SIGNATURE_HEADERS: ReadonlySet<string> = new Set([
  'x-amz-content-sha256',
  'x-amz-date',
  'x-amz-security-token',
  'x-amz-user-agent',
]);

/**
 * Refuses every parameter and header the operation would have to ignore: a
 * request that asks for more than it gets must not look like a success.
 *
 * @throws S3Error NotImplemented
 */
export function refuseUnknown(
  operation: S3OperationName,
  query: Query,
  headers: ReadonlyMap<string, string>,
): void {
  const route = ROUTES[operation];
  for (const [name] of query.pairs) {
    // Those of a presigned URL count as headers and are looked at as such.
    const known = name === 'x-id' || /^x-amz-/i.test(name) || route.query?.includes(name) === true;
    if (!known) throw notImplemented(`the query parameter ${name}`);
  }
  for (const name of headers.keys()) {
    if (/^if-(none-)?match$/.test(name) && !route.conditions?.includes(name)) {
      throw notImplemented(name);
    }
    if (!name.startsWith('x-amz-') || SIGNATURE_HEADERS.has(name)) continue;
    const known =
      route.headers?.includes(name) === true ||
      (name.startsWith('x-amz-meta-') && route.headers?.includes('x-amz-meta-*') === true);
    if (!known) throw notImplemented(name);
  }
}
