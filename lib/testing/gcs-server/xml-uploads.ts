import type { SizeLimits } from '../servers/form-policy.js';
import { checkObjectName } from './addressing.js';
import { parseAttributes } from './attributes.js';
import type { GcsCall, Operation } from './call.js';
import { headerConditions } from './conditions.js';
import { GcsError, invalid } from './errors.js';
import type { UploadDescription } from './insert-operations.js';
import { uploadHeaders } from './object-headers.js';
import { declaredChecksums, keep, verifyChecksums } from './receive.js';

/** PUT Object of the XML API. */
export const putXmlObject: Operation = async (call, service) => {
  const bucket = service.store.bucket(call.bucket);
  const { name, attributes } = describeXmlUpload(call);
  const conditions = headerConditions(call.headers);
  const limits = sizeLimitsOf(call.headers);
  if (!call.headers.has('content-length') && !call.headers.has('transfer-encoding')) {
    throw new GcsError(
      411,
      'required',
      'MissingContentLength',
      'You must provide the Content-Length HTTP header.',
    );
  }
  const content = await keep(call.body(), service.storage);
  try {
    checkSize(content.body.size, limits);
    verifyChecksums(declaredChecksums(call.headers), content);
    const object = bucket.commit(name, content, attributes, conditions, call.now);
    return { status: 200, headers: uploadHeaders(object) };
  } catch (error) {
    content.body.release();
    throw error;
  }
};

const ATTRIBUTE_HEADERS = {
  'content-type': 'contentType',
  'cache-control': 'cacheControl',
  'content-disposition': 'contentDisposition',
  'content-encoding': 'contentEncoding',
  'content-language': 'contentLanguage',
  'x-goog-custom-time': 'customTime',
  'x-goog-storage-class': 'storageClass',
} as const;

/** Name and attributes of an upload by the XML API: those of a form have the same names as headers. */
export function describeXmlUpload(call: Pick<GcsCall, 'name' | 'headers'>): UploadDescription {
  checkObjectName(call.name);
  const resource: Record<string, unknown> = {};
  const metadata: Record<string, string> = {};
  for (const [header, value] of call.headers) {
    // Header values are kept as bytes, one character each.
    const text = Buffer.from(value, 'latin1').toString('utf8');
    const attribute = ATTRIBUTE_HEADERS[header as keyof typeof ATTRIBUTE_HEADERS];
    if (attribute !== undefined) {
      resource[attribute] = text;
    } else if (header.startsWith('x-goog-meta-')) {
      metadata[header.slice('x-goog-meta-'.length)] = text;
    }
  }
  return { name: call.name, attributes: parseAttributes({ ...resource, metadata }), declared: {} };
}

/** What `x-goog-content-length-range: min,max` allows. @throws GcsError invalid */
export function sizeLimitsOf(headers: ReadonlyMap<string, string>): SizeLimits {
  const header = headers.get('x-goog-content-length-range');
  if (header === undefined) return { min: 0, max: Number.POSITIVE_INFINITY };
  const match = /^(\d+),\s*(\d+)$/.exec(header);
  if (!match) throw invalid(`Invalid x-goog-content-length-range: ${header}`);
  return { min: Number(match[1]), max: Number(match[2]) };
}

/** @throws GcsError EntityTooSmall, EntityTooLarge */
export function checkSize(size: number, { min, max }: SizeLimits): void {
  if (size < min) {
    throw invalid(
      `Your proposed upload of ${size} bytes is smaller than the minimum of ${min}.`,
      'EntityTooSmall',
    );
  }
  if (size > max) {
    throw invalid(
      `Your proposed upload of ${size} bytes is larger than the maximum of ${max}.`,
      'EntityTooLarge',
    );
  }
}
