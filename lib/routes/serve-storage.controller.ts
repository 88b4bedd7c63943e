import {
  Controller,
  Get,
  Inject,
  type OnModuleInit,
  Req,
  type Type,
  VERSION_NEUTRAL,
} from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import type { Storage } from '../core/storage.js';
import { rawRequest } from '../http-exchange.js';
import type { ServeStorageOptions } from '../interfaces/storage-routes-options.interface.js';
import { ServedFile } from '../serving/served-file.js';
import { getStorageToken } from '../storage.tokens.js';
import { readDenied } from './route.exceptions.js';
import type { RouteMethods } from './route-methods.js';
import { receiveBelow } from './received-targets.js';
import { RouteMounts } from './route-mounts.js';
import { keyOfPath, targetBelow } from './route-path.js';

export const SERVE_ROUTE_METHODS: RouteMethods = { read: Get };

const NO_KEY = '';

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
  class ServeStorageController implements OnModuleInit {
    #mount = path;

    constructor(
      @Inject(getStorageToken(storage)) private readonly files: Storage,
      @Inject(RouteMounts) private readonly mounts: RouteMounts,
      @Inject(HttpAdapterHost) private readonly adapterHost: HttpAdapterHost,
    ) {
      mounts.claim(path);
    }

    // What the app puts before the path is known now, and the app does not listen yet.
    onModuleInit(): void {
      this.#mount = this.mounts.mounted(path);
      receiveBelow(this.#mount, this.adapterHost, serving);
    }

    async read(@Req() request: RoutedRequest): Promise<ServedFile> {
      const key = this.#keyOf(request);
      // Answered as a file that is not there, to the last header.
      if (key === undefined) return new ServedFile(this.files, NO_KEY, serving);
      if (authorize && (await authorize(request, key)) !== true) throw readDenied();
      return new ServedFile(this.files, key, serving);
    }

    /** The key, if the router understands the path as the storage does: guards go by what they find in `params`. */
    #keyOf(request: RoutedRequest): string | undefined {
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
