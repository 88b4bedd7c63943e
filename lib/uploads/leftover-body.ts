import type { IncomingMessage, ServerResponse } from 'node:http';
import { http2StreamOf } from '../http-exchange.js';

export interface LeftoverLimits {
  /** Bytes that are still read of a form that was answered before its end. */
  readonly most: number;
  /** Milliseconds that they may take after the answer. */
  readonly longest: number;
}

const LIMITS: LeftoverLimits = { most: 16 * 1024 * 1024, longest: 5000 };

/**
 * Reads what a client still sends of a form that nobody wants any more, so that it sees the answer: many clients look
 * for one only after their last byte, and a connection that is closed while they send may take the answer with it.
 * After a while, and beyond some size, the connection is closed none the less (RFC 9110 §15.5.14); over HTTP/2 it is the
 * stream of the request, without an error (RFC 9113 §8.1).
 */
export function discardLeftover(
  request: IncomingMessage,
  response: ServerResponse,
  { most, longest }: LeftoverLimits = LIMITS,
): void {
  const stream = http2StreamOf(request);
  if (request.readableEnded || request.destroyed || stream?.destroyed) return;
  const carrier = stream ?? request.socket;
  // Over HTTP/2, a response finishes with its stream: that would be to wait for what is to be ended here.
  const sender = stream ?? response;
  let left = most;
  let timer: NodeJS.Timeout | undefined;
  const close = (): void => {
    if (!stream) return void request.destroy();
    stream.close();
    // A stream is closed when all that came of it was read.
    request.resume();
  };
  const onData = (chunk: Buffer): void => {
    left -= chunk.byteLength;
    if (left > 0 || carrier.closed) return;
    request.pause();
    // The answer goes first.
    if (sender.writableFinished) close();
    else sender.once('finish', close);
  };
  const onAnswered = (): void => {
    timer = setTimeout(close, longest).unref();
  };
  const stop = (): void => {
    clearTimeout(timer);
    request.off('data', onData).off('end', stop).off('close', stop);
    // Once it is answered, a request is not told any more that its connection is closed.
    carrier.off('close', stop);
    sender.off('finish', onAnswered).off('finish', close);
  };
  request.on('data', onData).once('end', stop).once('close', stop);
  carrier.once('close', stop);
  request.on('error', () => {});
  if (sender.writableFinished) onAnswered();
  else sender.once('finish', onAnswered);
  request.resume();
}
