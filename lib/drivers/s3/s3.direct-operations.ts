import type { IncomingMessage } from 'node:http';
import {
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { startChecksum } from '../../core/checksum.js';
import { encodeKey, percentEncode } from '../../core/key.js';
import { toRecord, toText } from '../remote/answer-fields.js';
import { escapeXml, parseXml, textOf, type XmlElement } from '../remote/xml.js';
import { unconfirmed } from './s3.errors.js';

/** A request before it is addressed and signed. */
export interface DirectRequest {
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'DELETE';
  /** Encoded; empty for the bucket itself. */
  readonly key: string;
  /** Encoded, in the order in which a signature wants it. */
  readonly query: string;
  readonly headers: Record<string, string>;
  readonly body: Uint8Array | string | undefined;
}

/** How an operation looks on the wire. */
export interface DirectOperation {
  /** `undefined` when the input has something that is left to the SDK. */
  request(input: Record<string, unknown>): DirectRequest | undefined;
  /** What the SDK would answer; of a streamed one, besides the body. */
  output(headers: IncomingMessage['headers'], body: string): Record<string, unknown>;
  readonly isStreamed?: boolean;
}

type WireValue = 'text' | 'date' | 'number';

/** Fields of inputs and outputs that are headers. */
const HEADERS: Readonly<Record<string, readonly [header: string, value: WireValue]>> = {
  CacheControl: ['cache-control', 'text'],
  ChecksumCRC32: ['x-amz-checksum-crc32', 'text'],
  ChecksumCRC32C: ['x-amz-checksum-crc32c', 'text'],
  ChecksumMode: ['x-amz-checksum-mode', 'text'],
  ChecksumSHA1: ['x-amz-checksum-sha1', 'text'],
  ChecksumSHA256: ['x-amz-checksum-sha256', 'text'],
  ChecksumType: ['x-amz-checksum-type', 'text'],
  ContentDisposition: ['content-disposition', 'text'],
  ContentEncoding: ['content-encoding', 'text'],
  ContentLanguage: ['content-language', 'text'],
  ContentLength: ['content-length', 'number'],
  ContentMD5: ['content-md5', 'text'],
  ContentRange: ['content-range', 'text'],
  ContentType: ['content-type', 'text'],
  ETag: ['etag', 'text'],
  ExpiresString: ['expires', 'text'],
  IfMatch: ['if-match', 'text'],
  IfModifiedSince: ['if-modified-since', 'date'],
  IfNoneMatch: ['if-none-match', 'text'],
  IfUnmodifiedSince: ['if-unmodified-since', 'date'],
  LastModified: ['last-modified', 'date'],
  Range: ['range', 'text'],
  VersionId: ['x-amz-version-id', 'text'],
};

/** The fields by their headers. */
const FIELDS: ReadonlyMap<string, readonly [field: string, value: WireValue]> = new Map(
  Object.entries(HEADERS).map(([field, [header, value]]) => [header, [field, value]]),
);

/** Fields of inputs that are in the query. */
const PARAMETERS: Readonly<Record<string, string>> = {
  ContinuationToken: 'continuation-token',
  Delimiter: 'delimiter',
  EncodingType: 'encoding-type',
  MaxKeys: 'max-keys',
  PartNumber: 'partNumber',
  Prefix: 'prefix',
  StartAfter: 'start-after',
  UploadId: 'uploadId',
};

/** Fields that an operation deals with by itself. */
const OTHERS = new Set(['Body', 'Bucket', 'ChecksumAlgorithm', 'Delete', 'Key', 'Metadata']);

const METADATA = 'x-amz-meta-';

function describe(
  method: DirectRequest['method'],
  input: Record<string, unknown>,
  more: { query?: Record<string, string>; body?: Uint8Array | string } = {},
): DirectRequest | undefined {
  const headers: Record<string, string> = {};
  const query: Record<string, string> = { ...more.query };
  for (const field of Object.keys(input)) {
    const value = input[field];
    if (value === undefined || OTHERS.has(field)) continue;
    const header = HEADERS[field];
    const parameter = PARAMETERS[field];
    if (header) headers[header[0]] = wireText(value);
    else if (parameter) query[parameter] = wireText(value);
    else return undefined;
  }
  for (const [name, value] of Object.entries(toRecord(input['Metadata']))) {
    headers[METADATA + name.toLowerCase()] = wireText(value);
  }
  const { body } = more;
  const algorithm = toText(input['ChecksumAlgorithm']);
  if (algorithm !== undefined && body !== undefined) addChecksum(headers, algorithm, body);
  return {
    method,
    key: typeof input['Key'] === 'string' ? encodeKey(input['Key']) : '',
    query: queryOf(query),
    headers,
    body,
  };
}

function wireText(value: unknown): string {
  return value instanceof Date ? value.toUTCString() : `${value as string | number | boolean}`;
}

function addChecksum(
  headers: Record<string, string>,
  algorithm: string,
  body: Uint8Array | string,
): void {
  const name = algorithm.toLowerCase() as 'crc32' | 'crc32c';
  const running = startChecksum(name);
  running.update(typeof body === 'string' ? Buffer.from(body) : body);
  headers['x-amz-sdk-checksum-algorithm'] = algorithm;
  headers[`x-amz-checksum-${name}`] = running.digest().value;
}

function queryOf(query: Record<string, string>): string {
  return Object.keys(query)
    .toSorted()
    .map((name) => `${name}=${percentEncode(query[name]!)}`)
    .join('&');
}

/** What the headers of an answer tell, as the SDK names it. */
export function fieldsOf(headers: IncomingMessage['headers']): Record<string, unknown> {
  const fields: Record<string, unknown> = {};
  const metadata: Record<string, string> = {};
  for (const name of Object.keys(headers)) {
    const value = headers[name];
    const field = FIELDS.get(name);
    if (field) {
      if (typeof value === 'string') fields[field[0]] = valueOf(value, field[1]);
    } else if (name.startsWith(METADATA)) {
      const text = Array.isArray(value) ? value.join(',') : (value ?? '');
      metadata[name.slice(METADATA.length)] = text;
    }
  }
  fields['Metadata'] = metadata;
  return fields;
}

function valueOf(value: string, kind: WireValue): unknown {
  if (kind === 'text') return value;
  if (kind === 'number') return /^\d+$/.test(value) ? Number(value) : undefined;
  return dateOrNothing(value);
}

function dateOrNothing(value: string | undefined): Date | undefined {
  const date = new Date(value ?? '');
  return Number.isNaN(date.getTime()) ? undefined : date;
}

const read: DirectOperation['output'] = (headers) => fieldsOf(headers);

const put: DirectOperation = {
  request(input) {
    const body = input['Body'] as Uint8Array;
    return describe('PUT', { ContentType: 'application/octet-stream', ...input }, { body });
  },
  output: read,
};

const get: DirectOperation = {
  request: (input) => describe('GET', input),
  output: read,
  isStreamed: true,
};

const head: DirectOperation = {
  request: (input) => describe('HEAD', input),
  output: read,
};

const remove: DirectOperation = {
  request: (input) => describe('DELETE', input),
  output: read,
};

const removeMany: DirectOperation = {
  request(input) {
    const { Objects } = input['Delete'] as { Objects: readonly { Key: string }[] };
    const objects = Objects.map(({ Key }) => `<Object><Key>${escapeXml(Key)}</Key></Object>`);
    const body = `<?xml version="1.0" encoding="UTF-8"?><Delete xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${objects.join('')}</Delete>`;
    return describe(
      'POST',
      { ContentType: 'application/xml', ChecksumAlgorithm: 'CRC32', ...input },
      { query: { delete: '' }, body },
    );
  },
  output(_, body) {
    const root = documentOf(body, 'DeleteResult', 'the deletion');
    const rows = (name: string): Record<string, string>[] | undefined => {
      const found = root.children.filter((child) => child.name === name);
      return found.length > 0 ? found.map(textsOf) : undefined;
    };
    return { Deleted: rows('Deleted'), Errors: rows('Error') };
  },
};

const list: DirectOperation = {
  request: (input) => describe('GET', input, { query: { 'list-type': '2' } }),
  output(_, body) {
    const root = documentOf(body, 'ListBucketResult', 'the listing');
    const contents: Record<string, unknown>[] = [];
    const prefixes: Record<string, string>[] = [];
    for (const child of root.children) {
      if (child.name === 'Contents') contents.push(listed(child));
      else if (child.name === 'CommonPrefixes') prefixes.push(textsOf(child));
    }
    const truncated = textOf(root, 'IsTruncated');
    return {
      Name: textOf(root, 'Name'),
      EncodingType: textOf(root, 'EncodingType'),
      NextContinuationToken: textOf(root, 'NextContinuationToken'),
      IsTruncated: truncated === 'true' || (truncated === 'false' ? false : undefined),
      Contents: contents,
      CommonPrefixes: prefixes,
    };
  },
};

/** @throws StorageConnectionError when it is a document of another kind */
function documentOf(body: string, name: string, what: string): XmlElement {
  const root = parseXml(body);
  if (root.name !== name) throw unconfirmed(what);
  return root;
}

function listed({ children }: XmlElement): Record<string, unknown> {
  const file: Record<string, unknown> = {
    Key: undefined,
    Size: NaN,
    ETag: undefined,
    LastModified: undefined,
  };
  for (const { name, text } of children) {
    if (name === 'Key') file['Key'] = text;
    else if (name === 'LastModified') file['LastModified'] = dateOrNothing(text);
    else if (name === 'ETag') file['ETag'] = text;
    else if (name === 'Size') file['Size'] = /^\d+$/.test(text) ? Number(text) : NaN;
  }
  return file;
}

function textsOf(element: XmlElement): Record<string, string> {
  return Object.fromEntries(element.children.map(({ name, text }) => [name, text]));
}

/** The operations that are asked for so often that the SDK's way of sending them counts. */
const OPERATIONS: ReadonlyMap<unknown, DirectOperation> = new Map<unknown, DirectOperation>([
  [DeleteObjectCommand, remove],
  [DeleteObjectsCommand, removeMany],
  [GetObjectCommand, get],
  [HeadObjectCommand, head],
  [ListObjectsV2Command, list],
  [PutObjectCommand, put],
  [UploadPartCommand, put],
]);

/** How the command's operation looks on the wire; `undefined` for one that is left to the SDK. */
export function directOperation(command: object): DirectOperation | undefined {
  return OPERATIONS.get(command.constructor);
}
