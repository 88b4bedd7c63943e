import type { IncomingMessage, ServerResponse } from 'node:http';

/** Bytes that are still read of a form that was answered before its end. */
const MOST = 16 * 1024 * 1024;
/** Milliseconds that they may take after the answer. */
const LONGEST = 5000;

/**
 * Reads what a client still sends of a form that nobody wants any more, so that it sees the answer: many clients look
 * for one only after their last byte, and a connection that is closed while they send may take the answer with it.
 * After a while, and beyond some size, the connection is closed none the less (RFC 9110 §15.5.14).
 */
export function discardLeftover(request: IncomingMessage, response: ServerResponse): void {
  if (request.readableEnded || request.destroyed) return;
  let left = MOST;
  let timer: NodeJS.Timeout | undefined;
  const closeConnection = (): void => void request.destroy();
  const onData = (chunk: Buffer): void => {
    left -= chunk.byteLength;
    if (left > 0) return;
    request.pause();
    // The answer goes first.
    if (response.writableFinished) closeConnection();
    else response.once('finish', closeConnection);
  };
  const onAnswered = (): void => {
    timer = setTimeout(closeConnection, LONGEST).unref();
  };
  const stop = (): void => {
    clearTimeout(timer);
    request.off('data', onData).off('end', stop).off('close', stop);
    // Once it is answered, a request is not told any more that its connection is closed.
    request.socket.off('close', stop);
    response.off('finish', onAnswered).off('finish', closeConnection);
  };
  request.on('data', onData).once('end', stop).once('close', stop);
  request.socket.once('close', stop);
  request.on('error', () => {});
  if (response.writableFinished) onAnswered();
  else response.once('finish', onAnswered);
  request.resume();
}
