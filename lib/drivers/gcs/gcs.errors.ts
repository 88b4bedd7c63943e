import type { WriteConditions } from '../../core/conditions.js';
import {
  StorageAbortedError,
  StorageConfigurationError,
  StorageConnectionError,
  StorageError,
  type StorageErrorContext,
  StorageFileExistsError,
  StorageFileNotFoundError,
  StorageIntegrityError,
  StorageInvalidArgumentError,
  StorageNotModifiedError,
  StoragePermissionError,
  StoragePreconditionFailedError,
  StorageQuotaExceededError,
  StorageRangeNotSatisfiableError,
  StorageRateLimitedError,
  StorageTimeoutError,
  StorageTooLargeError,
  StorageUnsupportedError,
} from '../../core/errors.js';
import { redacted } from '../../core/redaction.js';
import { retryAfterOf, toNumber, toRecord, toText } from '../remote/answer-fields.js';
import {
  CONNECTION_CODES,
  connectionFailure,
  isConnectionCode,
  NO_CONNECTION,
} from '../remote/connection-codes.js';

/** An answer of the service, whole. */
export interface GcsAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Buffer;
}

/** What the service says about a refusal: Google's JSON, its XML, or plain text for media. */
interface Refusal {
  readonly status: number;
  /** Google's word for it, such as `rateLimitExceeded`. */
  readonly reason: string;
  readonly message: string;
  readonly retryAfter: number | undefined;
  /** Size of the file, as a 416 tells it. */
  readonly size: number | undefined;
}

type MakeError = (refusal: Refusal, context: StorageErrorContext) => StorageError;

const denied: MakeError = ({ message }, context) =>
  new StoragePermissionError(
    `The service denied access; give the account a role such as Storage Object User on the bucket: ${message}`,
    context,
  );
const credentials: MakeError = ({ message }, context) =>
  new StoragePermissionError(
    `The service does not accept the credentials, or none were sent; renew them, or check keyFilename, credentials or what the default chain finds: ${message}`,
    context,
  );
const slowDown: MakeError = ({ retryAfter }, context) =>
  new StorageRateLimitedError(undefined, { ...context, retryAfter });
const full: MakeError = ({ message }, context) =>
  new StorageQuotaExceededError(`The quota is used up: ${message}`, context);
const account: MakeError = ({ message }, context) =>
  new StorageConfigurationError(`The project cannot be used: ${message}`, context);
const invalid: MakeError = ({ message }, context) =>
  /doesn't match calculated|hash mismatch/i.test(message)
    ? new StorageIntegrityError(
        `The service received other bytes than were announced: ${message}`,
        context,
      )
    : new StorageInvalidArgumentError(`The service refused the request: ${message}`, context);
const notFound: MakeError = (_, context) => new StorageFileNotFoundError(undefined, context);

const BY_REASON: Readonly<Record<string, MakeError>> = {
  rateLimitExceeded: slowDown,
  userRateLimitExceeded: slowDown,
  SlowDown: slowDown,
  quotaExceeded: full,
  dailyLimitExceeded: full,
  accountDisabled: account,
  projectDisabled: account,
  billingNotEnabled: account,
  userProjectMissing: account,
};

const BY_STATUS: Readonly<Record<number, MakeError>> = {
  304: (_, context) => new StorageNotModifiedError(undefined, context),
  400: invalid,
  401: credentials,
  403: denied,
  404: notFound,
  408: (_, context) => new StorageTimeoutError(undefined, context),
  410: notFound,
  412: (_, context) => new StoragePreconditionFailedError(undefined, context),
  413: (_, context) =>
    new StorageTooLargeError('The file is larger than the service takes', context),
  416: ({ size }, context) => new StorageRangeNotSatisfiableError(undefined, { ...context, size }),
  429: slowDown,
  501: ({ message }, context) =>
    new StorageUnsupportedError(`The service does not implement the request: ${message}`, context),
};

/** The error that an answer stands for. */
export function answerError(answer: GcsAnswer): StorageError {
  const refusal = readRefusal(answer);
  const { status, reason, message } = refusal;
  const context = { cause: Object.assign(new Error(message), { httpStatus: status, reason }) };
  const byReason = Object.hasOwn(BY_REASON, reason) ? BY_REASON[reason] : undefined;
  const make = byReason ?? BY_STATUS[status];
  if (make) return make(refusal, context);
  const label = [status, reason].filter(Boolean).join(' ');
  return status >= 500
    ? new StorageConnectionError(`The service failed (${label})`, {
        ...context,
        retryAfter: refusal.retryAfter,
      })
    : new StorageError(`The service answered ${label}: ${message}`, context);
}

/** A page for people, such as of a proxy: the service sends none, though it calls some of its refusals in plain text HTML. */
export function isWebPage({ headers, body }: GcsAnswer): boolean {
  const isHtml = headerOf(headers, 'content-type')?.startsWith('text/html') ?? false;
  return isHtml && body.subarray(0, 100).toString('latin1').trimStart().startsWith('<');
}

export function unreadableAnswer({ status }: GcsAnswer): StorageConnectionError {
  return new StorageConnectionError(
    `What came with status ${status} is no answer of Google Cloud Storage: check apiEndpoint, and the proxies on the way`,
  );
}

/** The object is not there, rather than something that it needs. Google gives the same reason for a missing bucket. */
export function isMissingObject(answer: GcsAnswer): boolean {
  return answer.status === 404 && readRefusal(answer).message.startsWith('No such object');
}

/** Whether the service says so itself, in its JSON, whatever it is: a proxy has other words. */
export function tellsReason({ body }: GcsAnswer): boolean {
  const { message } = toRecord(toRecord(parseJson(body.toString('utf8')))['error']);
  return toText(message) !== undefined;
}

export function noSuchBucket(bucket: string): StorageConfigurationError {
  return new StorageConfigurationError(
    `The bucket ${JSON.stringify(bucket)} does not exist: create it, or check bucket, project and apiEndpoint`,
  );
}

/** The error of a write whose precondition did not hold, told from its conditions. */
export function conditionError(conditions: WriteConditions, nothingThere = false): StorageError {
  if (conditions.ifNoneMatch !== undefined) return new StorageFileExistsError();
  return new StoragePreconditionFailedError(
    nothingThere ? 'Nothing is stored under the key, so ifMatch cannot hold' : undefined,
  );
}

/** The error that the caller gets, whatever was thrown. A StorageError is that very one. */
export function toStorageError(error: unknown, signal?: AbortSignal): StorageError {
  if (error instanceof StorageError) return error;
  const { name, code, message, cause } = toRecord(error);
  if (signal?.aborted && (error === signal.reason || name === 'AbortError')) {
    return new StorageAbortedError(undefined, { cause: signal.reason });
  }
  const text = redacted(toText(message) ?? String(error));
  const failure = toText(code) ?? toText(toRecord(cause)['code']) ?? '';
  const context = {
    cause: Object.assign(new Error(text), failure && { code: failure }),
  };
  if (failure === 'ETIMEDOUT') return new StorageTimeoutError(undefined, context);
  if (failure === NO_CONNECTION) {
    // Not repeated: what holds the connections may be waiting for the end of this very call.
    return new StorageTimeoutError(text, { ...context, retryable: false });
  }
  if (isConnectionCode(failure)) {
    return new StorageConnectionError(connectionFailure(failure, 'apiEndpoint'), context);
  }
  if (/^(?:ERR_TLS_|ERR_SSL_|CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_)/.test(failure)) {
    return new StorageConfigurationError(
      `The certificate of apiEndpoint is not accepted (${failure})`,
      context,
    );
  }
  return new StorageError(text, context);
}

/** What the SDK threw while it looked for credentials, made a token or signed: those errors hold requests, secrets and all. */
export function authorizationError(error: unknown, purpose: string): StorageError {
  if (error instanceof StorageError) return error;
  const { name, message, code, status, response } = toRecord(error);
  const { data } = toRecord(response);
  const answered = toNumber(toRecord(response)['status']) ?? toNumber(status);
  const text = redacted(toText(message) ?? '');
  const context = { cause: new Error(text) };
  if (/could not load the default credentials|without `client_email`/i.test(text)) {
    return new StorageConfigurationError(
      `No credentials ${purpose}: set keyFilename or credentials, or provide Application Default Credentials`,
      context,
    );
  }
  // The SDK's own limit, whatever it is wrapped into.
  if (/aborted due to timeout/i.test(text)) {
    return new StorageTimeoutError(
      `Google did not answer in time to the credentials ${purpose}`,
      context,
    );
  }
  if (answered !== undefined) {
    if (answered === 429) return new StorageRateLimitedError(undefined, context);
    if (answered >= 500) {
      return new StorageConnectionError(`Google's token service failed (${answered})`, context);
    }
    const advice = /reasonable timeframe|short-lived token/i.test(JSON.stringify(data ?? text))
      ? 'set the clock of this machine right, by NTP for instance'
      : 'they may have been revoked or have expired; renew them, or check keyFilename, credentials or what the default chain finds';
    return new StoragePermissionError(
      `Google refused the credentials ${purpose}: ${advice} (${answered})`,
      context,
    );
  }
  if (
    /\bDECODER\b|\bPEM\b|\basn1\b|unsupported PKCS|secretOrPrivateKey|asymmetric key/i.test(text)
  ) {
    return new StorageConfigurationError(
      'private_key cannot be read: it must be the PEM text of the key file, with real line breaks rather than "\\n"',
    );
  }
  // The SDK's error of a signature keeps nothing but the words.
  const failure = code ?? text.match(/\bE[A-Z_]+\b/g)?.find((word) => CONNECTION_CODES.has(word));
  if (name === 'SigningError' && failure === undefined) {
    return new StoragePermissionError(
      `Google's IAM did not sign (the account needs the right iam.serviceAccounts.signBlob): ${text}`,
      context,
    );
  }
  const mapped = toStorageError(Object.assign(new Error(text), failure ? { code: failure } : {}));
  return mapped.code === 'UNKNOWN'
    ? new StorageConfigurationError(`The credentials ${purpose} cannot be used: ${text}`, context)
    : mapped;
}

function readRefusal({ status, headers, body }: GcsAnswer): Refusal {
  const text = body.subarray(0, 16_384).toString('utf8').trim();
  const { message, errors } = toRecord(toRecord(parseJson(text))['error']);
  const first = toRecord(Array.isArray(errors) ? errors[0] : undefined);
  const told =
    toText(message) ?? xmlElement(text, 'Details') ?? xmlElement(text, 'Message') ?? text;
  return {
    status,
    reason: redacted(toText(first['reason']) ?? xmlElement(text, 'Code') ?? reasonInWords(text)),
    message: redacted(told) || `status ${status}`,
    retryAfter: retryAfterOf(headerOf(headers, 'retry-after')),
    size: toNumber(/\/(\d+)$/.exec(headerOf(headers, 'content-range') ?? '')?.[1]),
  };
}

/** Downloads are refused in plain text, which has no place for the reason. */
function reasonInWords(text: string): string {
  const throttled = /rate ?limit ?exceeded|exceed\w* .{0,40}rate limit/i.test(text);
  return throttled ? 'rateLimitExceeded' : '';
}

export function headerOf(headers: GcsAnswer['headers'], name: string): string | undefined {
  const value = headers[name];
  return Array.isArray(value) ? value.join(',') : value;
}

function xmlElement(text: string, name: string): string | undefined {
  return new RegExp(`<${name}>([^<]*)</${name}>`).exec(text)?.[1];
}

export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
