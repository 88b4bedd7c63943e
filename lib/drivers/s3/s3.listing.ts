import { ListObjectsV2Command } from '@aws-sdk/client-s3';
import { notACursor } from '../../core/cursor.js';
import { StorageConnectionError } from '../../core/errors.js';
import type { DriverListOptions, ListPage } from '../../core/storage-driver.js';
import { storedFile } from '../../core/stored-file.js';
import { CursorTrail, cursorOf, tokenOf } from '../remote/cursor.js';
import { assertWellFormed } from '../remote/well-formed.js';
import type { S3Bucket } from './s3.client.js';
import { missingListing, readFailure, unconfirmed } from './s3.errors.js';
import { toEtag, toLastModified } from './s3.metadata.js';
import { send } from './s3.requests.js';

const MAX_KEYS = 1000;

export async function* list(bucket: S3Bucket, options: DriverListOptions): AsyncIterable<ListPage> {
  let token = options.cursor === undefined ? undefined : tokenOf(options.cursor);
  const trail = new CursorTrail(token);
  do {
    const page = await listPage(bucket, options, token);
    token = page.token;
    trail.follow(token);
    yield {
      files: page.files,
      prefixes: page.prefixes,
      ...(token !== undefined && { cursor: cursorOf(token) }),
    };
  } while (token !== undefined);
}

async function listPage(
  bucket: S3Bucket,
  options: DriverListOptions,
  token: string | undefined,
): Promise<Pick<ListPage, 'files' | 'prefixes'> & { token: string | undefined }> {
  const { prefix, delimiter, startAfter, pageSize, signal } = options;
  assertWellFormed({ delimiter, startAfter });
  const command = new ListObjectsV2Command({
    Bucket: bucket.bucket,
    Prefix: prefix,
    MaxKeys: Math.min(pageSize, MAX_KEYS),
    ...(delimiter !== undefined && { Delimiter: delimiter }),
    ...(startAfter !== undefined && { StartAfter: startAfter }),
    ...(token !== undefined && { ContinuationToken: token }),
    // XML cannot carry every character that a key of another program may have.
    ...(bucket.profile.encodedListings && { EncodingType: 'url' }),
  });
  let output;
  try {
    output = await send(bucket, command, signal);
  } catch (error) {
    const { name, status } = readFailure(error);
    if (options.cursor !== undefined && name === 'InvalidArgument') throw notACursor();
    throw status === 404 ? missingListing(bucket.bucket, error) : error;
  }
  if (output.Name === undefined && output.IsTruncated === undefined) {
    throw unconfirmed('the listing');
  }
  if (output.IsTruncated === undefined) throw listedOtherwise('did not say whether there is more');
  const decode = output.EncodingType === 'url' ? decodeListed : (text: string): string => text;
  return {
    files: (output.Contents ?? []).map(({ Key, Size = NaN, ETag, LastModified }) => {
      if (!Key) throw listedOtherwise('listed a file without its key');
      if (!(Number.isSafeInteger(Size) && Size >= 0)) {
        throw listedOtherwise('listed a file without its size');
      }
      return storedFile({
        key: decode(Key),
        size: Size,
        etag: toEtag(ETag),
        lastModified: toLastModified(LastModified),
      });
    }),
    prefixes: (output.CommonPrefixes ?? []).map(({ Prefix }) => {
      if (!Prefix) throw listedOtherwise('listed a common prefix without its text');
      return decode(Prefix);
    }),
    token: output.IsTruncated ? nextMarker(output.NextContinuationToken, 'the listing') : undefined,
  };
}

/**
 * Where the next page begins. @throws StorageConnectionError when the service does not tell: a listing that ends early passes
 * for whole.
 */
export function nextMarker(next: string | undefined, what: string): string {
  if (next) return next;
  throw listedOtherwise(`announced more of ${what} but not where it begins`);
}

/** Of `encoding-type=url`. @throws StorageConnectionError when it is not encoded so */
export function decodeListed(text: string): string {
  if (!/[%+]/.test(text)) return text;
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    throw listedOtherwise('listed a key that is not encoded as it said');
  }
}

function listedOtherwise(what: string): StorageConnectionError {
  return new StorageConnectionError(`The service ${what}; it does not list as S3 does`, {
    retryable: false,
  });
}
