import type { IncomingMessage } from 'node:http';
import type { StorageError } from '../../core/errors.js';
import { StorageConnectionError } from '../../core/errors.js';
import { repeatCall } from '../../core/retry.js';
import { toRecord, toText } from '../remote/answer-fields.js';
import { UNREACHED_CODES } from '../remote/connection-codes.js';
import { destinationOf, exchange, readAll } from '../remote/http-client.js';
import { wasCutShort, withSettledAbort } from '../remote/settled-abort.js';
import { markUncertain, mayHaveHappened } from '../remote/uncertain-failures.js';
import { authorizing } from './gcs.authorization.js';
import type { GcsBucket } from './gcs.client.js';
import {
  answerError,
  type GcsAnswer,
  isMissingObject,
  isWebPage,
  noSuchBucket,
  parseJson,
  tellsReason,
  toStorageError,
  unreadableAnswer,
} from './gcs.errors.js';

/** A request to the bucket's host. */
export interface GcsRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** Path, each of its parts encoded. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string | undefined>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: readonly Uint8Array[];
  readonly signal: AbortSignal;
  /** Nothing is stored by it, whatever its method: an abort cuts it at once. */
  readonly storesNothing?: boolean;
  /** Called once an attempt is under way or in line for a connection. */
  readonly onBegun?: () => void;
}

/** An answer of whatever status, but for those that are worth another attempt. */
export interface SentAnswer extends GcsAnswer {
  /** An attempt before the one that was answered may have done what was asked, too. */
  readonly uncertain: boolean;
}

/** Of the credentials. */
const PURPOSE = 'for the bucket';

/** Sends the request, again and again as the storage's retry options say, and answers what the service says to it. */
export async function send(bucket: GcsBucket, request: GcsRequest): Promise<SentAnswer> {
  let uncertain = false;
  const attempt = async (): Promise<GcsAnswer> => {
    try {
      return await sendOnce(bucket, request);
    } catch (error) {
      uncertain ||= mayHaveHappened(error);
      throw error;
    }
  };
  try {
    const answer = await repeat(bucket, request.signal, attempt);
    return { ...answer, uncertain };
  } catch (error) {
    if (uncertain) markUncertain(error);
    throw error;
  }
}

/** Sends the request and answers the head of the response, whose body is left to be read. @throws StorageError for a 403 */
export function open(bucket: GcsBucket, request: GcsRequest): Promise<IncomingMessage> {
  return repeat(bucket, request.signal, async () => {
    const message = await authorized(bucket, request);
    const { statusCode = 0 } = message;
    // A 403 has to be read to be told from throttling.
    if (!isPassing(statusCode) && statusCode !== 403) return message;
    throw answerError(await wholeAnswer(message, request.signal));
  });
}

/**
 * The request once, without another attempt: for those whose repetition depends on what has become of it. An abort cuts it at
 * once, unless it changes what is stored and has gone out whole: then it has its answer.
 */
export async function sendOnce(bucket: GcsBucket, request: GcsRequest): Promise<GcsAnswer> {
  const { signal, method, storesNothing = method === 'GET' } = request;
  signal.throwIfAborted();
  if (storesNothing) return exchangeWhole(bucket, request);
  const options = { idleTimeout: bucket.idleTimeout, blind: false };
  return withSettledAbort(signal, options, (cut) =>
    exchangeWhole(bucket, { ...request, signal: cut }),
  );
}

async function exchangeWhole(bucket: GcsBucket, request: GcsRequest): Promise<GcsAnswer> {
  const message = await authorized(bucket, request);
  const answer = await wholeAnswer(message, request.signal);
  const isOfService = !isWebPage(answer) || !isAboutFiles(answer.status);
  const isBelieved = isOfService && !isFailedSuccess(answer);
  if (isBelieved && !isPassing(answer.status) && !isThrottling(answer)) return answer;
  const error = isBelieved ? answerError(answer) : unreadableAnswer(answer);
  // Of the service itself, a 408 tells that it has not had the whole request.
  const isLate = answer.status === 408 && !tellsReason(answer);
  if (!isBelieved || answer.status >= 500 || isLate) markUncertain(error);
  throw error;
}

/** The answer, if it says that all went well. @throws StorageError what it says instead */
export async function expectOk<Answer extends GcsAnswer>(
  bucket: GcsBucket,
  answer: Answer,
  signal: AbortSignal,
): Promise<Answer> {
  if (answer.status >= 200 && answer.status < 300) return answer;
  throw await refusal(bucket, answer, signal);
}

const existingBuckets = new WeakSet<GcsBucket>();

/**
 * The error of an answer. What a 404 means is looked up once where the answer does not tell: a misspelt bucket must not
 * pass for one without files.
 */
export async function refusal(
  bucket: GcsBucket,
  answer: GcsAnswer,
  signal: AbortSignal,
): Promise<StorageError> {
  if (answer.status !== 404 || isMissingObject(answer) || existingBuckets.has(bucket)) {
    return answerError(answer);
  }
  const found = await send(bucket, {
    method: 'GET',
    path: bucketPath(bucket),
    query: { fields: 'name' },
    signal,
  });
  if (found.status === 404) return missingBucket(bucket, found);
  // Whoever may not ask for the bucket may still use it.
  existingBuckets.add(bucket);
  return answerError(answer);
}

/** What a 404 means that cannot be about a file. */
export function missingBucket(bucket: GcsBucket, answer: GcsAnswer): StorageError {
  return tellsReason(answer) ? noSuchBucket(bucket.name) : unreadableAnswer(answer);
}

export function bucketPath({ name }: Pick<GcsBucket, 'name'>): string {
  return `/storage/v1/b/${encodeURIComponent(name)}`;
}

export function uploadPath(bucket: Pick<GcsBucket, 'name'>): string {
  return `/upload${bucketPath(bucket)}/o`;
}

export function objectPath(bucket: Pick<GcsBucket, 'name'>, key: string): string {
  return `${bucketPath(bucket)}/o/${encodeURIComponent(key)}`;
}

/** The fields of a JSON answer. @throws StorageConnectionError when it is none */
export function jsonOf({ body }: GcsAnswer): Record<string, unknown> {
  const parsed = parseJson(body.toString('utf8'));
  if (typeof parsed === 'object' && parsed !== null) return toRecord(parsed);
  throw new StorageConnectionError('The service answered without the JSON that was asked for');
}

export function jsonBody(value: unknown): Pick<GcsRequest, 'headers' | 'body'> {
  return {
    headers: { 'content-type': 'application/json; charset=UTF-8' },
    body: [Buffer.from(JSON.stringify(value))],
  };
}

function repeat<Result>(
  { settings }: GcsBucket,
  signal: AbortSignal,
  attempt: () => Promise<Result>,
): Promise<Result> {
  return repeatCall(attempt, settings.retry, { signal });
}

/** One exchange; a token that is not taken any more is renewed once. */
async function authorized(bucket: GcsBucket, request: GcsRequest): Promise<IncomingMessage> {
  const { authorization } = bucket;
  const size = request.body?.reduce((sum, chunk) => sum + chunk.byteLength, 0) ?? 0;
  const call = (): Promise<Record<string, string>> => authorization.headers();
  const identity = await authorizing(bucket, PURPOSE, request.signal, call);
  const message = await exchangeWith(bucket, request, size, identity);
  if (message.statusCode !== 401 || authorization.isAnonymous) return message;
  const refused = await wholeAnswer(message, request.signal);
  const renewed = await authorizing(bucket, PURPOSE, request.signal, async () => {
    await authorization.renew(identity);
    return call();
  });
  if (renewed['authorization'] === identity['authorization']) throw answerError(refused);
  return exchangeWith(bucket, request, size, renewed);
}

async function exchangeWith(
  bucket: GcsBucket,
  request: GcsRequest,
  size: number,
  identity: Readonly<Record<string, string>>,
): Promise<IncomingMessage> {
  const { method, path, query = {}, headers, body = [], signal, onBegun } = request;
  try {
    const answered = exchange(
      bucket,
      {
        method,
        destination: destinationOf(new URL(bucket.endpoint + path + queryOf(query))),
        headers: {
          'user-agent': 'nestjs-storages',
          ...headers,
          ...identity,
          ...(method !== 'GET' && { 'content-length': size }),
        },
        body,
      },
      signal,
    );
    onBegun?.();
    return await answered;
  } catch (error) {
    throw wireError(error, signal);
  }
}

async function wholeAnswer(message: IncomingMessage, signal: AbortSignal): Promise<GcsAnswer> {
  try {
    const body = await readAll(message);
    return { status: message.statusCode ?? 0, headers: message.headers, body };
  } catch (error) {
    throw wireError(error, signal);
  }
}

function wireError(error: unknown, signal: AbortSignal): StorageError {
  const mapped = toStorageError(error, signal);
  const code = toText(toRecord(error)['code']);
  const reached = code === undefined || !UNREACHED_CODES.has(code);
  if (reached && !wasCutShort(signal)) markUncertain(mapped);
  return mapped;
}

/** Statuses that tell what is stored, or what was done: they are believed of the service only. */
function isAboutFiles(status: number): boolean {
  return status < 300 || status === 404 || status === 410 || status === 412;
}

/** Statuses after which Google asks to try again. */
function isPassing(status: number): boolean {
  return status === 408 || status === 429 || (status >= 500 && status !== 501);
}

/** Something failed once the head of the answer was out: what came of the request is anybody's guess. */
function isFailedSuccess({ status, body }: GcsAnswer): boolean {
  return status < 300 && /^\s*\{\s*"error"\s*:/.test(body.subarray(0, 64).toString('latin1'));
}

/** Google also throttles by 403, which only the reason tells from a refusal. */
function isThrottling(answer: GcsAnswer): boolean {
  return answer.status === 403 && answerError(answer).code === 'RATE_LIMITED';
}

function queryOf(query: NonNullable<GcsRequest['query']>): string {
  const pairs = Object.entries(query).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}=${encodeURIComponent(value)}`],
  );
  return pairs.length === 0 ? '' : `?${pairs.join('&')}`;
}
