import { Logger, type OnModuleInit } from '@nestjs/common';
import type { HttpAdapterHost } from '@nestjs/core';
import type { IncomingMessage } from 'node:http';
import type { AddressInfo, Server } from 'node:net';
import { StorageConfigurationError } from '../core/errors.js';
import { encodeKey } from '../core/key.js';
import { type SignedRequest, UrlSigner } from '../core/signed-url.js';
import { assertSigningKeys, randomSigningKeys, type SigningKey } from '../core/signing-keys.js';
import type { Storage } from '../core/storage.js';
import type { StorageConfiguration } from '../drivers/driver-options.js';
import type { StorageSigningOptions } from '../interfaces/storage-routes-options.interface.js';
import { urlRefused } from './route.exceptions.js';
import { receiveBelow } from './received-targets.js';
import type { RouteMounts } from './route-mounts.js';
import { decodedPath, targetBelow } from './route-path.js';
import { withholdBodies } from './withheld-bodies.js';

/** A storage behind the routes, and what verifies its URLs. */
export interface SignedStorage {
  readonly storage: Storage;
  readonly signer: UrlSigner;
}

/** What a request may do. */
export interface AllowedRequest {
  /** Or the view of it that has what is staged. */
  readonly storage: Storage;
  /** As the storage knows it: without the prefix. */
  readonly key: string;
  readonly signed: SignedRequest;
}

/** What a request is about, nothing of it verified yet; `path` is that of the key, as it was sent. */
interface Target {
  readonly served: SignedStorage;
  readonly path: string | undefined;
  readonly query: string;
}

type SignedConfiguration = Extract<StorageConfiguration, { driver: 'memory' | 'local' }>;

/** Listening there, an app is opened as localhost; to its pages, any other spelling is another origin. */
const LOCAL = new Set(['::', '0.0.0.0', '127.0.0.1']);

const logger = new Logger('StorageRoutes');

/** The storages whose signed URLs lead to the routes of one module. */
export class SignedRoutes implements OnModuleInit {
  readonly #path: string;
  readonly #baseUrl: string | undefined;
  readonly #signingKeys: readonly SigningKey[] | undefined;
  /** By their names in URLs. */
  readonly #served = new Map<string, SignedStorage>();
  #mount: string | undefined;
  #randomKeys: readonly SigningKey[] | undefined;

  /** @throws StorageConfigurationError when the path is taken, or the options are not well-formed */
  constructor(
    path: string,
    { baseUrl, signingKeys }: StorageSigningOptions,
    private readonly adapterHost: HttpAdapterHost,
    private readonly mounts: RouteMounts,
  ) {
    mounts.claim(path);
    this.#path = path;
    this.#baseUrl = baseUrl?.replace(/\/+$/, '');
    this.#signingKeys = signingKeys;
    // Tried now, so that what is wrong with them ends the start.
    if (signingKeys !== undefined) assertSigningKeys(signingKeys, 'routes: signingKeys');
    if (baseUrl !== undefined) new UrlSigner('', baseUrl, randomSigningKeys());
  }

  // Everything the app has set up is there now, and it does not listen yet.
  onModuleInit(): void {
    receiveBelow(this.#mountedPath, this.adapterHost);
    withholdBodies(this.adapterHost, this.#mountedPath, (request) => this.#isOurs(request));
  }

  /**
   * The configuration with what the storage needs for URLs that lead here; what it says itself goes first. Other drivers
   * sign by themselves.
   *
   * @throws StorageConfigurationError in production, without signing keys
   */
  complete(name: string, configuration: StorageConfiguration): StorageConfiguration {
    if (!signsHere(configuration)) return configuration;
    return {
      ...configuration,
      baseUrl: configuration.baseUrl ?? this.#urlOf(name),
      signingKeys: configuration.signingKeys ?? this.#keys(),
    };
  }

  /** Serves the storage by URLs that are signed as its completed configuration says. */
  serve(storage: Storage, configuration: StorageConfiguration): void {
    const signer = signsHere(configuration) && UrlSigner.of(storage.name, configuration);
    if (signer) this.#served.set(encodeURIComponent(storage.name), { storage, signer });
  }

  /** What the URL of a request allows. @throws HttpException the same one for all that it does not */
  allowedBy(method: string | undefined, url: string | undefined): AllowedRequest {
    const { served, path, query } = this.#target(url);
    const key = path === undefined ? undefined : decodedPath(path);
    // Only the spelling that was signed; what the storage takes for a key, it says itself.
    if (key === undefined || encodeKey(key) !== path) throw urlRefused();
    return allowed(served, served.signer.verify(method ?? '', key, query));
  }

  /** The storage that forms are sent to by the URL. @throws HttpException as `allowedBy` */
  formTarget(url: string | undefined): SignedStorage {
    const { served, path, query } = this.#target(url);
    if (path !== undefined || query !== '') throw urlRefused();
    return served;
  }

  /** What the fields of a form allow. @throws HttpException as `allowedBy` */
  allowedByForm(served: SignedStorage, fields: Readonly<Record<string, unknown>>): AllowedRequest {
    // A field that comes twice is a list.
    if (!Object.values(fields).every((value) => typeof value === 'string')) throw urlRefused();
    return allowed(served, served.signer.verifyForm(fields as Record<string, string>));
  }

  #target(url: string | undefined): Target {
    const target = targetBelow(this.#mountedPath, url);
    const [, name, path] = /^([^/]*)(?:\/(.*))?$/s.exec(target?.path ?? '') ?? [];
    // Not decoded: a name in another spelling is another one.
    const served = name && this.#served.get(name);
    if (!target || !served) throw urlRefused();
    return { served, path, query: target.query };
  }

  #isOurs({ url }: IncomingMessage): boolean {
    return targetBelow(this.#mountedPath, url) !== undefined;
  }

  get #mountedPath(): string {
    return (this.#mount ??= this.mounts.mounted(this.#path));
  }

  /** Put together for each URL: prefix and address are known only when the app is set up, and when it listens. */
  #urlOf(name: string): string | (() => string) {
    if (this.#baseUrl === undefined) assertNotProduction('baseUrl: "https://app.example.com"');
    return () =>
      `${this.#baseUrl ?? this.#address()}${this.#mountedPath}/${encodeURIComponent(name)}`;
  }

  #address(): string {
    const server = this.adapterHost.httpAdapter?.getHttpServer() as Server | undefined;
    const address = server?.address() as AddressInfo | string | null | undefined;
    if (typeof address !== 'object' || address === null) {
      throw new StorageConfigurationError(
        'The app does not listen on a port, so no URL leads to it; set routes: { baseUrl: "https://app.example.com" }',
      );
    }
    const host = address.family === 'IPv6' ? `[${address.address}]` : address.address;
    return `http://${LOCAL.has(address.address) ? 'localhost' : host}:${address.port}`;
  }

  #keys(): readonly SigningKey[] {
    if (this.#signingKeys) return this.#signingKeys;
    assertNotProduction('signingKeys: [{ id: "2026", secret: process.env.STORAGE_SECRET }]');
    if (!this.#randomKeys) {
      logger.warn(
        'Storage URLs are signed with a random key, and end with this process; set routes: { signingKeys } to keep them',
      );
    }
    return (this.#randomKeys ??= randomSigningKeys());
  }
}

/** @throws HttpException */
function allowed(served: SignedStorage, signed: SignedRequest | undefined): AllowedRequest {
  // What is staged has keys that only its own view takes.
  const staging = served.storage.staging();
  const storage = signed?.key.startsWith(staging.prefix) ? staging : served.storage;
  // Signed by this storage, so the prefix is on; unless it has another one meanwhile.
  if (!signed?.key.startsWith(storage.prefix)) throw urlRefused();
  return { storage, key: signed.key.slice(storage.prefix.length), signed };
}

function signsHere(configuration: StorageConfiguration): configuration is SignedConfiguration {
  const driver: unknown = configuration?.driver;
  return driver === 'memory' || driver === 'local';
}

/** Whether only routes of the app could serve the URLs of the storage, and there are none. */
export function lacksRoutes(configuration: StorageConfiguration): boolean {
  return signsHere(configuration) && configuration.baseUrl === undefined;
}

function assertNotProduction(setting: string): void {
  if (process.env['NODE_ENV'] !== 'production') return;
  throw new StorageConfigurationError(
    `StorageModule: in production, the routes need routes: { ${setting} }`,
  );
}
