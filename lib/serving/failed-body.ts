import { Logger } from '@nestjs/common';
import type { ServerResponse } from 'node:http';
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
    response.destroy();
  });
}

/** Answers for a file that was never turned into a response. */
export function answerUnsent(error: Error, response: ServerResponse): void {
  if (response.destroyed) return;
  logger.error(error);
  if (response.headersSent) {
    response.destroy();
    return;
  }
  const exception = toHttpException(
    error instanceof StorageError ? error : new StorageError(error.message),
  );
  response.removeHeader('Content-Length');
  response.writeHead(exception.getStatus(), { 'Content-Type': 'application/json' });
  response.end(JSON.stringify(exception.getResponse()));
}
