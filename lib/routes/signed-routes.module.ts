import { type DynamicModule, Inject, Module, type NestModule, type Type } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import type {
  AsyncStorageRoutesOptions,
  StorageRoutesOptions,
  StorageSigningOptions,
} from '../interfaces/storage-routes-options.interface.js';
import { assertConfiguredOptions } from '../configured-options.js';
import { RouteMounts } from './route-mounts.js';
import { routeAllBelow } from './route-methods.js';
import { parseRoutePath } from './route-path.js';
import { SIGNED_ROUTE_METHODS, signedRoutesController } from './signed-routes.controller.js';
import { SignedRoutes } from './signed-routes.js';

const DEFAULT_PATH = '/storage';
const CONTROLLER = Symbol('StorageRoutesController');

const OPTIONS: Readonly<Record<keyof StorageRoutesOptions, true>> = {
  path: true,
  decorators: true,
  baseUrl: true,
  signingKeys: true,
};

const ASYNC_OPTIONS: Readonly<Record<keyof AsyncStorageRoutesOptions, true>> = {
  path: true,
  decorators: true,
  imports: true,
  inject: true,
  useFactory: true,
};

/** The routes of one `StorageModule`. */
@Module({})
export class SignedRoutesModule implements NestModule {
  constructor(
    @Inject(CONTROLLER) private readonly controller: Type,
    @Inject(HttpAdapterHost) private readonly adapterHost: HttpAdapterHost,
  ) {}

  /** @throws StorageConfigurationError naming the option */
  static create(routes: StorageRoutesOptions | AsyncStorageRoutesOptions): DynamicModule {
    const where = 'StorageModule.forRoot({ routes })';
    assertConfiguredOptions(where, routes, isAsync(routes) ? ASYNC_OPTIONS : OPTIONS);
    const path = parseRoutePath(where, routes.path ?? DEFAULT_PATH);
    const controller = signedRoutesController({ ...routes, path });
    const { imports = [], inject = [], useFactory } = isAsync(routes) ? routes : constant(routes);
    return {
      module: SignedRoutesModule,
      imports,
      controllers: [controller],
      providers: [
        { provide: CONTROLLER, useValue: controller },
        RouteMounts.of(() => SignedRoutesModule),
        {
          provide: SignedRoutes,
          inject: [HttpAdapterHost, RouteMounts, ...inject],
          useFactory: async (adapterHost: HttpAdapterHost, mounts: RouteMounts, ...args: never[]) =>
            new SignedRoutes(path, await useFactory(...args), adapterHost, mounts),
        },
      ],
      exports: [SignedRoutes],
    };
  }

  // The last that Nest calls before it registers the routes.
  configure(): void {
    routeAllBelow(this.controller, SIGNED_ROUTE_METHODS, this.adapterHost);
  }
}

function isAsync(
  routes: StorageRoutesOptions | AsyncStorageRoutesOptions,
): routes is AsyncStorageRoutesOptions {
  return typeof routes === 'object' && routes !== null && 'useFactory' in routes;
}

function constant(options: StorageSigningOptions): AsyncStorageRoutesOptions {
  return { useFactory: () => options };
}
