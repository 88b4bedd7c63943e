import type { Agent as HttpAgent, IncomingMessage } from 'node:http';
import type { Agent as HttpsAgent } from 'node:https';
import { PassThrough, pipeline, type Readable } from 'node:stream';
import type { HttpOperationResponse, IHttpClient, WebResource } from '@azure/storage-blob';
import type { ConnectionAgents } from '../remote/connecting-agents.js';
import { destinationOf, exchange, readAll } from '../remote/http-client.js';
import { unreadableAnswer } from './azure.errors.js';

/**
 * Sends the SDK's requests, one attempt each, by connections of the driver's own. An abort cuts the request and rejects
 * when it is off the wire; a connection on which nothing moves is given up, but not because of a slow reader;
 * and a body that breaks off fails with the code of what broke it. The SDK's own client does none of the three.
 *
 * @param idleTimeout milliseconds without a byte
 */
export function openTransport(agents: ConnectionAgents, idleTimeout: number): IHttpClient {
  return {
    async sendRequest(request) {
      const answer = await send(request, agents, idleTimeout);
      const status = answer.statusCode ?? 0;
      assertOfService(answer);
      const response = { request, status, headers: headersOf(request, answer) };
      const streamed = request.streamResponseStatusCodes;
      // By the SDK's convention, infinity stands for whatever status comes.
      if (streamed?.has(status) || streamed?.has(Number.POSITIVE_INFINITY)) {
        return { ...response, readableStreamBody: bodyOf(answer) };
      }
      return { ...response, bodyAsText: (await readAll(answer)).toString('utf8') };
    },
  };
}

/**
 * Ends an answer that tells what is stored, or that it was stored, and is not of the service.
 *
 * @throws StorageConnectionError
 */
export function assertOfService(answer: IncomingMessage): void {
  const status = answer.statusCode ?? 0;
  if (status >= 300 && status !== 404 && status !== 412) return;
  // Each answer of the service has some, those of Azurite, too. Of what is stored, a proxy knows nothing.
  for (const name in answer.headers) if (name.startsWith('x-ms-')) return;
  answer.on('error', () => {}).destroy();
  throw unreadableAnswer(`Status ${status} came without a header of the service`);
}

function send(
  request: WebResource,
  agents: ConnectionAgents,
  idleTimeout: number,
): Promise<IncomingMessage> {
  const body = request.body as Uint8Array | string | undefined;
  return exchange(
    { agents: agentsOf(request, agents), idleTimeout },
    {
      method: request.method,
      destination: destinationOf(new URL(request.url)),
      headers: request.headers.toJson({ preserveCase: true }),
      body: body === undefined ? [] : [body],
    },
    request.abortSignal as AbortSignal | undefined,
  );
}

/** The SDK sets one where the environment names a proxy. */
function agentsOf({ agent }: WebResource, agents: ConnectionAgents): ConnectionAgents {
  return agent ? { httpAgent: agent as HttpAgent, httpsAgent: agent as HttpsAgent } : agents;
}

/**
 * Not the answer itself, since the SDK takes every one that breaks off for one that its caller has aborted. What broke it is
 * called an AbortError, for that is what the SDK hands on as it is; of any other it keeps nothing.
 */
function bodyOf(answer: IncomingMessage): Readable {
  answer.on('error', (error) => {
    Object.defineProperty(error, 'name', { value: 'AbortError' });
  });
  return pipeline(answer, new PassThrough(), () => {});
}

// The SDK exports no class for headers; that of the request's is one.
type HeadersClass = new (headers: Record<string, string>) => HttpOperationResponse['headers'];

function headersOf(
  request: WebResource,
  answer: IncomingMessage,
): HttpOperationResponse['headers'] {
  const told: Record<string, string> = {};
  for (const name of Object.keys(answer.headers)) {
    const value = answer.headers[name];
    if (value !== undefined) told[name] = Array.isArray(value) ? value.join(', ') : value;
  }
  return new (request.headers.constructor as HeadersClass)(told);
}
