import type { IncomingMessage } from 'node:http';
import type { ContainerClient } from '@azure/storage-blob';
import type { ReadConditions } from '../../core/conditions.js';
import { encodeKey } from '../../core/key.js';
import { exchange, type HttpConnections, readAll } from '../remote/http-client.js';
import { describedBlob, METADATA, readListing } from './azure.answers.js';
import { type Authorization, authorizationOf } from './azure.authorization.js';
import type {
  AzureEngine,
  BlobListing,
  BlobRange,
  BlobWrite,
  DownloadedBlob,
  Segment,
} from './azure.engine.js';
import type { BlobDescription, BlobProperties } from './azure.metadata.js';
import type { SignedRequest } from './azure.signature.js';
import { AzureServiceError } from './azure.service-error.js';
import { assertOfService } from './azure.transport.js';

/** Of the protocol: the oldest with all that is asked for, so that emulators of some age know it, too. */
const VERSION = '2021-12-02';

interface DirectRequest {
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'DELETE';
  /** That of the container itself is empty. */
  readonly key?: string;
  /** In the order of the names, as a signature wants them. */
  readonly query?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | string;
  /** Statuses of a success. */
  readonly expected: readonly number[];
}

/**
 * Makes requests without the SDK's pipeline, which costs more than the request itself. The SDK tells where the container is, and
 * has the account's key or the credential.
 */
export class DirectEngine implements AzureEngine {
  readonly #address: URL;
  readonly #authorization: Authorization;

  constructor(
    client: ContainerClient,
    private readonly connections: HttpConnections,
  ) {
    this.#address = new URL(client.url);
    this.#authorization = authorizationOf(client);
  }

  async putBlob(
    key: string,
    bytes: Uint8Array,
    write: BlobWrite,
    signal: AbortSignal,
  ): Promise<BlobDescription> {
    const headers = {
      'content-type': 'application/octet-stream',
      'x-ms-blob-type': 'BlockBlob',
      ...md5Header(write.md5),
      ...writeHeaders(write),
    };
    const request = { method: 'PUT', key, headers, body: bytes, expected: [201] } as const;
    return describedBlob((await this.#whole(request, signal)).headers);
  }

  async putBlock(
    key: string,
    id: string,
    bytes: Uint8Array,
    md5: Uint8Array | undefined,
    signal: AbortSignal,
  ): Promise<void> {
    const query = { blockid: id, comp: 'block' };
    const headers = { 'content-type': 'application/octet-stream', ...md5Header(md5) };
    await this.#whole({ method: 'PUT', key, query, headers, body: bytes, expected: [201] }, signal);
  }

  async putBlockList(
    key: string,
    ids: readonly string[],
    write: BlobWrite,
    signal: AbortSignal,
  ): Promise<BlobDescription> {
    const blocks = ids.map((id) => `<Latest>${id}</Latest>`).join('');
    const body = `<?xml version="1.0" encoding="UTF-8"?><BlockList>${blocks}</BlockList>`;
    const query = { comp: 'blocklist' };
    const headers = { 'content-type': 'application/xml; charset=UTF-8', ...writeHeaders(write) };
    const request = { method: 'PUT', key, query, headers, body, expected: [201] } as const;
    return describedBlob((await this.#whole(request, signal)).headers);
  }

  async getBlob(
    key: string,
    range: BlobRange | undefined,
    conditions: ReadConditions,
    signal: AbortSignal,
  ): Promise<DownloadedBlob> {
    const isWhole = range === undefined || (range.start === 0 && range.end === undefined);
    const headers = {
      ...(!isWhole && { 'x-ms-range': `bytes=${range.start}-${range.end ?? ''}` }),
      ...conditionHeaders(conditions),
    };
    const request = { method: 'GET', key, headers, expected: [200, 206] } as const;
    const answer = await this.#send(request, signal);
    return { description: describedBlob(answer.headers), body: answer };
  }

  async getProperties(key: string, signal: AbortSignal): Promise<BlobProperties> {
    const answer = await this.#whole({ method: 'HEAD', key, expected: [200] }, signal);
    return describedBlob(answer.headers);
  }

  async deleteBlob(
    key: string,
    conditions: { ifMatch?: string },
    signal: AbortSignal,
  ): Promise<void> {
    const headers = { 'x-ms-delete-snapshots': 'include', ...conditionHeaders(conditions) };
    await this.#whole({ method: 'DELETE', key, headers, expected: [202] }, signal);
  }

  async listBlobs(
    { prefix, delimiter, maxResults, marker }: BlobListing,
    signal: AbortSignal,
  ): Promise<Segment> {
    const query = {
      comp: 'list',
      ...(delimiter !== undefined && { delimiter }),
      include: 'metadata',
      ...(marker !== undefined && { marker }),
      maxresults: String(maxResults),
      ...(prefix !== '' && { prefix }),
      restype: 'container',
    };
    const { text } = await this.#whole({ method: 'GET', query, expected: [200] }, signal);
    return readListing(text);
  }

  async #whole(
    request: DirectRequest,
    signal: AbortSignal,
  ): Promise<{ readonly headers: IncomingMessage['headers']; readonly text: string }> {
    const answer = await this.#send(request, signal);
    return { headers: answer.headers, text: (await readAll(answer)).toString('utf8') };
  }

  /** The head of an answer with an expected status, whose body is left to be read. @throws AzureServiceError for any other */
  async #send(request: DirectRequest, signal: AbortSignal): Promise<IncomingMessage> {
    const { method, key = '', query = {}, body, expected } = request;
    const { pathname } = this.#address;
    const path = key === '' ? pathname : `${pathname}/${encodeKey(key)}`;
    const headers: Record<string, string> = {
      'user-agent': 'nestjs-storages',
      'x-ms-version': VERSION,
      ...request.headers,
    };
    if (body !== undefined) headers['content-length'] = String(Buffer.byteLength(body));
    const signed = { method, path, query, headers };
    for (let isRenewed = false; ; isRenewed = true) {
      const identity = await this.#authorization.headers(signed, signal);
      const answer = await this.#exchange(signed, identity, body, signal);
      const status = answer.statusCode ?? 0;
      assertOfService(answer);
      if (expected.includes(status)) return answer;
      const text = (await readAll(answer)).toString('utf8');
      const challenge = answer.headers['www-authenticate'] ?? '';
      const refused = new AzureServiceError(status, answer.headers, text);
      if (status !== 401 || isRenewed) throw refused;
      if (!(await this.#authorization.renew(identity, challenge, signal))) throw refused;
    }
  }

  #exchange(
    { method, path, query, headers }: SignedRequest,
    identity: Readonly<Record<string, string>>,
    body: DirectRequest['body'],
    signal: AbortSignal,
  ): Promise<IncomingMessage> {
    const { protocol, hostname, port, search } = this.#address;
    const parameters = Object.entries(query).map(
      ([name, value]) => `${name}=${encodeURIComponent(value)}`,
    );
    if (search !== '') parameters.push(search.slice(1));
    const target = parameters.length === 0 ? path : `${path}?${parameters.join('&')}`;
    return exchange(
      this.connections,
      {
        method,
        destination: { protocol, hostname, port, path: target },
        headers: { ...headers, ...identity },
        body: body === undefined ? [] : [body],
      },
      signal,
    );
  }
}

function md5Header(md5: Uint8Array | undefined): Record<string, string> {
  return md5 ? { 'content-md5': Buffer.from(md5).toString('base64') } : {};
}

function writeHeaders({ headers, metadata, conditions, tier }: BlobWrite): Record<string, string> {
  const named: Record<string, string | undefined> = {
    'x-ms-blob-content-type': headers.blobContentType,
    'x-ms-blob-cache-control': headers.blobCacheControl,
    'x-ms-blob-content-disposition': headers.blobContentDisposition,
    'x-ms-blob-content-encoding': headers.blobContentEncoding,
    'x-ms-blob-content-language': headers.blobContentLanguage,
    'x-ms-blob-content-md5':
      headers.blobContentMD5 && Buffer.from(headers.blobContentMD5).toString('base64'),
    'x-ms-access-tier': tier,
  };
  const sent = conditionHeaders(conditions);
  for (const name of Object.keys(named)) {
    const value = named[name];
    // Blanks at its ends are no part of a value of a header; a signature would cover what does not arrive.
    if (value !== undefined) sent[name] = value.trim();
  }
  for (const name of Object.keys(metadata)) sent[METADATA + name] = metadata[name]!;
  return sent;
}

function conditionHeaders({
  ifMatch,
  ifNoneMatch,
  ifModifiedSince,
  ifUnmodifiedSince,
}: ReadConditions): Record<string, string> {
  const sent: Record<string, string> = {};
  if (ifMatch !== undefined) sent['if-match'] = ifMatch;
  if (ifNoneMatch !== undefined) sent['if-none-match'] = ifNoneMatch;
  if (ifModifiedSince !== undefined) sent['if-modified-since'] = ifModifiedSince.toUTCString();
  if (ifUnmodifiedSince !== undefined) {
    sent['if-unmodified-since'] = ifUnmodifiedSince.toUTCString();
  }
  return sent;
}
