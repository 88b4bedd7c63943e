import {
  type DynamicModule,
  Inject,
  Module,
  type NestModule,
  type OnModuleInit,
  type Type,
} from '@nestjs/common';
import { HttpAdapterHost, ModuleRef } from '@nestjs/core';
import { assertConfiguredOptions, assertFactory, dividedOptions } from '../configured-options.js';
import type { Storage } from '../core/storage.js';
import type {
  AsyncDirectUploadsOptions,
  DirectUploadsBehaviour,
  DirectUploadsOptions,
  DirectUploadsSettings,
} from '../interfaces/direct-uploads-options.interface.js';
import { requestStorage } from '../missing-storages.js';
import { refuseMalformedBodies } from '../routes/malformed-bodies.js';
import { RouteMounts } from '../routes/route-mounts.js';
import { routeAllBelow, type RouteMethods } from '../routes/route-methods.js';
import { isAtOrBelow, parseRoutePath, targetBelow } from '../routes/route-path.js';
import { hasBody, withholdBodies } from '../routes/withheld-bodies.js';
import { StorageRegistry } from '../storage.registry.js';
import { getStorageToken } from '../storage.tokens.js';
import { activeStorageController } from './active-storage.controller.js';
import { COMPANION_METHODS, companionController } from './companion.controller.js';
import {
  BEHAVIOUR_OPTIONS,
  type ParsedBehaviour,
  parseBehaviour,
} from './direct-upload-options.js';
import { DIRECT_UPLOADS_METHODS, directUploadsController } from './direct-uploads.controller.js';
import { DirectUploads } from './direct-uploads.js';
import { malformedBody } from './direct.exceptions.js';
import { S3_ANSWERS_METHODS, s3AnswersController } from './s3-answers.controller.js';
import { uppySigningController } from './uppy-signing.controller.js';

const DEFAULT_PATH = '/direct-uploads';
const WHERE = 'DirectUploadsModule.forRoot()';
const BEHAVIOUR = Symbol('DirectUploadsBehaviour');
const ROUTES = Symbol('DirectUploadsRoutes');

const SETTINGS: Readonly<Record<keyof DirectUploadsSettings, true>> = {
  path: true,
  decorators: true,
  storage: true,
  activeStorage: true,
  companion: true,
  isGlobal: true,
  imports: true,
};

/** The controllers of one module, and what the routers have to be told of them. */
interface ModuleRoutes {
  readonly path: string;
  readonly controllers: readonly Type[];
  readonly below: readonly (readonly [Type, RouteMethods])[];
  /** At and below which all of them are. */
  readonly paths: readonly string[];
  /** Below which bodies are lists of parts, of any length and not all of them JSON, that nobody needs. */
  readonly unparsed: readonly string[];
}

/**
 * Direct uploads: the browser sends files to the backend itself, and the app decides before and after. The routes are
 * ordinary controllers, so that guards, interceptors and filters apply.
 */
@Module({})
export class DirectUploadsModule implements NestModule, OnModuleInit {
  /** @internal Nest makes it. */
  constructor(
    @Inject(ROUTES) private readonly routes: ModuleRoutes,
    @Inject(HttpAdapterHost) private readonly adapterHost: HttpAdapterHost,
    @Inject(RouteMounts) private readonly mounts: RouteMounts,
    @Inject(BEHAVIOUR) private readonly behaviour: ParsedBehaviour,
    @Inject(ModuleRef) private readonly moduleRef: ModuleRef,
  ) {}

  /** @throws StorageConfigurationError, here or while the app starts, naming the option */
  static forRoot<Request = unknown>(options: DirectUploadsOptions<Request>): DynamicModule {
    assertConfiguredOptions(WHERE, options, { ...SETTINGS, ...BEHAVIOUR_OPTIONS });
    const [settings, behaviour] = dividedOptions(options, SETTINGS);
    // A framework's request type is the user's choice; here it is only handed on.
    return create(settings, {
      useFactory: () => behaviour as unknown as DirectUploadsBehaviour<never>,
    });
  }

  /** The same with what is allowed made by a factory, from other providers, while the app starts. */
  static forRootAsync(options: AsyncDirectUploadsOptions): DynamicModule {
    assertConfiguredOptions(WHERE, options, { ...SETTINGS, inject: true, useFactory: true });
    assertFactory(WHERE, options.useFactory);
    return create(options, options);
  }

  // The last that Nest calls before it registers the routes.
  configure(): void {
    for (const [controller, methods] of this.routes.below) {
      routeAllBelow(controller, methods, this.adapterHost);
    }
    for (const path of this.routes.paths) {
      refuseMalformedBodies(this.adapterHost, this.mounts.mounted(path), malformedBody);
    }
  }

  // Everything the app has set up is there now, and it does not listen yet.
  async onModuleInit(): Promise<void> {
    await this.behaviour.policy?.prepare(this.moduleRef);
    const { paths, unparsed } = this.routes;
    const unread = unparsed.map((path) => this.mounts.mounted(path));
    for (const mount of paths.map((path) => this.mounts.mounted(path))) {
      withholdBodies(this.adapterHost, mount, (request) => {
        const { method, url } = request;
        if (!isAtOrBelow(mount, url)) return false;
        // Fastify takes a Content-Type for a body, although there is none.
        if (!hasBody(request)) return true;
        return method === 'POST' && unread.some((each) => targetBelow(each, url) !== undefined);
      });
    }
  }
}

function create(
  settings: DirectUploadsSettings,
  { useFactory, inject = [] }: Pick<AsyncDirectUploadsOptions, 'useFactory' | 'inject'>,
): DynamicModule {
  const { storage, isGlobal = true, imports = [] } = settings;
  const routes = routesOf(settings);
  requestStorage(storage);
  return {
    module: DirectUploadsModule,
    global: isGlobal,
    imports,
    controllers: [...routes.controllers],
    providers: [
      { provide: ROUTES, useValue: routes },
      RouteMounts.of(() => DirectUploadsModule),
      {
        provide: BEHAVIOUR,
        inject,
        useFactory: async (...args: never[]) => {
          const behaviour = (await useFactory(...args)) as DirectUploadsBehaviour;
          assertConfiguredOptions(WHERE, behaviour, BEHAVIOUR_OPTIONS);
          return parseBehaviour(WHERE, behaviour);
        },
      },
      {
        provide: DirectUploads,
        inject: [getStorageToken(storage), BEHAVIOUR, StorageRegistry, ModuleRef],
        useFactory: (
          files: Storage,
          behaviour: ParsedBehaviour,
          registry: StorageRegistry,
          moduleRef: ModuleRef,
        ) => {
          registry.assertServed(files.name, WHERE);
          return new DirectUploads(files, behaviour, registry, routes.path, moduleRef);
        },
      },
    ],
    exports: [DirectUploads],
  };
}

function routesOf(settings: DirectUploadsSettings): ModuleRoutes {
  const { decorators = [], activeStorage, companion } = settings;
  const at = (path: unknown) => ({
    path: parseRoutePath(WHERE, path),
    decorators,
    uploads: DirectUploads,
    behaviour: BEHAVIOUR,
  });
  const root = at(settings.path ?? DEFAULT_PATH);
  const uploads = directUploadsController(root);
  const routes: ModuleRoutes = {
    path: root.path,
    controllers: [
      uploads,
      ...(activeStorage ? [activeStorageController(at(activeStorage.path))] : []),
    ],
    below: [[uploads, DIRECT_UPLOADS_METHODS]],
    paths: [root.path, ...(activeStorage ? [parseRoutePath(WHERE, activeStorage.path)] : [])],
    unparsed: [],
  };
  if (!companion) return routes;
  const base = parseRoutePath(WHERE, companion.path);
  const s3 = companionController(at(`${base}/s3`));
  const answers = s3AnswersController(at(`${base}/signed`));
  const signing = uppySigningController(at(`${base}/sign`), `${base}/signed`);
  return {
    ...routes,
    controllers: [...routes.controllers, s3, answers, signing],
    below: [...routes.below, [s3, COMPANION_METHODS], [answers, S3_ANSWERS_METHODS]],
    paths: [...routes.paths, base],
    // A new upload is asked for at `…/multipart` itself.
    unparsed: [`${base}/signed`, `${base}/s3/multipart`],
  };
}
