import { etagOf, type StoredObject } from './object-store.js';

type Headers = Record<string, string | number | undefined>;

/** The entity tag of the XML API: the MD5 where there is one. */
export function xmlEtag(object: StoredObject): string {
  return object.md5 === undefined
    ? `"-${etagOf(object)}"`
    : `"${Buffer.from(object.md5, 'base64').toString('hex')}"`;
}

/** What both APIs tell of an object in the head of a download. */
export function contentHeaders(object: StoredObject): Headers {
  const { attributes } = object;
  return {
    ...versionHeaders(object),
    'content-type': utf8(attributes.contentType ?? 'application/octet-stream'),
    'cache-control': utf8(attributes.cacheControl),
    'content-disposition': utf8(attributes.contentDisposition),
    'content-language': utf8(attributes.contentLanguage),
    'content-encoding': utf8(attributes.contentEncoding),
    'x-goog-custom-time': attributes.customTime,
    'x-goog-storage-class': attributes.storageClass,
    'accept-ranges': 'bytes',
    'last-modified': new Date(object.updated).toUTCString(),
  };
}

function versionHeaders(object: StoredObject): Headers {
  return {
    'x-goog-generation': String(object.generation),
    'x-goog-metageneration': String(object.metageneration),
    'x-goog-hash': [
      `crc32c=${object.crc32c}`,
      ...(object.md5 === undefined ? [] : [`md5=${object.md5}`]),
    ].join(','),
    'x-goog-stored-content-encoding': utf8(object.attributes.contentEncoding) ?? 'identity',
    'x-goog-stored-content-length': object.body.size,
    'x-goog-component-count': object.componentCount,
  };
}

/** The answer to an upload by the XML API. */
export function uploadHeaders(object: StoredObject): Headers {
  return { ...versionHeaders(object), etag: xmlEtag(object), 'content-length': 0 };
}

export function metadataHeaders({ attributes }: StoredObject): Headers {
  return Object.fromEntries(
    Object.entries(attributes.metadata).map(([key, value]) => [
      `x-goog-meta-${utf8(key)}`,
      utf8(value),
    ]),
  );
}

/** Node writes headers as Latin-1: this makes them the UTF-8 bytes. */
export function utf8<Text extends string | undefined>(text: Text): Text {
  return (text === undefined ? undefined : Buffer.from(text).toString('latin1')) as Text;
}
