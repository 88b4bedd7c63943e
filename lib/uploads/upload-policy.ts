import type { ExecutionContext, Type } from '@nestjs/common';
import { ContextIdFactory, type ModuleRef } from '@nestjs/core';
import { StorageConfigurationError } from '../core/errors.js';
import type { UploadInterceptorOptions } from './upload-options.js';

/**
 * Decides for each request how its uploads are checked, named and stored. An interceptor is given the class; the
 * instance is the app's provider, of any scope, or else one of the interceptor's own, made once with its dependencies injected.
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

/** Options that are made for each request. Nest's parts come when the app starts. */
export class RequestOptions<Request> {
  #policy: UploadPolicy<Request> | undefined;

  constructor(private readonly source: OptionsOf<Request> | Type<UploadPolicy<Request>>) {}

  /**
   * Makes the policy, where the app does not provide it.
   *
   * @throws StorageConfigurationError when it depends on the request, so that only the app can provide it
   */
  async prepare(moduleRef: ModuleRef): Promise<void> {
    const { source } = this;
    if (!isPolicyClass(source) || isProvided(moduleRef, source)) return;
    try {
      this.#policy = await moduleRef.create(source);
    } catch (cause) {
      throw isRequestScoped(cause) ? unprovided(source, cause) : cause;
    }
  }

  async optionsFor(
    context: ExecutionContext,
    moduleRef: ModuleRef,
  ): Promise<UploadInterceptorOptions<Request>> {
    const { source } = this;
    if (!isPolicyClass(source)) return source(context);
    const policy = this.#policy ?? (await resolve(moduleRef, source, context));
    return policy.optionsFor(context);
  }
}

function isPolicyClass<Request>(
  source: OptionsOf<Request> | Type<UploadPolicy<Request>>,
): source is Type<UploadPolicy<Request>> {
  const { prototype } = source as { prototype?: Partial<UploadPolicy<Request>> };
  // A class whose `optionsFor` is a property, such as an arrow function, shows it only in its instances.
  return typeof prototype?.optionsFor === 'function' || /^class\b/.test(String(source));
}

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
): Promise<Policy> {
  const request = context.switchToHttp().getRequest<Record<string, unknown>>();
  const contextId = ContextIdFactory.getByRequest(request);
  moduleRef.registerRequestByContextId(request, contextId);
  return moduleRef.resolve(token, contextId, { strict: false });
}
