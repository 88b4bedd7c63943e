import { wholeSecond } from '../servers/conditional-reads.js';
import { childText, element, elements, xmlDocument } from '../servers/xml.js';
import {
  checksumHeaders,
  objectHeaders,
  parseAttributes,
  refuseUnsupportedAttributes,
  validatorHeaders,
} from './attributes.js';
import type { Operation, S3Call, S3Response } from './call.js';
import type { Checksum } from './checksums.js';
import { isModified, requestedRange, writeCondition } from './conditions.js';
import { S3Error, s3Error } from './errors.js';
import type { StoredObject } from './object-store.js';
import { malformedXml, parseDocument, receive, receiveText, type Received } from './payload.js';

export const putObject: Operation = async (call, service) => {
  const bucket = service.store.bucket(call.bucket);
  refuseUnsupportedAttributes(call);
  const attributes = parseAttributes(call.headers);
  const condition = writeCondition(call.headers, service.provider);
  const received = await receive(call, service.storage, {
    byDefault: service.defaultChecksum,
    limit: service.maxUploadSize,
  });
  const object: StoredObject = {
    ...attributes,
    key: call.key,
    body: received.body,
    etag: received.md5,
    lastModified: wholeSecond(call.now),
    checksum: fullObjectChecksum(received),
  };
  try {
    bucket.commit(object, condition);
  } catch (error) {
    received.body.release();
    throw error;
  }
  return {
    status: 200,
    headers: {
      etag: `"${object.etag}"`,
      'x-amz-server-side-encryption': 'AES256',
      ...checksumHeaders(object.checksum),
    },
  };
};

export function fullObjectChecksum({
  checksums,
}: Pick<Received, 'checksums'>): Checksum | undefined {
  const [first] = checksums;
  return first && { algorithm: first[0], value: first[1], type: 'FULL_OBJECT' };
}

const OVERRIDES: Readonly<Record<string, string>> = {
  'response-cache-control': 'cache-control',
  'response-content-disposition': 'content-disposition',
  'response-content-encoding': 'content-encoding',
  'response-content-language': 'content-language',
  'response-content-type': 'content-type',
  'response-expires': 'expires',
};

/** GetObject and HeadObject: the same answer, one of them without its body. */
export const readObject: Operation = (call, service) => {
  const overrides = responseOverrides(call);
  const object = service.store.bucket(call.bucket).existing(call.key);
  if (!isModified(object, call.headers)) {
    const cacheControl = object.system.get('cache-control');
    return {
      status: 304,
      headers: { ...validatorHeaders(object), 'cache-control': cacheControl },
    };
  }
  const { size } = object.body;
  const range = requestedRange(call.headers.get('range'), size);
  // A checksum of the whole would mislead whoever got a part of it.
  const showChecksum =
    !range && call.headers.get('x-amz-checksum-mode')?.toUpperCase() === 'ENABLED';
  const { start, end } = range ?? { start: 0, end: size };
  const response: S3Response = {
    status: range ? 206 : 200,
    headers: {
      ...objectHeaders(object),
      ...(showChecksum ? checksumHeaders(object.checksum) : {}),
      ...(range ? { 'content-range': `bytes ${start}-${end - 1}/${size}` } : {}),
      ...overrides,
      'content-length': end - start,
    },
  };
  return call.method === 'HEAD'
    ? response
    : { ...response, body: { stored: object.body.retain(), start, end } };
};

function responseOverrides(call: S3Call): Record<string, string> {
  const overrides: Record<string, string> = {};
  for (const [name, value] of call.query.pairs) {
    const header = OVERRIDES[name];
    if (header === undefined) continue;
    if (call.authentication.kind === 'anonymous') {
      throw s3Error(
        'InvalidRequest',
        'Request specific response headers cannot be used for anonymous GET requests.',
      );
    }
    // Node writes headers as Latin-1: this makes them the UTF-8 bytes.
    overrides[header] = Buffer.from(value).toString('latin1');
  }
  return overrides;
}

export const deleteObject: Operation = (call, service) => {
  service.store.bucket(call.bucket).delete(call.key, { ifMatch: call.headers.get('if-match') });
  return { status: 204 };
};

export const deleteObjects: Operation = async (call, service) => {
  const bucket = service.store.bucket(call.bucket);
  const { text, declared } = await receiveText(call);
  const { maxKeys, integrity } = service.provider.deleteObjects;
  const vouchedFor = integrity === 'any' && declared !== undefined;
  if (!vouchedFor && !call.headers.has('content-md5')) {
    throw s3Error(
      'InvalidRequest',
      `Missing required header for this request: Content-MD5${integrity === 'any' ? ' OR x-amz-checksum-*' : ''}`,
    );
  }
  const document = parseDocument(text, 'Delete');
  const wanted = document.children
    .filter(({ name }) => name === 'Object')
    .map((node) => {
      const key = childText(node, 'Key');
      if (!key) throw malformedXml();
      return { key, versionId: childText(node, 'VersionId'), ifMatch: childText(node, 'ETag') };
    });
  if (wanted.length === 0 || wanted.length > maxKeys) throw malformedXml();
  const quiet = childText(document, 'Quiet')?.trim() === 'true';

  const results = wanted.map(({ key, versionId, ifMatch }) => {
    const failure = service.keyFailure(call.operation, key);
    if (failure !== undefined) {
      return deleteError(key, failure, 'Refused on demand');
    }
    if (versionId !== undefined) {
      return deleteError(key, 'NoSuchVersion', 'The bucket is not versioned');
    }
    try {
      bucket.delete(key, { ifMatch });
    } catch (error) {
      if (!(error instanceof S3Error)) throw error;
      return deleteError(key, error.code, error.message);
    }
    return quiet ? '' : elements('Deleted', [element('Key', key)]);
  });
  return { status: 200, xml: xmlDocument('DeleteResult', results) };
};

function deleteError(key: string, code: string, message: string): string {
  return elements('Error', [
    element('Key', key),
    element('Code', code),
    element('Message', message),
  ]);
}
