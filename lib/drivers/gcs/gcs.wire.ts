import { type IncomingMessage, request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { sendBody } from '../remote/settled-abort.js';
import type { GcsBucket } from './gcs.client.js';

/** One HTTP request, complete. */
export interface WireRequest {
  readonly method: string;
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: readonly Uint8Array[];
}

/**
 * Sends the request and answers the head of the response, whose body still comes. An abort cuts both at once, and so does
 * a connection that is silent for too long.
 *
 * On Node's own client rather than the SDK's: that one follows no signal, knows no idle time, and copies bodies through
 * several streams.
 */
export function exchange(
  { agents, idleTimeout }: Pick<GcsBucket, 'agents' | 'idleTimeout'>,
  { method, url, headers, body }: WireRequest,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const secure = url.protocol === 'https:';
    const size = body.reduce((sum, chunk) => sum + chunk.byteLength, 0);
    const request = (secure ? httpsRequest : httpRequest)(url, {
      method,
      agent: secure ? agents.httpsAgent : agents.httpAgent,
      headers: { ...headers, ...(method !== 'GET' && { 'content-length': size }) },
    });
    let message: IncomingMessage | undefined;
    const cut = (error: Error): void => void (message ?? request).destroy(error);
    const onAbort = (): void => {
      reject(signal.reason as Error);
      cut(new DOMException('The request was aborted', 'AbortError'));
    };
    signal.addEventListener('abort', onAbort, { once: true });
    request
      .once('response', (response) => {
        message = response;
        // Refused before all of it was sent: nothing more of it needs to go.
        response.once('end', () => {
          if (!request.writableFinished) request.destroy();
        });
        resolve(response);
      })
      .on('error', reject)
      .once('close', () => signal.removeEventListener('abort', onAbort));
    request.setTimeout(idleTimeout, () => {
      cut(Object.assign(new Error(`Nothing came for ${idleTimeout} ms`), { code: 'ETIMEDOUT' }));
    });
    sendBody(request, body, signal);
  });
}

/** The whole body, which is not long. */
export async function readAll(message: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of message as AsyncIterable<Buffer>) chunks.push(chunk);
  return chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks);
}
