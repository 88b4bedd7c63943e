import { Controller, Get, Inject, Req, type Type, VERSION_NEUTRAL } from '@nestjs/common';
import { ApplicationConfig } from '@nestjs/core';
import type { Storage } from '../core/storage.js';
import type { ServeStorageOptions } from '../interfaces/storage-routes-options.interface.js';
import { ServedFile } from '../serving/served-file.js';
import { getStorageToken } from '../storage.tokens.js';
import { rawRequest } from '../uploads/http-exchange.js';
import { fileNotFound, readDenied } from './route.exceptions.js';
import type { RouteMethods } from './route-methods.js';
import { claimPath, keyOfPath, mountedPath, targetBelow } from './route-path.js';

export const SERVE_ROUTE_METHODS: RouteMethods = { read: Get };

/** What the routers make of the path below a wildcard: segments on Express, text on Fastify. */
interface RoutedRequest {
  readonly params?: { readonly key?: string | readonly string[]; readonly '*'?: string };
}

/** A controller of its own for each storage that is served. `routeAllBelow` makes a route of its method. */
export function serveStorageController({
  storage,
  path,
  decorators = [],
  serving,
  authorize,
}: ServeStorageOptions): Type {
  @Controller({ path, version: VERSION_NEUTRAL })
  class ServeStorageController {
    #mount: string | undefined;

    constructor(
      @Inject(getStorageToken(storage)) private readonly files: Storage,
      @Inject(ApplicationConfig) private readonly config: ApplicationConfig,
    ) {
      claimPath(path, config);
    }

    async read(@Req() request: RoutedRequest): Promise<ServedFile> {
      const key = this.#keyOf(request);
      if (key === undefined) throw fileNotFound();
      if (authorize && (await authorize(request, key)) !== true) throw readDenied();
      return new ServedFile(this.files, key, serving);
    }

    /** The key, if the router understands the path as the storage does: guards go by what they find in `params`. */
    #keyOf(request: RoutedRequest): string | undefined {
      this.#mount ??= mountedPath(path, this.config);
      const target = targetBelow(this.#mount, rawRequest(request).url);
      const key = target && keyOfPath(target.path);
      return key === routedKey(request) ? key : undefined;
    }
  }
  for (const decorate of decorators) decorate(ServeStorageController);
  return ServeStorageController;
}

function routedKey({ params }: RoutedRequest): string | undefined {
  const key = params?.key ?? params?.['*'];
  return typeof key === 'object' ? key.join('/') : key;
}
