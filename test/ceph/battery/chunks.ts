import {
  EMPTY_SHA256,
  scopeText,
  sha256Hex,
  sign,
} from '../../../lib/testing/s3-server/canonical-request.js';
import { createDigest } from '../../../lib/testing/s3-server/checksums.js';
import { prepared, type Probe, told, toldWithBody } from './probe.js';
import type { Answer, RawBucket } from './request.js';
import { signatureContext, signatureHeaders } from './signing.js';

interface Chunked {
  readonly chunks: readonly string[];
  readonly signed: boolean;
  /** The CRC-32 in the trailer. */
  readonly checksum?: string;
  /** Default: that of the chunks. */
  readonly decodedLength?: string | undefined;
  /** Whether the header tells it. Default true. */
  readonly tellsLength?: boolean;
  readonly tamper?: (body: string) => string;
  /** In the chunks of HTTP, too, and hence without Content-Length: what SDKs make of a stream. */
  readonly streamed?: boolean;
}

const FIRST = 'x'.repeat(8192);
const BYTES = `${FIRST}hello`;

function crc32(bytes: string): string {
  const digest = createDigest('CRC32');
  digest.update(Buffer.from(bytes));
  return digest.digest().toString('base64');
}

function payloadHashOf({ signed, checksum }: Chunked): string {
  const algorithm = signed ? 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD' : 'STREAMING-UNSIGNED-PAYLOAD';
  return checksum === undefined ? algorithm : `${algorithm}-TRAILER`;
}

/** A PutObject in aws-chunked framing. */
function putChunked(bucket: RawBucket, chunked: Chunked): Promise<Answer> {
  const { chunks, checksum, signed, tamper = (body) => body, tellsLength = true } = chunked;
  const at = new Date();
  const path = `/${bucket.name}/a`;
  const length = chunked.decodedLength ?? String(chunks.join('').length);
  const headers = signatureHeaders(
    {
      method: 'PUT',
      path,
      query: {},
      headers: {
        host: `127.0.0.1:${bucket.server.port}`,
        'content-encoding': 'aws-chunked',
        ...(tellsLength && { 'x-amz-decoded-content-length': length }),
        ...(checksum !== undefined && { 'x-amz-trailer': 'x-amz-checksum-crc32' }),
      },
    },
    bucket.signing,
    { at, payloadHash: payloadHashOf(chunked) },
  );
  const seed = /Signature=(\w+)$/.exec(headers['authorization']!)![1]!;
  const body = signed ? signedBody(bucket, chunked, at, seed) : unsignedBody(chunked);
  const framing = chunked.streamed ? { 'transfer-encoding': 'chunked' } : {};
  return bucket.send('PUT', path, { ...headers, ...framing }, tamper(body));
}

function unsignedBody({ chunks, checksum }: Chunked): string {
  const framed = [...chunks, ''].map((chunk) =>
    chunk === '' ? '0\r\n' : `${chunk.length.toString(16)}\r\n${chunk}\r\n`,
  );
  const trailer = checksum === undefined ? '' : `x-amz-checksum-crc32:${checksum}\r\n`;
  return `${framed.join('')}${trailer}\r\n`;
}

function signedBody(
  bucket: RawBucket,
  { chunks, checksum }: Chunked,
  at: Date,
  seed: string,
): string {
  const { timestamp, scope, key } = signatureContext(bucket.signing, { at });
  let previous = seed;
  const next = (algorithm: string, ...hashes: string[]): string =>
    (previous = sign(
      key,
      [algorithm, timestamp, scopeText(scope), previous, ...hashes].join('\n'),
    ));
  const framed = [...chunks, ''].map((chunk) => {
    const signature = next('AWS4-HMAC-SHA256-PAYLOAD', EMPTY_SHA256, sha256Hex(chunk));
    const head = `${chunk.length.toString(16)};chunk-signature=${signature}\r\n`;
    return chunk === '' ? head : `${head}${chunk}\r\n`;
  });
  if (checksum === undefined) return `${framed.join('')}\r\n`;
  const signature = next(
    'AWS4-HMAC-SHA256-TRAILER',
    sha256Hex(`x-amz-checksum-crc32:${checksum}\n`),
  );
  return `${framed.join('')}x-amz-checksum-crc32:${checksum}\r\nx-amz-trailer-signature:${signature}\r\n\r\n`;
}

/** Whether the bytes arrived as they were meant. */
function arrived(name: string, chunked: Chunked): Probe {
  return {
    name,
    expected: `200, then 200 content-encoding=– the bytes`,
    async ask(bucket) {
      const put = await putChunked(bucket, chunked);
      if (put.status !== 200) return put;
      const got = await bucket.ask('GET', 'a');
      const whole = got.text === chunked.chunks.join('') ? 'the bytes' : 'other bytes';
      return `${told(put)}, then ${told(got, 'content-encoding')} ${whole}`;
    },
  };
}

function refused(name: string, expected: string, chunked: Chunked): Probe {
  return { name, expected, ask: (bucket) => putChunked(bucket, chunked) };
}

const signed = { chunks: [FIRST, 'hello'], signed: true };
const unsigned = { chunks: [FIRST, 'hello'], signed: false, checksum: crc32(BYTES) };

/** Bodies in aws-chunked framing, and checksums that trail behind them. */
export const chunks: readonly Probe[] = [
  arrived('signed chunks', signed),
  arrived('signed chunks with a trailer', { ...signed, checksum: crc32(BYTES) }),
  arrived('unsigned chunks with a trailer', unsigned),
  arrived('unsigned chunks with a trailer, streamed', { ...unsigned, streamed: true }),
  arrived('signed chunks, streamed', { ...signed, streamed: true }),
  arrived('unsigned chunks of no bytes with a trailer', {
    ...unsigned,
    chunks: [],
    checksum: crc32(''),
  }),
  refused('signed chunks, one of which was changed', '403 SignatureDoesNotMatch', {
    ...signed,
    tamper: (body) => body.replace('hello', 'HELLO'),
  }),
  refused('signed chunks, the last of which is missing', '400 IncompleteBody', {
    ...signed,
    tamper: (body) => body.slice(0, body.lastIndexOf('0;chunk-signature')),
  }),
  refused('signed chunks with a trailer that was changed', '403 SignatureDoesNotMatch', {
    ...signed,
    checksum: crc32(BYTES),
    tamper: (body) => body.replace(crc32(BYTES), crc32('other')),
  }),
  refused('signed chunks with a wrong checksum in the trailer', '400 BadDigest', {
    ...signed,
    checksum: crc32('other'),
  }),
  refused('unsigned chunks with a wrong checksum in the trailer', '400 BadDigest', {
    ...unsigned,
    checksum: crc32('other'),
  }),
  refused('unsigned chunks without the trailer that was announced', '400 MalformedTrailerError', {
    ...unsigned,
    tamper: (body) => body.replace(/x-amz-checksum-crc32:.*\r\n/, ''),
  }),
  refused('unsigned chunks without their length', '411 MissingContentLength', {
    ...unsigned,
    tellsLength: false,
  }),
  refused('unsigned chunks of another length than was told', '400 IncompleteBody', {
    ...unsigned,
    decodedLength: '5',
  }),
  refused('signed chunks of another length than was told', '400 IncompleteBody', {
    ...signed,
    decodedLength: '5',
  }),
  refused('a small chunk that is not the last', '403 InvalidChunkSizeError', {
    ...signed,
    chunks: ['hello', FIRST],
  }),
  {
    name: 'a checksum from a trailer',
    expected: `200 x-amz-checksum-crc32=${crc32(BYTES)}`,
    async ask(bucket) {
      const put = await putChunked(bucket, unsigned);
      if (put.status !== 200) return put;
      const headers = { 'x-amz-checksum-mode': 'ENABLED' };
      return told(await bucket.ask('HEAD', 'a', { headers }), 'x-amz-checksum-crc32');
    },
  },
  {
    name: 'what is left of chunks that were refused',
    expected: '404 NoSuchKey "kept"',
    async ask(bucket) {
      await prepared(bucket.ask('PUT', 'b', { body: 'kept' }));
      await putChunked(bucket, { ...signed, tamper: (body) => body.replace('hello', 'HELLO') });
      const { text } = await bucket.ask('GET', 'b');
      const got = await bucket.ask('GET', 'a');
      return got.status === 404 ? `${told(got)} ${JSON.stringify(text)}` : toldWithBody(got);
    },
  },
];
