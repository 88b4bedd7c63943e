import type { Type } from '@nestjs/common';
import type { HttpAdapterHost } from '@nestjs/core';

type RouteDecorator = (path: string) => MethodDecorator;

/** The methods of a controller, and what makes a route of each. */
export type RouteMethods = Readonly<Record<string, RouteDecorator>>;

/**
 * Makes routes of the methods for everything below the controller's path. To be called before the routes are
 * registered, when the adapter is known: Express wants a name for what a wildcard matches, and Fastify takes none.
 */
export function routeAllBelow(
  controller: Type,
  methods: RouteMethods,
  { httpAdapter }: HttpAdapterHost,
): void {
  const path = httpAdapter?.getType() === 'fastify' ? '*' : '*key';
  const prototype = controller.prototype as object;
  for (const [name, route] of Object.entries(methods)) {
    const descriptor = Object.getOwnPropertyDescriptor(prototype, name);
    if (descriptor) route(path)(prototype, name, descriptor);
  }
}
