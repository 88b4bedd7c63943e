import { RequestMethod, type Type } from '@nestjs/common';
import { INTERCEPTORS_METADATA, METHOD_METADATA } from '@nestjs/common/constants.js';
import { MetadataScanner, type ModulesContainer } from '@nestjs/core';
import { demandsFiles } from './api-demanded-files.js';
import { describedTextFields } from './api-text-fields.js';

/** The fields of a form that have files, one or several each; `'any'`: they have any name. */
export type UploadFields = Readonly<Record<string, 'file' | 'files'>> | 'any';

export interface ApiUploadOptions {
  /** Fields with files, which the interceptors of Nest do not tell: `{ photo: 'file' }`. Default: those of the upload interceptor. */
  files?: UploadFields;
  /** Text fields, by OpenAPI schemas such as `{ type: 'string' }`; those of `@Body()` are described without. */
  fields?: Readonly<Record<string, object>>;
  /** Fields that the form must have, beside those that are seen: of `@Body('name')`, and the one that a `ParseFilePipe` demands. */
  required?: readonly string[];
  /** What the form is for. */
  description?: string;
}

// The metadata that @nestjs/swagger reads. To write it needs no import, so the package may be there or not.
const API_PARAMETERS = 'swagger/apiParameters';
const API_CONSUMES = 'swagger/apiConsumes';
const API_EXTRA_MODELS = 'swagger/apiExtraModels';

/** Methods of requests that come with forms. */
const WITH_BODY: ReadonlySet<RequestMethod> = new Set([
  RequestMethod.POST,
  RequestMethod.PUT,
  RequestMethod.PATCH,
  RequestMethod.ALL,
]);

const API_UPLOAD = 'nestjs-storages:api-upload';

type Handler = (...args: never[]) => unknown;

/** Descriptions that were written here, and may be replaced by better ones. */
const own = new WeakSet<object>();

/**
 * Describes the form of a handler for `@nestjs/swagger`. Handlers with an upload interceptor are described without it; it
 * adds to what they say, and is for `StorageEngine` in Nest's own interceptors.
 */
export function ApiUpload(options: ApiUploadOptions = {}): MethodDecorator {
  return (target, property, descriptor) => {
    const handler = descriptor.value as Handler;
    Reflect.defineMetadata(API_UPLOAD, options, handler);
    describe(target, property as string, options.files ?? {});
  };
}

/** Describes the form of every handler that has the interceptor, unless `@ApiBody()` does. */
export function describeUploads(
  modules: ModulesContainer,
  interceptor: Type,
  files: UploadFields,
): void {
  for (const { metatype } of [...modules.values()].flatMap(({ controllers }) => [
    ...controllers.values(),
  ])) {
    const prototype = (metatype as Type | null)?.prototype as object | undefined;
    if (!prototype) continue;
    const isOnClass = uses(metatype!, interceptor);
    for (const name of new MetadataScanner().getAllMethodNames(prototype)) {
      const handler = handlerOf(prototype, name);
      const method = Reflect.getMetadata(METHOD_METADATA, handler) as RequestMethod | undefined;
      if (method === undefined) continue;
      // Of a handler that comes from a base class, what is said here holds for this class only. Those without a form, too:
      // the first route that matches is taken, so they keep their order.
      if (isOnClass && !Object.hasOwn(prototype, name)) overrideWithInherited(prototype, name);
      if (!WITH_BODY.has(method)) continue;
      if (isOnClass || uses(handler, interceptor)) describe(prototype, name, files);
    }
  }
}

/** As `name(...args) { return super.name(...args); }` does in the class; the method has the metadata of the one that it calls. */
function overrideWithInherited(prototype: object, name: string): void {
  const base = Object.getPrototypeOf(prototype) as object;
  const inherited = handlerOf(base, name);
  const method = function (this: unknown, ...args: never[]): unknown {
    return handlerOf(base, name).apply(this, args);
  };
  Object.defineProperty(method, 'name', { value: inherited.name, configurable: true });
  Object.defineProperty(method, 'length', { value: inherited.length, configurable: true });
  // Metadata are looked for along the chain of prototypes.
  Object.setPrototypeOf(method, inherited);
  Object.defineProperty(prototype, name, { value: method, writable: true, configurable: true });
}

function uses(target: object, interceptor: Type): boolean {
  const interceptors = Reflect.getMetadata(INTERCEPTORS_METADATA, target) as unknown[] | undefined;
  return interceptors?.includes(interceptor) ?? false;
}

function describe(prototype: object, name: string, files: UploadFields): void {
  const handler = handlerOf(prototype, name);
  const parameters = listOf<{ in?: string }>(API_PARAMETERS, handler);
  const others = parameters.filter((parameter) => !own.has(parameter));
  if (others.some((parameter) => parameter.in === 'body')) return;
  const { description, ...options } =
    (Reflect.getMetadata(API_UPLOAD, handler) as ApiUploadOptions | undefined) ?? {};
  const { properties, required, models } = describedTextFields(prototype, name);
  const withFiles = options.files ?? files;
  const form = formSchema(withFiles, { ...properties, ...options.fields }, [
    ...new Set([
      ...required,
      ...(demandsFiles(prototype, name) ? onlyField(withFiles) : []),
      ...(options.required ?? []),
    ]),
  ]);
  const references = models.map((model) => ({ $ref: `#/components/schemas/${model.name}` }));
  const body = {
    in: 'body',
    type: String,
    required: true,
    schema: references.length > 0 ? { allOf: [...references, form] } : form,
    ...(description !== undefined && { description }),
  };
  own.add(body);
  Reflect.defineMetadata(API_PARAMETERS, [...others, body], handler);
  Reflect.defineMetadata(
    API_CONSUMES,
    union(API_CONSUMES, handler, 'multipart/form-data'),
    handler,
  );
  if (models.length > 0) {
    Reflect.defineMetadata(API_EXTRA_MODELS, union(API_EXTRA_MODELS, handler, ...models), handler);
  }
}

/** Of several fields, it is not told which one has to have a file. */
function onlyField(files: UploadFields): readonly string[] {
  const names = files === 'any' ? [] : Object.keys(files);
  return names.length === 1 ? names : [];
}

function formSchema(files: UploadFields, fields: object, required: readonly string[]): object {
  const file = { type: 'string', format: 'binary' };
  const list = { type: 'array', items: file };
  const named = Object.entries(files === 'any' ? {} : files).map(
    ([name, count]) => [name, count === 'file' ? file : list] as const,
  );
  return {
    type: 'object',
    properties: { ...fields, ...Object.fromEntries(named) },
    ...(files === 'any' && { additionalProperties: list }),
    ...(required.length > 0 && { required }),
  };
}

function handlerOf(prototype: object, name: string): Handler {
  return (prototype as Record<string, Handler>)[name]!;
}

function listOf<Item>(key: string, handler: Handler): Item[] {
  return (Reflect.getMetadata(key, handler) as Item[] | undefined) ?? [];
}

function union(key: string, handler: Handler, ...more: unknown[]): unknown[] {
  return [...new Set([...listOf<unknown>(key, handler), ...more])];
}
