import {
  type CallHandler,
  type ExecutionContext,
  Inject,
  Injectable,
  Logger,
  mixin,
  type NestInterceptor,
  type OnModuleInit,
  Optional,
  type Type,
} from '@nestjs/common';
import { AsyncResource } from 'node:async_hooks';
import { ApplicationConfig, HttpAdapterHost, ModuleRef, ModulesContainer } from '@nestjs/core';
import { catchError, concat, defer, finalize, ignoreElements, type Observable, tap } from 'rxjs';
import { StorageConfigurationError, StorageError } from '../core/errors.js';
import type { Storage } from '../core/storage.js';
import { InjectStorage } from '../decorators/inject-storage.decorator.js';
import { type FrameworkRequest, httpExchange } from '../http-exchange.js';
import { assertRegistered } from '../missing-storages.js';
import { toHttpException, toLoggedHttpException } from '../storage.exceptions.js';
import { StorageRegistry } from '../storage.registry.js';
import { getStorageToken } from '../storage.tokens.js';
import { describeUploads, type UploadFields } from './api-upload.decorator.js';
import { letFormsPass } from './fastify-forms.js';
import { type FieldSelection, isForm, receiveForm } from './form-reception.js';
import { beforeAnswer, holdAnswers } from './held-answers.js';
import { keepsUploads } from './keep-uploads.decorator.js';
import { discardLeftover } from './leftover-body.js';
import { hearOfOuterFailures, onOuterFailure } from './outer-failures.js';
import { RequestOutcome } from './request-outcome.js';
import { copyOfFields, requestWithBody } from './request-view.js';
import type { StoredUpload } from './stored-upload.js';
import { requestClosed } from './upload.exceptions.js';
import {
  type FieldPlan,
  type FormOutline,
  planUploads,
  storagesOf,
  type UploadPlan,
} from './upload-plan.js';
import { RequestOptions, type UploadOptionsSource } from './upload-policy.js';
import { UploadProgress, type UploadTracking } from './upload-progress.js';
import { UploadTransaction } from './upload-transaction.js';
import { UploadWriter } from './upload-writer.js';

const logger = new Logger('StorageUploads');

/** How one kind of upload interceptor differs from the others. */
interface FormShape<Request> extends FormOutline<Request> {
  /** What Nest's errors call the interceptor. */
  readonly name: string;
  readonly fields: FieldSelection;
  /** The fields with files, for descriptions of the API. */
  readonly described: UploadFields;
  /** Puts the uploads where the handler's decorators look for them, and where nothing is yet. */
  readonly handOn: (request: FrameworkRequest, uploads: readonly StoredUpload[]) => void;
}

/** An interceptor that stores the files of a form and keeps them only when the request succeeds. */
export function uploadInterceptor<Request>(
  source: UploadOptionsSource<Request>,
  shape: FormShape<Request>,
): Type<NestInterceptor> {
  const { name, fields, handOn } = shape;
  // What can be checked before any request is.
  const plan = typeof source === 'function' ? undefined : planUploads(source, shape);
  const storages = plan ? storagesOf(plan) : new Set<undefined>();

  @Injectable()
  class StorageUploadInterceptor implements NestInterceptor, OnModuleInit {
    /** Injected: one for each storage that the options name. */
    readonly [storage: `storage:${string}`]: Storage;
    readonly #writers = new WeakMap<FieldPlan, UploadWriter>();
    // Here, since the class serves many modules, and many apps.
    readonly #perRequest = typeof source === 'function' ? new RequestOptions(source) : undefined;

    constructor(
      @Inject(HttpAdapterHost) private readonly adapterHost: HttpAdapterHost,
      @Inject(ModuleRef) private readonly moduleRef: ModuleRef,
      @Inject(ModulesContainer) modules: ModulesContainer,
      @Inject(ApplicationConfig) config: ApplicationConfig,
      // Not there when a test provides the storage by itself.
      @Optional() @Inject(StorageRegistry) private readonly registry?: StorageRegistry,
      @Optional() @Inject(UploadProgress) private readonly progress?: UploadProgress,
    ) {
      for (const storage of storages) assertRegistered(storage, name, modules);
      // Not later: the description of the API is usually made before the app's modules are initialised.
      describeUploads(modules, StorageUploadInterceptor, shape.described);
      hearOfOuterFailures(config);
    }

    async onModuleInit(): Promise<void> {
      this.#assertImported();
      letFormsPass(this.adapterHost);
      holdAnswers(this.adapterHost);
      await this.#perRequest?.prepare(this.moduleRef);
    }

    async intercept(context: ExecutionContext, next: CallHandler): Promise<Observable<unknown>> {
      if (context.getType() !== 'http') return next.handle();
      const exchange = httpExchange(context);
      const { framework, request, response } = exchange;
      // Where a plugin of Fastify has methods of these names, they are not what `@UploadedFile()` is to get.
      framework.file = framework.files = undefined;
      if (!isForm(request)) return next.handle();
      const tracking = this.progress?.track(request);
      const transaction = new UploadTransaction();
      const outcome = new RequestOutcome(exchange, {
        failure() {
          // Of a form that is still being received, the client has gone: that is nothing to be logged.
          void transaction.rollback(requestClosed());
          tellOfFailure(transaction, tracking);
        },
        success() {
          void keepWhatWasAnswered(transaction, tracking);
        },
      });
      onOuterFailure(response, async () => {
        outcome.fail();
        await transaction.rollbackSoon();
      });
      this.registry?.holdOpen(transaction);
      let timeout: number | undefined;
      try {
        const planning = transaction.unlessEnded(this.#planFor(context));
        const { limits, fields: plans, others } = await planning;
        timeout = limits.timeout;
        // Not AsyncResource.bind(): it defines a deprecated property on what it returns, for each request.
        const scope = new AsyncResource('nestjs-storages:upload');
        await receiveForm(exchange, transaction, {
          limits,
          fields,
          onReceived: (bytes) => tracking?.received(bytes),
          // The events of a request have not the asynchronous context that middleware and interceptors have made.
          write: (file, connection, textFields) =>
            scope.runInAsyncScope(() => {
              const body = copyOfFields(textFields ?? {});
              framework.body = body;
              const writer = this.#writerFor(plans.get(file.fieldname) ?? others);
              // For the functions among the options: the form goes on, to another file, too, while they decide.
              const request = requestWithBody(framework, body);
              return writer.write(file, { request, ...connection });
            }),
        });
        transaction.received();
        handOn(framework, transaction.uploads);
      } catch (error) {
        tracking?.failed(error);
        await transaction.rollbackSoon(error as Error);
        throw error;
      } finally {
        discardLeftover(request, response);
      }
      if (keepsUploads(context)) transaction.keepAll();
      const publishing = (): Promise<void> => publish(transaction, outcome, tracking, timeout);
      const answer = handled(next, transaction, outcome);
      if (redirects(context)) return concat(answer, defer(publishing).pipe(ignoreElements()));
      if (transaction.isStaged) {
        beforeAnswer(response, (status) =>
          status < 400 && outcome.isGood ? publishing() : undefined,
        );
      }
      return answer;
    }

    /** @throws StorageConfigurationError */
    #assertImported(): void {
      for (const storage of storages) {
        if (this[propertyOf(storage)]) continue;
        throw new StorageConfigurationError(
          `${name} wants ${nameOf(storage)}, which the module of its controller does not import`,
        );
      }
    }

    async #planFor(context: ExecutionContext): Promise<UploadPlan> {
      if (plan) return plan;
      const options = await this.#perRequest!.optionsFor(context, this.moduleRef);
      try {
        return planUploads(options, shape);
      } catch (cause) {
        // No client is to blame.
        throw new StorageConfigurationError(
          `${name} was given options for a request that are not well-formed: ${(cause as Error).message}`,
          { cause },
        );
      }
    }

    #writerFor(field: FieldPlan): UploadWriter {
      const known = this.#writers.get(field);
      if (known) return known;
      const writer = new UploadWriter(this.#storage(field.storage), field.options);
      this.#writers.set(field, writer);
      return writer;
    }

    /** @throws StorageConfigurationError when options that were made for the request name one that is not there */
    #storage(storage: string | undefined): Storage {
      if (plan) return this[propertyOf(storage)]!;
      try {
        return this.moduleRef.get<Storage>(getStorageToken(storage), { strict: false });
      } catch (cause) {
        throw new StorageConfigurationError(
          `${name} was told for a request to use ${nameOf(storage)}, which no module registers`,
          { cause },
        );
      }
    }
  }
  for (const storage of storages) {
    const property = [StorageUploadInterceptor.prototype, propertyOf(storage)] as const;
    InjectStorage(storage)(...property);
    // One that is missing is told by the interceptor itself: Nest would say that it cannot resolve a dependency.
    Optional()(...property);
  }
  return Object.defineProperty(mixin(StorageUploadInterceptor), 'name', { value: name });
}

function propertyOf(storage: string | undefined): `storage:${string}` {
  return `storage:${storage ?? ''}`;
}

function nameOf(storage: string | undefined): string {
  return storage === undefined ? 'the default storage' : `the storage "${storage}"`;
}

/** What the handler gives; when it fails, after the uploads were removed. */
function handled(
  next: CallHandler,
  transaction: UploadTransaction,
  outcome: RequestOutcome,
): Observable<unknown> {
  let progress: 'silent' | 'answering' | 'over' = 'silent';
  return defer(() => {
    outcome.handlerStarted();
    return next.handle();
  }).pipe(
    tap({
      next: () => (progress = 'answering'),
      complete() {
        progress = 'over';
        outcome.handlerSucceeded();
      },
    }),
    catchError(async (error: unknown): Promise<never> => {
      progress = 'over';
      outcome.fail();
      await transaction.rollbackSoon();
      throw error;
    }),
    finalize(() => {
      // Left before its end: by who has seen enough, as `take(1)` does, or by who fails or has waited too long, whose
      // answer tells.
      if (progress === 'answering') outcome.handlerSucceeded();
      else if (progress === 'silent') outcome.handlerGivenUp();
    }),
  );
}

/** Whether Nest answers with a redirect, before which nothing can be done. */
function redirects(context: ExecutionContext): boolean {
  return Reflect.hasMetadata('__redirect__', context.getHandler());
}

/** Of a request that failed: what is to be kept all the same is stored, once it is under its key. */
function tellOfFailure(
  transaction: UploadTransaction,
  tracking: UploadTracking | undefined,
  error?: unknown,
): void {
  if (!transaction.keepsEverything) return tracking?.failed(error);
  void transaction.settled.then(() =>
    transaction.hasLost ? tracking?.failed(error) : tracking?.stored(),
  );
}

/** Right before the answer. @throws what is answered instead */
async function publish(
  transaction: UploadTransaction,
  outcome: RequestOutcome,
  tracking: UploadTracking | undefined,
  timeout: number | undefined,
): Promise<void> {
  try {
    await transaction.commitWithin(timeout);
  } catch (error) {
    // The client is to see what a storage error means, also where the app has no filter for such.
    const answered = error instanceof StorageError ? toLoggedHttpException(error) : error;
    tellOfFailure(transaction, tracking, answered);
    outcome.fail();
    await transaction.rollbackSoon();
    throw answered;
  }
}

/** After a good answer. What was not published before it, is now: Nest does not give every answer itself. */
async function keepWhatWasAnswered(
  transaction: UploadTransaction,
  tracking: UploadTracking | undefined,
): Promise<void> {
  try {
    await transaction.commit();
    transaction.settle();
    tracking?.stored();
  } catch (error) {
    logger.error('The uploads of a request that was answered could not be published', error);
    const told = error instanceof StorageError ? toHttpException(error) : error;
    tellOfFailure(transaction, tracking, told);
    await transaction.rollback();
  }
}
