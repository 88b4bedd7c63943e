import type { IncomingMessage } from 'node:http';
import { checkReadConditions } from '../../core/conditions.js';
import { StorageConnectionError, StorageUnsupportedError } from '../../core/errors.js';
import { type ByteRange, formatRange, resolveRange } from '../../core/range.js';
import type { DriverDownload, DriverGetOptions } from '../../core/storage-driver.js';
import { readAll } from '../remote/http-client.js';
import type { GcsBucket } from './gcs.client.js';
import { pauseAfter } from './gcs.contention.js';
import { answerError, type GcsAnswer, headerOf } from './gcs.errors.js';
import { fileOf, generationOf } from './gcs.metadata.js';
import { MediaBody } from './gcs.media-body.js';
import { readObject } from './gcs.objects.js';
import { objectPath, open } from './gcs.requests.js';

const MAX_ROUNDS = 20;

/** Which version of the media is asked for; any when both are absent. */
interface MediaConditions {
  readonly ifGenerationMatch?: string | undefined;
  readonly ifGenerationNotMatch?: string | undefined;
}

/**
 * Opens one version of the file. Its attributes and its bytes take two requests of the JSON API, which are made at once,
 * so that they take the time of one; when they turn out to be of two versions, the bytes are asked for anew, of the version
 * whose attributes are known. The XML API would tell attributes along with the bytes, but as headers, which keep neither
 * the case of metadata names nor spaces around values, and have no agreed form for what is not ASCII.
 */
export async function get(
  bucket: GcsBucket,
  key: string,
  options: DriverGetOptions,
): Promise<DriverDownload> {
  const guess = mediaGuess(options);
  for (let round = 1; ; round++) {
    const opened = await openVersion(bucket, key, options, round === 1 ? guess : undefined);
    if (opened) return opened;
    if (round === MAX_ROUNDS) {
      throw new StorageConnectionError(
        'The file was replaced, or its connection broke, each time it was opened',
      );
    }
    await pauseAfter(round, options.signal);
  }
}

/**
 * What to ask of the media before anything is known of the file. `undefined` where that would be in vain too often:
 * the API knows no conditions by time.
 */
function mediaGuess(options: DriverGetOptions): MediaConditions | undefined {
  const { ifMatch, ifNoneMatch, range } = options;
  if (options.ifModifiedSince ?? options.ifUnmodifiedSince) return undefined;
  if (ifNoneMatch === '*' || range?.suffix === 0) return undefined;
  const match = ifMatch === undefined || ifMatch === '*' ? '' : generationOf(ifMatch);
  if (match === undefined) return undefined;
  return {
    ...(match !== '' && { ifGenerationMatch: match }),
    ...(ifNoneMatch !== undefined && { ifGenerationNotMatch: generationOf(ifNoneMatch) }),
  };
}

/** @returns nothing when the file was replaced, or the connection broke, meanwhile: it is to be opened anew */
async function openVersion(
  bucket: GcsBucket,
  key: string,
  options: DriverGetOptions,
  guess: MediaConditions | undefined,
): Promise<DriverDownload | undefined> {
  const stop = new AbortController();
  const signal = AbortSignal.any([options.signal, stop.signal]);
  const media = (conditions: MediaConditions): Promise<IncomingMessage> =>
    openMedia(bucket, key, options, conditions, signal);
  let early: Promise<IncomingMessage> | undefined;
  const askEarly = (): void => {
    early ??= guess && media(guess);
    // Awaited below or, when the file is not to be read, cut.
    early?.catch(() => {});
  };
  try {
    // Not before the attributes: bytes would hold the last connection while these wait for one.
    const object = await readObject(bucket, key, signal, askEarly);
    const file = fileOf(object);
    checkReadConditions(file, options);
    const range = options.range && resolveRange(options.range, file.size);
    const message = await (early ?? media({ ifGenerationMatch: object.generation }));
    if (!isOf(message, object.generation, early !== undefined)) {
      await settle(message, signal);
      return undefined;
    }
    // The connection broke while the attributes were on their way, and nobody was there to hear of it.
    if (message.destroyed) return undefined;
    assertRange(message, range);
    const body = new MediaBody(message, {
      size: range ? range.end - range.start + 1 : file.size,
      crc32c: range ? undefined : object.crc32c,
      signal: options.signal,
    });
    return { file, ...(range && { range }), body };
  } catch (error) {
    stop.abort(error);
    await early?.catch(() => {});
    throw options.signal.aborted ? options.signal.reason : error;
  }
}

function openMedia(
  bucket: GcsBucket,
  key: string,
  { range }: DriverGetOptions,
  { ifGenerationMatch, ifGenerationNotMatch }: MediaConditions,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  return open(bucket, {
    method: 'GET',
    path: objectPath(bucket, key),
    query: { alt: 'media', ifGenerationMatch, ifGenerationNotMatch },
    headers: {
      // Without it the service decompresses what is stored with contentEncoding gzip, and then knows no ranges.
      'accept-encoding': 'gzip',
      ...(range && { range: formatRange(range) }),
    },
    signal,
  });
}

/** Whether the answer has the bytes of the generation. */
function isOf(message: IncomingMessage, generation: string, guessed: boolean): boolean {
  const { statusCode = 0, headers } = message;
  if (statusCode === 200 || statusCode === 206) {
    const told = headerOf(headers, 'x-goog-generation');
    // What was asked for by its generation is that one, also from a service that does not say so.
    return told === generation || (told === undefined && !guessed);
  }
  return false;
}

/** Reads the answer that is of no use. @throws StorageError when it is not that of another version */
async function settle(message: IncomingMessage, signal: AbortSignal): Promise<void> {
  const status = message.statusCode ?? 0;
  if (status === 200 || status === 206) {
    message.on('error', () => {}).destroy();
    return;
  }
  const body = await readAll(message);
  if (status === 304 || status === 404 || status === 412 || status === 416) return;
  signal.throwIfAborted();
  const answer: GcsAnswer = { status, headers: message.headers, body };
  throw answerError(answer);
}

/** @throws StorageUnsupportedError when the service answered something else */
function assertRange({ headers, statusCode }: IncomingMessage, range: ByteRange | undefined): void {
  if (!range) return;
  const { start, end, size } = range;
  const told = statusCode === 206 ? headers['content-range'] : `bytes 0-${size - 1}/${size}`;
  if (told === `bytes ${start}-${end}/${size}`) return;
  throw new StorageUnsupportedError('The service answered another range than was asked for');
}
