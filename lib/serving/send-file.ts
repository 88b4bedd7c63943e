import { StreamableFile } from '@nestjs/common';
import type { ServerResponse } from 'node:http';
import { contentTypeOf } from '../core/attributes.js';
import { contentDisposition } from '../core/content-disposition.js';
import type { Download } from '../core/download.js';
import { StoragePreconditionFailedError, StorageRangeNotSatisfiableError } from '../core/errors.js';
import { type ByteRange, type RangeOption, resolveRange } from '../core/range.js';
import type { StoredFile } from '../core/stored-file.js';
import { answerFailedBody } from './failed-body.js';
import {
  evaluateConditions,
  evaluateIfRange,
  hasConditions,
  type RequestHeaders,
} from './http-conditions.js';
import { parseRangeHeader } from './range-header.js';
import type { ServedFile } from './served-file.js';

export interface ServedRequest {
  readonly method: string;
  readonly headers: RequestHeaders;
}

/** The status line and headers of the answer, whatever the HTTP framework. */
export interface AnswerHead {
  status(code: number): void;
  header(name: string, value: string): void;
  /** What the app itself set before, as by `@Header()`. */
  given(name: string): string | undefined;
}

// What a browser shows without running anything. Everything else is saved, not shown; so is any type in `+xml`, which
// browsers render as XML whatever stands before it.
const INLINE_TYPES =
  /^(?:image\/(?:png|jpeg|gif|webp|avif|bmp|tiff|vnd\.microsoft\.icon|x-icon)|audio\/[\w.-]+|video\/[\w.-]+|text\/plain)$/;

/**
 * Answers a request with a file: what the body is to be, after status and headers are set. `undefined` is no body.
 * One metadata call and one body call at most; HEAD, 304, 412 and 416 open no body.
 *
 * @throws StorageError when there is nothing to send; nothing but headers is set then
 */
export async function sendFile(
  served: ServedFile,
  request: ServedRequest,
  head: AnswerHead,
): Promise<StreamableFile | undefined> {
  setSafeHeaders(served, head);
  const { method, headers } = request;
  // RFC 9110 §14.2: Range is defined for GET only. A POST that answers with a file has conditions of its own, if any.
  const wanted = method === 'GET' ? parseRangeHeader(header(headers, 'range')) : undefined;
  const isConditional = method === 'GET' && hasConditions(headers);
  if (method !== 'HEAD' && !wanted && !isConditional) {
    return streamed(served, await served.storage.get(served.key), head);
  }
  // A second try only when the file was replaced between the look and the read.
  for (let attempt = 1; ; attempt++) {
    const file = await served.storage.info(served.key);
    const verdict = evaluateConditions(headers, file);
    if (verdict === 412) throw new StoragePreconditionFailedError();
    if (verdict === 304) {
      setValidators(served, file, head);
      head.status(304);
      return undefined;
    }
    const { ranges, conditionalGet } = served.storage.capabilities;
    const honoured = ranges && wanted && evaluateIfRange(headers, file);
    const range = honoured ? satisfy(wanted, file, head) : undefined;
    if (method === 'HEAD') {
      describe(served, file, head);
      head.header('Content-Length', String(file.size));
      return undefined;
    }
    try {
      const download = await served.storage.get(served.key, {
        ...(range && { range: { start: range.start, end: range.end } }),
        // The bytes are to be those of the version that was just judged.
        ...(conditionalGet && file.etag !== undefined && { ifMatch: file.etag }),
      });
      return streamed(served, download, head);
    } catch (error) {
      if (attempt > 1 || !(error instanceof StoragePreconditionFailedError)) throw error;
    }
  }
}

function satisfy(wanted: RangeOption, file: StoredFile, head: AnswerHead): ByteRange | undefined {
  // RFC 9110 §14.2 lets a server ignore a range; of an empty file there is nothing else to send.
  if (file.size === 0) return undefined;
  try {
    return resolveRange(wanted, file.size);
  } catch (error) {
    if (error instanceof StorageRangeNotSatisfiableError) {
      head.header('Content-Range', `bytes */${file.size}`);
    }
    throw error;
  }
}

function streamed(served: ServedFile, download: Download, head: AnswerHead): StreamableFile {
  const { file, range } = download;
  describe(served, file, head);
  head.header('Content-Length', String(download.size));
  if (range) {
    head.status(206);
    head.header('Content-Range', `bytes ${range.start}-${range.end}/${range.size}`);
  }
  return new StreamableFile(download.stream, {
    type: contentType(file),
    length: download.size,
  }).setErrorHandler((error, response) => {
    answerFailedBody(error, response as unknown as ServerResponse);
  });
}

function setSafeHeaders({ serving }: ServedFile, head: AnswerHead): void {
  head.header('X-Content-Type-Options', 'nosniff');
  head.header('Content-Security-Policy', "default-src 'none'; style-src 'unsafe-inline'; sandbox");
  head.header('Cross-Origin-Resource-Policy', serving.crossOrigin ?? 'same-origin');
}

/** The headers that a 304 has, too (RFC 9110 §15.4.5). */
function setValidators({ serving }: ServedFile, file: StoredFile, head: AnswerHead): void {
  if (file.etag !== undefined) head.header('ETag', file.etag);
  head.header(
    'Cache-Control',
    serving.cacheControl ?? head.given('Cache-Control') ?? file.cacheControl ?? 'private, no-cache',
  );
}

function describe(served: ServedFile, file: StoredFile, head: AnswerHead): void {
  setValidators(served, file, head);
  if (file.lastModified) head.header('Last-Modified', file.lastModified.toUTCString());
  head.header('Accept-Ranges', served.storage.capabilities.ranges ? 'bytes' : 'none');
  head.header('Content-Type', contentType(file));
  head.header('Content-Disposition', disposition(served, file));
  if (file.contentEncoding !== undefined) head.header('Content-Encoding', file.contentEncoding);
  if (file.contentLanguage !== undefined) head.header('Content-Language', file.contentLanguage);
}

function disposition({ serving }: ServedFile, file: StoredFile): string {
  const type = contentType(file).split(';')[0]!.trim().toLowerCase();
  const filename = serving.filename ?? file.metadata['filename'] ?? file.key.split('/').at(-1)!;
  const shown = serving.disposition !== 'attachment' && INLINE_TYPES.test(type);
  return contentDisposition({ type: shown ? 'inline' : 'attachment', filename });
}

function contentType(file: StoredFile): string {
  return file.contentType ?? contentTypeOf(file.key);
}

function header(headers: RequestHeaders, name: string): string | undefined {
  const value = headers[name];
  return Array.isArray(value) ? value[0] : value;
}
