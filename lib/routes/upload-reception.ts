import type { MultipartPart } from '../core/multipart.js';
import type { StoredFile } from '../core/stored-file.js';
import type { StorageRegistry } from '../storage.registry.js';
import type { HttpExchange } from '../uploads/http-exchange.js';
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
    const closed = (): void => {
      if (!request.complete) interruption.abort(requestClosed());
    };
    request.once('close', closed);
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
      request.off('close', closed);
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
