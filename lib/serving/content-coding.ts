import type { IncomingMessage } from 'node:http';

/**
 * Keeps middleware and plugins that compress answers away from this one, whatever its Cache-Control is: they change the
 * bytes and leave their strong etag, and some compress parts of files. What all of them ask is what the client takes
 * (RFC 9110 §12.5.3), so from here on it takes the bytes as they are.
 */
export function keepAsStored(request: IncomingMessage): void {
  request.headers['accept-encoding'] = 'identity';
}
