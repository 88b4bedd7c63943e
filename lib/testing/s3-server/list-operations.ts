import { compareKeys, listPage, type ListPage, type ListPosition } from '../servers/listing.js';
import { encodePath } from '../servers/url-encoding.js';
import { element, elements, xmlDocument } from '../servers/xml.js';
import type { Operation, S3Call } from './call.js';
import { s3Error } from './errors.js';
import { uploadIdOf } from './multipart-operations.js';
import { existingUpload, sortedParts, sortedUploads } from './multipart-uploads.js';
import type { Bucket } from './object-store.js';

export const listObjectsV2: Operation = (call, service) => {
  const bucket = service.store.bucket(call.bucket);
  const { prefix, delimiter, maxKeys, encode } = listParameters(call);
  const token = call.query.get('continuation-token');
  const startAfter = call.query.get('start-after');
  const page = listPage(bucket.sortedKeys, {
    prefix,
    delimiter,
    maxKeys,
    after:
      token === undefined
        ? startAfter === undefined
          ? undefined
          : { text: startAfter, wholePrefix: false }
        : parseToken(token),
  });
  const withOwner = call.query.get('fetch-owner') === 'true';
  return {
    status: 200,
    xml: xmlDocument('ListBucketResult', [
      element('Name', call.bucket),
      element('Prefix', encode(prefix)),
      element('StartAfter', startAfter && encode(startAfter)),
      element('ContinuationToken', token),
      element('NextContinuationToken', page.next && formatToken(page.next)),
      element('KeyCount', page.entries.length),
      element('MaxKeys', maxKeys),
      element('Delimiter', delimiter === '' ? undefined : encode(delimiter)),
      element('EncodingType', call.query.get('encoding-type')),
      element('IsTruncated', page.next !== undefined),
      ...listEntries(bucket, page, encode, withOwner),
    ]),
  };
};

export const listObjects: Operation = (call, service) => {
  const bucket = service.store.bucket(call.bucket);
  const { prefix, delimiter, maxKeys, encode } = listParameters(call);
  const marker = call.query.get('marker') ?? '';
  const page = listPage(bucket.sortedKeys, {
    prefix,
    delimiter,
    maxKeys,
    after:
      marker === ''
        ? undefined
        : {
            text: marker,
            // A NextMarker may be a common prefix, and then means all of it.
            wholePrefix: delimiter !== '' && marker.endsWith(delimiter),
          },
  });
  return {
    status: 200,
    xml: xmlDocument('ListBucketResult', [
      element('Name', call.bucket),
      element('Prefix', encode(prefix)),
      element('Marker', encode(marker)),
      // Without a delimiter the last key serves, and S3 names no marker.
      element('NextMarker', page.next && delimiter !== '' ? encode(page.next.text) : undefined),
      element('MaxKeys', maxKeys),
      element('Delimiter', delimiter === '' ? undefined : encode(delimiter)),
      element('EncodingType', call.query.get('encoding-type')),
      element('IsTruncated', page.next !== undefined),
      ...listEntries(bucket, page, encode, true),
    ]),
  };
};

const OWNER = elements('Owner', [
  element('ID', '0123456789abcdef'),
  element('DisplayName', 'owner'),
]);

function listEntries(
  bucket: Bucket,
  page: ListPage,
  encode: (text: string) => string,
  withOwner: boolean,
): string[] {
  const contents: string[] = [];
  const prefixes: string[] = [];
  for (const entry of page.entries) {
    if (entry.kind === 'prefix') {
      prefixes.push(elements('CommonPrefixes', [element('Prefix', encode(entry.prefix))]));
      continue;
    }
    const object = bucket.existing(entry.key);
    contents.push(
      elements('Contents', [
        element('Key', encode(object.key)),
        element('LastModified', new Date(object.lastModified).toISOString()),
        element('ETag', `"${object.etag}"`),
        element('ChecksumAlgorithm', object.checksum?.algorithm),
        element('ChecksumType', object.checksum?.type),
        element('Size', object.body.size),
        element('StorageClass', object.storageClass),
        ...(withOwner ? [OWNER] : []),
      ]),
    );
  }
  return [...contents, ...prefixes];
}

export const listParts: Operation = (call, service) => {
  const upload = existingUpload(service.store.bucket(call.bucket), call.key, uploadIdOf(call));
  const maxParts = pageSize(call, 'max-parts');
  const marker = count(call, 'part-number-marker', 0);
  const rest = sortedParts(upload).filter(({ partNumber }) => partNumber > marker);
  const parts = rest.slice(0, maxParts);
  const algorithm = upload.checksumDeclared ? upload.checksumAlgorithm : undefined;
  return {
    status: 200,
    xml: xmlDocument('ListPartsResult', [
      element('Bucket', call.bucket),
      element('Key', call.key),
      element('UploadId', upload.uploadId),
      element('PartNumberMarker', marker),
      element('NextPartNumberMarker', parts.at(-1)?.partNumber ?? marker),
      element('MaxParts', maxParts),
      element('IsTruncated', rest.length > parts.length && maxParts > 0),
      element('StorageClass', upload.attributes.storageClass),
      element('ChecksumAlgorithm', algorithm),
      element('ChecksumType', algorithm && upload.checksumType),
      ...parts.map((part) =>
        elements('Part', [
          element('PartNumber', part.partNumber),
          element('LastModified', new Date(part.lastModified).toISOString()),
          element('ETag', `"${part.etag}"`),
          element('Size', part.body.size),
          ...(algorithm ? [element(`Checksum${algorithm}`, part.checksum)] : []),
        ]),
      ),
    ]),
  };
};

export const listMultipartUploads: Operation = (call, service) => {
  const bucket = service.store.bucket(call.bucket);
  const { prefix, encode } = listParameters(call);
  const maxUploads = pageSize(call, 'max-uploads');
  const keyMarker = call.query.get('key-marker') ?? '';
  const uploadIdMarker = call.query.get('upload-id-marker') ?? '';
  const matching = sortedUploads(bucket).filter(({ key }) =>
    service.provider.uploadListings === 'by-key'
      ? prefix === '' || key === prefix
      : key.startsWith(prefix),
  );
  const marked = matching.findIndex(
    ({ key, uploadId }) => key === keyMarker && uploadId === uploadIdMarker,
  );
  // An id marker stands for one upload of the key marker's; alone, or once
  // that upload is gone, the key marker skips all uploads of its key.
  const rest =
    marked >= 0
      ? matching.slice(marked + 1)
      : matching.filter(({ key }) => compareKeys(key, keyMarker) > 0);
  const uploads = rest.slice(0, maxUploads);
  const truncated = rest.length > uploads.length && maxUploads > 0;
  const last = uploads.at(-1);
  return {
    status: 200,
    xml: xmlDocument('ListMultipartUploadsResult', [
      element('Bucket', call.bucket),
      element('Prefix', encode(prefix)),
      element('KeyMarker', encode(keyMarker)),
      element('UploadIdMarker', uploadIdMarker),
      element('NextKeyMarker', truncated && last ? encode(last.key) : undefined),
      element('NextUploadIdMarker', truncated ? last?.uploadId : undefined),
      element('EncodingType', call.query.get('encoding-type')),
      element('MaxUploads', maxUploads),
      element('IsTruncated', truncated),
      ...uploads.map((upload) =>
        elements('Upload', [
          element('Key', encode(upload.key)),
          element('UploadId', upload.uploadId),
          element('Initiated', new Date(upload.initiated).toISOString()),
          element('StorageClass', upload.attributes.storageClass),
        ]),
      ),
    ]),
  };
};

const PAGE_LIMIT = 1000;

function listParameters(call: S3Call): {
  prefix: string;
  delimiter: string;
  maxKeys: number;
  encode: (text: string) => string;
} {
  const encoding = call.query.get('encoding-type');
  if (encoding !== undefined && encoding !== 'url') {
    throw s3Error('InvalidArgument', 'Invalid Encoding Method specified in Request', {
      details: { ArgumentName: 'encoding-type', ArgumentValue: encoding },
    });
  }
  return {
    prefix: call.query.get('prefix') ?? '',
    delimiter: call.query.get('delimiter') ?? '',
    maxKeys: pageSize(call, 'max-keys'),
    encode: encoding === 'url' ? encodeListed : (text) => text,
  };
}

// The form encoding of S3's listings: a space is a plus, a tilde is escaped.
function encodeListed(text: string): string {
  return encodePath(text).replaceAll('%20', '+').replaceAll('%2A', '*').replaceAll('~', '%7E');
}

function pageSize(call: S3Call, name: string): number {
  return Math.min(count(call, name, PAGE_LIMIT), PAGE_LIMIT);
}

function count(call: S3Call, name: string, byDefault: number): number {
  const text = call.query.get(name) ?? '';
  if (text === '') return byDefault;
  if (!/^\d{1,10}$/.test(text) || Number(text) > 2 ** 31 - 1) {
    throw s3Error(
      'InvalidArgument',
      `Argument ${name} must be an integer between 0 and 2147483647`,
      { details: { ArgumentName: name, ArgumentValue: text } },
    );
  }
  return Number(text);
}

// Opaque on purpose: a client that reads or builds tokens should fail.
function formatToken({ text, wholePrefix }: ListPosition): string {
  return Buffer.from(`${wholePrefix ? 'p' : 'k'}${text}`)
    .reverse()
    .toString('base64');
}

function parseToken(token: string): ListPosition {
  const bytes = Buffer.from(token, 'base64');
  const text = Buffer.from(bytes).reverse().toString('utf8');
  if (bytes.toString('base64') !== token || !/^[pk]/.test(text)) {
    throw s3Error('InvalidArgument', 'The continuation token provided is incorrect', {
      details: {
        ArgumentName: 'continuation-token',
        ArgumentValue: token,
      },
    });
  }
  return { text: text.slice(1), wholePrefix: text.startsWith('p') };
}
