import { Logger } from '@nestjs/common';
import { ServerResponse } from 'node:http';
import type { Readable } from 'node:stream';
import { StorageError } from '../core/errors.js';
import { toHttpException } from '../storage.exceptions.js';

const logger = new Logger('ServedFile');

/** Cuts the connection when the body fails: so that nobody takes the part that was sent for the whole. */
export function cutOnFailure(body: Readable, response: ServerResponse): void {
  body.once('error', (error) => {
    // Whoever went away broke it themselves.
    if (response.destroyed) return;
    logger.error(error);
    cut(response);
  });
}

/** Answers for a file that was never turned into a response. */
export function answerUnsent(error: Error, response: ServerResponse): void {
  if (response.destroyed) return;
  logger.error(error);
  if (response.headersSent) {
    cut(response);
    return;
  }
  const exception = toHttpException(
    error instanceof StorageError ? error : new StorageError(error.message),
  );
  response.removeHeader('Content-Length');
  response.writeHead(exception.getStatus(), { 'Content-Type': 'application/json' });
  response.end(JSON.stringify(exception.getResponse()));
}

function cut(response: ServerResponse): void {
  // Over HTTP/2, a stream that is reset without an error has ended well (RFC 9113 §7): what has come would be the whole.
  // Over HTTP/1, Node would take an error for one of the client, which an app may answer.
  const isHttp2 = !(response instanceof ServerResponse);
  response.destroy(isHttp2 ? new Error('The body of the answer failed') : undefined);
}
