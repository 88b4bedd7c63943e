import { notImplemented, s3Error } from './errors.js';
import {
  matchesEtag,
  preconditionFailed,
  wholeSecond,
  type StoredObject,
  type WriteCondition,
} from './object-store.js';
import type { ProviderBehaviour } from './provider-behaviour.js';

type Headers = ReadonlyMap<string, string>;

/**
 * Decides a GET or HEAD by its conditions, in the order of RFC 9110 §13.2.2.
 *
 * @throws S3Error PreconditionFailed
 */
export function readDecision(
  object: Pick<StoredObject, 'etag' | 'lastModified'>,
  headers: Headers,
): 'send' | 'not-modified' {
  const ifMatch = headers.get('if-match');
  if (ifMatch !== undefined) {
    if (!matchesEtag(ifMatch, object.etag)) throw preconditionFailed('If-Match');
  } else {
    const since = parseDate(headers.get('if-unmodified-since'));
    if (since !== undefined && object.lastModified > since) {
      throw preconditionFailed('If-Unmodified-Since');
    }
  }
  const ifNoneMatch = headers.get('if-none-match');
  if (ifNoneMatch !== undefined) {
    return matchesEtag(ifNoneMatch, object.etag) ? 'not-modified' : 'send';
  }
  const since = parseDate(headers.get('if-modified-since'));
  return since !== undefined && object.lastModified <= since ? 'not-modified' : 'send';
}

/** @throws S3Error PreconditionFailed; a copy knows no 304. */
export function checkCopySource(source: StoredObject, headers: Headers): void {
  const prefix = 'x-amz-copy-source-';
  const conditions = new Map(
    [...headers]
      .filter(([name]) => name.startsWith(`${prefix}if-`))
      .map(([name, value]) => [name.slice(prefix.length), value]),
  );
  if (readDecision(source, conditions) === 'not-modified') {
    throw preconditionFailed(
      conditions.has('if-none-match')
        ? 'x-amz-copy-source-If-None-Match'
        : 'x-amz-copy-source-If-Modified-Since',
    );
  }
}

/** The condition of a write. S3 takes `*` only for If-None-Match. */
export function writeCondition(
  headers: Headers,
  { forbidOverwriteHeader = '', conditions: { absent } }: ProviderBehaviour,
): WriteCondition {
  if (headers.get(forbidOverwriteHeader) === 'true') {
    return { ifNoneMatch: '*', taken: 'FileAlreadyExists' };
  }
  const ifMatch = headers.get('if-match');
  const ifNoneMatch = headers.get('if-none-match');
  if (ifNoneMatch !== undefined && ifNoneMatch !== '*') {
    throw notImplemented('If-None-Match with an entity tag on a write');
  }
  if (ifNoneMatch !== undefined && ifMatch !== undefined) {
    throw notImplemented('If-Match together with If-None-Match');
  }
  return { ifMatch, ifNoneMatch, absent };
}

export interface ByteRange {
  readonly start: number;
  /** Exclusive. */
  readonly end: number;
}

/**
 * The stretch a Range header asks for; `undefined` when it is to be ignored,
 * as S3 does with other units, broken syntax and several ranges.
 *
 * @throws S3Error InvalidRange when nothing of it lies inside the object
 */
export function parseRange(header: string | undefined, size: number): ByteRange | undefined {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header?.trim() ?? '');
  if (!match) return undefined;
  const [, first = '', last = ''] = match;
  if (first === '' && last === '') return undefined;
  if (first !== '' && last !== '' && Number(last) < Number(first)) {
    return undefined;
  }
  const range =
    first === ''
      ? { start: Math.max(0, size - Number(last)), end: size }
      : {
          start: Number(first),
          end: last === '' ? size : Math.min(size, Number(last) + 1),
        };
  if (range.start >= range.end) {
    throw s3Error('InvalidRange', 'The requested range is not satisfiable', {
      details: { RangeRequested: header ?? '', ActualObjectSize: size },
      headers: { 'content-range': `bytes */${size}` },
    });
  }
  return range;
}

function parseDate(text: string | undefined): number | undefined {
  const date = Date.parse(text ?? '');
  return Number.isNaN(date) ? undefined : wholeSecond(date);
}
