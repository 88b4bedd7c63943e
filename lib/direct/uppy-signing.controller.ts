import {
  Body,
  Controller,
  Header,
  HttpCode,
  HttpStatus,
  Inject,
  Post,
  Req,
  type Type,
  VERSION_NEUTRAL,
} from '@nestjs/common';
import { RouteMounts } from '../routes/route-mounts.js';
import type { ParsedBehaviour } from './direct-upload-options.js';
import type { DirectUploadsRoute } from './direct-uploads.controller.js';
import type { DirectUploads } from './direct-uploads.js';
import { invalidRequest } from './direct.exceptions.js';
import { proposedFile } from './proposed-file.js';
import { fieldsOf } from './upload-request.js';
import { UploadRoutes } from './upload-routes.js';

/** Where the client is to send its request to. */
interface Presigned {
  readonly url: string;
  readonly key?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** What `@uppy/aws-s3` gives its `signRequest`. */
interface PresignableRequest {
  readonly method?: unknown;
  readonly key?: unknown;
  readonly contentType?: unknown;
  readonly uploadId?: unknown;
  readonly partNumber?: unknown;
}

/**
 * Answers for `signRequest` of `@uppy/aws-s3`. Files and parts go to the backend; what begins, lists, completes and aborts
 * a multipart upload comes to the app, which answers as S3 does.
 *
 * @param s3Path of the routes that do
 */
export function uppySigningController(route: DirectUploadsRoute, s3Path: string): Type {
  const { path, decorators = [] } = route;
  @Controller({ path, version: VERSION_NEUTRAL })
  class UppySigningController {
    readonly #routes: UploadRoutes;
    readonly #s3: UploadRoutes;

    constructor(
      @Inject(route.uploads) private readonly uploads: DirectUploads,
      @Inject(route.behaviour) behaviour: ParsedBehaviour,
      @Inject(RouteMounts) mounts: RouteMounts,
    ) {
      mounts.claim(path);
      this.#routes = new UploadRoutes(path, mounts, behaviour);
      this.#s3 = new UploadRoutes(s3Path, mounts, behaviour);
    }

    @Post()
    @HttpCode(HttpStatus.OK)
    @Header('Cache-Control', 'no-store')
    sign(@Req() request: object, @Body() body: unknown): Promise<Presigned> {
      return this.#routes.serve(request, (owner) => this.#signed(fieldsOf(body), owner, request));
    }

    async #signed(asked: PresignableRequest, owner: string, request: object): Promise<Presigned> {
      const { method, key, contentType, uploadId, partNumber } = asked;
      if (uploadId === undefined) {
        const file = proposedFile(key);
        if (method === 'PUT') {
          const described = { ...file, contentType };
          const upload = await this.uploads.startRequest(described, owner, request, 'request');
          // The page completes the upload by it.
          return { url: upload.url, key: upload.id, headers: upload.headers };
        }
        if (method === 'POST') {
          const query = new URLSearchParams({ key: String(key) }).toString();
          return { url: `${this.#s3.mount}/multipart?${query}` };
        }
        throw invalidRequest('Only uploads are signed');
      }
      this.uploads.claimsOf(uploadId, owner);
      const url = `${this.#s3.mount}/multipart/${uploadId as string}`;
      if (method === 'PUT') {
        const part = await this.uploads.partUrl(uploadId as string, owner, partNumber);
        return { url: part.url, headers: part.headers };
      }
      if (method === 'GET' || method === 'DELETE') return { url };
      if (method === 'POST') return { url: `${url}/complete` };
      throw invalidRequest('Requests for an upload are GET, PUT, POST and DELETE');
    }
  }
  for (const decorate of decorators) decorate(UppySigningController);
  return UppySigningController;
}
