import {
  Body,
  Controller,
  Delete,
  Get,
  Header,
  HttpCode,
  HttpStatus,
  Inject,
  Post,
  Req,
  type Type,
  VERSION_NEUTRAL,
} from '@nestjs/common';
import type { StorageRouteSettings } from '../interfaces/storage-routes-options.interface.js';
import type { StoredFile } from '../core/stored-file.js';
import type { RouteMethods } from '../routes/route-methods.js';
import { RouteMounts } from '../routes/route-mounts.js';
import { uploadNotFound } from '../uploads/upload.exceptions.js';
import type { ParsedBehaviour } from './direct-upload-options.js';
import type { DirectUpload, DirectUploads, DirectUploadStatus } from './direct-uploads.js';
import type { PartUrl } from './part-urls.js';
import { type DirectUploadRequest, fieldsOf } from './upload-request.js';
import { UploadRoutes } from './upload-routes.js';

/** Those below the path; an upload is begun at the path itself. */
export const DIRECT_UPLOADS_METHODS: RouteMethods = { status: Get, act: Post, cancel: Delete };

/** What a controller of direct uploads is made for. */
export interface DirectUploadsRoute extends Pick<StorageRouteSettings, 'decorators'> {
  readonly path: string;
  /** Injection token of the `DirectUploads`. */
  readonly uploads: symbol | Type<DirectUploads>;
  /** Injection token of the `ParsedBehaviour`. */
  readonly behaviour: symbol;
}

/** A controller of its own for each module with direct uploads. */
export function directUploadsController(route: DirectUploadsRoute): Type {
  const { path, decorators = [] } = route;
  @Controller({ path, version: VERSION_NEUTRAL })
  class DirectUploadsController {
    readonly #routes: UploadRoutes;

    constructor(
      @Inject(route.uploads) private readonly uploads: DirectUploads,
      @Inject(route.behaviour) behaviour: ParsedBehaviour,
      @Inject(RouteMounts) mounts: RouteMounts,
    ) {
      mounts.claim(path);
      this.#routes = new UploadRoutes(path, mounts, behaviour);
    }

    @Post()
    @Header('Cache-Control', 'no-store')
    start(@Req() request: object, @Body() body: unknown): Promise<DirectUpload> {
      return this.#routes.serve(request, (owner) =>
        this.uploads.start(body as DirectUploadRequest, owner, request),
      );
    }

    @Header('Cache-Control', 'no-store')
    status(@Req() request: object): Promise<DirectUploadStatus> {
      return this.#routes.serve(request, (owner) => {
        const [id = '', ...rest] = this.#routes.target(request).segments;
        if (rest.length > 0) throw uploadNotFound();
        return this.uploads.status(id, owner);
      });
    }

    @HttpCode(HttpStatus.OK)
    @Header('Cache-Control', 'no-store')
    act(
      @Req() request: object,
      @Body() body: unknown,
    ): Promise<StoredFile | { parts: readonly PartUrl[] }> {
      return this.#routes.serve(request, async (owner) => {
        const { segments } = this.#routes.target(request);
        const [id = '', action] = segments;
        const given = fieldsOf(body);
        if (segments.length === 1 && id === 'complete') {
          return this.uploads.complete(await this.uploads.notedId(given.key), owner, request);
        }
        if (segments.length === 2 && action === 'complete') {
          return this.uploads.complete(id, owner, request);
        }
        if (segments.length === 2 && action === 'parts') {
          const numbers = given.partNumbers as readonly number[];
          return { parts: await this.uploads.partUrls(id, owner, numbers) };
        }
        throw uploadNotFound();
      });
    }

    @HttpCode(HttpStatus.NO_CONTENT)
    cancel(@Req() request: object): Promise<void> {
      return this.#routes.serve(request, (owner) => {
        const [id = '', ...rest] = this.#routes.target(request).segments;
        if (rest.length > 0) throw uploadNotFound();
        return this.uploads.cancel(id, owner);
      });
    }
  }
  for (const decorate of decorators) decorate(DirectUploadsController);
  return DirectUploadsController;
}
