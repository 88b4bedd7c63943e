import { FormError } from '../servers/form-error.js';
import { element, xmlDocument } from '../servers/xml.js';

/** Every error code this server answers, with the status S3 gives it. */
const STATUS = {
  AccessControlListNotSupported: 400,
  AccessDenied: 403,
  AuthorizationHeaderMalformed: 400,
  AuthorizationQueryParametersError: 400,
  BadDigest: 400,
  BucketAlreadyOwnedByYou: 409,
  EntityTooLarge: 400,
  EntityTooSmall: 400,
  FileAlreadyExists: 409,
  IncompleteBody: 400,
  InternalError: 500,
  InvalidAccessKeyId: 403,
  InvalidArgument: 400,
  InvalidBucketName: 400,
  InvalidChunkSizeError: 403,
  InvalidDigest: 400,
  InvalidPart: 400,
  InvalidPartOrder: 400,
  InvalidPolicyDocument: 400,
  InvalidRange: 416,
  InvalidRequest: 400,
  InvalidStorageClass: 400,
  InvalidToken: 400,
  InvalidURI: 400,
  KeyTooLongError: 400,
  MalformedPOSTRequest: 400,
  MalformedTrailerError: 400,
  MalformedXML: 400,
  MaxPostPreDataLengthExceeded: 400,
  MetadataTooLarge: 400,
  MethodNotAllowed: 405,
  MissingContentLength: 411,
  NoSuchBucket: 404,
  NoSuchKey: 404,
  NoSuchUpload: 404,
  NotImplemented: 501,
  PreconditionFailed: 412,
  RequestTimeTooSkewed: 403,
  SecondLevelDomainForbidden: 403,
  SignatureDoesNotMatch: 403,
  XAmzContentSHA256Mismatch: 400,
} as const satisfies Record<string, number>;

export type S3ErrorCode = keyof typeof STATUS;

export interface S3ErrorExtras {
  /** Elements beside Code and Message, such as `Key` or `BucketName`. */
  readonly details?: Readonly<Record<string, string | number>>;
  readonly headers?: Readonly<Record<string, string | number>>;
}

/** A refusal, to be answered in S3's XML shape. */
export class S3Error extends Error {
  override readonly name = 'S3Error';

  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly extras: S3ErrorExtras = {},
  ) {
    super(message);
  }
}

export function s3Error(code: S3ErrorCode, message: string, extras?: S3ErrorExtras): S3Error {
  return new S3Error(STATUS[code], code, message, extras);
}

export function notImplemented(what: string): S3Error {
  return s3Error(
    'NotImplemented',
    `This server does not implement ${what}.`,
    // S3 names the offending header here; the element helps a failing test.
    { details: { Header: what } },
  );
}

/** What is answered to anything that was thrown: a 500 with its stack, when it is no refusal. */
export function asRefusal(error: unknown): S3Error {
  if (error instanceof S3Error) return error;
  if (error instanceof FormError) {
    return s3Error(error.code, error.message, { details: error.details });
  }
  return s3Error('InternalError', error instanceof Error ? (error.stack ?? '') : String(error));
}

export function errorDocument(error: S3Error, requestId: string): string {
  return xmlDocument(
    'Error',
    [
      element('Code', error.code),
      element('Message', error.message),
      ...Object.entries(error.extras.details ?? {}).map(([name, value]) => element(name, value)),
      element('RequestId', requestId),
      element('HostId', `${requestId}-host`),
    ],
    // Error documents carry no namespace, unlike every other answer.
    { namespace: false },
  );
}
