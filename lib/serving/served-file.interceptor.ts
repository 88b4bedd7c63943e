import {
  type CallHandler,
  type ExecutionContext,
  HttpException,
  Injectable,
  type NestInterceptor,
} from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { mergeMap, type Observable, of } from 'rxjs';
import { StorageError } from '../core/errors.js';
import { toLoggedHttpException } from '../storage.exceptions.js';
import { sendFile, type ServedRequest } from './send-file.js';
import { ServedFile } from './served-file.js';

/** Sends every `ServedFile` that a handler returns. Interceptors of the app see the `ServedFile` itself. */
@Injectable()
export class ServedFileInterceptor implements NestInterceptor {
  constructor(private readonly adapterHost: HttpAdapterHost) {}

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    if (context.getType() !== 'http') return next.handle();
    return next
      .handle()
      .pipe(
        mergeMap((value) => (value instanceof ServedFile ? this.#send(value, context) : of(value))),
      );
  }

  async #send(served: ServedFile, context: ExecutionContext): Promise<unknown> {
    const http = context.switchToHttp();
    const request = http.getRequest<ServedRequest>();
    const response: unknown = http.getResponse();
    const adapter = this.adapterHost.httpAdapter;
    try {
      return await sendFile(served, request, {
        status: (code) => void adapter.status(response, code),
        header: (name, value) => void adapter.setHeader(response, name, value),
        given: (name) => adapter.getHeader(response, name) as string | undefined,
      });
    } catch (error) {
      if (!(error instanceof StorageError)) throw error;
      // A key comes from the URL here: one that could never be a file is no file.
      if (error.code !== 'INVALID_KEY') throw toLoggedHttpException(error);
      const response = { statusCode: 404, message: 'File not found', code: 'FILE_NOT_FOUND' };
      throw new HttpException(response, 404, { cause: error });
    }
  }
}
