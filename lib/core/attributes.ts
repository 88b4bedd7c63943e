import { lookup } from 'mime-types';
import { shown } from './arguments.js';
import { StorageInvalidArgumentError } from './errors.js';
import type { FileAttributes } from './stored-file.js';

const MAX_METADATA_BYTES = 2048;
const METADATA_KEY = /^[a-z0-9][a-z0-9-]*$/;
// type "/" subtype and parameters, RFC 9110 §8.3.1.
const MEDIA_TYPE =
  /^[\w!#$%&'*+.^`|~-]+\/[\w!#$%&'*+.^`|~-]+(?:[ \t]*;[ \t]*[\w!#$%&'*+.^`|~-]+=(?:[\w!#$%&'*+.^`|~-]+|"[^"\\\u0000-\u001F\u007F-\uFFFF]*"))*$/;
const HEADER_VALUE = /^[\x20-\x7E]*$/;
const HEADERS = [
  'cacheControl',
  'contentDisposition',
  'contentEncoding',
  'contentLanguage',
] as const;

/** `FileAttributes` after the check: the type is known and the metadata is a copy of the caller's. */
export type ParsedAttributes = Omit<FileAttributes, 'contentType' | 'metadata'> &
  Required<Pick<FileAttributes, 'contentType' | 'metadata'>>;

/** The media type that a key's extension stands for, else `application/octet-stream`. */
export function contentTypeOf(key: string): string {
  const segment = key.slice(key.lastIndexOf('/') + 1);
  // A name such as `mp4` is no extension, and lookup() takes it for one.
  return (segment.includes('.') && lookup(segment)) || 'application/octet-stream';
}

/** Whether the text is one media type and nothing else: what goes on behind it is read in more than one way. */
export function isMediaType(text: unknown): text is string {
  return typeof text === 'string' && MEDIA_TYPE.test(text);
}

/** @throws StorageInvalidArgumentError naming the attribute. */
export function parseAttributes(key: string, attributes: FileAttributes): ParsedAttributes {
  return { contentType: contentTypeOf(key), metadata: {}, ...parseGivenAttributes(attributes) };
}

/** Only what was given, for calls where the rest keeps its value. */
export function parseGivenAttributes(attributes: FileAttributes): FileAttributes {
  const parsed: FileAttributes = {};
  const { contentType, metadata } = attributes;
  if (contentType !== undefined) {
    if (!isMediaType(contentType)) {
      throw new StorageInvalidArgumentError(
        `contentType must be a media type such as "image/png", not ${shown(contentType)}`,
      );
    }
    parsed.contentType = contentType;
  }
  if (metadata !== undefined) parsed.metadata = parseMetadata(metadata);
  for (const name of HEADERS) {
    const value = attributes[name];
    if (value === undefined) continue;
    if (typeof value !== 'string' || !HEADER_VALUE.test(value)) {
      throw new StorageInvalidArgumentError(
        `${name} must be printable ASCII, as a header value is; encode anything else (RFC 8187)`,
      );
    }
    parsed[name] = value;
  }
  return parsed;
}

function parseMetadata(metadata: Readonly<Record<string, string>>): Record<string, string> {
  // A Map or a Headers has its entries elsewhere, and would pass as an object without any.
  if (typeof metadata !== 'object' || metadata === null || Symbol.iterator in metadata) {
    throw new StorageInvalidArgumentError('metadata must be an object of strings');
  }
  let bytes = 0;
  for (const [name, value] of Object.entries(metadata)) {
    if (!METADATA_KEY.test(name)) {
      throw new StorageInvalidArgumentError(
        `metadata key ${JSON.stringify(name)} must be of [a-z0-9-] and start with a letter or digit`,
      );
    }
    if (typeof value !== 'string') {
      throw new StorageInvalidArgumentError(
        `metadata "${name}" must be a string, not ${typeof value}`,
      );
    }
    if (!value.isWellFormed() || /[\u0000-\u0008\u000A-\u001F\u007F]/.test(value)) {
      throw new StorageInvalidArgumentError(
        `metadata "${name}" must be Unicode text without control characters`,
      );
    }
    bytes += name.length + Buffer.byteLength(value);
  }
  if (bytes > MAX_METADATA_BYTES) {
    throw new StorageInvalidArgumentError(
      `metadata is ${bytes} bytes in all; the limit is ${MAX_METADATA_BYTES}`,
    );
  }
  return { ...metadata };
}
