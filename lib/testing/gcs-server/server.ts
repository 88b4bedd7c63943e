import { Readable } from 'node:stream';
import type { Connection } from '../servers/connection.js';
import { Faults, type Fault } from '../servers/faults.js';
import { LoopbackServer, type Exchange } from '../servers/loopback-server.js';
import { bodyStorage } from '../servers/stored-body.js';
import { AccessTokens } from './access-tokens.js';
import { parseAttributes, type GcsAttributes } from './attributes.js';
import type { GcsService } from './call.js';
import { clientOptions, workloadIdentity, type GcsClientOptions } from './client-options.js';
import { GcsExchange, type ExchangeContext } from './exchange.js';
import {
  BatchFaults,
  type GcsFaultEffect,
  type GcsFaultOptions,
  type GcsKeyFaultOptions,
} from './faults.js';
import { etagOf, ObjectStore, type Bucket, type StoredObject } from './object-store.js';
import type { GcsOperationName } from './operation-names.js';
import type { GcsServerOptions } from './options.js';
import { keep } from './receive.js';
import type { GcsRecordedRequest } from './recorded-request.js';
import { serviceAccount, type GcsServiceAccount } from './service-account.js';

export interface GcsObjectSnapshot {
  readonly name: string;
  readonly size: number;
  readonly generation: string;
  readonly metageneration: string;
  readonly etag: string;
  /** Base64, big-endian. */
  readonly crc32c: string;
  /** Base64; absent on a composed object, as at Google. */
  readonly md5Hash?: string;
  readonly componentCount?: number;
  readonly contentType?: string;
  readonly cacheControl?: string;
  readonly contentDisposition?: string;
  readonly contentEncoding?: string;
  readonly contentLanguage?: string;
  readonly customTime?: string;
  readonly storageClass: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly timeCreated: Date;
  readonly updated: Date;
  /** The bytes as stored, read when asked for. Throws once the object was replaced or deleted. */
  readonly body: Buffer;
}

export interface GcsResumableSessionSnapshot {
  readonly uploadId: string;
  /** The name of the object to be. */
  readonly key: string;
  /** Bytes kept so far. */
  readonly persisted: number;
  readonly started: Date;
}

/** A running server. Everything it reports is as of now. */
export interface GcsTestServer extends AsyncDisposable {
  /** `http://127.0.0.1:<port>`: JSON API, XML API, token endpoint, IAM credentials and metadata server in one. */
  readonly endpoint: string;
  readonly port: number;
  readonly projectId: string;
  /** A generated key, which signatures and JWTs are verified against. A copy each time. */
  readonly credentials: GcsServiceAccount;
  /** `new Storage({ ...server.clientOptions })` authenticates with signed JWTs against this server. */
  readonly clientOptions: GcsClientOptions;
  /** For `signingEndpoint` of the SDK's signed URLs, to sign without a private key. */
  readonly signingEndpoint: string;
  /** Credentials of a workload identity (`type: 'external_account'`), which need no key and no option but this. */
  readonly workloadIdentity: { type: string; [field: string]: unknown };
  /** Requests in the order they came, those under way included. */
  readonly requests: readonly GcsRecordedRequest[];
  /** Sockets open. */
  readonly connections: number;
  /** Sockets ever opened. */
  readonly totalConnections: number;
  /** Requests under way. */
  readonly inFlight: number;
  clearRequests(): void;
  /**
   * Resolves once the condition holds; it is tried whenever a request comes, progresses or ends and a socket opens or
   * closes. Rejects when the server is closed first.
   */
  until(condition: (server: GcsTestServer) => boolean): Promise<void>;
  /** @throws Error when there is one of that name, which would lose its objects */
  createBucket(bucket: string): void;
  /** An object put in place as a fixture, past the wire. */
  putObject(
    bucket: string,
    name: string,
    body: string | Uint8Array,
    attributes?: GcsAttributes,
  ): Promise<GcsObjectSnapshot>;
  /** @throws Error when there is no such bucket */
  object(bucket: string, name: string): GcsObjectSnapshot | undefined;
  /** By name, in the order of its UTF-8 bytes. @throws Error when there is no such bucket */
  objects(bucket: string): ReadonlyMap<string, GcsObjectSnapshot>;
  /** Resumable sessions that are neither finished, cancelled nor expired, the oldest first. */
  resumableSessions(bucket: string): readonly GcsResumableSessionSnapshot[];
  /** Makes matching requests fail, once they are authenticated; a browser form before that. */
  fail(fault: GcsFaultOptions): Fault;
  /** Makes single calls of otherwise successful batches fail. */
  failKeys(fault: GcsKeyFaultOptions): { clear(): void };
  clearFaults(): void;
  /** Makes every access token handed out so far invalid. */
  revokeTokens(): void;
  /** Destroys every socket, waits for handlers, frees everything stored. */
  close(): Promise<void>;
}

const WEEK = 7 * 24 * 60 * 60 * 1000;

/**
 * Starts a Google Cloud Storage server in this process, on a free port of 127.0.0.1, strict where Google is strict:
 * tokens, signatures, policies, checksums and preconditions are verified, and whatever it does not implement is answered
 * with a 501.
 */
export async function startGcsServer(options: GcsServerOptions = {}): Promise<GcsTestServer> {
  const server = new RunningServer(options, await serviceAccount());
  await server.listen();
  return server;
}

class RunningServer extends LoopbackServer<GcsRecordedRequest> implements GcsTestServer {
  readonly projectId: string;
  readonly #faults = new Faults<GcsOperationName, GcsFaultEffect>();
  readonly #batchFaults = new BatchFaults();
  readonly #context: ExchangeContext;
  readonly #service: GcsService;
  readonly #now: () => number;

  constructor(options: GcsServerOptions, account: GcsServiceAccount) {
    super(options.cors);
    this.projectId = options.projectId ?? 'test-project';
    this.#now = options.now ?? Date.now;
    const endpoint = (): string => this.endpoint;
    this.#service = {
      store: new ObjectStore(),
      storage: bodyStorage(options.storeOnDisk),
      account,
      tokens: new AccessTokens(account, options.tokenLifetime ?? 3600),
      projectId: this.projectId,
      batchFaults: this.#batchFaults,
      rewriteChunk: options.rewriteChunk ?? Number.POSITIVE_INFINITY,
      sessionLifetime: options.sessionLifetime ?? WEEK,
      publicBuckets: options.publicBuckets ?? [],
      anonymous: options.anonymous ?? false,
      get endpoint() {
        return endpoint();
      },
    };
    for (const bucket of options.buckets ?? ['bucket']) this.createBucket(bucket);
    const { latency = 0 } = options;
    this.#context = {
      service: this.#service,
      faults: this.#faults,
      log: this.log,
      now: this.#now,
      latency: typeof latency === 'number' ? () => latency : latency,
    };
  }

  protected exchange(connection: Connection): Exchange {
    return new GcsExchange(this.#context, connection);
  }

  get endpoint(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  get credentials(): GcsServiceAccount {
    return { ...this.#service.account };
  }

  get clientOptions(): GcsClientOptions {
    return clientOptions(this.endpoint, this.projectId, this.credentials);
  }

  get signingEndpoint(): string {
    return `${this.endpoint}/v1/projects/-/serviceAccounts/`;
  }

  get workloadIdentity(): { type: string; [field: string]: unknown } {
    return workloadIdentity(this.endpoint, this.credentials);
  }

  createBucket(bucket: string): void {
    const { store } = this.#service;
    if (store.buckets.has(bucket)) throw new Error(`There is a bucket "${bucket}" already`);
    store.create(bucket, this.#now());
  }

  async putObject(
    bucket: string,
    name: string,
    body: string | Uint8Array,
    attributes: GcsAttributes = {},
  ): Promise<GcsObjectSnapshot> {
    const stored = this.#bucket(bucket);
    const described = parseAttributes(attributes);
    const bytes = Readable.from([Buffer.from(body)]) as AsyncIterable<Buffer>;
    const content = await keep(bytes, this.#service.storage);
    return snapshot(stored.commit(name, content, described, {}, this.#now()));
  }

  object(bucket: string, name: string): GcsObjectSnapshot | undefined {
    const object = this.#bucket(bucket).objects.get(name);
    return object && snapshot(object);
  }

  objects(bucket: string): ReadonlyMap<string, GcsObjectSnapshot> {
    const { sortedNames, objects } = this.#bucket(bucket);
    return new Map(
      sortedNames.flatMap((name): [string, GcsObjectSnapshot][] => {
        const object = objects.get(name);
        return object ? [[name, snapshot(object)]] : [];
      }),
    );
  }

  resumableSessions(bucket: string): readonly GcsResumableSessionSnapshot[] {
    return [...this.#bucket(bucket).sessions.values()]
      .filter(
        ({ finished, started }) =>
          !finished && this.#now() < started + this.#service.sessionLifetime,
      )
      .map(({ uploadId, request, persisted, started }) => ({
        uploadId,
        key: request.name,
        persisted,
        started: new Date(started),
      }));
  }

  #bucket(name: string): Bucket {
    return this.#service.store.bucket(name);
  }

  fail(fault: GcsFaultOptions): Fault {
    return this.#faults.add(fault);
  }

  failKeys(fault: GcsKeyFaultOptions): { clear(): void } {
    return this.#batchFaults.add(fault);
  }

  clearFaults(): void {
    this.#faults.clear();
    this.#batchFaults.clear();
  }

  revokeTokens(): void {
    this.#service.tokens.revoke();
  }

  override async close(): Promise<void> {
    await super.close();
    const { store, storage } = this.#service;
    const sessions = [...store.buckets.values()].flatMap(({ sessions }) => [...sessions.values()]);
    await Promise.all(sessions.map((session) => session.discard()));
    store.buckets.clear();
    await storage.close();
  }
}

function snapshot(object: StoredObject): GcsObjectSnapshot {
  const { body, attributes, md5, componentCount } = object;
  return {
    ...attributes,
    name: object.name,
    size: body.size,
    generation: String(object.generation),
    metageneration: String(object.metageneration),
    etag: etagOf(object),
    crc32c: object.crc32c,
    ...(md5 === undefined ? {} : { md5Hash: md5 }),
    ...(componentCount === undefined ? {} : { componentCount }),
    timeCreated: new Date(object.timeCreated),
    updated: new Date(object.updated),
    get body() {
      return body.readSync(0, body.size);
    },
  };
}
