import { createHash } from 'node:crypto';
import { ByteReader } from '../servers/byte-reader.js';
import { EMPTY_SHA256, scopeText, sha256Hex, sign } from './canonical-request.js';
import { s3Error } from './errors.js';
import type { PayloadPromise } from './signature-v4.js';

type ChunkedPromise = Extract<PayloadPromise, { kind: 'chunked-unsigned' | 'chunked-signed' }>;

/** S3 takes smaller chunks only at the end. */
const MIN_CHUNK_SIZE = 8192;
const MAX_LINE = 16 * 1024;

/**
 * Strips the aws-chunked framing, verifying the signature of each chunk and of
 * the trailers when they are signed. Trailers are put into `trailers`, by
 * lower-case name, before the last byte count is known to be right.
 *
 * @throws S3Error IncompleteBody, InvalidChunkSizeError, MalformedTrailerError
 *   or SignatureDoesNotMatch
 */
export async function* decodeAwsChunked(
  source: AsyncIterable<Buffer>,
  promise: ChunkedPromise,
  declaredTrailers: readonly string[],
  trailers: Map<string, string>,
): AsyncGenerator<Buffer> {
  const reader = new ByteReader(source);
  const signer = promise.kind === 'chunked-signed' ? new ChunkSigner(promise) : undefined;
  let previousSize = MIN_CHUNK_SIZE;
  for (;;) {
    const line = await reader.line(MAX_LINE);
    if (line === undefined) throw incomplete();
    const match = /^([0-9a-fA-F]{1,16})(?:;chunk-signature=([0-9a-f]{64}))?$/.exec(line);
    if (!match || (match[2] !== undefined) !== (signer !== undefined)) {
      throw s3Error('IncompleteBody', 'The request body has malformed chunks.');
    }
    const size = Number.parseInt(match[1] ?? '', 16);
    if (size > 0 && previousSize < MIN_CHUNK_SIZE) {
      throw s3Error(
        'InvalidChunkSizeError',
        'Only the last chunk is allowed to have a size less than 8192 bytes',
      );
    }
    if (size > 0) previousSize = size;

    const hash = signer && createHash('sha256');
    let received = 0;
    for await (const bytes of reader.take(size)) {
      received += bytes.length;
      hash?.update(bytes);
      yield bytes;
    }
    if (received < size) throw incomplete();
    if (hash) signer?.checkChunk(hash.digest('hex'), match[2]);
    if (size === 0) break;
    if ((await reader.line(0)) !== '') throw incomplete();
  }

  const lines: string[] = [];
  for (;;) {
    const line = await reader.line(MAX_LINE);
    if (line === undefined) throw incomplete();
    if (line === '') break;
    const colon = line.indexOf(':');
    const name = line.slice(0, colon).trim().toLowerCase();
    const value = line.slice(colon + 1).trim();
    if (name === 'x-amz-trailer-signature') {
      signer?.checkTrailers(lines, value);
      continue;
    }
    if (colon < 1 || !declaredTrailers.includes(name)) throw badTrailer();
    lines.push(`${name}:${value}\n`);
    trailers.set(name, value);
  }
  if (
    declaredTrailers.some((name) => !trailers.has(name)) ||
    (promise.kind === 'chunked-signed' && promise.trailer && !signer?.trailersChecked)
  ) {
    throw badTrailer();
  }
  if (!(await reader.ended())) throw incomplete();
}

/** Each signature covers the one before, from the seed on. */
class ChunkSigner {
  trailersChecked = false;
  #previous: string;

  constructor(private readonly promise: Extract<PayloadPromise, { kind: 'chunked-signed' }>) {
    this.#previous = promise.seed;
  }

  checkChunk(hash: string, given: string | undefined): void {
    this.#check('AWS4-HMAC-SHA256-PAYLOAD', [EMPTY_SHA256, hash], given);
  }

  checkTrailers(lines: readonly string[], given: string): void {
    this.#check('AWS4-HMAC-SHA256-TRAILER', [sha256Hex(lines.join(''))], given);
    this.trailersChecked = true;
  }

  #check(algorithm: string, hashes: readonly string[], given: string | undefined): void {
    const { timestamp, scope, key } = this.promise;
    const expected = sign(
      key,
      [algorithm, timestamp, scopeText(scope), this.#previous, ...hashes].join('\n'),
    );
    if (given !== expected) {
      throw s3Error(
        'SignatureDoesNotMatch',
        'The request signature we calculated does not match the signature you provided. Check your key and signing method.',
      );
    }
    this.#previous = expected;
  }
}

function incomplete(): Error {
  return s3Error('IncompleteBody', 'The request body terminated unexpectedly');
}

function badTrailer(): Error {
  return s3Error(
    'MalformedTrailerError',
    'The request contained trailing data that was not well-formed or did not conform to our published schema.',
  );
}
