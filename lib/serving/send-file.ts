import type { StreamableFile } from '@nestjs/common';
import { StoragePreconditionFailedError, StorageRangeNotSatisfiableError } from '../core/errors.js';
import type { ByteRange, RangeOption } from '../core/range.js';
import type { StoredFile } from '../core/stored-file.js';
import type { Answer, AnswerHead } from './answer.js';
import { satisfiableRanges } from './byte-ranges.js';
import { accelerate, deliverer, redirect } from './delegated.js';
import { EmptyBody } from './empty-body.js';
import { setSafeHeaders, setValidators } from './file-headers.js';
import {
  demandsVersion,
  evaluateConditions,
  evaluateIfRange,
  hasConditions,
  type RequestHeaders,
} from './http-conditions.js';
import { parseRangeHeader } from './range-header.js';
import { describe, sendPart, sendParts, sendWhole } from './send-body.js';
import type { ServedFile } from './served-file.js';

export interface ServedRequest {
  readonly method: string;
  readonly headers: RequestHeaders;
}

/**
 * Answers a request with a file: what the body is to be, after status and headers are set.
 *
 * @throws StorageError when there is nothing to send; nothing but headers is set then
 */
export async function sendFile(
  served: ServedFile,
  request: ServedRequest,
  answer: Answer,
): Promise<StreamableFile> {
  const { head, client } = answer;
  setSafeHeaders(served, head);
  const isRead = request.method === 'GET' || request.method === 'HEAD';
  // A web server puts a file into any answer; a redirect would make a GET of whatever was asked.
  const mode = isRead ? await deliverer(served, head.given('Cache-Control')) : 'proxy';
  if (mode === 'redirect') return redirect(served, client.signal, head);
  if (mode === 'accel') return accelerate(served, served.serving.accel!, client.signal, head);
  return isRead ? sendConditionally(served, request, answer) : sendWhole(served, undefined, answer);
}

/**
 * One metadata call and one body call at most, but for several ranges, which have one each; HEAD, 304, 412 and 416 open
 * no body.
 */
async function sendConditionally(
  served: ServedFile,
  { method, headers }: ServedRequest,
  answer: Answer,
): Promise<StreamableFile> {
  const { storage, key, serving } = served;
  const { head, client } = answer;
  // RFC 9110 §14.2: Range is defined for GET only.
  const asked =
    method === 'GET'
      ? parseRangeHeader(firstOf(headers['range']), serving.maxRanges ?? 1)
      : undefined;
  if (method === 'GET' && !asked && !hasConditions(headers)) {
    return sendWhole(served, undefined, answer);
  }
  // A second try only when the file was replaced between the look and the read.
  for (let attempt = 1; ; attempt++) {
    const file = await storage.info(key, { signal: client.signal });
    const verdict = evaluateConditions(headers, file);
    if (verdict === 412) throw new StoragePreconditionFailedError();
    if (verdict === 304) {
      setValidators(served, file, head);
      head.status(304);
      return new EmptyBody();
    }
    const honoured = asked && storage.capabilities.ranges && evaluateIfRange(headers, file);
    const ranges = honoured ? satisfy(asked, file, head) : undefined;
    if (method === 'HEAD') {
      describe(served, file, head);
      head.header('Content-Length', String(file.size));
      return new EmptyBody();
    }
    try {
      if (!ranges) return await sendWhole(served, file, answer);
      const [first, second] = ranges;
      if (!second) return await sendPart(served, file, first, answer);
      return await sendParts(served, file, ranges, answer);
    } catch (error) {
      if (!(error instanceof StoragePreconditionFailedError)) throw error;
      if (attempt === 1) continue;
      if (demandsVersion(headers)) throw error;
      // Replaced faster than it can be looked at. A server may leave a range out (RFC 9110 §14.2), and whole, the file
      // is of one version by itself.
      return sendWhole(served, undefined, answer);
    }
  }
}

function satisfy(
  asked: readonly RangeOption[],
  { size }: StoredFile,
  head: AnswerHead,
): readonly [ByteRange, ...ByteRange[]] | undefined {
  // RFC 9110 §14.2 lets a server ignore a range; of an empty file there is nothing else to send.
  if (size === 0) return undefined;
  try {
    return satisfiableRanges(asked, size);
  } catch (error) {
    if (error instanceof StorageRangeNotSatisfiableError) {
      head.header('Content-Range', `bytes */${size}`);
    }
    throw error;
  }
}

function firstOf(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value;
}
