import type { IncomingHttpHeaders } from 'node:http';
import { toNumber } from '../remote/answer-fields.js';
import { parseXml, textOf, type XmlElement } from '../remote/xml.js';
import type { DownloadedBlob, Segment } from './azure.engine.js';
import { unreadableAnswer } from './azure.errors.js';
import type { ListedBlob } from './azure.metadata.js';
import { headerOf } from './azure.service-error.js';

export const METADATA = 'x-ms-meta-';

/** What the headers of an answer tell of a blob. */
export function describedBlob(headers: IncomingHttpHeaders): DownloadedBlob['description'] {
  return {
    contentLength: toNumber(headers['content-length']),
    contentRange: headers['content-range'],
    contentType: headers['content-type'],
    etag: headers.etag,
    lastModified: dateOf(headers['last-modified']),
    date: dateOf(headers.date),
    metadata: metadataOf(headers),
    cacheControl: headers['cache-control'],
    contentDisposition: headers['content-disposition'],
    contentEncoding: headers['content-encoding'],
    contentLanguage: headers['content-language'],
    contentMD5: bytesOf(headerOf(headers, 'content-md5')),
    blobContentMD5: bytesOf(headerOf(headers, 'x-ms-blob-content-md5')),
    versionId: headerOf(headers, 'x-ms-version-id'),
    copyStatus: headerOf(headers, 'x-ms-copy-status'),
    accessTier: headerOf(headers, 'x-ms-access-tier'),
    accessTierInferred: headers['x-ms-access-tier-inferred'] === 'true',
  };
}

function metadataOf(headers: IncomingHttpHeaders): Record<string, string> {
  const metadata: Record<string, string> = {};
  for (const name of Object.keys(headers)) {
    if (name.startsWith(METADATA)) {
      metadata[name.slice(METADATA.length)] = headerOf(headers, name) ?? '';
    }
  }
  return metadata;
}

/** @throws StorageConnectionError when the document is no listing */
export function readListing(xml: string): Segment {
  let root: XmlElement;
  try {
    root = parseXml(xml);
  } catch {
    throw unreadableAnswer('The answer is no document');
  }
  if (root.name !== 'EnumerationResults') throw unreadableAnswer('The answer is no listing');
  const blobs: ListedBlob[] = [];
  const prefixes: string[] = [];
  for (const child of root.children) {
    if (child.name !== 'Blobs') continue;
    for (const item of child.children) {
      if (item.name === 'Blob') blobs.push(listedBlob(item));
      else if (item.name === 'BlobPrefix') prefixes.push(nameOf(item));
    }
  }
  return { blobs, prefixes, next: textOf(root, 'NextMarker') || undefined };
}

function listedBlob(item: XmlElement): ListedBlob {
  let metadata: Record<string, string> | undefined;
  let properties: ListedBlob['properties'] = {};
  let versionId: string | undefined;
  for (const child of item.children) {
    if (child.name === 'Properties') properties = propertiesOf(child);
    else if (child.name === 'VersionId') versionId = child.text;
    else if (child.name === 'Metadata') {
      metadata = Object.fromEntries(child.children.map(({ name, text }) => [name, text]));
    }
  }
  return { name: nameOf(item), metadata, properties, versionId };
}

/** Names with characters that no XML may hold are encoded as in a URL. */
function nameOf(item: XmlElement): string {
  const element = item.children.find(({ name }) => name === 'Name');
  if (!element) throw unreadableAnswer('A row of the listing has no name');
  return /\bEncoded\s*=\s*["']true["']/i.test(element.tag)
    ? decodeURIComponent(element.text)
    : element.text;
}

type Mutable<Type> = { -readonly [Name in keyof Type]: Type[Name] };

function propertiesOf({ children }: XmlElement): ListedBlob['properties'] {
  const properties: Mutable<ListedBlob['properties']> = {};
  for (const { name, text } of children) PROPERTIES.get(name)?.(properties, text);
  return properties;
}

const PROPERTIES: ReadonlyMap<
  string,
  (properties: Mutable<ListedBlob['properties']>, text: string) => void
> = new Map([
  ['Creation-Time', (properties, text) => void (properties.createdOn = dateOf(text))],
  ['Last-Modified', (properties, text) => void (properties.lastModified = dateOf(text))],
  ['Etag', (properties, text) => void (properties.etag = text)],
  ['Content-Length', (properties, text) => void (properties.contentLength = toNumber(text))],
  ['Content-Type', (properties, text) => void (properties.contentType = text || undefined)],
  ['Content-Encoding', (properties, text) => void (properties.contentEncoding = text)],
  ['Content-Language', (properties, text) => void (properties.contentLanguage = text)],
  ['Content-Disposition', (properties, text) => void (properties.contentDisposition = text)],
  ['Cache-Control', (properties, text) => void (properties.cacheControl = text)],
  ['Content-MD5', (properties, text) => void (properties.contentMD5 = bytesOf(text))],
]);

function dateOf(text: string | undefined): Date | undefined {
  const date = new Date(text ?? '');
  return Number.isNaN(date.getTime()) ? undefined : date;
}

/** Of Base64. */
function bytesOf(text: string | undefined): Uint8Array | undefined {
  return text ? Buffer.from(text, 'base64') : undefined;
}
