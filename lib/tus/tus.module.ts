import {
  type DynamicModule,
  Inject,
  Module,
  type NestModule,
  type OnModuleInit,
  type Type,
} from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { assertConfiguredOptions, assertFactory, dividedOptions } from '../configured-options.js';
import type { Storage } from '../core/storage.js';
import { requestStorage } from '../missing-storages.js';
import { RouteMounts } from '../routes/route-mounts.js';
import { routeAllBelow } from '../routes/route-methods.js';
import { isAtOrBelow, parseRoutePath } from '../routes/route-path.js';
import { withholdBodies } from '../routes/withheld-bodies.js';
import { StorageRegistry } from '../storage.registry.js';
import { getStorageToken } from '../storage.tokens.js';
import type {
  TusBehaviour,
  TusModuleAsyncOptions,
  TusModuleOptions,
  TusSettings,
} from './tus-module-options.interface.js';
import {
  type ParsedTusBehaviour,
  parseTusBehaviour,
  TUS_BEHAVIOUR_OPTIONS,
} from './tus-options.js';
import { TusUploads } from './tus-uploads.js';
import { TUS_METHODS, tusController } from './tus.controller.js';

const DEFAULT_PATH = '/files';
const WHERE = 'TusModule.forRoot()';
const CONTROLLER = Symbol('TusController');
const PATH = Symbol('TusPath');

const SETTINGS: Readonly<Record<keyof TusSettings, true>> = {
  path: true,
  storage: true,
  decorators: true,
  imports: true,
};

/**
 * Resumable uploads by tus 1.0, into any storage. The routes are an ordinary controller's, so that guards, interceptors and
 * filters apply to every request. Needs `@tus/server`.
 */
@Module({})
export class TusModule implements NestModule, OnModuleInit {
  /** @internal Nest makes it. */
  constructor(
    @Inject(CONTROLLER) private readonly controller: Type,
    @Inject(PATH) private readonly path: string,
    @Inject(HttpAdapterHost) private readonly adapterHost: HttpAdapterHost,
    @Inject(RouteMounts) private readonly mounts: RouteMounts,
  ) {}

  /** @throws StorageConfigurationError, here or while the app starts, naming the option */
  static forRoot<Request = unknown>(options: TusModuleOptions<Request>): DynamicModule {
    assertConfiguredOptions(WHERE, options, { ...SETTINGS, ...TUS_BEHAVIOUR_OPTIONS });
    const [settings, behaviour] = dividedOptions(options, SETTINGS);
    // A framework's request type is the user's choice; here it is only handed on.
    return create(settings, { useFactory: () => behaviour as unknown as TusBehaviour<never> });
  }

  /** The same with what is allowed made by a factory, from other providers, while the app starts. */
  static forRootAsync(options: TusModuleAsyncOptions): DynamicModule {
    assertConfiguredOptions(WHERE, options, { ...SETTINGS, inject: true, useFactory: true });
    assertFactory(WHERE, options.useFactory);
    return create(options, options);
  }

  // The last that Nest calls before it registers the routes.
  configure(): void {
    routeAllBelow(this.controller, TUS_METHODS, this.adapterHost);
  }

  // Everything the app has set up is there now, and it does not listen yet.
  onModuleInit(): void {
    const mount = this.mounts.mounted(this.path);
    withholdBodies(
      this.adapterHost,
      mount,
      ({ method, url }) =>
        (method === 'POST' || method === 'PATCH' || method === 'DELETE') && isAtOrBelow(mount, url),
    );
  }
}

function create(
  { path: given = DEFAULT_PATH, storage, decorators = [], imports = [] }: TusSettings,
  { useFactory, inject = [] }: Pick<TusModuleAsyncOptions, 'useFactory' | 'inject'>,
): DynamicModule {
  const path = parseRoutePath(WHERE, given);
  // Of this module alone: another one may serve other uploads at another path.
  const uploads = Symbol('TusUploads');
  const behaviour = Symbol('TusBehaviour');
  const controller = tusController({ path, decorators, uploads, behaviour });
  requestStorage(storage);
  return {
    module: TusModule,
    imports,
    controllers: [controller],
    providers: [
      { provide: CONTROLLER, useValue: controller },
      { provide: PATH, useValue: path },
      RouteMounts.of(() => TusModule),
      {
        provide: behaviour,
        inject,
        useFactory: async (...args: never[]) => {
          const made = (await useFactory(...args)) as TusBehaviour;
          assertConfiguredOptions(WHERE, made, TUS_BEHAVIOUR_OPTIONS);
          return parseTusBehaviour(WHERE, made);
        },
      },
      {
        provide: uploads,
        inject: [getStorageToken(storage), behaviour, StorageRegistry],
        useFactory: (files: Storage, parsed: ParsedTusBehaviour, registry: StorageRegistry) =>
          new TusUploads(path, files, parsed, registry),
      },
    ],
  };
}
