import { StreamableFile } from '@nestjs/common';
import type { Readable } from 'node:stream';
import type { Download } from '../core/download.js';
import { HeldBytes } from '../core/held-bytes.js';
import type { ByteRange } from '../core/range.js';
import type { StoredFile } from '../core/stored-file.js';
import type { Answer, AnswerHead } from './answer.js';
import { contentRange } from './byte-ranges.js';
import { cacheControl, cacheControlOfPart } from './cache-control.js';
import { EmptyBody } from './empty-body.js';
import { cutOnFailure } from './failed-body.js';
import { contentType, setContentHeaders, setLastModified, setValidators } from './file-headers.js';
import { firstBytes } from './first-bytes.js';
import { multipartByteranges } from './multipart-byteranges.js';
import type { ServedFile } from './served-file.js';

/** The whole file: of the version that was looked at, if there was a look. */
export async function sendWhole(
  served: ServedFile,
  seen: StoredFile | undefined,
  answer: Answer,
): Promise<StreamableFile> {
  const download = await open(served, seen, undefined, answer);
  const { head } = answer;
  const body = download.size > 0 ? await begun(download.stream, answer) : undefined;
  describe(served, download.file, head);
  head.header('Content-Length', String(download.size));
  if (body) return sent(body, answer);
  download.destroy();
  return new EmptyBody();
}

/** One range of the version that was looked at. */
export async function sendPart(
  served: ServedFile,
  seen: StoredFile,
  range: ByteRange,
  answer: Answer,
): Promise<StreamableFile> {
  const download = await open(served, seen, range, answer);
  const body = await begun(download.stream, answer);
  const { head } = answer;
  describePart(served, download.file, head);
  head.header('Content-Range', contentRange(download.range ?? range));
  head.header('Content-Length', String(download.size));
  return sent(body, answer);
}

/** Several ranges of the version that was looked at. */
export async function sendParts(
  served: ServedFile,
  seen: StoredFile,
  ranges: readonly [ByteRange, ...ByteRange[]],
  answer: Answer,
): Promise<StreamableFile> {
  const first = await open(served, seen, ranges[0], answer);
  await begun(first.stream, answer);
  const parts = multipartByteranges(ranges, contentType(served.serving, first.file));
  const body = parts.stream(first, (range) => open(served, seen, range, answer));
  answer.client.holds(body);
  const { head } = answer;
  describePart(served, first.file, head);
  head.header('Content-Type', parts.contentType);
  head.header('Content-Length', String(parts.size));
  return sent(body, answer);
}

/** The headers of a file, whether its bytes follow or not. */
export function describe(served: ServedFile, file: StoredFile, head: AnswerHead): void {
  setValidators(served, file, head);
  setLastModified(file, head);
  head.header('Accept-Ranges', served.storage.capabilities.ranges ? 'bytes' : 'none');
  setContentHeaders(served, file, head);
}

function describePart(served: ServedFile, file: StoredFile, head: AnswerHead): void {
  const whole = cacheControl(served.serving, head.given('Cache-Control'), file);
  describe(served, file, head);
  head.header('Cache-Control', cacheControlOfPart(whole));
  head.status(206);
}

function open(
  { storage, key }: ServedFile,
  seen: StoredFile | undefined,
  range: ByteRange | undefined,
  { client: { signal } }: Answer,
): Promise<Download> {
  return storage.get(key, {
    signal,
    ...(range && { range: { start: range.start, end: range.end } }),
    // The bytes are to be those of the version that was judged.
    ...(seen?.etag !== undefined && storage.capabilities.conditionalGet && { ifMatch: seen.etag }),
  });
}

/** The body as soon as it has begun: one that fails at once still gets the status of its failure. */
async function begun(body: Readable, { client }: Answer): Promise<Readable> {
  client.holds(body);
  if (body instanceof HeldBytes) return body;
  // It may fail before anybody else listens; the process must not end by it.
  body.on('error', () => {});
  await firstBytes(body);
  // In the same turn as it could be read.
  if (body.errored) throw body.errored;
  return body;
}

function sent(body: Readable, { client }: Answer): StreamableFile {
  // What is in memory does not fail.
  if (body instanceof HeldBytes) return new StreamableFile(body);
  cutOnFailure(body, client.response);
  return new StreamableFile(body).setErrorHandler(() => {});
}
