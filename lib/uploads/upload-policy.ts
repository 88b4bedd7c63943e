import type { ExecutionContext, Type } from '@nestjs/common';
import { ContextIdFactory, ModuleRef, ModulesContainer } from '@nestjs/core';
import type { Module } from '@nestjs/core/injector/module.js';
import { StorageConfigurationError } from '../core/errors.js';
import type { UploadInterceptorOptions } from './upload-options.js';

/**
 * Decides for each request how its uploads are checked, named and stored. An interceptor is given the class; the
 * instance is the provider that Nest would inject into the module of its controller, of any scope, or else that of any
 * other module, or else one that is made once for the module, with its dependencies injected.
 */
export interface UploadPolicy<Request = unknown> {
  /** Called before anything of the form is read. What it throws is the answer. */
  optionsFor(
    context: ExecutionContext,
  ): UploadInterceptorOptions<Request> | Promise<UploadInterceptorOptions<Request>>;
}

/** Options of an upload interceptor: the same for all requests, or made for each. */
export type UploadOptionsSource<Request = unknown> =
  | UploadInterceptorOptions<Request>
  | UploadPolicy<Request>['optionsFor']
  | Type<UploadPolicy<Request>>;

type OptionsOf<Request> = UploadPolicy<Request>['optionsFor'];

/** Options that are made for each request, for one module of one app. Nest's parts come when the app starts. */
export class RequestOptions<Request> {
  #maker: Promise<OptionsOf<Request>> | undefined;

  constructor(private readonly source: OptionsOf<Request> | Type<UploadPolicy<Request>>) {}

  /**
   * Finds the provider of the policy, or makes the policy where there is none.
   *
   * @throws StorageConfigurationError when it depends on the request, so that only the app can provide it
   */
  async prepare(moduleRef: ModuleRef): Promise<void> {
    await (this.#maker ??= makerOf(this.source, moduleRef));
  }

  async optionsFor(
    context: ExecutionContext,
    moduleRef: ModuleRef,
  ): Promise<UploadInterceptorOptions<Request>> {
    const optionsFor = await (this.#maker ??= makerOf(this.source, moduleRef));
    return optionsFor(context);
  }
}

async function makerOf<Request>(
  source: OptionsOf<Request> | Type<UploadPolicy<Request>>,
  moduleRef: ModuleRef,
): Promise<OptionsOf<Request>> {
  if (!isPolicyClass(source)) return source;
  const provider = providerFor(moduleRef, source);
  if (provider || isProvided(moduleRef, source)) {
    return async (context) => {
      const policy = await resolve(provider ?? moduleRef, source, context, { strict: !!provider });
      return policy.optionsFor(context);
    };
  }
  try {
    const policy = await moduleRef.create(source);
    return (context) => policy.optionsFor(context);
  } catch (cause) {
    throw isRequestScoped(cause) ? unprovided(source, cause) : cause;
  }
}

function isPolicyClass<Request>(
  source: OptionsOf<Request> | Type<UploadPolicy<Request>>,
): source is Type<UploadPolicy<Request>> {
  const { prototype } = source as { prototype?: Partial<UploadPolicy<Request>> };
  // A class whose `optionsFor` is a property, such as an arrow function, shows it only in its instances.
  return typeof prototype?.optionsFor === 'function' || /^class\b/.test(String(source));
}

/** The module whose provider Nest would inject into the given one. */
function providerFor(moduleRef: ModuleRef, token: Type): ModuleRef | undefined {
  const modules = [...moduleRef.get(ModulesContainer, { strict: false }).values()];
  const own = modules.find((module) => refOf(module) === moduleRef);
  if (!own) return undefined;
  const provider = own.providers.has(token) ? own : exporterOf(token, own.imports, new Set());
  return provider && refOf(provider);
}

/** As Nest looks for it: the first of the modules that exports it, or hands on one that does. */
function exporterOf(token: Type, modules: Iterable<Module>, seen: Set<Module>): Module | undefined {
  for (const module of modules) {
    if (seen.has(module)) continue;
    seen.add(module);
    const { exports, imports, providers } = module;
    if (exports.has(token) && providers.has(token)) return module;
    const handedOn = [...imports].filter(({ metatype }) => exports.has(metatype));
    const found = exporterOf(token, handedOn, seen);
    if (found) return found;
  }
  return undefined;
}

function refOf({ providers }: Module): ModuleRef | undefined {
  return providers.get(ModuleRef)?.instance as ModuleRef | undefined;
}

/** By any module, whether it exports the provider or not. */
function isProvided(moduleRef: ModuleRef, token: Type): boolean {
  try {
    moduleRef.introspect(token);
    return true;
  } catch {
    return false;
  }
}

/** Whether Nest says that it depends on a request. Its package exports no class of the error, and Nest gives it no name. */
function isRequestScoped(error: unknown): boolean {
  return error instanceof Error && error.constructor.name === 'RequestScopedCreateException';
}

function unprovided({ name }: Type, cause: unknown): StorageConfigurationError {
  return new StorageConfigurationError(
    `The policy ${name} depends on the request, so it cannot be made while the app starts; put it among the providers of a module, and it is made for each request`,
    { cause },
  );
}

/** The app's one instance, or that of the request when the provider depends on it. */
function resolve<Policy>(
  moduleRef: ModuleRef,
  token: Type<Policy>,
  context: ExecutionContext,
  where: { strict: boolean },
): Promise<Policy> {
  const request = context.switchToHttp().getRequest<Record<string, unknown>>();
  const contextId = ContextIdFactory.getByRequest(request);
  moduleRef.registerRequestByContextId(request, contextId);
  return moduleRef.resolve(token, contextId, where);
}
