import {
  type CallHandler,
  type ExecutionContext,
  Inject,
  Injectable,
  mixin,
  type NestInterceptor,
  type OnModuleInit,
  Optional,
  type Type,
} from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { catchError, concat, defer, finalize, ignoreElements, type Observable, tap } from 'rxjs';
import { StorageError } from '../core/errors.js';
import type { Storage } from '../core/storage.js';
import { InjectStorage } from '../decorators/inject-storage.decorator.js';
import { toLoggedHttpException } from '../storage.exceptions.js';
import { StorageRegistry } from '../storage.registry.js';
import { letFormsPass } from './fastify-forms.js';
import { type FieldSelection, receiveForm } from './form-reception.js';
import { type FrameworkRequest, httpExchange } from './http-exchange.js';
import { keepsUploads } from './keep-uploads.decorator.js';
import { RequestOutcome } from './request-outcome.js';
import type { StoredUpload } from './stored-upload.js';
import { requestClosed } from './upload.exceptions.js';
import {
  parseInterceptorOptions,
  parseUploadOptions,
  type UploadInterceptorOptions,
} from './upload-options.js';
import { UploadTransaction } from './upload-transaction.js';
import { UploadWriter } from './upload-writer.js';

/** How one kind of upload interceptor differs from the others. */
interface FormShape {
  /** What Nest's errors call the interceptor. */
  readonly name: string;
  readonly fields: FieldSelection;
  /** Files that the form has at most, where its fields tell. */
  readonly expectedFiles?: number;
  /** Puts the uploads where the handler's decorators look for them. */
  readonly handOn: (request: FrameworkRequest, uploads: readonly StoredUpload[]) => void;
}

/** An interceptor that stores the files of a form and keeps them only when the request succeeds. */
export function uploadInterceptor<Request>(
  options: UploadInterceptorOptions<Request>,
  { name, fields, expectedFiles, handOn }: FormShape,
): Type<NestInterceptor> {
  const { upload, limits } = parseInterceptorOptions(options, expectedFiles);
  const uploadOptions = parseUploadOptions(upload);

  @Injectable()
  class StorageUploadInterceptor implements NestInterceptor, OnModuleInit {
    readonly #writer: UploadWriter;

    constructor(
      @InjectStorage(options.storage) storage: Storage,
      @Inject(HttpAdapterHost) private readonly adapterHost: HttpAdapterHost,
      // Not there when a test provides the storage by itself.
      @Optional() @Inject(StorageRegistry) private readonly registry?: StorageRegistry,
    ) {
      this.#writer = new UploadWriter(storage, uploadOptions);
    }

    onModuleInit(): void {
      letFormsPass(this.adapterHost);
    }

    async intercept(context: ExecutionContext, next: CallHandler): Promise<Observable<unknown>> {
      const exchange = httpExchange(context);
      const { framework, response } = exchange;
      const transaction = new UploadTransaction();
      const outcome = new RequestOutcome(response, {
        failure: () => void transaction.rollback(),
        success: () => transaction.settle(),
      });
      this.registry?.holdOpen(transaction);
      try {
        const isForm = await receiveForm(exchange, transaction, {
          limits,
          fields,
          write: (file, signal) => this.#writer.write(file, { request: framework, signal }),
        });
        if (outcome.hasFailed) throw requestClosed();
        transaction.received();
        if (isForm) handOn(framework, transaction.uploads);
      } catch (error) {
        await transaction.rollback();
        throw error;
      }
      if (keepsUploads(context)) transaction.keepAll();
      return handled(next, transaction, outcome);
    }
  }
  return Object.defineProperty(mixin(StorageUploadInterceptor), 'name', { value: name });
}

/** What the handler gives, after the uploads were published; when it fails, after they were removed. */
function handled(
  next: CallHandler,
  transaction: UploadTransaction,
  outcome: RequestOutcome,
): Observable<unknown> {
  let progress: 'silent' | 'answering' | 'over' = 'silent';
  const commit = async (): Promise<void> => {
    progress = 'over';
    await transaction.commit().catch(failWithStatus);
    outcome.handlerSucceeded();
  };
  const fail = async (error: unknown): Promise<never> => {
    progress = 'over';
    outcome.fail();
    await transaction.rollback();
    throw error;
  };
  const handler = defer(() => {
    outcome.handlerStarted();
    return next.handle();
  }).pipe(tap(() => (progress = 'answering')));
  return concat(handler, defer(commit).pipe(ignoreElements())).pipe(
    catchError(fail),
    finalize(() => {
      // Left before its end: by who has seen enough, as `take(1)` does, or by who has waited too long.
      if (progress === 'answering')
        commit()
          .catch(fail)
          .catch(() => {});
      else if (progress === 'silent') outcome.handlerGivenUp();
    }),
  );
}

/** The client is to see what a storage error means, also where the app has no filter for such. */
function failWithStatus(error: unknown): never {
  throw error instanceof StorageError ? toLoggedHttpException(error) : error;
}
