import { type ByteRange, parseRange, readDecision } from '../servers/conditional-reads.js';
import { notImplemented, s3Error } from './errors.js';
import { preconditionFailed, type StoredObject, type WriteCondition } from './object-store.js';
import type { ProviderBehaviour } from './provider-behaviour.js';

type Headers = ReadonlyMap<string, string>;

/**
 * Whether a GET or HEAD is answered with the object, rather than with a 304.
 *
 * @throws S3Error PreconditionFailed
 */
export function isModified(
  object: Pick<StoredObject, 'etag' | 'lastModified'>,
  headers: Headers,
): boolean {
  const decision = readDecision(object, headers);
  if (typeof decision === 'object') throw preconditionFailed(decision.failed);
  return decision === 'send';
}

/** @throws S3Error PreconditionFailed; a copy knows no 304. */
export function checkCopySource(source: StoredObject, headers: Headers): void {
  const prefix = 'x-amz-copy-source-';
  const conditions = new Map(
    [...headers]
      .filter(([name]) => name.startsWith(`${prefix}if-`))
      .map(([name, value]) => [name.slice(prefix.length), value]),
  );
  if (!isModified(source, conditions)) {
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

/** The bytes that a Range header asks for, if it does. @throws S3Error InvalidRange */
export function requestedRange(header: string | undefined, size: number): ByteRange | undefined {
  const range = parseRange(header, size);
  if (range !== 'unsatisfiable') return range;
  throw s3Error('InvalidRange', 'The requested range is not satisfiable', {
    details: { RangeRequested: header ?? '', ActualObjectSize: size },
    headers: { 'content-range': `bytes */${size}` },
  });
}
