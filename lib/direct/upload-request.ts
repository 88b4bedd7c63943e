import type { Checksum } from '../core/checksum.js';
import { safeFileName } from '../core/content-disposition.js';
import { announcedChecksum } from '../uploads/announced-checksum.js';
import { isBareType } from '../uploads/content-type-policy.js';
import { invalidRequest, malformedBody } from './direct.exceptions.js';

/** What a client tells of the file that it is about to send. */
export interface DirectUploadRequest {
  filename: string;
  /** Exact length in bytes. */
  size: number;
  /** Media type, as the client sees it. The bytes decide. */
  contentType?: string;
  /** Of the whole file, as such or in the form of RFC 9530 (`sha-256=:…:`). */
  checksum?: Checksum | string;
}

/** A request that is well-formed. Protocols of others may leave out the size. */
export interface ParsedUploadRequest {
  readonly filename: string;
  readonly size?: number;
  readonly contentType: string;
  readonly checksum?: Checksum;
}

const UNKNOWN_TYPE = 'application/octet-stream';

/** @throws UploadException 400 for anything that is not well-formed */
export function parseUploadRequest(
  body: unknown,
  { needsSize }: { needsSize: boolean },
): ParsedUploadRequest {
  if (body === undefined) {
    throw invalidRequest('The body must be JSON: { "filename": …, "size": … }');
  }
  const { filename, size, contentType, checksum } = fieldsOf(body);
  if (typeof filename !== 'string' || filename === '') {
    throw invalidRequest('filename must be the name of the file');
  }
  if (size === undefined ? needsSize : !Number.isSafeInteger(size) || (size as number) < 0) {
    throw invalidRequest('size must be the length of the file in bytes');
  }
  const announced = announcedChecksum(parseText(checksum), 'file');
  return {
    filename: safeFileName(filename),
    ...(size !== undefined && { size: size as number }),
    contentType: parseType(contentType),
    ...(announced && { checksum: announced }),
  };
}

/** What a body says; one that is not there says nothing. @throws UploadException 400 for one that is no JSON object */
export function fieldsOf(body: unknown = {}): Readonly<Record<string, unknown>> {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) throw malformedBody();
  return body as Readonly<Record<string, unknown>>;
}

/** Without parameters, in lower case. */
function parseType(contentType: unknown): string {
  if (contentType === undefined || contentType === null || contentType === '') return UNKNOWN_TYPE;
  const type = typeof contentType === 'string' ? contentType.split(';')[0]!.trim() : '';
  if (isBareType(type)) return type.toLowerCase();
  throw invalidRequest('contentType must be a media type such as "image/png"');
}

/** Whether the client says of the type that it does not know it. */
export function isUnknownType(contentType: string): boolean {
  return contentType === UNKNOWN_TYPE;
}

function parseText(checksum: unknown): Checksum | string | undefined {
  if (checksum === undefined || checksum === null) return undefined;
  // Anything else is no checksum, as `announcedChecksum` says.
  return checksum as Checksum | string;
}
