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
import { fieldsOf } from './upload-request.js';
import { UploadRoutes } from './upload-routes.js';

/** What the client tells of a file, and keeps of the answer. */
interface Blob {
  readonly filename: unknown;
  readonly byte_size: unknown;
  readonly content_type: unknown;
  /** Base64 of the MD5. */
  readonly checksum: unknown;
}

interface DirectUploadBlob extends Blob {
  readonly key: string;
  readonly signed_id: string;
  readonly direct_upload: { readonly url: string; readonly headers: Record<string, string> };
}

/** The protocol of `@rails/activestorage`: one request, and the client's PUT to the backend. */
export function activeStorageController(route: DirectUploadsRoute): Type {
  const { path, decorators = [] } = route;
  @Controller({ path, version: VERSION_NEUTRAL })
  class ActiveStorageController {
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
    @HttpCode(HttpStatus.OK)
    @Header('Cache-Control', 'no-store')
    create(@Req() request: object, @Body() body: unknown): Promise<DirectUploadBlob> {
      return this.#routes.serve(request, async (owner) => {
        const { filename, byte_size, content_type, checksum } = blobOf(body);
        const asked = {
          filename,
          size: byte_size,
          contentType: content_type,
          ...(checksum !== undefined && { checksum: { algorithm: 'md5', value: checksum } }),
        };
        const { id, key, url, headers } = await this.uploads.startRequest(
          asked,
          owner,
          request,
          'request',
        );
        return {
          key,
          filename,
          byte_size,
          content_type,
          checksum,
          signed_id: id,
          direct_upload: { url, headers },
        };
      });
    }
  }
  for (const decorate of decorators) decorate(ActiveStorageController);
  return ActiveStorageController;
}

function blobOf(body: unknown): Blob {
  const { blob } = fieldsOf(body);
  if (typeof blob === 'object' && blob !== null) return blob as Blob;
  throw invalidRequest('The body must be JSON: { "blob": { "filename": …, "byte_size": … } }');
}
