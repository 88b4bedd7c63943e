import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import { alreadyRead } from '../routes/route.exceptions.js';
import { type BodyLimits, FormBody } from '../uploads/form-body.js';

// Sizes are counted where the upload is known.
const LIMITS: BodyLimits = { maxTotalSize: Infinity, minRate: 1024, minRateWindow: 30_000 };

/** Bytes between the request and the backend, beside the part that is collected. */
const BUFFER_SIZE = 64 * 1024;

/** The media type of bytes to be appended. */
export const CHUNK_TYPE = 'application/offset+octet-stream';

/**
 * The body of a request that brings bytes; `undefined` for every other.
 *
 * @param method that the request stands for
 * @throws StorageConfigurationError when somebody has read it already
 */
export function chunkBodyOf(method: string, request: IncomingMessage): FormBody | undefined {
  const { headers } = request;
  const mayHaveOne = method === 'POST' || method === 'PATCH';
  if (!mayHaveOne || headers['content-type'] !== CHUNK_TYPE) return undefined;
  if (request.readableEnded && headers['content-length'] !== '0') throw alreadyRead();
  return new FormBody(request, LIMITS);
}

/** The same as `@tus/server` takes it. Its buffer is counted in bytes, where the default is thousands of chunks. */
export function asWebStream(body: Readable): ReadableStream<Uint8Array> {
  const strategy = new ByteLengthQueuingStrategy({ highWaterMark: BUFFER_SIZE });
  return Readable.toWeb(body, { strategy }) as ReadableStream<Uint8Array>;
}
