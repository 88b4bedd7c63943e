import { Logger } from '@nestjs/common';
import type { ServerResponse } from 'node:http';
import { StorageError } from '../core/errors.js';
import { toHttpException } from '../storage.exceptions.js';

const logger = new Logger('ServedFile');

// What was said about the file is not true of an error; the safe headers and those of the app stay.
const FILE_HEADERS = [
  'Accept-Ranges',
  'Cache-Control',
  'Content-Disposition',
  'Content-Encoding',
  'Content-Language',
  'Content-Length',
  'Content-Range',
  'ETag',
  'Last-Modified',
];

/** Ends an answer whose body failed: so that nobody takes the part for the whole. */
export function answerFailedBody(error: Error, response: ServerResponse): void {
  if (response.destroyed) return;
  logger.error(error);
  if (response.headersSent) {
    response.destroy();
    return;
  }
  for (const name of FILE_HEADERS) response.removeHeader(name);
  const exception = toHttpException(
    error instanceof StorageError ? error : new StorageError(error.message),
  );
  response.writeHead(exception.getStatus(), { 'Content-Type': 'application/json' });
  response.end(JSON.stringify(exception.getResponse()));
}
