import {
  type ByteRange,
  parseRange,
  readDecision,
  wholeSecond,
} from '../servers/conditional-reads.js';
import { objectResource } from './attributes.js';
import type { GcsCall, GcsResponse, GcsService, Operation } from './call.js';
import {
  checkReadConditions,
  conditionsOf,
  headerConditions,
  parseInt64,
  type Conditions,
} from './conditions.js';
import { conditionNotMet, notModified, rangeNotSatisfiable } from './errors.js';
import { contentHeaders, metadataHeaders, utf8, xmlEtag } from './object-headers.js';
import { etagOf, type StoredObject } from './object-store.js';

/** The object a call is about, if it is the live generation and the conditions hold. */
function readable(call: GcsCall, { store }: GcsService, conditions: Conditions): StoredObject {
  const object = store
    .bucket(call.bucket)
    .existing(call.name, parseInt64(call.query.get('generation')));
  checkReadConditions(object, conditions);
  return object;
}

export const getObject: Operation = (call, service) => {
  const object = readable(call, service, conditionsOf(call.query));
  checkHeaderConditions(call, object, etagOf(object));
  return { status: 200, json: objectResource(object, service.endpoint) };
};

/** `objects.get` with `alt=media`. */
export const downloadObject: Operation = (call, service) => {
  const object = readable(call, service, conditionsOf(call.query));
  checkHeaderConditions(call, object, etagOf(object));
  return media(call, object, { etag: etagOf(object) });
};

/** GET and HEAD of the XML API: the same answer, one of them without its body. */
export const readXmlObject: Operation = (call, service) => {
  const object = readable(call, service, headerConditions(call.headers));
  const etag = xmlEtag(object);
  checkHeaderConditions(call, object, etag);
  const response = media(call, object, { ...metadataHeaders(object), etag, ...overrides(call) });
  if (call.method !== 'HEAD') return response;
  response.body?.stored.release();
  const { body: _, ...head } = response;
  return head;
};

/** RFC 9110 §13.2.2, by entity tag and date. */
function checkHeaderConditions(call: GcsCall, object: StoredObject, etag: string): void {
  const validators = { etag: etag.replaceAll('"', ''), lastModified: wholeSecond(object.updated) };
  const decision = readDecision(validators, call.headers);
  if (decision === 'send') return;
  if (decision !== 'not-modified') throw conditionNotMet();
  throw notModified({ etag, 'x-goog-generation': String(object.generation) });
}

function media(
  call: GcsCall,
  object: StoredObject,
  headers: NonNullable<GcsResponse['headers']>,
): GcsResponse {
  const { size } = object.body;
  if (isTranscoded(call, object)) {
    return {
      status: 200,
      headers: {
        ...contentHeaders(object),
        ...headers,
        'content-encoding': undefined,
        'accept-ranges': undefined,
        warning: '214 UploadServer gunzipped',
        vary: 'Accept-Encoding',
      },
      body: { stored: object.body.retain(), start: 0, end: size, gunzip: true },
    };
  }
  const range = satisfiableRange(call.headers.get('range'), size);
  const { start, end } = range ?? { start: 0, end: size };
  return {
    status: range ? 206 : 200,
    headers: {
      ...contentHeaders(object),
      ...headers,
      ...(range ? { 'content-range': `bytes ${start}-${end - 1}/${size}` } : {}),
      'content-length': end - start,
    },
    body: { stored: object.body.retain(), start, end },
  };
}

/**
 * What was stored gzipped goes out gunzipped to whoever does not accept gzip, whole: a range is not honoured then.
 * https://cloud.google.com/storage/docs/transcoding
 */
function isTranscoded(call: GcsCall, { attributes }: StoredObject): boolean {
  return (
    attributes.contentEncoding === 'gzip' &&
    !/\bgzip\b/i.test(call.headers.get('accept-encoding') ?? '') &&
    !/\bno-transform\b/i.test(attributes.cacheControl ?? '')
  );
}

function satisfiableRange(header: string | undefined, size: number): ByteRange | undefined {
  const range = parseRange(header, size);
  if (range === 'unsatisfiable') throw rangeNotSatisfiable(size);
  return range;
}

function overrides({ query }: GcsCall): Record<string, string | undefined> {
  const given = {
    'content-disposition': utf8(query.get('response-content-disposition')),
    'content-type': utf8(query.get('response-content-type')),
  };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}
