import type { HttpAdapterHost } from '@nestjs/core';

/** What is used of a Fastify instance. */
interface FastifyInstance {
  addContentTypeParser(
    type: RegExp,
    parser: (request: unknown, payload: unknown, done: (error: Error | null) => void) => void,
  ): void;
}

// A pattern, for which Fastify looks after all types that are named: so a parser of the app, or of @fastify/multipart,
// goes first, whichever is registered first, and neither is refused as a duplicate.
const FORMS = /^multipart\//;

const prepared = new WeakSet<object>();

/**
 * Lets forms reach their handlers on Fastify, which refuses a body of a type that it has no parser for. On other
 * adapters there is nothing to do. To be called while the app starts.
 */
export function letFormsPass(host: HttpAdapterHost): void {
  if (host.httpAdapter?.getType() !== 'fastify') return;
  const instance = host.httpAdapter.getInstance<FastifyInstance>();
  if (prepared.has(instance)) return;
  prepared.add(instance);
  // The body is left alone: whoever handles the request reads it, and its size is not `bodyLimit`'s business.
  instance.addContentTypeParser(FORMS, (_request, _payload, done) => done(null));
}
