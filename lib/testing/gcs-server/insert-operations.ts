import { ByteReader } from '../servers/byte-reader.js';
import { checkObjectName } from './addressing.js';
import {
  objectResource,
  parseAttributes,
  parseDeclaredContent,
  type DeclaredContent,
  type ObjectAttributes,
} from './attributes.js';
import type { GcsCall, Operation } from './call.js';
import { conditionsOf } from './conditions.js';
import { GcsError, invalid, required } from './errors.js';
import { declaredChecksums, keep, parseJson, verifyChecksums } from './receive.js';

/** What is to be stored, but for the bytes. */
export interface UploadDescription {
  readonly name: string;
  readonly attributes: ObjectAttributes;
  readonly declared: DeclaredContent;
}

/** `objects.insert` with everything in one request. */
export const insertObject: Operation = async (call, service) => {
  const bucket = service.store.bucket(call.bucket);
  const type = call.headers.get('content-type') ?? '';
  const upload =
    call.query.get('uploadType') === 'multipart'
      ? await readMultipart(call, type)
      : { resource: {}, contentType: type, media: call.body() };
  const { name, attributes, declared } = describeUpload(call, upload.resource, upload.contentType);

  const conditions = conditionsOf(call.query);
  const content = await keep(upload.media, service.storage);
  try {
    verifyChecksums(declaredChecksums(call.headers, declared), content);
    const object = bucket.commit(name, content, attributes, conditions, call.now);
    return { status: 200, json: objectResource(object, service.endpoint) };
  } catch (error) {
    content.body.release();
    throw error;
  }
};

/** Name and attributes of an upload, which may come in the query, in the resource and as the media's type. */
export function describeUpload(
  call: Pick<GcsCall, 'query'>,
  resource: unknown,
  contentType: string | undefined,
): UploadDescription {
  const declared = parseDeclaredContent(resource);
  const name = call.query.get('name') ?? declared.name;
  if (name === undefined) throw required('name');
  checkObjectName(name);
  const attributes = parseAttributes(resource);
  const type = contentType === '' ? undefined : contentType;
  if (
    type !== undefined &&
    attributes.contentType !== undefined &&
    type !== attributes.contentType
  ) {
    throw invalid(
      `Content-Type specified in the upload (${type}) does not match Content-Type specified in metadata (${attributes.contentType}). If it was a simple mistake, remove one or the other.`,
    );
  }
  return {
    name,
    declared,
    attributes: {
      ...attributes,
      ...(type === undefined ? {} : { contentType: type }),
      ...(call.query.has('contentEncoding')
        ? { contentEncoding: call.query.get('contentEncoding') ?? '' }
        : {}),
    },
  };
}

interface MultipartUpload {
  readonly resource: unknown;
  readonly contentType: string | undefined;
  /** Throws when the request ends within it. */
  readonly media: AsyncIterable<Buffer>;
}

const LINE_LIMIT = 16 * 1024;
const RESOURCE_LIMIT = 64 * 1024;

/** Reads a multipart/related body (RFC 2387): the resource, then the media. */
async function readMultipart(call: GcsCall, type: string): Promise<MultipartUpload> {
  const match = /^multipart\/related\s*;(?:.*;)?\s*boundary=(?:"([^"]+)"|([^;\s]+))/i.exec(type);
  const boundary = match?.[1] ?? match?.[2];
  if (boundary === undefined) throw malformed('Content-Type is not multipart/related');
  const reader = new ByteReader(call.body());
  const delimiter = Buffer.from(`\r\n--${boundary}`);
  let line = await reader.line(LINE_LIMIT);
  if (line === '') line = await reader.line(LINE_LIMIT);
  if (line !== `--${boundary}`) throw malformed('it does not begin with its boundary');

  await readPartHeaders(reader);
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of reader.until(delimiter)) {
    size += chunk.length;
    if (size > RESOURCE_LIMIT) throw malformed('its metadata part is too large');
    chunks.push(chunk);
  }
  if ((await reader.line(LINE_LIMIT)) !== '') throw malformed('it has one part only');
  const headers = await readPartHeaders(reader);
  return {
    resource: parseJson(Buffer.concat(chunks).toString('utf8')),
    contentType: headers.get('content-type'),
    media: lastPart(reader, delimiter),
  };
}

async function* lastPart(reader: ByteReader, delimiter: Buffer): AsyncGenerator<Buffer> {
  const complete = yield* reader.until(delimiter);
  if (!complete) throw malformed('it ends within its second part');
  // To the end of the request: one that breaks off behind its last boundary has broken off.
  let end = '';
  for await (const chunk of reader.take(Number.POSITIVE_INFINITY)) {
    if (end.length < 2) end += chunk.toString('latin1', 0, 2);
  }
  if (!end.startsWith('--')) throw malformed('it has more than two parts');
}

async function readPartHeaders(reader: ByteReader): Promise<Map<string, string>> {
  const headers = new Map<string, string>();
  for (;;) {
    const line = await reader.line(LINE_LIMIT);
    if (line === undefined) throw malformed('it ends within the head of a part');
    if (line === '') return headers;
    const colon = line.indexOf(':');
    headers.set(line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim());
  }
}

function malformed(why: string): GcsError {
  return new GcsError(400, 'badContent', 'InvalidArgument', `Malformed multipart body: ${why}.`);
}
