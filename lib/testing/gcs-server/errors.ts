import { FormError } from '../servers/form-error.js';
import { element, xmlDocument } from '../servers/xml.js';

export interface GcsErrorExtras {
  /** What the JSON API names as the place of the error. */
  readonly location?: { readonly type: 'header' | 'parameter'; readonly name: string };
  /** Elements of the XML document beside Code, Message and Details. */
  readonly elements?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string | number>>;
}

/** A refusal, told as JSON, XML or text, depending on who asked. */
export class GcsError extends Error {
  override readonly name = 'GcsError';

  constructor(
    readonly status: number,
    /** The JSON API's word for it. */
    readonly reason: string,
    /** The XML API's. */
    readonly code: string,
    message: string,
    readonly extras: GcsErrorExtras = {},
  ) {
    super(message);
  }
}

export function invalid(message: string, code = 'InvalidArgument'): GcsError {
  return new GcsError(400, 'invalid', code, message);
}

/** A parameter that is missing. */
export function required(name: string): GcsError {
  return new GcsError(400, 'required', 'InvalidArgument', `Required parameter: ${name}`, {
    location: { type: 'parameter', name },
  });
}

export function notImplemented(what: string): GcsError {
  return new GcsError(
    501,
    'notImplemented',
    'NotImplemented',
    `This server does not implement ${what}.`,
  );
}

export function noSuchBucket(): GcsError {
  return new GcsError(404, 'notFound', 'NoSuchBucket', 'The specified bucket does not exist.');
}

export function noSuchObject(bucket: string, name: string): GcsError {
  return new GcsError(404, 'notFound', 'NoSuchKey', `No such object: ${bucket}/${name}`);
}

export function conditionNotMet(condition = 'If-Match'): GcsError {
  return new GcsError(
    412,
    'conditionNotMet',
    'PreconditionFailed',
    'At least one of the pre-conditions you specified did not hold.',
    { location: { type: 'header', name: condition } },
  );
}

/** 304: told by the status alone. */
export function notModified(headers: GcsErrorExtras['headers'] = {}): GcsError {
  return new GcsError(304, 'notModified', 'NotModified', 'Not Modified', { headers });
}

export function accessDenied(message: string, code = 'AccessDenied'): GcsError {
  return new GcsError(403, 'forbidden', code, message);
}

export function rangeNotSatisfiable(size: number): GcsError {
  return new GcsError(
    416,
    'requestedRangeNotSatisfiable',
    'InvalidRange',
    'The requested range cannot be satisfied.',
    { headers: { 'content-range': `bytes */${size}` } },
  );
}

/** A failure that a test has asked for. */
export function failedOnDemand(fault: {
  readonly status: number;
  readonly reason: string;
  readonly message?: string | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly retryAfter?: number | undefined;
}): GcsError {
  const { status, reason, message = `Failing on demand with ${reason}`, retryAfter } = fault;
  // The XML API's words for the two that matter.
  const code = reason === 'rateLimitExceeded' ? 'SlowDown' : 'InternalError';
  return new GcsError(status, reason, code, message, {
    headers: {
      ...fault.headers,
      ...(retryAfter === undefined ? {} : { 'retry-after': retryAfter }),
    },
  });
}

/** What is answered to anything that was thrown: a 500 with its stack, when it is none of ours. */
export function asRefusal(error: unknown): GcsError {
  if (error instanceof GcsError) return error;
  if (error instanceof FormError) {
    const { code, message } = error;
    return code === 'AccessDenied' ? accessDenied(message) : invalid(message, code);
  }
  const message = error instanceof Error ? (error.stack ?? '') : String(error);
  return new GcsError(500, 'internalError', 'InternalError', message);
}

export function errorResource({ status, reason, message, extras }: GcsError): object {
  const location = extras.location && {
    locationType: extras.location.type,
    location: extras.location.name,
  };
  return {
    error: {
      code: status,
      message,
      errors: [{ message, domain: 'global', reason, ...location }],
    },
  };
}

/** The XML API's fixed sentence; what is special about the case goes to Details. */
const SENTENCES: Readonly<Record<string, string>> = {
  AccessDenied: 'Access denied.',
  NoSuchKey: 'The specified key does not exist.',
};

export function errorDocument({ code, message, extras }: GcsError): string {
  const sentence = SENTENCES[code];
  return xmlDocument(
    'Error',
    [
      element('Code', code),
      element('Message', sentence ?? message),
      element('Details', sentence === undefined ? undefined : message),
      ...Object.entries(extras.elements ?? {}).map(([name, text]) => element(name, text)),
    ],
    { namespace: false },
  );
}
