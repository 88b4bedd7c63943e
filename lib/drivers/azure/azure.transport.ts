import { type Agent as HttpAgent, type IncomingMessage, request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { PassThrough, pipeline, type Readable } from 'node:stream';
import type { HttpOperationResponse, IHttpClient, WebResource } from '@azure/storage-blob';
import type { ConnectionAgents } from '../remote/connecting-agents.js';
import { sendBody } from '../remote/settled-abort.js';
import { unreadableAnswer } from './azure.errors.js';

/**
 * Sends the SDK's requests, one attempt each, by connections of the driver's own. An abort cuts the request and rejects
 * when it is off the wire; a connection on which nothing moves is given up, but not because of a reader who takes his time;
 * and a body that breaks off fails with the code of what broke it. The SDK's own client does none of the three.
 *
 * @param idleTimeout milliseconds without a byte
 */
export function openTransport(agents: ConnectionAgents, idleTimeout: number): IHttpClient {
  return {
    async sendRequest(request) {
      const answer = await send(request, agents, idleTimeout);
      const status = answer.statusCode ?? 0;
      // Each answer of the service has some, those of Azurite, too. Of what is stored, a proxy knows nothing.
      const isOfService = Object.keys(answer.headers).some((name) => name.startsWith('x-ms-'));
      if (!isOfService && (status < 300 || status === 404 || status === 412)) {
        answer.on('error', () => {}).destroy();
        throw unreadableAnswer(`Status ${status} came without a header of the service`);
      }
      const response = { request, status, headers: headersOf(request, answer) };
      const streamed = request.streamResponseStatusCodes;
      // By the SDK's convention, infinity stands for whatever status comes.
      if (streamed?.has(status) || streamed?.has(Number.POSITIVE_INFINITY)) {
        return { ...response, readableStreamBody: bodyOf(answer) };
      }
      const chunks: Buffer[] = await answer.toArray();
      return { ...response, bodyAsText: Buffer.concat(chunks).toString('utf8') };
    },
  };
}

function send(
  request: WebResource,
  { httpAgent, httpsAgent }: ConnectionAgents,
  idleTimeout: number,
): Promise<IncomingMessage> {
  const { abortSignal: signal } = request;
  if (signal?.aborted) return Promise.reject(aborted());
  const url = new URL(request.url);
  const secure = url.protocol === 'https:';
  const wire = (secure ? httpsRequest : httpRequest)(url, {
    method: request.method,
    headers: request.headers.toJson({ preserveCase: true }),
    // The SDK sets one where the environment names a proxy.
    agent: (request.agent as HttpAgent | undefined) ?? (secure ? httpsAgent : httpAgent),
  });
  return new Promise((resolve, reject) => {
    let answer: IncomingMessage | undefined;
    let failure: Error | undefined;
    const cut = (error: Error): void => void (answer ?? wire).destroy(error);
    const onAbort = (): void => cut(aborted());
    signal?.addEventListener('abort', onAbort);
    wire
      .on('socket', (socket) => {
        const onTimeout = (): void => {
          // What has arrived waits to be read: it is the reader who is slow.
          if (answer && (answer.isPaused() || answer.readableLength > 0)) {
            socket.setTimeout(idleTimeout);
          } else {
            cut(timedOut(idleTimeout));
          }
        };
        socket.setTimeout(idleTimeout).on('timeout', onTimeout);
        wire.on('close', () => socket.setTimeout(0).off('timeout', onTimeout));
      })
      .on('response', (response) => resolve((answer = response)))
      .on('error', (error) => (failure ??= error))
      .on('close', () => {
        signal?.removeEventListener('abort', onAbort);
        reject(failure ?? noAnswer());
      });
    const body = request.body as Uint8Array | string | undefined;
    sendBody(wire, body === undefined ? [] : [body], signal);
  });
}

/**
 * Not the answer itself, since the SDK takes every one that breaks off for one that its caller has aborted. What broke it is
 * called an AbortError, for that is what the SDK hands on as it is; of any other it keeps nothing.
 */
function bodyOf(answer: IncomingMessage): Readable {
  answer.on('error', (error) => {
    if (error.name !== 'AbortError') Object.defineProperty(error, 'name', { value: 'AbortError' });
  });
  return pipeline(answer, new PassThrough(), () => {});
}

// The SDK exports no class for headers; a copy of the request's is one.
function headersOf(
  request: WebResource,
  answer: IncomingMessage,
): HttpOperationResponse['headers'] {
  const headers = request.headers.clone();
  for (const name of headers.headerNames()) headers.remove(name);
  for (const [name, value] of Object.entries(answer.headers)) {
    if (value !== undefined) headers.set(name, Array.isArray(value) ? value.join(', ') : value);
  }
  return headers;
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
