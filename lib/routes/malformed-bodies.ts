import type { HttpException } from '@nestjs/common';
import type { HttpAdapterHost } from '@nestjs/core';

/** What is used of an Express app. */
interface ExpressApp {
  use(
    path: string,
    onError: (error: unknown, request: unknown, response: unknown, next: Next) => void,
  ): void;
}

type Next = (error: unknown) => void;

/** What is used of a Fastify instance. */
interface FastifyInstance {
  addHook(name: 'onRoute', hook: (route: FastifyRoute) => void): void;
}

interface FastifyRoute {
  readonly url: string;
  errorHandler?: (error: unknown) => never;
}

/**
 * Has bodies for the routes below the path that the app's parser of JSON cannot read refused as the routes refuse. The parsers come
 * before the routes, so that no filter of theirs sees what they throw. To be called when these are about to be registered.
 *
 * @param mount where the routes are, with the app's global prefix
 */
export function refuseMalformedBodies(
  { httpAdapter }: HttpAdapterHost,
  mount: string,
  refusal: () => HttpException,
): void {
  if (!httpAdapter) return;
  const told = (error: unknown): unknown => (isMalformed(error) ? refusal() : error);
  const instance = httpAdapter.getInstance<unknown>();
  if (httpAdapter.getType() === 'fastify') {
    (instance as FastifyInstance).addHook('onRoute', (route) => {
      if (!`${route.url}/`.startsWith(`${mount}/`)) return;
      // What it throws goes to the app's own handler.
      route.errorHandler = (error) => {
        throw told(error);
      };
    });
  } else {
    (instance as ExpressApp).use(mount, (error, _request, _response, next) => next(told(error)));
  }
}

function isMalformed(error: unknown): boolean {
  const { type, code } = (error ?? {}) as { readonly type?: unknown; readonly code?: unknown };
  return type === 'entity.parse.failed' || code === 'FST_ERR_CTP_INVALID_JSON_BODY';
}
