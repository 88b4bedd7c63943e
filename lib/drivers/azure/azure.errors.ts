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
interface AzureFailure {
  /** The service's error code, else the name of the error. */
  readonly name: string;
  readonly message: string;
  /** Absent when no answer came. */
  readonly status: number | undefined;
  /** Node's code of a failed connection. */
  readonly code: string | undefined;
  readonly requestId: string | undefined;
  readonly retryAfter: string | undefined;
  /** Size of the file, as a 416 tells it. */
  readonly size: number | undefined;
  /** The service's error code of a source that it could not read. */
  readonly sourceError: string | undefined;
  /** What the service says about credentials that it does not accept. Answers to HEAD have no body for it. */
  readonly detail: string | undefined;
}

type Context = StorageErrorContext;
type MakeError = (failure: AzureFailure, context: Context) => StorageError;

const denied =
  (reason: string): MakeError =>
  (failure, context) =>
    new StoragePermissionError(`${reason} (${failure.name})`, context);
const configuration =
  (reason: string): MakeError =>
  (failure, context) =>
    new StorageConfigurationError(`${reason} (${failure.name})`, context);
const credentials = denied(
  'The service does not accept the credentials; check them, that they have not expired, and the clock of this machine',
);
const untimely = denied(
  'The shared access signature has expired or is not valid yet; make a new one, and check the clock of this machine',
);
const expired = denied(
  'The token has expired; see to it that credential renews it, and check the clock of this machine',
);
const skewed = denied(
  'The clock of this machine differs from that of the service; set it right, by NTP for instance',
);
const rights = denied(
  'The credentials do not allow this; give them a role such as Storage Blob Data Contributor, or a shared access signature with more permissions that has not expired',
);
const disabled = denied('The account does not allow this');
const leased = denied('Somebody else holds a lease on the file');
const immutable = denied('A policy of the container keeps the file from being changed');
const noContainer = configuration(
  'The container does not exist: create it, or check container and account',
);
const slowDown: MakeError = (failure, context) =>
  new StorageRateLimitedError(undefined, {
    ...context,
    retryAfter: retryAfterOf(failure.retryAfter),
  });
const broken: MakeError = (failure, context) =>
  new StorageConnectionError(`The service failed (${label(failure)})`, {
    ...context,
    retryAfter: retryAfterOf(failure.retryAfter),
  });
const unreadable: MakeError = ({ status }, context) =>
  new StorageConnectionError(
    `What came${status === undefined ? '' : ` with status ${status}`} is no answer of Azure Blob Storage: check the account's URL, and the proxies on the way`,
    context,
  );
const timedOut: MakeError = (_, context) => new StorageTimeoutError(undefined, context);
/** Not repeated: what holds the connections may be waiting for the end of this very call. */
const noConnection: MakeError = ({ message }, context) =>
  new StorageTimeoutError(message, { ...context, retryable: false });
const corrupt: MakeError = (failure, context) =>
  new StorageIntegrityError(
    `The service received other bytes than were announced (${failure.name})`,
    context,
  );
const tooLarge: MakeError = (_, context) =>
  new StorageTooLargeError('The file or a block of it is larger than the service takes', context);
const unsupported: MakeError = (failure, context) =>
  new StorageUnsupportedError(
    `The service does not implement the request (${failure.name})`,
    context,
  );
const invalid: MakeError = (failure, context) =>
  new StorageInvalidArgumentError(
    `The service refused the request: ${failure.message || failure.name}`,
    context,
  );
const notFound: MakeError = (_, context) => new StorageFileNotFoundError(undefined, context);
const exists: MakeError = (_, context) => new StorageFileExistsError(undefined, context);
const unmet: MakeError = (_, context) => new StoragePreconditionFailedError(undefined, context);
const noSource: MakeError = (failure, context) =>
  new StorageError(
    `The service could not read the file that it was to copy (${failure.sourceError ?? failure.name})`,
    context,
  );
const archived: MakeError = (failure, context) =>
  new StorageError(
    `The file is archived, and must be rehydrated before it is read (${failure.name})`,
    context,
  );
const otherType: MakeError = (failure, context) =>
  new StorageError(
    `The key holds an append or page blob, which cannot be replaced by a block blob (${failure.name})`,
    context,
  );
const otherBlocks: MakeError = (failure, context) =>
  new StorageError(
    `Blocks with ids of another length wait under the key: another program is uploading there, or began to within a week (${failure.name})`,
    context,
  );

const BY_NAME: Readonly<Record<string, MakeError>> = {
  BlobNotFound: notFound,
  ResourceNotFound: notFound,
  ContainerNotFound: noContainer,
  ContainerBeingDeleted: noContainer,
  ContainerDisabled: noContainer,
  AccountIsDisabled: disabled,
  AuthenticationFailed: credentials,
  InvalidAuthenticationInfo: credentials,
  NoAuthenticationInformation: credentials,
  AuthorizationFailure: rights,
  AuthorizationPermissionMismatch: rights,
  AuthorizationProtocolMismatch: rights,
  AuthorizationResourceTypeMismatch: rights,
  AuthorizationServiceMismatch: rights,
  AuthorizationSourceIPMismatch: rights,
  InsufficientAccountPermissions: rights,
  KeyBasedAuthenticationNotPermitted: disabled,
  PublicAccessNotPermitted: disabled,
  BlobImmutableDueToPolicy: immutable,
  LeaseIdMissing: leased,
  LeaseIdMismatchWithBlobOperation: leased,
  ServerBusy: slowDown,
  InternalError: broken,
  OperationTimedOut: timedOut,
  BlobAlreadyExists: exists,
  // What a signature that only allows to create answers to an overwrite.
  UnauthorizedBlobOverwrite: exists,
  ConditionNotMet: unmet,
  TargetConditionNotMet: unmet,
  SourceConditionNotMet: unmet,
  CannotVerifyCopySource: noSource,
  InvalidRange: ({ size }, context) =>
    new StorageRangeNotSatisfiableError(undefined, { ...context, size }),
  Md5Mismatch: corrupt,
  Crc64Mismatch: corrupt,
  RequestBodyTooLarge: tooLarge,
  BlockCountExceedsLimit: tooLarge,
  RequestEntityTooLargeBlockCountExceedsLimit: tooLarge,
  AccountCapacityExceeded: (_, context) => new StorageQuotaExceededError(undefined, context),
  BlobArchived: archived,
  InvalidBlobType: otherType,
  InvalidBlobOrBlock: otherBlocks,
  InvalidResourceName: (_, context) =>
    new StorageInvalidKeyError('Invalid key: the service does not take it as a name', context),
  APINotImplemented: unsupported,
  NotImplemented: unsupported,
  InvalidHeaderValue: invalid,
  InvalidInput: invalid,
  InvalidMetadata: invalid,
  InvalidQueryParameterValue: invalid,
  MetadataTooLarge: invalid,
  OutOfRangeInput: invalid,
};

const BY_STATUS: Readonly<Record<number, MakeError>> = {
  304: (_, context) => new StorageNotModifiedError(undefined, context),
  401: credentials,
  403: rights,
  404: notFound,
  408: timedOut,
  412: unmet,
  413: tooLarge,
  416: BY_NAME['InvalidRange']!,
  429: slowDown,
  501: unsupported,
  503: slowDown,
  507: BY_NAME['AccountCapacityExceeded']!,
};

/** The SDK's code for an answer that is no document, such as a page of a proxy. Its message repeats all of that. */
const UNPARSED = 'PARSE_ERROR';

/** The SDK's words for a batch's answer that broke off: it takes what came for the whole. */
const BROKEN_BATCH = /^Invalid state: (?:sub responses|find non-empty line)/;

// Asked with whatever was thrown: for what is no object, there is nothing in them.
const failures = new WeakMap<object, AzureFailure>();

const unsent = new WeakSet<object>();

/** Marks the error of what comes before a request, such as a token that cannot be had: nothing was sent. */
export function beforeSending<Thrown>(error: Thrown): Thrown {
  if (typeof error === 'object' && error !== null) unsent.add(error);
  return error;
}

/** The error that the caller gets, whatever was thrown. A StorageError is that very one. */
export function toStorageError(error: unknown, signal?: AbortSignal): StorageError {
  if (error instanceof StorageError) return error;
  if (signal?.aborted && (error === signal.reason || nameOf(error) === 'AbortError')) {
    return new StorageAbortedError(undefined, { cause: signal.reason });
  }
  const failure = readFailure(error);
  const mapped = makeError(failure)(failure, { cause: causeOf(failure) });
  failures.set(mapped, failure);
  if (unsent.has(error as object)) unsent.add(mapped);
  return mapped;
}

/** The service's error code behind an error of `toStorageError`. */
export function codeOf(error: unknown): string | undefined {
  return failures.get(error as object)?.name;
}

/** The error of a conditional write, told from its conditions. `undefined` when they have nothing to do with it. */
export function conditionError(
  error: unknown,
  { ifNoneMatch }: { readonly ifNoneMatch?: '*' },
): StorageError | undefined {
  const refused = error instanceof StoragePreconditionFailedError;
  if (!refused || ifNoneMatch === undefined) return undefined;
  return new StorageFileExistsError(undefined, { cause: error.cause });
}

/** Whether the source of a copy may be another version than the one that was named, or gone. */
export function isSourceChange(error: unknown): boolean {
  if (error instanceof StoragePreconditionFailedError) return true;
  return codeOf(error) === 'CannotVerifyCopySource';
}

/** Another commit to the key took place while blocks waited there, and the service has dropped them. */
export function areBlocksGone(error: unknown): boolean {
  return codeOf(error) === 'InvalidBlockList';
}

/** Whether the attempt that failed so is certain to have changed nothing: nothing was sent, the service said no, or was not reached. */
export function isRefusal(error: unknown): boolean {
  if (unsent.has(error as object)) return true;
  const failure = failures.get(error as object);
  if (!failure) return false;
  const { name, status, code } = failure;
  if (status === undefined) return code !== undefined && UNREACHED_CODES.has(code);
  // What stands before the service says so as well when the connection behind it has ended, whatever had been done by then.
  if (status === 501 || status === 503) return tellsCode(failure) && name !== 'OperationTimedOut';
  return status >= 300 && status < 500 && status !== 408;
}

/** Whether the service refused this one blob, and may take others of the same caller. */
export function isAboutKey(error: StorageError): boolean {
  const failure = failures.get(error);
  if (!failure || error.retryable || error.code === 'CONFIGURATION') return false;
  const { status = 0 } = failure;
  return status >= 400 && status < 500 && !OF_THE_CALLER.has(makeError(failure));
}

const OF_THE_CALLER: ReadonlySet<MakeError> = new Set([
  credentials,
  untimely,
  expired,
  skewed,
  disabled,
]);

/** The error of an answer that lacks what each of its kind has. */
export function unreadableAnswer(reason = 'The answer has no etag'): StorageError {
  const failure = readFailure(new RangeError(reason));
  return unreadable(failure, { cause: causeOf(failure) });
}

/** What is wrong with credentials, by the service's words for it. */
const BY_DETAIL: readonly (readonly [words: RegExp, MakeError])[] = [
  [/not valid in the specified time frame|signed expiry/i, untimely],
  [/token is expired|lifetime validation failed/i, expired],
  [/date header too old/i, skewed],
];

function makeError({ name, status, code, message, detail }: AzureFailure): MakeError {
  if (status === undefined) {
    // What the SDK trips over when it reads such an answer.
    if (code === undefined && /^(?:Range|Type|URI)Error$/.test(name)) return unreadable;
    if (code === undefined && BROKEN_BATCH.test(message)) return broken;
    if (code === 'ETIMEDOUT') return timedOut;
    if (code === NO_CONNECTION) return noConnection;
    if (code !== undefined && isConnectionCode(code)) {
      return (_, context) =>
        new StorageConnectionError(
          connectionFailure(code, 'connectionString, accountUrl or accountName'),
          context,
        );
    }
    return ({ message }, context) => new StorageError(message || name, context);
  }
  if (status < 300) return unreadable;
  // The code of a 304 is that of a 412.
  if (status === 304) return BY_STATUS[304]!;
  const byName = Object.hasOwn(BY_NAME, name) ? BY_NAME[name] : undefined;
  if (byName === credentials && detail !== undefined) {
    return BY_DETAIL.find(([words]) => words.test(detail))?.[1] ?? credentials;
  }
  if (byName) return byName;
  if (BY_STATUS[status]) return BY_STATUS[status];
  if (status >= 500) return broken;
  return (failure, context) =>
    new StorageError(
      `The service answered ${[label(failure), failure.message].filter(Boolean).join(': ')}`,
      context,
    );
}

function readFailure(error: unknown): AzureFailure {
  const fields = toRecord(error);
  const response = toRecord(fields['response']);
  const header = headerReader(response['headers'] ?? fields['headers']);
  const status = toNumber(fields['statusCode'] ?? response['status'] ?? fields['status']);
  const code = fields['code'] === UNPARSED ? undefined : toText(fields['code']);
  const serviceCode =
    header('x-ms-error-code') ??
    toText(fields['errorCode']) ??
    toText(toRecord(fields['details'])['errorCode']);
  const requestId = header('x-ms-request-id');
  const sourceError = header('x-ms-copy-source-error-code');
  const wholeSize = /\/(\d+)$/.exec(header('content-range') ?? '')?.[1];
  return {
    name: redacted(serviceCode ?? (status === undefined ? undefined : code) ?? nameOf(error)),
    message: fields['code'] === UNPARSED ? '' : firstLine(messageOf(error)),
    status,
    code: status === undefined ? code : undefined,
    requestId: requestId === undefined ? undefined : redacted(requestId),
    retryAfter: header('retry-after'),
    size: toNumber(wholeSize),
    sourceError: sourceError === undefined ? undefined : redacted(sourceError),
    detail: /<AuthenticationErrorDetail>([^<]*)</.exec(toText(response['bodyAsText']) ?? '')?.[1],
  };
}

function headerReader(headers: unknown): (name: string) => string | undefined {
  const { get } = toRecord(headers);
  return (name) =>
    typeof get === 'function' ? toText(Reflect.apply(get, headers, [name])) : undefined;
}

function label(failure: AzureFailure): string {
  const { status, name } = failure;
  return [status, tellsCode(failure) && name].filter(Boolean).join(' ') || 'no answer';
}

/** Whether it is the service that has answered: a proxy has no error code. */
function tellsCode({ name }: AzureFailure): boolean {
  return name !== 'RestError' && name !== 'Error';
}

/** What follows the first line repeats the request: its id, its time, and of a wrong signature all that was signed. */
function firstLine(message: string): string {
  // A page, of whoever is on the way.
  if (message.trimStart().startsWith('<')) return '';
  return redacted(message.split('\n', 1)[0]!);
}

function messageOf(error: unknown): string {
  return toText(toRecord(error)['message']) ?? (error instanceof Error ? '' : String(error));
}

function nameOf(error: unknown): string {
  return toText(toRecord(error)['name']) ?? 'Error';
}
