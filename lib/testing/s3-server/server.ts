import { Readable } from 'node:stream';
import { wholeSecond } from '../servers/conditional-reads.js';
import type { Connection } from '../servers/connection.js';
import type { CorsRule } from '../servers/cors.js';
import { Faults, type Fault } from '../servers/faults.js';
import { LoopbackServer, type Exchange } from '../servers/loopback-server.js';
import { bodyStorage } from '../servers/stored-body.js';
import { parseAttributes } from './attributes.js';
import type { S3Service } from './call.js';
import { signingKeysOf } from './canonical-request.js';
import { S3Exchange, type ExchangeContext } from './exchange.js';
import {
  S3KeyFaults,
  type S3FaultEffect,
  type S3FaultOptions,
  type S3KeyFaultOptions,
} from './faults.js';
import type { S3OperationName } from './operation-names.js';
import { sortedParts, sortedUploads } from './multipart-uploads.js';
import { fullObjectChecksum } from './object-operations.js';
import { ObjectStore, type StoredObject } from './object-store.js';
import { store } from './payload.js';
import type { ProviderBehaviour, S3ServerProvider } from './provider-behaviour.js';
import { PROVIDERS } from './providers.js';
import type { S3RecordedRequest } from './recorded-request.js';
import type { Credentials } from './signature-v4.js';

export interface S3ServerOptions {
  /**
   * The service to behave like: what it refuses or leaves out, its limits and its region. `'generic'` is as bad as any
   * of them. Default `'aws'`.
   */
  provider?: S3ServerProvider;
  /** Default `'test-access-key'`. */
  accessKeyId?: string;
  /** Default `'test-secret-key'`. */
  secretAccessKey?: string;
  /** When given, every request must carry it, as temporary credentials do. */
  sessionToken?: string;
  /** The only region signatures are accepted for, unless the provider takes any. Default: the provider's. */
  region?: string;
  /** Buckets there are from the start. Default `['bucket']`. */
  buckets?: readonly string[];
  /** Buckets whose objects anyone may read unsigned. Default none. */
  publicBuckets?: readonly string[];
  /** Bytes of the smallest part but the last. Default 5 MiB, as S3. */
  minPartSize?: number;
  /** Bytes of the largest object CopyObject takes. Default 5 GiB, as S3. */
  maxCopySize?: number;
  /** Bytes one PutObject or UploadPart may carry. Default 5 GiB, as S3. */
  maxUploadSize?: number;
  /**
   * Checksum computed when the client declares none. S3 computes CRC64NVME, and so does this by default where the
   * provider does; `'none'` spares benchmarks the time.
   */
  defaultChecksum?: 'CRC64NVME' | 'none';
  /** What browsers may do, on every bucket. Default nothing. */
  cors?: readonly CorsRule[];
  /** Keep bodies in files below this folder instead of in memory. */
  storeOnDisk?: string;
  /** Milliseconds each request waits after it was authenticated. Default 0. */
  latency?: number | ((request: S3RecordedRequest) => number);
  /** The time signatures and expiry are judged by. Default `Date.now`. */
  now?: () => number;
}

export interface S3ObjectSnapshot {
  readonly size: number;
  /** Without quotes. */
  readonly etag: string;
  readonly contentType: string;
  /** Every system header kept, by lower-case name. */
  readonly headers: Readonly<Record<string, string>>;
  /** User metadata, without `x-amz-meta-`. */
  readonly metadata: Readonly<Record<string, string>>;
  readonly storageClass: string;
  readonly checksum?: {
    readonly algorithm: string;
    readonly value: string;
    readonly type: string;
  };
  readonly lastModified: Date;
  /** The bytes, read when asked for. Throws once the object was replaced or deleted. */
  readonly body: Buffer;
}

export interface S3MultipartUploadSnapshot {
  readonly key: string;
  readonly uploadId: string;
  readonly initiated: Date;
  readonly parts: readonly {
    readonly partNumber: number;
    readonly size: number;
    readonly etag: string;
  }[];
}

/** A running server. Everything it reports is as of now. */
export interface S3TestServer extends AsyncDisposable {
  /**
   * `http://127.0.0.1:<port>`, for path-style requests, and what the provider puts behind it. One that names buckets in
   * hosts only has `http://localhost:<port>`, and the bucket is in front of it.
   */
  readonly endpoint: string;
  readonly port: number;
  readonly region: string;
  /** A copy each time: the AWS SDK writes into the one that it is given. */
  readonly credentials: Credentials;
  /** Requests in the order they came, those under way included. */
  readonly requests: readonly S3RecordedRequest[];
  /** Sockets open. */
  readonly connections: number;
  /** Sockets ever opened. */
  readonly totalConnections: number;
  /** Requests under way. */
  readonly inFlight: number;
  clearRequests(): void;
  /**
   * Resolves once the condition holds; it is tried whenever a request comes,
   * progresses or ends and a socket opens or closes. Rejects when the server
   * is closed first.
   */
  until(condition: (server: S3TestServer) => boolean): Promise<void>;
  /**
   * An object put in place as a fixture, past the wire and its faults.
   *
   * @param headers what an upload would say of it, names in lower case: `{ 'content-type': 'text/css', 'x-amz-meta-by': 'me' }`
   * @throws Error when there is no such bucket
   */
  putObject(
    bucket: string,
    key: string,
    body: string | Uint8Array,
    headers?: Readonly<Record<string, string>>,
  ): Promise<S3ObjectSnapshot>;
  /** @throws Error when there is no such bucket */
  objects(bucket: string): ReadonlyMap<string, S3ObjectSnapshot>;
  /** Multipart uploads under way, in key order. */
  multipartUploads(bucket: string): readonly S3MultipartUploadSnapshot[];
  /**
   * Makes matching requests fail, once their signature was verified; a browser
   * form, whose signature is in its body, fails before that.
   */
  fail(fault: S3FaultOptions): Fault;
  /** Makes single keys of otherwise successful batches fail. */
  failKeys(fault: S3KeyFaultOptions): { clear(): void };
  clearFaults(): void;
  /** Destroys every socket, waits for handlers, frees everything stored. */
  close(): Promise<void>;
}

const MEBIBYTE = 1024 * 1024;
const GIBIBYTE = 1024 * MEBIBYTE;

/**
 * Starts an S3 server in this process, on a free port of 127.0.0.1, strict
 * where S3 is strict: signatures, checksums, conditions and part rules are
 * verified, and whatever it does not implement is answered with a 501.
 */
export async function startS3Server(options: S3ServerOptions = {}): Promise<S3TestServer> {
  const server = new RunningServer(options);
  await server.listen();
  return server;
}

function behaviourOf(provider: S3ServerProvider): ProviderBehaviour {
  if (Object.hasOwn(PROVIDERS, provider)) return PROVIDERS[provider];
  const known = Object.keys(PROVIDERS).join(', ');
  throw new TypeError(`provider must be one of ${known}, not ${JSON.stringify(provider)}`);
}

class RunningServer extends LoopbackServer<S3RecordedRequest> implements S3TestServer {
  readonly region: string;
  readonly #faults = new Faults<S3OperationName, S3FaultEffect>();
  readonly #keyFaults = new S3KeyFaults();
  readonly #context: ExchangeContext;
  readonly #provider: ProviderBehaviour;
  readonly #service: S3Service;

  constructor(options: S3ServerOptions) {
    super(options.cors);
    this.#provider = behaviourOf(options.provider ?? 'aws');
    const { regions, anyRegion, checksums } = this.#provider;
    const { defaultChecksum = checksums.unasked } = options;
    const accepted = options.region === undefined ? regions : [options.region];
    this.region = options.region ?? regions[0];
    const credentials: Credentials = {
      accessKeyId: options.accessKeyId ?? 'test-access-key',
      secretAccessKey: options.secretAccessKey ?? 'test-secret-key',
      ...(options.sessionToken === undefined ? {} : { sessionToken: options.sessionToken }),
    };
    const now = options.now ?? Date.now;
    this.#service = {
      store: new ObjectStore(),
      storage: bodyStorage(options.storeOnDisk),
      credentials,
      signingKey: signingKeysOf(credentials.secretAccessKey),
      provider: this.#provider,
      region: this.region,
      acceptsRegion: (region) => anyRegion || accepted.includes(region),
      minPartSize: options.minPartSize ?? 5 * MEBIBYTE,
      maxCopySize: options.maxCopySize ?? 5 * GIBIBYTE,
      maxUploadSize: options.maxUploadSize ?? 5 * GIBIBYTE,
      defaultChecksum: defaultChecksum === 'none' ? undefined : defaultChecksum,
      keyFailure: (operation, key) => this.#keyFaults.strike(operation, key),
    };
    for (const bucket of options.buckets ?? ['bucket']) {
      this.#service.store.create(bucket, now());
    }
    const { latency = 0 } = options;
    this.#context = {
      service: this.#service,
      faults: this.#faults,
      log: this.log,
      publicBuckets: options.publicBuckets ?? [],
      now,
      latency: typeof latency === 'number' ? () => latency : latency,
    };
  }

  protected exchange(connection: Connection): Exchange {
    return new S3Exchange(this.#context, connection);
  }

  get endpoint(): string {
    const { addressing, basePath } = this.#provider;
    const host = addressing.includes('path') ? '127.0.0.1' : 'localhost';
    return `http://${host}:${this.port}${basePath}`;
  }

  get credentials(): Credentials {
    return { ...this.#service.credentials };
  }

  async putObject(
    bucket: string,
    key: string,
    body: string | Uint8Array,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<S3ObjectSnapshot> {
    const { storage, defaultChecksum } = this.#service;
    const there = this.#bucket(bucket);
    const attributes = parseAttributes(new Map(Object.entries(headers)));
    const bytes = Readable.from([Buffer.from(body)]) as AsyncIterable<Buffer>;
    const kept = await store(bytes, storage, { algorithms: [defaultChecksum], limit: Infinity });
    const object: StoredObject = {
      ...attributes,
      key,
      body: kept.body,
      etag: kept.md5,
      lastModified: wholeSecond(this.#context.now()),
      checksum: fullObjectChecksum(kept),
    };
    there.commit(object);
    return snapshot(object);
  }

  objects(bucket: string): ReadonlyMap<string, S3ObjectSnapshot> {
    const { sortedKeys, objects } = this.#bucket(bucket);
    return new Map(
      sortedKeys.flatMap((key): [string, S3ObjectSnapshot][] => {
        const object = objects.get(key);
        return object ? [[key, snapshot(object)]] : [];
      }),
    );
  }

  multipartUploads(bucket: string): readonly S3MultipartUploadSnapshot[] {
    return sortedUploads(this.#bucket(bucket)).map((upload) => ({
      key: upload.key,
      uploadId: upload.uploadId,
      initiated: new Date(upload.initiated),
      parts: sortedParts(upload).map(({ partNumber, body, etag }) => ({
        partNumber,
        size: body.size,
        etag,
      })),
    }));
  }

  #bucket(name: string): ReturnType<ObjectStore['bucket']> {
    return this.#service.store.bucket(name);
  }

  fail(fault: S3FaultOptions): Fault {
    return this.#faults.add(fault);
  }

  failKeys(fault: S3KeyFaultOptions): { clear(): void } {
    return this.#keyFaults.add(fault);
  }

  clearFaults(): void {
    this.#faults.clear();
    this.#keyFaults.clear();
  }

  override async close(): Promise<void> {
    await super.close();
    this.#service.store.buckets.clear();
    await this.#service.storage.close();
  }
}

function snapshot(object: StoredObject): S3ObjectSnapshot {
  const { body, system, checksum } = object;
  return {
    size: body.size,
    etag: object.etag,
    contentType: system.get('content-type') ?? '',
    headers: Object.fromEntries(system),
    metadata: Object.fromEntries(object.metadata),
    storageClass: object.storageClass,
    ...(checksum ? { checksum } : {}),
    lastModified: new Date(object.lastModified),
    get body() {
      return body.readSync(0, body.size);
    },
  };
}
