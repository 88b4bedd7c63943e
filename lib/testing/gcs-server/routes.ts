import type { Query } from '../servers/url-encoding.js';
import type { Access } from './access-tokens.js';
import type { RequestTarget } from './addressing.js';
import {
  exchangeToken,
  generateAccessToken,
  issueToken,
  readMetadata,
  signBlob,
  subjectToken,
} from './auth-operations.js';
import { runBatch } from './batch.js';
import { getBucket, insertBucket, listBuckets } from './bucket-operations.js';
import type { Operation } from './call.js';
import { composeObject } from './compose-operation.js';
import { CONDITION_PARAMETERS, SOURCE_CONDITION_PARAMETERS } from './conditions.js';
import { notImplemented } from './errors.js';
import { insertObject } from './insert-operations.js';
import { listObjects } from './list-operations.js';
import { deleteObject, deleteXmlObject, patchObject, updateObject } from './metadata-operations.js';
import type { GcsOperationName } from './operation-names.js';
import { downloadObject, getObject, readXmlObject } from './read-operations.js';
import { cancelSession, querySession, startUpload, uploadChunk } from './resumable-operations.js';
import { copyObject, moveObject, rewriteObject } from './rewrite-operations.js';
import { postForm } from './xml-form.js';
import { putXmlObject } from './xml-uploads.js';

interface Route {
  readonly run: Operation;
  /** What a token must allow; `undefined` where the request itself proves what it may. */
  readonly access?: Access;
  /** How errors are told, where it is not the way of the API. */
  readonly errors?: 'text';
  /** Query parameters it honours. */
  readonly query?: readonly string[];
  /** `x-goog-*` headers it honours. */
  readonly headers?: readonly string[];
  /** Conditional headers it honours. */
  readonly conditions?: readonly string[];
}

const CONDITIONS = [...CONDITION_PARAMETERS];
const ETAG_CONDITIONS = ['if-match', 'if-none-match'];
const DATE_CONDITIONS = ['if-modified-since', 'if-unmodified-since'];
const XML_CONDITIONS = ['x-goog-if-generation-match', 'x-goog-if-metageneration-match'];
const XML_UPLOAD = [
  ...XML_CONDITIONS,
  'x-goog-content-length-range',
  'x-goog-custom-time',
  'x-goog-hash',
  'x-goog-meta-*',
  'x-goog-resumable',
  'x-goog-storage-class',
];
const COPY_QUERY = [...CONDITIONS, ...SOURCE_CONDITION_PARAMETERS, 'sourceGeneration'];
const READ_QUERY = ['generation', ...CONDITIONS];
const XML_READ: Route = {
  run: readXmlObject,
  access: 'read',
  query: ['generation', 'response-content-disposition', 'response-content-type'],
  headers: XML_CONDITIONS,
  conditions: [...ETAG_CONDITIONS, ...DATE_CONDITIONS],
};
const SESSION_QUERY = ['name', 'upload_id', 'uploadType', ...CONDITIONS];

export const ROUTES: Record<GcsOperationName, Route> = {
  batch: { run: runBatch },
  'buckets.get': { run: getBucket, access: 'read' },
  'buckets.insert': { run: insertBucket, access: 'write', query: ['project'] },
  'buckets.list': { run: listBuckets, access: 'read', query: ['project', 'prefix'] },
  'objects.compose': { run: composeObject, access: 'write', query: CONDITIONS },
  'objects.copy': { run: copyObject, access: 'write', query: COPY_QUERY },
  'objects.delete': { run: deleteObject, access: 'write', query: ['generation', ...CONDITIONS] },
  'objects.download': {
    run: downloadObject,
    access: 'read',
    errors: 'text',
    query: READ_QUERY,
    conditions: ETAG_CONDITIONS,
  },
  'objects.get': {
    run: getObject,
    access: 'read',
    query: READ_QUERY,
    conditions: ETAG_CONDITIONS,
  },
  'objects.insert': {
    run: insertObject,
    access: 'write',
    query: ['name', 'uploadType', 'contentEncoding', ...CONDITIONS],
    headers: ['x-goog-hash'],
  },
  'objects.list': {
    run: listObjects,
    access: 'read',
    query: [
      'prefix',
      'delimiter',
      'startOffset',
      'endOffset',
      'includeTrailingDelimiter',
      'pageToken',
      'maxResults',
    ],
  },
  'objects.move': {
    run: moveObject,
    access: 'write',
    query: [...CONDITIONS, ...SOURCE_CONDITION_PARAMETERS],
  },
  'objects.patch': { run: patchObject, access: 'write', query: READ_QUERY },
  'objects.rewrite': {
    run: rewriteObject,
    access: 'write',
    query: [...COPY_QUERY, 'rewriteToken', 'maxBytesRewrittenPerCall'],
  },
  'objects.update': { run: updateObject, access: 'write', query: READ_QUERY },
  'resumable.start': {
    run: startUpload,
    access: 'write',
    query: ['name', 'uploadType', 'contentEncoding', ...CONDITIONS],
    headers: XML_UPLOAD,
  },
  'resumable.upload': { run: uploadChunk, query: SESSION_QUERY, headers: ['x-goog-hash'] },
  'resumable.query': { run: querySession, query: SESSION_QUERY, headers: ['x-goog-hash'] },
  'resumable.cancel': { run: cancelSession, query: SESSION_QUERY },
  'xml.delete': {
    run: deleteXmlObject,
    access: 'write',
    query: ['generation'],
    headers: XML_CONDITIONS,
  },
  'xml.get': XML_READ,
  'xml.head': XML_READ,
  'xml.post': { run: postForm },
  'xml.put': { run: putXmlObject, access: 'write', headers: XML_UPLOAD },
  'auth.token': { run: issueToken },
  'auth.exchange': { run: exchangeToken },
  'auth.generateAccessToken': { run: generateAccessToken, access: 'iam' },
  'auth.signBlob': { run: signBlob, access: 'iam' },
  'auth.subjectToken': { run: subjectToken },
  metadata: { run: readMetadata, query: ['scopes', 'recursive'] },
};

/** What a request asks for. */
export interface Destination {
  readonly operation: GcsOperationName;
  readonly api: 'json' | 'xml';
  readonly bucket: string;
  readonly name: string;
  readonly destination: { readonly bucket: string; readonly name: string } | undefined;
}

type Headers = ReadonlyMap<string, string>;

/** Where a request goes, `undefined` when it is to nothing of ours. */
export function routeOf(
  method: string,
  { segments, query }: RequestTarget,
  headers: Headers,
): Destination | undefined {
  const path = segments.at(-1) === '' ? segments.slice(0, -1) : segments;
  const [first, second, third] = path;
  if (first === 'storage' && second === 'v1' && third === 'b') {
    return jsonRoute(method, path.slice(3), query);
  }
  if (first === 'download' && second === 'storage' && third === 'v1') {
    return jsonRoute(method, path.slice(4), query);
  }
  if (first === 'upload' && second === 'storage' && third === 'v1') {
    return uploadRoute(method, path.slice(4), query, headers);
  }
  if (first === 'batch') return method === 'POST' ? to('batch') : undefined;
  const authenticating = authRoute(method, path);
  if (authenticating) return authenticating;
  const destination = xmlRoute(method, segments, query, headers);
  return destination && { ...destination, api: 'xml' };
}

function to(
  operation: GcsOperationName | undefined,
  bucket = '',
  name = '',
  destination?: Destination['destination'],
): Destination | undefined {
  return operation && { operation, api: 'json', bucket, name, destination };
}

/** `{bucket}/o/{object}/…`, as far as it goes. */
function jsonRoute(method: string, path: readonly string[], query: Query): Destination | undefined {
  const [bucket, collection, name, action, ...rest] = path;
  if (bucket === undefined) {
    return to(method === 'GET' ? 'buckets.list' : method === 'POST' ? 'buckets.insert' : undefined);
  }
  if (collection === undefined) return to(method === 'GET' ? 'buckets.get' : undefined, bucket);
  if (collection !== 'o') return undefined;
  if (name === undefined) return to(method === 'GET' ? 'objects.list' : undefined, bucket);
  if (action === undefined) return to(objectOperation(method, query), bucket, name);
  if (method !== 'POST') return undefined;
  const [a, b, c, d] = rest;
  switch (action) {
    case 'compose':
      return rest.length === 0 ? to('objects.compose', bucket, name) : undefined;
    case 'moveTo':
      return a === 'o' && b !== undefined && rest.length === 2
        ? to('objects.move', bucket, name, { bucket, name: b })
        : undefined;
    case 'copyTo':
    case 'rewriteTo':
      return a === 'b' && b !== undefined && c === 'o' && d !== undefined && rest.length === 4
        ? to(action === 'copyTo' ? 'objects.copy' : 'objects.rewrite', bucket, name, {
            bucket: b,
            name: d,
          })
        : undefined;
    default:
      return undefined;
  }
}

function objectOperation(method: string, query: Query): GcsOperationName | undefined {
  switch (method) {
    case 'GET':
      return query.get('alt') === 'media' ? 'objects.download' : 'objects.get';
    case 'DELETE':
      return 'objects.delete';
    case 'PATCH':
      return 'objects.patch';
    case 'PUT':
      return 'objects.update';
    default:
      return undefined;
  }
}

function uploadRoute(
  method: string,
  [bucket, collection, ...rest]: readonly string[],
  query: Query,
  headers: Headers,
): Destination | undefined {
  if (bucket === undefined || collection !== 'o' || rest.length > 0) return undefined;
  if (query.has('upload_id')) {
    return to(sessionOperation(method, headers), bucket, query.get('name'));
  }
  if (method !== 'POST') return undefined;
  switch (query.get('uploadType')) {
    case 'media':
    case 'multipart':
      return to('objects.insert', bucket, query.get('name'));
    case 'resumable':
      return to('resumable.start', bucket, query.get('name'));
    default:
      return undefined;
  }
}

function sessionOperation(method: string, headers: Headers): GcsOperationName | undefined {
  if (method === 'DELETE') return 'resumable.cancel';
  if (method !== 'PUT' && method !== 'POST') return undefined;
  return headers.get('content-range')?.startsWith('bytes */')
    ? 'resumable.query'
    : 'resumable.upload';
}

function authRoute(method: string, path: readonly string[]): Destination | undefined {
  const [first, second, third] = path;
  if (method === 'GET') {
    if (first === 'subject-token') return to('auth.subjectToken');
    return first === 'computeMetadata' && second === 'v1'
      ? to('metadata', '', path.slice(2).join('/'))
      : undefined;
  }
  if (method !== 'POST') return undefined;
  switch (path.join('/')) {
    case 'token':
    case 'oauth2/v4/token':
      return to('auth.token');
    case 'sts/v1/token':
      return to('auth.exchange');
  }
  const account = /^(.*):(signBlob|generateAccessToken)$/.exec(path[4] ?? '');
  if (first !== 'v1' || second !== 'projects' || third !== '-' || !account) return undefined;
  return to(
    account[2] === 'signBlob' ? 'auth.signBlob' : 'auth.generateAccessToken',
    '',
    account[1],
  );
}

/** The XML API, path style: `/{bucket}/{object}`, with or without slashes in the name encoded. */
function xmlRoute(
  method: string,
  [bucket, ...rest]: readonly string[],
  query: Query,
  headers: Headers,
): Destination | undefined {
  if (bucket === undefined || bucket === '') return undefined;
  const name = rest.join('/');
  if (name === '') {
    const isForm = headers.get('content-type')?.startsWith('multipart/form-data');
    return to(method === 'POST' && isForm ? 'xml.post' : undefined, bucket);
  }
  if (query.has('upload_id')) return to(sessionOperation(method, headers), bucket, name);
  return to(xmlOperation(method, headers), bucket, name);
}

function xmlOperation(method: string, headers: Headers): GcsOperationName | undefined {
  switch (method) {
    case 'GET':
      return 'xml.get';
    case 'HEAD':
      return 'xml.head';
    case 'PUT':
      return 'xml.put';
    case 'DELETE':
      return 'xml.delete';
    case 'POST':
      return headers.get('x-goog-resumable') === 'start' ? 'resumable.start' : undefined;
    default:
      return undefined;
  }
}

/** Parameters every method of the JSON API takes, without a say in what happens. */
const COMMON_PARAMETERS: ReadonlySet<string> = new Set([
  'alt',
  'fields',
  'prettyPrint',
  'projection',
  'quotaUser',
  'userProject',
]);
const SIGNATURE_PARAMETER =
  /^X-Goog-(Algorithm|Credential|Date|Expires|SignedHeaders|Signature|Content-SHA256)$/i;
const COMMON_HEADERS: ReadonlySet<string> = new Set([
  'x-goog-api-client',
  'x-goog-content-sha256',
  'x-goog-gcs-idempotency-token',
  'x-goog-user-project',
]);

/**
 * Refuses every parameter and header the operation would have to ignore: a request that asks for more than it gets must
 * not look like a success.
 *
 * @throws GcsError notImplemented
 */
export function refuseUnknown(operation: GcsOperationName, query: Query, headers: Headers): void {
  const route = ROUTES[operation];
  for (const [name] of query.pairs) {
    const known =
      COMMON_PARAMETERS.has(name) ||
      SIGNATURE_PARAMETER.test(name) ||
      route.query?.includes(name) === true;
    if (!known) throw notImplemented(`the query parameter ${name}`);
  }
  for (const name of headers.keys()) {
    if (/^if-(none-match|match|modified-since|unmodified-since|range)$/.test(name)) {
      if (!route.conditions?.includes(name)) throw notImplemented(`the header ${name}`);
    }
    if (!name.startsWith('x-goog-') || COMMON_HEADERS.has(name)) continue;
    const known =
      route.headers?.includes(name) === true ||
      (name.startsWith('x-goog-meta-') && route.headers?.includes('x-goog-meta-*') === true);
    if (!known) throw notImplemented(`the header ${name}`);
  }
}
