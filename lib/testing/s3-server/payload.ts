import { createHash } from 'node:crypto';
import { MemoryBodyStorage, type BodyStorage, type StoredBody } from '../servers/stored-body.js';
import { parseXml, type XmlNode } from '../servers/xml.js';
import { decodeAwsChunked } from './aws-chunked.js';
import type { S3Call } from './call.js';
import {
  CHECKSUM_ALGORITHMS,
  checksumHeader,
  createDigest,
  isChecksumOf,
  parseChecksumAlgorithm,
  type ChecksumAlgorithm,
} from './checksums.js';
import { notImplemented, s3Error } from './errors.js';

export interface Received {
  /** Retained once for whoever receives it. */
  readonly body: StoredBody;
  readonly md5: string;
  /** The algorithm the client declared and the server verified, if any. */
  readonly declared: ChecksumAlgorithm | undefined;
  readonly checksums: ReadonlyMap<ChecksumAlgorithm, string>;
}

/** A checksum the client announced: its value, or the trailer to come. */
interface DeclaredChecksum {
  readonly algorithm: ChecksumAlgorithm;
  readonly value: string | undefined;
}

/**
 * Takes a body in and verifies everything said about it: length, payload hash
 * or chunk signatures, Content-MD5 and checksum. Nothing is kept of a body
 * that fails.
 *
 * @param byDefault - a checksum to compute when the client declared none
 * @param always - a checksum to compute whatever the client declared
 */
export async function receive(
  call: S3Call,
  storage: BodyStorage,
  options: {
    byDefault?: ChecksumAlgorithm | undefined;
    always?: ChecksumAlgorithm | undefined;
    limit: number;
  },
): Promise<Received> {
  const { limit } = options;
  const { payload } = call.authentication;
  const chunked = payload.kind === 'chunked-unsigned' || payload.kind === 'chunked-signed';
  const length = declaredLength(call, chunked);
  if (length !== undefined && length > limit) {
    throw s3Error('EntityTooLarge', 'Your proposed upload exceeds the maximum allowed size', {
      details: { ProposedSize: length, MaxSizeAllowed: limit },
    });
  }
  const md5 = declaredMd5(call);
  const trailerNames = (call.headers.get('x-amz-trailer') ?? '')
    .split(',')
    .map((name) => name.trim().toLowerCase())
    .filter((name) => name !== '');
  const declared = declaredChecksum(call, trailerNames);

  const trailers = new Map<string, string>();
  const source = chunked
    ? decodeAwsChunked(call.body(), payload, trailerNames, trailers)
    : call.body();
  const sha256 = payload.kind === 'sha256' ? createHash('sha256') : undefined;
  const { body, ...digests } = await store(source, storage, {
    algorithms: [declared?.algorithm ?? options.byDefault, options.always],
    limit,
    onChunk: (chunk) => sha256?.update(chunk),
  });
  try {
    if (length !== undefined && body.size !== length) {
      throw s3Error(
        'IncompleteBody',
        'You did not provide the number of bytes specified by the Content-Length HTTP header',
      );
    }
    if (payload.kind === 'sha256' && sha256?.digest('hex') !== payload.hex) {
      throw s3Error(
        'XAmzContentSHA256Mismatch',
        "The provided 'x-amz-content-sha256' header does not match what was computed.",
        { details: { ClientComputedContentSHA256: payload.hex } },
      );
    }
    if (md5 !== undefined && md5 !== digests.md5) {
      throw s3Error('BadDigest', 'The Content-MD5 you specified did not match what we received.');
    }
    if (declared) checkDeclared(declared, trailers, digests.checksums);
    return { body, ...digests, declared: declared?.algorithm };
  } catch (error) {
    body.release();
    throw error;
  }
}

/** Keeps a stream of bytes, digesting it as it passes. */
export async function store(
  source: AsyncIterable<Buffer>,
  storage: BodyStorage,
  options: {
    algorithms: readonly (ChecksumAlgorithm | undefined)[];
    limit: number;
    onChunk?: (chunk: Buffer) => void;
  },
): Promise<Omit<Received, 'declared'>> {
  const writer = await storage.create();
  const md5 = createDigest('MD5');
  const digests = new Map(
    options.algorithms.flatMap((algorithm) =>
      algorithm ? [[algorithm, createDigest(algorithm)] as const] : [],
    ),
  );
  let size = 0;
  try {
    for await (const chunk of source) {
      size += chunk.length;
      if (size > options.limit) {
        throw s3Error('EntityTooLarge', 'Your proposed upload exceeds the maximum allowed size', {
          details: { MaxSizeAllowed: options.limit },
        });
      }
      md5.update(chunk);
      for (const digest of digests.values()) digest.update(chunk);
      options.onChunk?.(chunk);
      await writer.write(chunk);
    }
  } catch (error) {
    await writer.discard();
    throw error;
  }
  const checksums = new Map(
    [...digests].map(([algorithm, digest]) => [algorithm, digest.digest().toString('base64')]),
  );
  return {
    body: await writer.finish(),
    md5: md5.digest().toString('hex'),
    checksums,
  };
}

const DOCUMENT_LIMIT = 2 * 1024 * 1024;

/** Takes in a body that the operation has no use for, or keeps as text. */
export async function receiveText(call: S3Call): Promise<{
  text: string;
  declared: ChecksumAlgorithm | undefined;
}> {
  const { body, declared } = await receive(call, new MemoryBodyStorage(), {
    limit: DOCUMENT_LIMIT,
  });
  const text = body.readSync(0, body.size).toString('utf8');
  body.release();
  return { text, declared };
}

/** @throws S3Error MalformedXML unless the text is a document with this root */
export function parseDocument(text: string, root: string): XmlNode {
  try {
    const node = parseXml(text);
    if (node.name === root) return node;
  } catch (error) {
    if (!(error instanceof SyntaxError || error instanceof RangeError)) {
      throw error;
    }
  }
  throw malformedXml();
}

export function malformedXml(): Error {
  return s3Error(
    'MalformedXML',
    'The XML you provided was not well-formed or did not validate against our published schema',
  );
}

const BODY_METHODS: ReadonlySet<string> = new Set(['PUT', 'POST']);
const STREAMED: ReadonlySet<string> = new Set(['PutObject', 'UploadPart']);

function declaredLength(call: S3Call, chunked: boolean): number | undefined {
  const name = chunked ? 'x-amz-decoded-content-length' : 'content-length';
  const text = call.headers.get(name);
  if (text === undefined) {
    // Clients send operations that live by their headers without a length.
    const mayLackBody =
      !BODY_METHODS.has(call.method) ||
      (!call.headers.has('transfer-encoding') && !STREAMED.has(call.operation));
    if (mayLackBody && !chunked) return undefined;
    throw s3Error('MissingContentLength', 'You must provide the Content-Length HTTP header.');
  }
  if (!/^\d{1,15}$/.test(text)) {
    throw s3Error('InvalidArgument', `Invalid value for ${name}`, {
      details: { ArgumentName: name, ArgumentValue: text },
    });
  }
  return Number(text);
}

function declaredMd5(call: S3Call): string | undefined {
  const text = call.headers.get('content-md5');
  if (text === undefined) return undefined;
  const bytes = Buffer.from(text, 'base64');
  if (bytes.length !== 16 || bytes.toString('base64') !== text) {
    throw s3Error('InvalidDigest', 'The Content-MD5 you specified was invalid.');
  }
  return bytes.toString('hex');
}

function declaredChecksum(
  call: S3Call,
  trailerNames: readonly string[],
): DeclaredChecksum | undefined {
  // On these the checksum headers speak of the finished object instead.
  if (call.operation === 'CompleteMultipartUpload') return undefined;
  const found = CHECKSUM_ALGORITHMS.flatMap((algorithm): DeclaredChecksum[] => {
    const name = checksumHeader(algorithm);
    const value = call.headers.get(name);
    return [
      ...(value === undefined ? [] : [{ algorithm, value }]),
      ...(trailerNames.includes(name) ? [{ algorithm, value: undefined }] : []),
    ];
  });
  if (found.length > 1) {
    throw s3Error(
      'InvalidRequest',
      'Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.',
    );
  }
  const [declared] = found;
  if (declared?.value !== undefined) checkFormat(declared.algorithm, declared.value);

  const named = call.headers.get('x-amz-sdk-checksum-algorithm');
  if (named !== undefined) {
    const algorithm = parseChecksumAlgorithm(named);
    if (!algorithm) throw notImplemented(`the checksum ${named}`);
    if (declared?.algorithm !== algorithm) {
      throw s3Error(
        'InvalidRequest',
        'x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers were found.',
      );
    }
  }
  return declared;
}

function checkDeclared(
  { algorithm, value }: DeclaredChecksum,
  trailers: ReadonlyMap<string, string>,
  computed: ReadonlyMap<ChecksumAlgorithm, string>,
): void {
  const given = value ?? trailers.get(checksumHeader(algorithm)) ?? '';
  checkFormat(algorithm, given);
  if (given !== computed.get(algorithm)) {
    throw s3Error(
      'BadDigest',
      `The ${algorithm} you specified did not match the calculated checksum.`,
    );
  }
}

function checkFormat(algorithm: ChecksumAlgorithm, value: string): void {
  if (!isChecksumOf(algorithm, value)) {
    throw s3Error('InvalidRequest', `Value for ${checksumHeader(algorithm)} header is invalid.`);
  }
}
