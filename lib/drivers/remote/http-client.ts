import { type IncomingMessage, type OutgoingHttpHeaders, request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { assertHeld } from '../../core/body.js';
import { StorageConnectionError } from '../../core/errors.js';
import { readToEnd } from '../../core/read-to-end.js';
import type { ConnectionAgents } from './connecting-agents.js';
import { sendBody } from './settled-abort.js';

/** Bytes: several times what a page of a thousand files has with the longest names and metadata. */
const LONGEST_ANSWER = 64 * 1024 * 1024;

/** One HTTP request, complete. What comes of a `URL` fits. */
export interface HttpRequest {
  readonly method: string;
  readonly destination: HttpDestination;
  readonly headers: OutgoingHttpHeaders;
  readonly body: readonly (Uint8Array | string)[];
}

/** Where a request goes to, in the words of `URL`; the path and the query are sent as they are. */
export interface HttpDestination {
  readonly protocol: string;
  readonly hostname: string;
  readonly port: string;
  readonly path: string;
}

/** The connections that requests go over. */
export interface HttpConnections {
  readonly agents: ConnectionAgents;
  /** Milliseconds without a byte after which an exchange is given up. A slow reader does not count. */
  readonly idleTimeout: number;
}

/**
 * Sends the request and answers the head of the response, whose body still comes. An abort cuts both at once, and it rejects
 * when the request is off the wire; so does a connection that is silent for too long, with the code `ETIMEDOUT`, and one that
 * does not come, with that of `ConnectionQueue`.
 *
 * On Node's own client: those of the SDKs follow no signal, or know no idle time, or copy bodies through several streams.
 *
 * @param onHead is shown the response before anything of its body is there
 */
export async function exchange(
  { agents, idleTimeout }: HttpConnections,
  { method, destination, headers, body }: HttpRequest,
  signal: AbortSignal | undefined,
  onHead?: (answer: IncomingMessage) => void,
): Promise<IncomingMessage> {
  if (signal?.aborted) throw aborted();
  const pieces = body.map(asBuffer);
  const announced = headers['content-length'];
  if (announced !== undefined) assertHeld(lengthOf(pieces), Number(announced));
  const { protocol, hostname, port, path } = destination;
  const secure = protocol === 'https:';
  const request = (secure ? httpsRequest : httpRequest)({
    method,
    // An IPv6 address is in brackets in a URL, and not in a socket's options.
    hostname: hostname.startsWith('[') ? hostname.slice(1, -1) : hostname,
    port,
    path,
    headers,
    agent: secure ? agents.httpsAgent : agents.httpAgent,
  });
  return new Promise((resolve, reject) => {
    let answer: IncomingMessage | undefined;
    let failure: Error | undefined;
    const cut = (error: Error): void => void (answer ?? request).destroy(error);
    const onAbort = (): void => {
      const error = aborted();
      cut(error);
      leave(error);
    };
    /** While it waits for a connection still, it would tell of its end only when there is one. */
    const leave = (error: Error): void => {
      if (request.socket) return;
      signal?.removeEventListener('abort', onAbort);
      reject(error);
    };
    signal?.addEventListener('abort', onAbort);
    request
      .on('socket', (socket) => {
        const onTimeout = (): void => {
          if (answer && waitsForReader(answer)) socket.setTimeout(idleTimeout);
          else cut(timedOut(idleTimeout));
        };
        socket.setTimeout(idleTimeout).on('timeout', onTimeout);
        request.on('close', () => socket.setTimeout(0).off('timeout', onTimeout));
      })
      .on('response', (response) => {
        answer = response;
        onHead?.(response);
        // Refused before all of it was sent: nothing more of it needs to go.
        response.once('end', () => {
          if (!request.writableFinished) request.destroy();
        });
        resolve(response);
      })
      .on('error', (error) => {
        failure ??= error;
        leave(error);
      })
      .on('close', () => {
        signal?.removeEventListener('abort', onAbort);
        if (!answer) reject(failure ?? noAnswer());
      });
    sendBody(request, pieces, signal);
  });
}

/** Node makes one of other bytes when there is a connection, and where their memory was transferred by then, it throws. */
function asBuffer(piece: Uint8Array | string): Buffer {
  return typeof piece === 'string'
    ? Buffer.from(piece)
    : Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength);
}

function lengthOf(pieces: readonly Buffer[]): number {
  return pieces.reduce((sum, { byteLength }) => sum + byteLength, 0);
}

/** Whether it is the reader who is slow: what has arrived waits to be read, or was not even asked for. */
function waitsForReader(answer: IncomingMessage): boolean {
  // A stream that is iterated is never flowing, and calls itself paused even when it waits for bytes.
  const isIterated = answer.listenerCount('readable') > 0;
  return answer.complete || answer.readableLength > 0 || (answer.isPaused() && !isIterated);
}

/** The destination that a URL names. */
export function destinationOf({
  protocol,
  hostname,
  port,
  pathname,
  search,
}: URL): HttpDestination {
  return { protocol, hostname, port, path: pathname + search };
}

/**
 * The whole body of an answer that tells something, which is not long.
 *
 * @throws StorageConnectionError when it has no end, as the stream of something else at the endpoint
 */
export async function readAll(message: IncomingMessage): Promise<Buffer> {
  let size = 0;
  message.on('data', (chunk: Buffer) => {
    size += chunk.byteLength;
    if (size > LONGEST_ANSWER) message.destroy(endless());
  });
  const chunks = await readToEnd<Buffer>(message);
  return chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks);
}

function endless(): StorageConnectionError {
  return new StorageConnectionError(
    `The answer has more than ${LONGEST_ANSWER} bytes, and is no file: something else than the service answers`,
    { retryable: false },
  );
}

function aborted(): Error {
  return new DOMException('The request was aborted', 'AbortError');
}

function timedOut(idleTimeout: number): Error {
  return Object.assign(new Error(`Nothing moved for ${idleTimeout} ms`), { code: 'ETIMEDOUT' });
}

function noAnswer(): Error {
  return Object.assign(new Error('The connection closed without an answer'), {
    code: 'ECONNRESET',
  });
}
