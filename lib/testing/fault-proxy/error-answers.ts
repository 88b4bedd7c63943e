import { element, xmlDocument } from '../servers/xml.js';
import type { ProxyAnswer } from './proxy-faults.js';

/** The service in whose format an error is sent. */
export type ServiceDialect = 's3' | 'gcs' | 'azure';

/** What went wrong, as the service puts it. */
export type ErrorAnswerName =
  /** 500. */
  | 'internal-error'
  /** 503, of a service or whatever stands before it. */
  | 'unavailable'
  /** Too many requests: SlowDown, rateLimitExceeded, ServerBusy. */
  | 'slow-down'
  /** The credentials were good once. */
  | 'expired-token'
  /** Status 200, and a document that says that it has failed. */
  | 'ok-with-error';

interface Words {
  readonly status: number;
  /** The error code of S3 and Azure, the reason of GCS. */
  readonly code: string;
}

const WORDS: Readonly<Record<ServiceDialect, Readonly<Record<ErrorAnswerName, Words>>>> = {
  s3: {
    'internal-error': { status: 500, code: 'InternalError' },
    unavailable: { status: 503, code: 'ServiceUnavailable' },
    'slow-down': { status: 503, code: 'SlowDown' },
    'expired-token': { status: 400, code: 'ExpiredToken' },
    'ok-with-error': { status: 200, code: 'InternalError' },
  },
  gcs: {
    'internal-error': { status: 500, code: 'backendError' },
    unavailable: { status: 503, code: 'backendError' },
    'slow-down': { status: 429, code: 'rateLimitExceeded' },
    'expired-token': { status: 401, code: 'authError' },
    'ok-with-error': { status: 200, code: 'backendError' },
  },
  azure: {
    'internal-error': { status: 500, code: 'InternalError' },
    unavailable: { status: 503, code: 'ServiceUnavailable' },
    'slow-down': { status: 503, code: 'ServerBusy' },
    'expired-token': { status: 403, code: 'AuthenticationFailed' },
    'ok-with-error': { status: 200, code: 'InternalError' },
  },
};

/**
 * The response of a service that failed, in the format of its own errors, for `fail({ with: … })`.
 *
 * @param options `retryAfter`: seconds, sent as Retry-After (RFC 9110 §10.2.3)
 */
export function errorAnswer(
  dialect: ServiceDialect,
  name: ErrorAnswerName,
  { retryAfter }: { readonly retryAfter?: number } = {},
): ProxyAnswer {
  const words = WORDS[dialect][name];
  const { headers, body } = DOCUMENTS[dialect](words, `${words.code}, said the fault proxy.`);
  return {
    status: words.status,
    headers: {
      ...headers,
      ...(retryAfter !== undefined && { 'retry-after': String(retryAfter) }),
    },
    body,
  };
}

type Told = Pick<Required<ProxyAnswer>, 'headers' | 'body'>;

const DOCUMENTS: Readonly<Record<ServiceDialect, (words: Words, message: string) => Told>> = {
  s3: ({ code }, message) => ({
    headers: { 'content-type': 'application/xml', 'x-amz-request-id': 'fault-proxy' },
    body: errorDocument(code, message),
  }),
  gcs: ({ status, code }, message) => ({
    headers: { 'content-type': 'application/json; charset=UTF-8' },
    body: JSON.stringify({
      error: {
        code: status === 200 ? 500 : status,
        message,
        errors: [{ message, domain: 'global', reason: code }],
      },
    }),
  }),
  azure: ({ status, code }, message) => ({
    headers: {
      'content-type': 'application/xml',
      'x-ms-request-id': 'fault-proxy',
      // No success has it.
      ...(status >= 300 && { 'x-ms-error-code': code }),
    },
    body: errorDocument(code, message),
  }),
};

function errorDocument(code: string, message: string): string {
  const children = [element('Code', code), element('Message', message)];
  return xmlDocument('Error', children, { namespace: false });
}
