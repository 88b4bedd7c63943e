import {
  Controller,
  Delete,
  Head,
  Inject,
  Options,
  Patch,
  Post,
  Req,
  Res,
  type Type,
  VERSION_NEUTRAL,
} from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { httpExchangeOf } from '../http-exchange.js';
import type { StorageRouteSettings } from '../interfaces/storage-routes-options.interface.js';
import type { RouteMethods } from '../routes/route-methods.js';
import { RouteMounts } from '../routes/route-mounts.js';
import { targetBelow } from '../routes/route-path.js';
import { uploadNotFound } from '../uploads/upload.exceptions.js';
import type { ParsedTusBehaviour } from './tus-options.js';
import { TUS_VERSION, type TusRequest, TusUploads } from './tus-uploads.js';

/** Those below the path: for one upload each. */
export const TUS_METHODS: RouteMethods = {
  state: Head,
  append: Patch,
  terminate: Delete,
  discoverBelow: Options,
  override: Post,
};

/** What a controller of tus uploads is made for. */
interface TusRoute extends Pick<StorageRouteSettings, 'decorators'> {
  readonly path: string;
  /** Injection token of the `TusUploads`. */
  readonly uploads: symbol;
  /** Injection token of the `ParsedTusBehaviour`. */
  readonly behaviour: symbol;
}

/** A controller of its own for each module. `routeAllBelow` makes routes of those methods that have none. */
export function tusController({ path, decorators = [], ...tokens }: TusRoute): Type {
  @Controller({ path, version: VERSION_NEUTRAL })
  class TusController {
    #mount: string | undefined;

    constructor(
      @Inject(tokens.uploads) private readonly uploads: TusUploads,
      @Inject(tokens.behaviour) private readonly behaviour: ParsedTusBehaviour,
      @Inject(HttpAdapterHost) private readonly adapterHost: HttpAdapterHost,
      @Inject(RouteMounts) private readonly mounts: RouteMounts,
    ) {
      mounts.claim(path);
    }

    @Post()
    create(@Req() request: object, @Res({ passthrough: true }) response: object): Promise<void> {
      return this.#serve('POST', request, response);
    }

    @Options()
    discover(@Req() request: object, @Res({ passthrough: true }) response: object): Promise<void> {
      return this.#serve('OPTIONS', request, response);
    }

    state(@Req() request: object, @Res({ passthrough: true }) response: object): Promise<void> {
      return this.#serve('HEAD', request, response);
    }

    append(@Req() request: object, @Res({ passthrough: true }) response: object): Promise<void> {
      return this.#serve('PATCH', request, response);
    }

    terminate(@Req() request: object, @Res({ passthrough: true }) response: object): Promise<void> {
      return this.#serve('DELETE', request, response);
    }

    discoverBelow(
      @Req() request: object,
      @Res({ passthrough: true }) response: object,
    ): Promise<void> {
      return this.#serve('OPTIONS', request, response);
    }

    /** For clients that can send nothing but POST, and for a path with a slash at its end. */
    override(@Req() request: object, @Res({ passthrough: true }) response: object): Promise<void> {
      return this.#serve('POST', request, response);
    }

    async #serve(method: TusRequest['method'], request: object, response: object): Promise<void> {
      const { httpAdapter } = this.adapterHost;
      const setHeaders = (headers: Readonly<Record<string, string>>): void => {
        for (const [name, value] of Object.entries(headers)) {
          httpAdapter.setHeader(response, name, value);
        }
      };
      const exchange = httpExchangeOf(request, response);
      // Those of every answer, and so of one that an exception makes.
      setHeaders({ 'Tus-Resumable': TUS_VERSION, 'Cache-Control': 'no-store' });
      if (method !== 'OPTIONS') setHeaders({ 'Tus-Version': TUS_VERSION });
      const id = this.#idIn(exchange.request.url);
      const { status, headers } = await this.uploads.serve({
        method: id === undefined ? method : overridden(method, exchange.request.headers),
        exchange,
        id,
        baseUrl: `${this.behaviour.baseUrl}${this.#mounted}`,
      });
      setHeaders(headers);
      httpAdapter.status(response, status);
    }

    /** What stands in the URL below the path, as it was sent; `undefined` at the path itself. */
    #idIn(url = ''): string | undefined {
      const path = url.replace(/\?.*$/s, '');
      if (path === this.#mounted || path === `${this.#mounted}/`) return undefined;
      const target = targetBelow(this.#mounted, url);
      if (!target) throw uploadNotFound();
      return target.path;
    }

    get #mounted(): string {
      return (this.#mount ??= this.mounts.mounted(path));
    }
  }
  for (const decorate of decorators) decorate(TusController);
  return TusController;
}

/** @throws HttpException for a POST to an upload that stands for no other method */
function overridden(
  method: TusRequest['method'],
  headers: Readonly<Record<string, string | string[] | undefined>>,
): TusRequest['method'] {
  if (method !== 'POST') return method;
  const meant = headers['x-http-method-override'];
  if (meant === 'PATCH' || meant === 'DELETE' || meant === 'HEAD') return meant;
  throw uploadNotFound();
}
