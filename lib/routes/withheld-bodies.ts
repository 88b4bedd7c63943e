import type { HttpAdapterHost } from '@nestjs/core';
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import { http2StreamOf, rawRequest } from '../http-exchange.js';

/** Whether the body of a request belongs to a route of ours, unread. */
type IsOurs = (request: IncomingMessage) => boolean;

type Next = () => void;
type Middleware = (request: IncomingMessage, response: ServerResponse, next: Next) => void;

/** What is used of an Express app. */
interface ExpressApp {
  use(middleware: Middleware): void;
  readonly router: { readonly stack: Layer[] };
}

interface Layer {
  readonly route?: { readonly path: unknown };
}

/** What is used of a Fastify instance. */
interface FastifyInstance {
  addHook(
    name: 'preParsing',
    hook: (request: unknown, reply: unknown, payload: unknown, done: Next) => void,
  ): void;
  addHook(
    name: 'preValidation',
    hook: (request: unknown, reply: unknown, done: Next) => void,
  ): void;
}

// A request without these has no body (RFC 9112 §6.3), so that no parser reads one, nor does what decodes bodies.
const BODY_HEADERS = [
  'content-type',
  'content-length',
  'transfer-encoding',
  'content-encoding',
] as const;

const withheld = new WeakMap<IncomingMessage, Partial<IncomingHttpHeaders>>();

/** Whether a request announces a body of at least a byte, or of any length (RFC 9112 §6.3, RFC 9113 §8.1). */
export function hasBody(request: IncomingMessage): boolean {
  const { 'content-length': length, 'transfer-encoding': coding } = request.headers;
  if (coding !== undefined) return true;
  if (length !== undefined) return Number(length) !== 0;
  return http2StreamOf(request)?.endAfterHeaders === false;
}

/**
 * Keeps bodies that are stored as they are from all body parsers of the app: its own, `rawBody`, and those of plugins.
 * Guards, interceptors and handlers see the request as it came, its body unread. To be called when the routes are
 * registered and before the app listens.
 *
 * @param path of the routes, as they are registered
 */
export function withholdBodies(host: HttpAdapterHost, path: string, isOurs: IsOurs): void {
  const adapter = host.httpAdapter;
  if (!adapter) return;
  const instance = adapter.getInstance<unknown>();
  if (adapter.getType() === 'fastify') withholdOnFastify(instance as FastifyInstance, isOurs);
  else withholdOnExpress(instance as ExpressApp, path, isOurs);
}

/** Taken before every other middleware, whoever added it, and given back right before the routes. */
function withholdOnExpress(app: ExpressApp, path: string, isOurs: IsOurs): void {
  const { stack } = app.router;
  const layerOf = (middleware: Middleware): Layer => {
    app.use(middleware);
    return stack.pop()!;
  };
  const restoring = layerOf((request, _response, next) => {
    giveBack(request);
    next();
  });
  const first = stack.findIndex(({ route }) => `${String(route?.path)}/`.startsWith(`${path}/`));
  stack.splice(first === -1 ? stack.length : first, 0, restoring);
  stack.unshift(
    layerOf((request, _response, next) => {
      if (isOurs(request)) withhold(request);
      next();
    }),
  );
}

/** Around the parsing, which Fastify leaves out for a request without a body. */
function withholdOnFastify(instance: FastifyInstance, isOurs: IsOurs): void {
  instance.addHook('preParsing', (request, _reply, _payload, done) => {
    const raw = rawRequest(request);
    if (isOurs(raw)) withhold(raw);
    done();
  });
  instance.addHook('preValidation', (request, _reply, done) => {
    giveBack(rawRequest(request));
    done();
  });
}

function withhold(request: IncomingMessage): void {
  if (withheld.has(request)) return;
  const { headers } = request;
  const taken: IncomingHttpHeaders = {};
  for (const name of BODY_HEADERS) {
    if (headers[name] === undefined) continue;
    taken[name] = headers[name];
    delete headers[name];
  }
  withheld.set(request, taken);
}

function giveBack(request: IncomingMessage): void {
  Object.assign(request.headers, withheld.get(request));
  withheld.delete(request);
}
