import {
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
import { HttpAdapterHost } from '@nestjs/core';
import { httpExchangeOf, rawRequest } from '../http-exchange.js';
import type { RouteMethods } from '../routes/route-methods.js';
import { RouteMounts } from '../routes/route-mounts.js';
import { discardLeftover } from '../uploads/leftover-body.js';
import { uploadNotFound } from '../uploads/upload.exceptions.js';
import type { ParsedBehaviour } from './direct-upload-options.js';
import type { DirectUploadsRoute } from './direct-uploads.controller.js';
import type { DirectUploads } from './direct-uploads.js';
import { locationOf } from './file-location.js';
import { proposedFile } from './proposed-file.js';
import { UploadRoutes } from './upload-routes.js';
import { type XmlElement, xmlDocument } from './xml-answers.js';

export const S3_ANSWERS_METHODS: RouteMethods = { list: Get, write: Post, abort: Delete };

/** Multipart uploads for clients of S3, which read its XML. The id of each is the sealed one. */
export function s3AnswersController(route: DirectUploadsRoute): Type {
  const { path, decorators = [] } = route;
  @Controller({ path, version: VERSION_NEUTRAL })
  class S3AnswersController {
    readonly #routes: UploadRoutes;

    constructor(
      @Inject(route.uploads) private readonly uploads: DirectUploads,
      @Inject(route.behaviour) behaviour: ParsedBehaviour,
      @Inject(RouteMounts) mounts: RouteMounts,
      @Inject(HttpAdapterHost) private readonly adapterHost: HttpAdapterHost,
    ) {
      mounts.claim(path);
      this.#routes = new UploadRoutes(path, mounts, behaviour);
    }

    @Header('Cache-Control', 'no-store')
    list(@Req() request: object, @Res({ passthrough: true }) response: object): Promise<string> {
      return this.#routes.serve(request, async (owner) => {
        const parts = await this.uploads.sentParts(this.#id(request, []), owner);
        const elements = parts.map(({ partNumber, etag, size }): XmlElement => [
          'Part',
          [
            ['PartNumber', String(partNumber)],
            ['ETag', etag],
            ['Size', String(size)],
          ],
        ]);
        return this.#answer(response, 'ListPartsResult', [['IsTruncated', 'false'], ...elements]);
      });
    }

    @HttpCode(HttpStatus.OK)
    @Header('Cache-Control', 'no-store')
    write(@Req() request: object, @Res({ passthrough: true }) response: object): Promise<string> {
      const exchange = httpExchangeOf(request, response);
      return this.#routes.serve(request, async (owner) => {
        try {
          const { segments, query } = this.#routes.target(request);
          if (segments.length === 1 && segments[0] === 'multipart') {
            return await this.#create(query.get('key'), owner, request, response);
          }
          const id = this.#id(request, ['complete']);
          return await this.#complete(id, owner, request, response);
        } finally {
          // The list of parts: those that count are the backend's.
          discardLeftover(exchange.request, exchange.response);
        }
      });
    }

    @HttpCode(HttpStatus.NO_CONTENT)
    abort(@Req() request: object): Promise<void> {
      return this.#routes.serve(request, (owner) =>
        this.uploads.cancel(this.#id(request, []), owner),
      );
    }

    async #create(
      key: string | null,
      owner: string,
      request: object,
      response: object,
    ): Promise<string> {
      const contentType = rawRequest(request).headers['content-type'];
      const asked = { ...proposedFile(key), contentType };
      const { id } = await this.uploads.startParts(asked, owner, request);
      return this.#answer(response, 'InitiateMultipartUploadResult', [['UploadId', id]]);
    }

    async #complete(id: string, owner: string, request: object, response: object): Promise<string> {
      const { key } = await this.uploads.complete(id, owner, request);
      return this.#answer(response, 'CompleteMultipartUploadResult', [
        ['Location', await locationOf(this.uploads.storage, key)],
        // By which the page gets the file, as after an upload in one request.
        ['Key', id],
      ]);
    }

    /** The type is that of an answer only: a refusal is JSON. */
    #answer(response: object, name: string, content: readonly XmlElement[]): string {
      this.adapterHost.httpAdapter.setHeader(response, 'Content-Type', 'application/xml');
      return xmlDocument(name, content);
    }

    /** @throws UploadException 404 when the path is not `multipart/<id>` and the rest */
    #id(request: object, rest: readonly string[]): string {
      const [first, id, ...others] = this.#routes.target(request).segments;
      const isThere = first === 'multipart' && others.join('/') === rest.join('/');
      if (id === undefined || !isThere) throw uploadNotFound();
      return id;
    }
  }
  for (const decorate of decorators) decorate(S3AnswersController);
  return S3AnswersController;
}
