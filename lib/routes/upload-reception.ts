import type { IncomingMessage } from 'node:http';
import type { MultipartPart } from '../core/multipart.js';
import type { StoredFile } from '../core/stored-file.js';
import { type HttpExchange, http2StreamOf } from '../http-exchange.js';
import type { StorageRegistry } from '../storage.registry.js';
import { discardLeftover } from '../uploads/leftover-body.js';
import { requestClosed, shuttingDown } from '../uploads/upload.exceptions.js';
import { UploadTransaction } from '../uploads/upload-transaction.js';
import { toRouteException } from './route.exceptions.js';
import type { SignedRoutes } from './signed-routes.js';
import { storeForm, storePut } from './signed-uploads.js';

/** Receives the uploads of signed URLs. One that fails leaves nothing; one that is under way holds a shutdown up. */
export class UploadReception {
  constructor(
    private readonly routes: SignedRoutes,
    private readonly registry: StorageRegistry,
  ) {}

  /** @throws HttpException */
  async put(exchange: HttpExchange): Promise<StoredFile | MultipartPart> {
    const { request, response } = exchange;
    const interruption = new AbortController();
    const forget = onGivenUp(request, () => interruption.abort(requestClosed()));
    try {
      const upload = this.routes.allowedBy(request.method, request.url);
      const stored = storePut(exchange, upload, interruption.signal);
      this.registry.holdOpen({
        settled: stored,
        interrupt: () => interruption.abort(shuttingDown()),
      });
      return await stored;
    } catch (error) {
      throw interruption.signal.aborted ? interruption.signal.reason : toRouteException(error);
    } finally {
      forget();
      discardLeftover(request, response);
    }
  }

  /** @throws HttpException */
  async form(exchange: HttpExchange): Promise<StoredFile> {
    const transaction = new UploadTransaction();
    this.registry.holdOpen(transaction);
    try {
      const formTarget = this.routes.formTarget(exchange.request.url);
      return await storeForm(exchange, transaction, (fields) =>
        this.routes.allowedByForm(formTarget, fields),
      );
    } catch (error) {
      await transaction.rollback();
      throw toRouteException(error);
    } finally {
      transaction.settle();
      discardLeftover(exchange.request, exchange.response);
    }
  }
}

/**
 * Has something done when the client gives its request up, at once if it has already, unless what this returns is called
 * before. Over HTTP/1 that is when it leaves before its last byte; over HTTP/2 also when it resets the stream after that,
 * since clients end the body of a stream before they reset it.
 */
function onGivenUp(request: IncomingMessage, act: () => void): () => void {
  const stream = http2StreamOf(request);
  if (stream) {
    if (stream.aborted) act();
    stream.once('aborted', act);
    return () => void stream.off('aborted', act);
  }
  const onClose = (): void => {
    if (!request.complete) act();
  };
  if (request.destroyed) onClose();
  request.once('close', onClose);
  return () => void request.off('close', onClose);
}
