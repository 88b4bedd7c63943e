import {
  StorageAbortedError,
  StorageConfigurationError,
  StorageConnectionError,
  StorageError,
  type StorageErrorCode,
  type StorageErrorContext,
  StorageFileExistsError,
  StorageFileNotFoundError,
  StorageIntegrityError,
  StorageInvalidArgumentError,
  StorageInvalidKeyError,
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
  connectionFailure,
  isConnectionCode,
  NO_CONNECTION,
  UNREACHED_CODES,
} from '../remote/connection-codes.js';
import { causeOf } from '../remote/sdk-cause.js';

/** What an error of the SDK tells, read defensively: its shape depends on where it broke. */
export interface S3Failure {
  /** The service's error code, or the name that the SDK gave it. */
  readonly name: string;
  readonly message: string;
  /** Absent when no answer came. */
  readonly status: number | undefined;
  /** Node's code of a failed connection. */
  readonly code: string | undefined;
  readonly requestId: string | undefined;
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly bucket: string | undefined;
  /** The region that the service named in its answer. */
  readonly region: string | undefined;
  /** Size of the file, as a 416 tells it. */
  readonly size: number | undefined;
}

type Context = StorageErrorContext;
type MakeError = (failure: S3Failure, context: Context) => StorageError;

const denied =
  (reason: string): MakeError =>
  (failure, context) =>
    new StoragePermissionError(`${reason} (${failure.name})`, context);
const credentials = denied(
  'The service does not accept the credentials; check accessKeyId and secretAccessKey, or where the default chain of the AWS SDK gets them from',
);
const expired = denied(
  'The credentials have expired; renew them, or leave them out for the default chain of the AWS SDK, which renews its own',
);
const skewed = denied(
  'The clock of this machine differs from that of the service; set it right, by NTP for instance',
);
const signature = denied(
  'The service computes another signature; check secretAccessKey, and for proxies that change requests',
);
// Of a HEAD, a refusal has no body that would say why.
const forbidden: MakeError = (failure, context) =>
  new StoragePermissionError(
    `The service denied access; check the credentials, and what their policies and that of the bucket allow${isUnnamed(failure) ? '' : ` (${failure.name})`}`,
    context,
  );
const slowDown: MakeError = (failure, context) =>
  new StorageRateLimitedError(undefined, {
    ...context,
    retryAfter: retryAfterOf(failure.headers['retry-after']),
  });
const broken: MakeError = (failure, context) =>
  new StorageConnectionError(`The service failed (${label(failure)})`, {
    ...context,
    retryAfter: retryAfterOf(failure.headers['retry-after']),
  });
const corrupt: MakeError = (failure, context) =>
  new StorageIntegrityError(
    `The service received other bytes than were announced (${failure.name})`,
    context,
  );
const tooLarge: MakeError = (_, context) =>
  new StorageTooLargeError('The file or a part of it is larger than the service takes', context);
const full: MakeError = (_, context) => new StorageQuotaExceededError(undefined, context);
const configuration =
  (reason: string): MakeError =>
  (failure, context) =>
    new StorageConfigurationError(`${reason} (${failure.name})`, context);
const noCredentials = configuration(
  'No credentials: set accessKeyId and secretAccessKey, or provide some to the default chain of the AWS SDK',
);
const wrongRegion: MakeError = (failure, context) =>
  new StorageConfigurationError(
    failure.region
      ? `The bucket is in another region: set region to "${failure.region}"`
      : 'The bucket is in another region, or not behind this endpoint: check region and endpoint',
    context,
  );
const unsupported: MakeError = (failure, context) =>
  new StorageUnsupportedError(
    `The service does not implement the request (${failure.name})`,
    context,
  );
export function noSuchBucket(
  bucket: string | undefined,
  context?: Context,
): StorageConfigurationError {
  const name = bucket === undefined ? '' : ` ${JSON.stringify(bucket)}`;
  return new StorageConfigurationError(
    `The bucket${name} does not exist: create it, or check bucket, region and endpoint`,
    context,
  );
}
const invalid: MakeError = (failure, context) =>
  new StorageInvalidArgumentError(
    `The service refused the request: ${failure.message || failure.name}`,
    context,
  );
export function noSuchUpload(context?: Context): StorageFileNotFoundError {
  return new StorageFileNotFoundError('The multipart upload is not there', context);
}
/** Not repeated: what holds the connections may be waiting for the end of this very call. */
const noConnection: MakeError = ({ message }, context) =>
  new StorageTimeoutError(message, { ...context, retryable: false });
const notFound: MakeError = (_, context) => new StorageFileNotFoundError(undefined, context);

/** A success that lacks what every S3 service answers. Something else answers at the endpoint: a portal, a proxy. */
export function unconfirmed(what: string): StorageConnectionError {
  return new StorageConnectionError(
    `The service did not confirm ${what}: check that endpoint is that of an S3 service`,
    { retryable: false },
  );
}

/** A web page says that nothing is there: it is not S3 that says so, and nobody knows of the file. */
const webPage = (_: S3Failure, context: Context): StorageConfigurationError =>
  new StorageConfigurationError(
    'A web page was answered instead of a file: check that endpoint is that of an S3 service',
    context,
  );
const redirected: MakeError = ({ status }, context) =>
  new StorageConfigurationError(
    `The service answered with a redirect (${status}), as S3 does not: check endpoint`,
    context,
  );
const notXml = ({ status }: S3Failure): string =>
  `The service answered ${status} and something that is not the XML of S3: check endpoint`;
const unreadable: MakeError = (failure, context) =>
  new StorageConnectionError(notXml(failure), context);

const BY_NAME: Readonly<Record<string, MakeError>> = {
  NoSuchKey: notFound,
  NotFound: notFound,
  NoSuchVersion: notFound,
  NoSuchUpload: (_, context) => noSuchUpload(context),
  NoSuchBucket: ({ bucket }, context) => noSuchBucket(bucket, context),
  AccessDenied: forbidden,
  AllAccessDisabled: forbidden,
  InvalidAccessKeyId: credentials,
  InvalidToken: credentials,
  ExpiredToken: expired,
  ExpiredTokenException: expired,
  TokenRefreshRequired: expired,
  InvalidClientTokenId: credentials,
  SignatureDoesNotMatch: signature,
  RequestTimeTooSkewed: skewed,
  SlowDown: slowDown,
  Throttling: slowDown,
  ThrottlingException: slowDown,
  TooManyRequests: slowDown,
  TooManyRequestsException: slowDown,
  RequestLimitExceeded: slowDown,
  BandwidthLimitExceeded: slowDown,
  ServiceUnavailable: broken,
  InternalError: broken,
  OperationAborted: broken,
  TimeoutError: (_, context) => new StorageTimeoutError(undefined, context),
  RequestTimeout: (_, context) => new StorageTimeoutError(undefined, context),
  EntityTooLarge: tooLarge,
  MaxMessageLengthExceeded: tooLarge,
  BadDigest: corrupt,
  InvalidDigest: corrupt,
  XAmzContentSHA256Mismatch: corrupt,
  XAmzContentChecksumMismatch: corrupt,
  IncompleteBody: corrupt,
  QuotaExceeded: full,
  StorageFull: full,
  XMinioStorageFull: full,
  PermanentRedirect: wrongRegion,
  TemporaryRedirect: wrongRegion,
  AuthorizationHeaderMalformed: wrongRegion,
  IllegalLocationConstraintException: wrongRegion,
  CredentialsProviderError: noCredentials,
  InvalidBucketName: configuration('The bucket has a name that the service does not allow'),
  InvalidEndpoint: configuration('The endpoint is not one'),
  NotImplemented: unsupported,
  NotSupported: unsupported,
  KeyTooLongError: (_, context) =>
    new StorageInvalidKeyError('Invalid key: it is longer than the service takes', context),
  PreconditionFailed: (_, context) => new StoragePreconditionFailedError(undefined, context),
  // OSS, with x-oss-forbid-overwrite.
  FileAlreadyExists: (_, context) => new StorageFileExistsError(undefined, context),
  ConditionalRequestConflict: (_, context) =>
    new StoragePreconditionFailedError('Another write to the key was under way', context),
  NotModified: (_, context) => new StorageNotModifiedError(undefined, context),
  InvalidRange: ({ size }, context) =>
    new StorageRangeNotSatisfiableError(undefined, { ...context, size }),
  InvalidArgument: invalid,
  InvalidRequest: invalid,
  InvalidPart: invalid,
  InvalidPartOrder: invalid,
  EntityTooSmall: invalid,
  MetadataTooLarge: invalid,
};

const BY_STATUS: Readonly<Record<number, MakeError>> = {
  301: wrongRegion,
  307: wrongRegion,
  304: BY_NAME['NotModified']!,
  401: credentials,
  403: forbidden,
  404: notFound,
  408: BY_NAME['RequestTimeout']!,
  412: BY_NAME['PreconditionFailed']!,
  413: tooLarge,
  416: BY_NAME['InvalidRange']!,
  429: slowDown,
  501: unsupported,
  507: full,
};

/** The error that the caller gets, whatever was thrown. A StorageError is that very one. */
export function toStorageError(
  error: unknown,
  signal?: AbortSignal,
  context: Context = {},
): StorageError {
  if (error instanceof StorageError) return error;
  if (signal?.aborted && (error === signal.reason || nameOf(error) === 'AbortError')) {
    return new StorageAbortedError(undefined, { ...context, cause: signal.reason });
  }
  const failure = readFailure(error);
  const described = { ...context, cause: causeOf(failure) };
  return makeError(failure)(failure, described);
}

function makeError(failure: S3Failure): MakeError {
  const { name, status, code } = failure;
  if (isWebPage(failure)) return webPage;
  // Before the name: the SDK calls a connection that was reset a TimeoutError.
  if (status === undefined && code !== undefined && isConnectionCode(code)) {
    return (_, context) =>
      new StorageConnectionError(connectionFailure(code, 'endpoint and region'), context);
  }
  const byName = Object.hasOwn(BY_NAME, name) ? BY_NAME[name] : undefined;
  if (byName) return byName;
  if (status !== undefined) {
    if (BY_STATUS[status]) return BY_STATUS[status];
    if (status >= 500) return broken;
    if (status < 300) return unreadable;
    if (status < 400) return redirected;
    return ({ message }, context) =>
      new StorageError(`The service answered ${label(failure)}: ${message}`, context);
  }
  if (code === 'ETIMEDOUT') return BY_NAME['TimeoutError']!;
  if (code === NO_CONNECTION) return noConnection;
  return ({ message }, context) => new StorageError(message || name, context);
}

/** Whether it is not S3 that says that nothing is there. HTML has no error code, so that the name is the SDK's. */
export function isWebPage(failure: S3Failure): boolean {
  const { status, headers } = failure;
  const isHtml = headers['content-type']?.startsWith('text/html') ?? false;
  return status === 404 && isHtml && !tellsCode(failure);
}

/** What a 404 to a listing means, which is never that of a file: without an error code, it is not S3 that has answered. */
export function missingListing(bucket: string, error: unknown): StorageConfigurationError {
  const failure = readFailure(error);
  const context = { cause: causeOf(failure) };
  if (isWebPage(failure)) return webPage(failure, context);
  return tellsCode(failure)
    ? noSuchBucket(bucket, context)
    : new StorageConfigurationError(notXml(failure), context);
}

/** The error of a conditional write, told from its conditions. `undefined` when they have nothing to do with it. */
export function conditionError(
  error: unknown,
  conditions: { readonly ifNoneMatch?: '*'; readonly ifMatch?: string },
): StorageError | undefined {
  const failure = readFailure(error);
  const refused = failure.status === 412 || isConflict(error);
  const cause = causeOf(failure);
  if (conditions.ifNoneMatch !== undefined && refused) {
    return new StorageFileExistsError(undefined, { cause });
  }
  if (conditions.ifMatch === undefined) return undefined;
  if (refused) return new StoragePreconditionFailedError(undefined, { cause });
  // S3 answers If-Match for a key that is not there with 404 rather than 412.
  const missing = failure.name === 'NotFound' && failure.status === 404 && !isWebPage(failure);
  if (failure.name === 'NoSuchKey' || missing) {
    return new StoragePreconditionFailedError(
      'Nothing is stored under the key, so ifMatch cannot hold',
      { cause },
    );
  }
  return undefined;
}

/** Whether the service refused this one key, and may take others of the same caller. */
export function isAboutKey(error: unknown): boolean {
  const failure = readFailure(error);
  const { status = 0 } = failure;
  const make = makeError(failure);
  return (
    status >= 400 &&
    status < 500 &&
    !OF_THE_CALLER.has(make) &&
    ABOUT_KEY.has(toStorageError(error).code)
  );
}

const OF_THE_CALLER: ReadonlySet<MakeError> = new Set([credentials, expired, skewed, signature]);
const ABOUT_KEY: ReadonlySet<StorageErrorCode> = new Set([
  'PERMISSION_DENIED',
  'INVALID_KEY',
  'INVALID_ARGUMENT',
  'PRECONDITION_FAILED',
  'UNKNOWN',
]);

/** Two conditional writes met; the service asks to try again. */
export function isConflict(error: unknown): boolean {
  return readFailure(error).name === 'ConditionalRequestConflict';
}

export function isNoSuchUpload(error: unknown): boolean {
  return readFailure(error).name === 'NoSuchUpload';
}

/** Whether the attempt that failed so is certain to have changed nothing: the service said no, or was not reached. */
export function isRefusal(error: unknown): boolean {
  const failure = readFailure(error);
  const { name, status, code } = failure;
  if (status === undefined) return code !== undefined && UNREACHED_CODES.has(code);
  // The SDK gives status 503 or, before 2026, 400 to an error that came with status 200, hence after the work had begun.
  if (name === 'InternalError') return false;
  if (BY_NAME[name] === slowDown) return true;
  // What stands before the service says so as well when the connection behind it has ended, whatever had been done by then.
  if (status === 503 || status === 501 || status === 408) return tellsCode(failure);
  return status >= 300 && status < 500;
}

/** What the error tells, whatever it is. */
export function readFailure(error: unknown): S3Failure {
  const fields = toRecord(error);
  const metadata = toRecord(fields['$metadata']);
  const response = toRecord(fields['$response']);
  const headers = toRecord(response['headers']) as S3Failure['headers'];
  const status = toNumber(metadata['httpStatusCode']) ?? toNumber(response['statusCode']);
  const name = redacted(toText(fields['Code']) ?? nameOf(error));
  // The SDK's parser gave up: an error of the service has a name.
  const unparsed = status !== undefined && (name === 'Error' || name === 'SyntaxError');
  const wholeSize = /\/(\d+)$/.exec(headers['content-range'] ?? '')?.[1];
  return {
    name,
    message: unparsed ? 'The answer is not the XML of S3' : redacted(messageOf(error)),
    status,
    code: toText(fields['code']) ?? toText(toRecord(fields['cause'])['code']),
    requestId: cleanText(metadata['requestId']),
    headers,
    bucket: cleanText(fields['BucketName']),
    region: cleanText(fields['Region'] ?? headers['x-amz-bucket-region']),
    size: toNumber(wholeSize ?? fields['ActualObjectSize']),
  };
}

function label(failure: S3Failure): string {
  const { status, name } = failure;
  return [status, isUnnamed(failure) ? '' : name].filter(Boolean).join(' ') || 'no answer';
}

/** Whether the answer told no error code. The SDK may give the status for one. */
function isUnnamed({ name, status }: S3Failure): boolean {
  return (
    name === 'Error' || name === 'SyntaxError' || name === 'Unknown' || name === String(status)
  );
}

/** Whether it is the service that has answered: `NotFound` is what the SDK calls a 404 that says nothing. */
function tellsCode(failure: S3Failure): boolean {
  return failure.name !== 'NotFound' && !isUnnamed(failure);
}

function cleanText(value: unknown): string | undefined {
  const text = toText(value);
  return text === undefined ? undefined : redacted(text);
}

function messageOf(error: unknown): string {
  const message = toText(toRecord(error)['message']);
  // In these words the SDK says that the service has said nothing.
  if (message === 'UnknownError') return '';
  return message ?? (error instanceof Error ? '' : String(error));
}

function nameOf(error: unknown): string {
  return toText(toRecord(error)['name']) ?? 'Error';
}
