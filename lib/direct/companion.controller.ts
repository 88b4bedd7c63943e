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
  Res,
  type Type,
  VERSION_NEUTRAL,
} from '@nestjs/common';
import { rawRequest, rawResponse } from '../http-exchange.js';
import type { RouteMethods } from '../routes/route-methods.js';
import { RouteMounts } from '../routes/route-mounts.js';
import { discardLeftover } from '../uploads/leftover-body.js';
import { uploadNotFound } from '../uploads/upload.exceptions.js';
import type { ParsedBehaviour } from './direct-upload-options.js';
import type { DirectUploadsRoute } from './direct-uploads.controller.js';
import type { DirectUploads } from './direct-uploads.js';
import { locationOf } from './file-location.js';
import { fieldsOf } from './upload-request.js';
import { UploadRoutes } from './upload-routes.js';

export const COMPANION_METHODS: RouteMethods = { read: Get, write: Post, abort: Delete };

/** What `@uppy/aws-s3` tells of a file; it tells no size, unless the page puts one into the file's metadata. */
interface UppyFile {
  readonly filename?: unknown;
  readonly type?: unknown;
  readonly size?: unknown;
}

/**
 * The routes of Uppy's Companion for uploads to S3, as `@uppy/aws-s3` asks for them with `companionEndpoint`: forms for
 * whole files, and multipart uploads whose id is the sealed one.
 */
export function companionController(route: DirectUploadsRoute): Type {
  const { path, decorators = [] } = route;
  @Controller({ path, version: VERSION_NEUTRAL })
  class CompanionController {
    readonly #routes: UploadRoutes;

    constructor(
      @Inject(route.uploads) private readonly uploads: DirectUploads,
      @Inject(route.behaviour) behaviour: ParsedBehaviour,
      @Inject(RouteMounts) mounts: RouteMounts,
    ) {
      mounts.claim(path);
      this.#routes = new UploadRoutes(path, mounts, behaviour);
    }

    @Header('Cache-Control', 'no-store')
    read(@Req() request: object): Promise<object> {
      return this.#routes.serve(request, async (owner) => {
        const { segments, query } = this.#routes.target(request);
        const [first, id = '', part] = segments;
        if (segments.length === 1 && first === 'params') {
          const file = {
            filename: query.get('filename'),
            type: query.get('type'),
            size: query.get('metadata[size]'),
          };
          return this.#form(file, owner, request);
        }
        if (first !== 'multipart' || segments.length < 2) throw uploadNotFound();
        this.#assertKey(id, owner, query);
        if (segments.length === 2) {
          const parts = await this.uploads.sentParts(id, owner);
          return parts.map(({ partNumber, size, etag }) => ({
            PartNumber: partNumber,
            Size: size,
            ETag: etag,
          }));
        }
        if (segments.length > 3) throw uploadNotFound();
        const { url, expiresAt } = await this.uploads.partUrl(id, owner, part);
        return { url, expires: Math.floor((expiresAt.getTime() - Date.now()) / 1000) };
      });
    }

    @HttpCode(HttpStatus.OK)
    @Header('Cache-Control', 'no-store')
    write(
      @Req() request: object,
      @Body() body: unknown,
      @Res({ passthrough: true }) response: object,
    ): Promise<object> {
      return this.#routes.serve(request, async (owner) => {
        const { segments, query } = this.#routes.target(request);
        const [first, id = '', action] = segments;
        if (first !== 'multipart') throw uploadNotFound();
        if (segments.length === 1) {
          const { metadata, ...file } = fieldsOf(body);
          const { size } = (metadata ?? {}) as UppyFile;
          return this.#multipart({ ...file, size }, owner, request);
        }
        if (segments.length !== 3 || action !== 'complete') throw uploadNotFound();
        this.#assertKey(id, owner, query);
        try {
          const { key } = await this.uploads.complete(id, owner, request);
          return { key, location: await locationOf(this.uploads.storage, key) };
        } finally {
          // The parts that count are those that the backend has, whatever the client says of them.
          discardLeftover(rawRequest(request), rawResponse(response));
        }
      });
    }

    @HttpCode(HttpStatus.OK)
    abort(@Req() request: object): Promise<object> {
      return this.#routes.serve(request, async (owner) => {
        const { segments, query } = this.#routes.target(request);
        const [first, id = ''] = segments;
        if (first !== 'multipart' || segments.length !== 2) throw uploadNotFound();
        this.#assertKey(id, owner, query);
        await this.uploads.cancel(id, owner);
        return {};
      });
    }

    async #form(file: UppyFile, owner: string, request: object): Promise<object> {
      const upload = await this.uploads.startRequest(askedOf(file), owner, request, 'form');
      return { method: 'POST', url: upload.url, fields: upload.fields, expires: upload.expiresAt };
    }

    async #multipart(file: UppyFile, owner: string, request: object): Promise<object> {
      const asked = askedOf(file);
      const { id, key } = await this.uploads.startParts(asked, owner, request);
      return { key, uploadId: id };
    }

    /** An id goes with its key only. */
    #assertKey(id: string, owner: string, query: URLSearchParams): void {
      if (this.uploads.claimsOf(id, owner).key !== query.get('key')) throw uploadNotFound();
    }
  }
  for (const decorate of decorators) decorate(CompanionController);
  return CompanionController;
}

function askedOf({ filename, type, size }: UppyFile): object {
  return {
    filename,
    contentType: type,
    ...(size !== undefined && size !== null && { size: sizeOf(size) }),
  };
}

/** A number, or one as text in a query. What is none is refused like any other size that is none. */
function sizeOf(size: unknown): unknown {
  return typeof size === 'string' && /^\d{1,16}$/.test(size) ? Number(size) : size;
}
