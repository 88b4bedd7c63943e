import { type DynamicModule, Inject, Module, type NestModule, type Type } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { StorageConfigurationError } from '../core/errors.js';
import type { ServeStorageOptions } from '../interfaces/storage-routes-options.interface.js';
import { requestStorage } from '../missing-storages.js';
import { assertConfiguredOptions } from '../configured-options.js';
import { assertServingOptions } from '../serving/serving-options.js';
import { RouteMounts } from './route-mounts.js';
import { routeAllBelow } from './route-methods.js';
import { parseRoutePath } from './route-path.js';
import { SERVE_ROUTE_METHODS, serveStorageController } from './serve-storage.controller.js';

const CONTROLLER = Symbol('ServeStorageController');
const WHERE = 'ServeStorageModule.forRoot()';

const OPTIONS: Readonly<Record<keyof ServeStorageOptions, true>> = {
  storage: true,
  path: true,
  decorators: true,
  serving: true,
  authorize: true,
  public: true,
  imports: true,
};

/**
 * Serves a storage below a path, to read: GET and HEAD, one file each, and no listings. The key is the rest of the path,
 * decoded once; what could never be a key is a 404 like every file that is not there.
 */
@Module({})
export class ServeStorageModule implements NestModule {
  constructor(
    @Inject(CONTROLLER) private readonly controller: Type,
    @Inject(HttpAdapterHost) private readonly adapterHost: HttpAdapterHost,
  ) {}

  /** @throws StorageConfigurationError naming the option; also when it is not said who may read */
  static forRoot<Request = unknown>(options: ServeStorageOptions<Request>): DynamicModule {
    assertConfiguredOptions(WHERE, options, OPTIONS);
    assertServingOptions(options.serving ?? {});
    assertReaders(options);
    const path = parseRoutePath(WHERE, options.path);
    // A framework's request type is the user's choice; here it is only handed on.
    const controller = serveStorageController({ ...(options as ServeStorageOptions), path });
    requestStorage(options.storage);
    return {
      module: ServeStorageModule,
      imports: options.imports ?? [],
      controllers: [controller],
      providers: [
        { provide: CONTROLLER, useValue: controller },
        RouteMounts.of(() => ServeStorageModule),
      ],
    };
  }

  // The last that Nest calls before it registers the routes.
  configure(): void {
    routeAllBelow(this.controller, SERVE_ROUTE_METHODS, this.adapterHost);
  }
}

/** Nothing is public because an option was forgotten. */
function assertReaders<Request>({
  authorize,
  public: isPublic,
}: ServeStorageOptions<Request>): void {
  const asks = typeof authorize === 'function' && isPublic === undefined;
  const isOpen = authorize === undefined && isPublic === true;
  if (asks || isOpen) return;
  throw new StorageConfigurationError(
    `${WHERE}: say who may read: authorize: (request, key) => …, or public: true for everybody`,
  );
}
