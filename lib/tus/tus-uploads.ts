import { HttpException } from '@nestjs/common';
import type { IncomingHttpHeaders } from 'node:http';
import { StorageConfigurationError, StorageUnsupportedError } from '../core/errors.js';
import { keptName } from '../core/kept-names.js';
import type { Storage } from '../core/storage.js';
import type { HttpExchange } from '../http-exchange.js';
import type { StorageRegistry } from '../storage.registry.js';
import { hasBody } from '../routes/withheld-bodies.js';
import type { FormBody } from '../uploads/form-body.js';
import { discardLeftover } from '../uploads/leftover-body.js';
import { shuttingDown } from '../uploads/upload.exceptions.js';
import { assertAnnouncedType } from './announced-file.js';
import { loadTusServer, type TusServerPackage } from './load-tus-server.js';
import { lockedUntil } from './lasting-locks.js';
import { asWebStream, CHUNK_TYPE, chunkBodyOf } from './request-bodies.js';
import type { ParsedTusBehaviour } from './tus-options.js';
import {
  ambiguousLength,
  finalUploadHasBytes,
  notAChunk,
  refusal,
  toTusException,
  versionNotSupported,
} from './tus.exceptions.js';
import { CHECKSUM_ALGORITHMS, parseUploadChecksum } from './upload-checksum.js';
import {
  type FinalConcatenation,
  findPartials,
  joinPartials,
  parseConcatenation,
} from './upload-concatenation.js';
import { type UploadClaims, UploadIds } from './upload-ids.js';
import { UploadPublication } from './upload-publication.js';
import type { UploadRecord } from './upload-record.js';
import { UploadStore } from './upload-store.js';

export const TUS_VERSION = '1.0.0';

/** What `@tus/server` looks at; all else of a request is decided here, or is nothing to it. */
const HEADERS = [
  'content-length',
  'content-type',
  'tus-resumable',
  'upload-defer-length',
  'upload-length',
  'upload-metadata',
  'upload-offset',
] as const;

/** Milliseconds that a request may take which began before its upload expired: no sweep takes the upload from it. */
const LONGEST_REQUEST = 60 * 60_000;

/** A request for an upload, or for the place where uploads are created. */
export interface TusRequest {
  readonly method: 'POST' | 'HEAD' | 'PATCH' | 'DELETE' | 'OPTIONS';
  readonly exchange: HttpExchange;
  /** As it stands in the URL; absent for the place itself. */
  readonly id?: string | undefined;
  /** Of uploads: their ids come behind it and a slash. */
  readonly baseUrl: string;
}

export interface TusAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
}

/** Serves tus 1.0 on a storage. No process keeps anything of an upload but its lock. */
export class TusUploads {
  readonly #staging: Storage;
  readonly #ids: UploadIds;
  readonly #publication: UploadPublication;
  #tus: Promise<TusServerPackage> | undefined;

  /** @param path of the uploads: those of another are nothing to this one */
  constructor(
    path: string,
    private readonly storage: Storage,
    private readonly behaviour: ParsedTusBehaviour,
    private readonly registry: StorageRegistry,
  ) {
    this.#staging = storage.staging();
    this.#ids = new UploadIds(behaviour.signingKeys, `${storage.name}\n${path}`);
    this.#publication = new UploadPublication(storage, behaviour);
  }

  /** @throws HttpException, or whatever the app's functions throw */
  async serve(request: TusRequest): Promise<TusAnswer> {
    const { request: incoming, response } = request.exchange;
    let body: FormBody | undefined;
    try {
      body = chunkBodyOf(request.method, incoming);
      const answer = this.#answer(request, body);
      this.registry.holdOpen({
        settled: answer,
        interrupt: () => void body?.destroy(shuttingDown()),
      });
      return await answer;
    } catch (error) {
      // What ended the body says more than that it ended.
      throw body?.errored instanceof HttpException ? body.errored : toTusException(error);
    } finally {
      body?.destroy();
      discardLeftover(incoming, response);
    }
  }

  async #answer(request: TusRequest, body: FormBody | undefined): Promise<TusAnswer> {
    const { method, id, exchange } = request;
    const { headers } = exchange.request;
    if (method !== 'OPTIONS' && headers['tus-resumable'] !== TUS_VERSION) {
      throw versionNotSupported();
    }
    if (method === 'OPTIONS') return this.#discover(request);
    const owner = await this.#ownerOf(exchange.framework);
    if (id !== undefined) {
      const claims = this.#ids.open(id, owner);
      if (method === 'PATCH' && headers['content-type'] !== CHUNK_TYPE) throw notAChunk();
      return this.#run(request, claims, body);
    }
    await this.#assertUsable();
    const concatenation = parseConcatenation(headers['upload-concat'] as string | undefined);
    const claims = this.#newClaims(owner);
    if (concatenation?.kind === 'final') {
      if (hasBody(exchange.request)) throw finalUploadHasBytes();
      return this.#join(request, claims, concatenation);
    }
    const isDeferred = headers['upload-defer-length'] !== undefined;
    if (isDeferred === (headers['upload-length'] !== undefined)) throw ambiguousLength();
    return this.#run(request, claims, body, concatenation !== undefined);
  }

  async #discover(request: TusRequest): Promise<TusAnswer> {
    const { status, headers } = await this.#run(request, this.#newClaims(''), undefined);
    return {
      status,
      headers: { ...headers, 'tus-checksum-algorithm': CHECKSUM_ALGORITHMS.join(',') },
    };
  }

  /** Has `@tus/server` answer the request. */
  async #run(
    { method, exchange, baseUrl }: TusRequest,
    claims: UploadClaims,
    body: FormBody | undefined,
    isPartial = false,
  ): Promise<TusAnswer> {
    const { maxSize, partSize, locker, drainTimeout } = this.behaviour;
    const { headers } = exchange.request;
    const { name, owner, expires } = claims;
    const tus = await (this.#tus ??= this.#load());
    const store = new UploadStore(
      { tus, staging: this.#staging, publication: this.#publication, maxSize, partSize },
      {
        method,
        request: exchange.framework,
        owner,
        expires,
        checksum: parseUploadChecksum(headers['upload-checksum'] as string | undefined),
        isPartial,
        length: headers['upload-length'] as string | undefined,
        metadata: headers['upload-metadata'] as string | undefined,
      },
    );
    let failure: unknown;
    const server = new tus.Server({
      path: baseUrl,
      datastore: store,
      maxSize,
      locker: lockedUntil(() => store.settled(), locker),
      lockDrainTimeout: drainTimeout,
      namingFunction: () => name,
      getFileIdFromRequest: () => name,
      generateUrl: () => this.#locationOf(baseUrl, claims),
      onResponseError(_request, error) {
        failure = error;
        return undefined;
      },
    });
    const answer = await server.handleWeb(
      new Request(`http://tus/${name}`, {
        method,
        headers: protocolHeaders(headers),
        ...(body && { body: asWebStream(body), duplex: 'half' }),
      }),
    );
    if (answer.status >= 400) {
      if (method === 'POST') await store.removeCreated();
      throw failure ?? refusal(answer.status, await answer.text());
    }
    return {
      status: answer.status,
      headers: {
        ...ownHeaders(answer.headers),
        ...(method === 'HEAD' && store.record && recordHeaders(store.record)),
      },
    };
  }

  async #join(
    { exchange, baseUrl }: TusRequest,
    claims: UploadClaims,
    concatenation: FinalConcatenation,
  ): Promise<TusAnswer> {
    const { maxSize, partSize } = this.behaviour;
    const { owner, name } = claims;
    const tus = await (this.#tus ??= this.#load());
    const metadata = exchange.request.headers['upload-metadata'] as string | undefined;
    const record = {
      partSize,
      createdAt: new Date().toISOString(),
      concat: concatenation.urls,
      ...(metadata && { metadata: parseMetadata(tus, metadata), metadataHeader: metadata }),
    };
    assertAnnouncedType(record);
    const partials = await findPartials(this.#staging, this.#ids, owner, concatenation);
    const upload = await joinPartials(this.#staging, name, record, partials, maxSize);
    await this.#publication.publish(upload, {
      owner,
      request: exchange.framework,
      isRepeatable: false,
    });
    // The file is there: what stays of these is found by the next sweep.
    await Promise.allSettled(partials.map((partial) => partial.remove()));
    return {
      status: 201,
      headers: { location: this.#locationOf(baseUrl, claims), 'tus-resumable': TUS_VERSION },
    };
  }

  /** @throws StorageUnsupportedError before bytes come that could not be published */
  async #assertUsable(): Promise<void> {
    await this.storage.open();
    if (!this.behaviour.isCreateOnly || this.storage.capabilities.createOnlyCopy) return;
    throw new StorageUnsupportedError(
      `Storage "${this.storage.name}" cannot refuse a key that is in use, as uploads under keys of one's own need; use randomKey or datedKey, or, on S3, name the provider of the service`,
    );
  }

  async #ownerOf(request: unknown): Promise<string> {
    const owner: unknown = await this.behaviour.owner(request);
    // One that is missing by mistake would make an upload everybody's.
    if (typeof owner === 'string') return owner;
    throw new StorageConfigurationError('TusModule: owner must return a string');
  }

  #newClaims(owner: string): UploadClaims {
    const expires = Date.now() + this.behaviour.expiresIn * 1000;
    return { name: keptName(expires + LONGEST_REQUEST), owner, expires };
  }

  #locationOf(baseUrl: string, claims: UploadClaims): string {
    return `${baseUrl}/${this.#ids.seal(claims)}`;
  }

  /** Tried anew after a failure. */
  async #load(): Promise<TusServerPackage> {
    try {
      return await loadTusServer();
    } catch (error) {
      this.#tus = undefined;
      throw error;
    }
  }
}

function protocolHeaders(headers: IncomingHttpHeaders): Headers {
  const taken = new Headers();
  for (const name of HEADERS) {
    const value = headers[name];
    if (typeof value === 'string') taken.set(name, value);
  }
  return taken;
}

/** CORS is for the app to decide; the framework knows the length of the answer. */
function ownHeaders(headers: Headers): Record<string, string> {
  return Object.fromEntries(
    [...headers].filter(([name]) => !/^access-control-|^content-(?:length|type)$/.test(name)),
  );
}

/** What a HEAD tells as it was sent. */
function recordHeaders({ concat, metadataHeader }: UploadRecord): Record<string, string> {
  return {
    ...(concat !== undefined && { 'upload-concat': concatHeader(concat) }),
    ...(metadataHeader !== undefined && { 'upload-metadata': metadataHeader }),
  };
}

function concatHeader(concat: 'partial' | readonly string[]): string {
  return typeof concat === 'string' ? concat : `final;${concat.join(' ')}`;
}

function parseMetadata(tus: TusServerPackage, header: string): Record<string, string | null> {
  try {
    return tus.Metadata.parse(header);
  } catch {
    throw refusal(400, 'Upload-Metadata is not well-formed');
  }
}
