import type { ExecutionContext } from '@nestjs/common';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { ServerHttp2Stream } from 'node:http2';

/** What Nest's `@Body()`, `@UploadedFile()` and `@UploadedFiles()` look at, on every adapter. */
export interface FrameworkRequest {
  body?: unknown;
  file?: unknown;
  files?: unknown;
}

/** A request and its response, as the framework has them and as Node has them. */
export interface HttpExchange {
  readonly framework: FrameworkRequest;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

/** Express hands on Node's own objects; Fastify's have them as `raw`. */
export function httpExchange(context: ExecutionContext): HttpExchange {
  const http = context.switchToHttp();
  return httpExchangeOf(http.getRequest<FrameworkRequest>(), http.getResponse<object>());
}

/** The same of what a handler gets by `@Req()` and `@Res()`. */
export function httpExchangeOf(framework: FrameworkRequest, response: object): HttpExchange {
  return {
    framework,
    request: rawRequest(framework),
    response: rawResponse(response),
  };
}

/** Node's request behind that of any framework. */
export function rawRequest(request: unknown): IncomingMessage {
  return rawOf<IncomingMessage>(request as object, 'pipe');
}

/** Node's response behind that of any framework. */
export function rawResponse(response: object): ServerResponse {
  return rawOf<ServerResponse>(response, 'writeHead');
}

/** The stream of an exchange over HTTP/2, which has the looks of one over HTTP/1 and not all of its ways. */
export function http2StreamOf(message: object): ServerHttp2Stream | undefined {
  const { stream } = message as { stream?: ServerHttp2Stream };
  return typeof stream?.respond === 'function' ? stream : undefined;
}

function rawOf<Raw>(object: object, method: string): Raw {
  const { raw } = object as { raw?: Record<string, unknown> };
  return (typeof raw?.[method] === 'function' ? raw : object) as Raw;
}
