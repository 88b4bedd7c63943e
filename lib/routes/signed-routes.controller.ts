import {
  Controller,
  Delete,
  Get,
  HttpCode,
  HttpStatus,
  Inject,
  Patch,
  Post,
  Put,
  Req,
  Res,
  type Type,
  VERSION_NEUTRAL,
} from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import type { StoredFile } from '../core/stored-file.js';
import { httpExchangeOf, rawRequest } from '../http-exchange.js';
import type { StorageRouteSettings } from '../interfaces/storage-routes-options.interface.js';
import type { ServedFile } from '../serving/served-file.js';
import { StorageRegistry } from '../storage.registry.js';
import { urlRefused } from './route.exceptions.js';
import type { RouteMethods } from './route-methods.js';
import { signedFile } from './signed-file.js';
import { SignedRoutes } from './signed-routes.js';
import { UploadReception } from './upload-reception.js';

/** DELETE and PATCH are never signed: they are there to be refused as everything else that is not allowed. */
export const SIGNED_ROUTE_METHODS: RouteMethods = {
  read: Get,
  write: Put,
  submit: Post,
  remove: Delete,
  change: Patch,
};

/** A controller of its own for each module with routes. `routeAllBelow` makes routes of its methods. */
export function signedRoutesController({
  path,
  decorators = [],
}: StorageRouteSettings & { path: string }): Type {
  // The URLs that are signed have no version.
  @Controller({ path, version: VERSION_NEUTRAL })
  class StorageRoutesController {
    readonly #uploads: UploadReception;

    constructor(
      @Inject(SignedRoutes) private readonly routes: SignedRoutes,
      @Inject(StorageRegistry) registry: StorageRegistry,
      @Inject(HttpAdapterHost) private readonly adapterHost: HttpAdapterHost,
    ) {
      this.#uploads = new UploadReception(routes, registry);
    }

    read(@Req() request: object): ServedFile {
      const { method, url } = rawRequest(request);
      return signedFile(this.routes.allowedBy(method, url));
    }

    @HttpCode(HttpStatus.CREATED)
    async write(
      @Req() request: object,
      @Res({ passthrough: true }) response: object,
    ): Promise<void> {
      this.#answer(response, await this.#uploads.put(httpExchangeOf(request, response)));
    }

    @HttpCode(HttpStatus.CREATED)
    async submit(
      @Req() request: object,
      @Res({ passthrough: true }) response: object,
    ): Promise<void> {
      this.#answer(response, await this.#uploads.form(httpExchangeOf(request, response)));
    }

    remove(): never {
      throw urlRefused();
    }

    change(): never {
      throw urlRefused();
    }

    #answer(response: object, { etag }: Pick<StoredFile, 'etag'>): void {
      if (etag !== undefined) this.adapterHost.httpAdapter.setHeader(response, 'ETag', etag);
    }
  }
  for (const decorate of decorators) decorate(StorageRoutesController);
  return StorageRoutesController;
}
