import type { IncomingHttpHeaders } from 'node:http';
import type { WriteConditions } from '../core/conditions.js';
import { StoragePreconditionFailedError, StorageUnsupportedError } from '../core/errors.js';
import { malformedRequest } from './route.exceptions.js';

const STRONG_ETAG = /^"[\x21\x23-\x7E\x80-\xFF]*"$/;
const WEAK_ETAG = /^W\/"[\x21\x23-\x7E\x80-\xFF]*"$/;

/**
 * What the conditions of a PUT (RFC 9110 §13.1) say about the file it replaces, for the backend to decide at the moment
 * of the commit.
 *
 * @param createOnly whether the signature lets the PUT only create
 * @throws StoragePreconditionFailedError when they can never hold
 * @throws StorageUnsupportedError for those that no backend decides; ignored, they would be broken
 */
export function putConditions(headers: IncomingHttpHeaders, createOnly: boolean): WriteConditions {
  const ifMatch = headers['if-match'];
  const ifNoneMatch = headers['if-none-match'];
  if (ifNoneMatch !== undefined && ifNoneMatch !== '*') throw undecided('If-None-Match', '*');
  if (ifMatch === undefined && headers['if-unmodified-since'] !== undefined) {
    throw new StorageUnsupportedError(
      'A PUT cannot depend on If-Unmodified-Since; take If-Match with an etag',
    );
  }
  const isToCreate = createOnly || ifNoneMatch !== undefined;
  if (ifMatch === undefined) return isToCreate ? { ifNoneMatch: '*' } : {};
  // A weak etag never matches here (§13.1.1); what is to be created has no etag yet.
  if (isToCreate || WEAK_ETAG.test(ifMatch)) throw new StoragePreconditionFailedError();
  if (ifMatch !== '*' && !STRONG_ETAG.test(ifMatch)) throw undecided('If-Match', 'one etag');
  return { ifMatch };
}

/** @throws HttpException for a PUT of a part of a file, which would be stored as the whole (RFC 9110 §14.5) */
export function assertWhole(headers: IncomingHttpHeaders): void {
  if (headers['content-range'] === undefined) return;
  throw malformedRequest('A PUT sends the whole file: Content-Range is not taken');
}

function undecided(header: string, taken: string): StorageUnsupportedError {
  return new StorageUnsupportedError(`Of ${header}, a PUT takes ${taken}`);
}
