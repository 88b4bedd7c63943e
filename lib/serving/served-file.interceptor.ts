import {
  type CallHandler,
  type ExecutionContext,
  HttpException,
  Injectable,
  Logger,
  type NestInterceptor,
} from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import type { ServerResponse } from 'node:http';
import { mergeMap, type Observable, of } from 'rxjs';
import { StorageError } from '../core/errors.js';
import { rawRequest, rawResponse } from '../http-exchange.js';
import { toLoggedHttpException } from '../storage.exceptions.js';
import type { AnswerHead } from './answer.js';
import { ClientConnection } from './client-connection.js';
import { keepAsStored } from './content-coding.js';
import { removeCacheHeaders } from './file-headers.js';
import { sendFile, type ServedRequest } from './send-file.js';
import { ServedFile } from './served-file.js';

const logger = new Logger('ServedFile');

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
    const response = http.getResponse<object>();
    const incoming = rawRequest(request);
    const head = this.#headOf(response);
    const client = new ClientConnection(incoming, rawResponse(response));
    try {
      await client.turn();
      const body = await sendFile(served, request, { head, client });
      keepAsStored(incoming);
      return body;
    } catch (error) {
      removeCacheHeaders(head);
      if (!(error instanceof StorageError)) throw error;
      // A key comes from the URL here: one that could never be a file is no file.
      if (error.code === 'INTEGRITY') throw brokenAtBackend(error);
      if (error.code !== 'INVALID_KEY') throw toLoggedHttpException(error);
      const response = { statusCode: 404, message: 'File not found', code: 'FILE_NOT_FOUND' };
      throw new HttpException(response, 404, { cause: error });
    }
  }

  #headOf(response: object): AnswerHead {
    const adapter = this.adapterHost.httpAdapter;
    // Express would add a charset of its own to media types; Fastify keeps its headers apart from Node's.
    const raw = rawResponse(response);
    const headers = raw === response ? raw : undefined;
    return {
      status: (code) => void adapter.status(response, code),
      header: (name, value) =>
        void (headers ? headers.setHeader(name, value) : adapter.setHeader(response, name, value)),
      remove: (name) => (response as ServerResponse).removeHeader(name),
      given: (name) => (adapter.getHeader(response, name) as string | undefined) || undefined,
    };
  }
}

/** Bytes that are not what was announced are the client's fault when it uploads, and the backend's when it reads. */
function brokenAtBackend(error: StorageError): HttpException {
  logger.error(error);
  const message = 'The file storage delivered other bytes than it announced';
  return new HttpException({ statusCode: 502, message, code: error.code }, 502, { cause: error });
}
