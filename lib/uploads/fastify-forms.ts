import type { HttpAdapterHost } from '@nestjs/core';
import type { IncomingHttpHeaders } from 'node:http';
import { malformedType } from './upload.exceptions.js';

/** What is used of a Fastify instance. */
interface FastifyInstance {
  hasContentTypeParser(type: RegExp): boolean;
  addContentTypeParser(
    type: RegExp,
    parser: (request: unknown, payload: unknown, done: (error: Error | null) => void) => void,
  ): void;
  addHook(
    name: 'preParsing',
    hook: (
      request: { readonly headers: IncomingHttpHeaders },
      reply: unknown,
      payload: unknown,
      done: (error?: Error) => void,
    ) => void,
  ): void;
}

// A pattern, for which Fastify looks after all types that are named: so a parser of the app, or of @fastify/multipart,
// goes first, whichever is registered first. One of the app for the same pattern stays in its place.
const FORMS = /^multipart\//;

// A media type as RFC 9110 §8.3.1 has it, in front of its parameters; Fastify knows no other.
const WELL_FORMED = /^multipart\/[\w!#$%&'*+.^`|~-]+\s*(?:;|$)/i;

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
  if (!instance.hasContentTypeParser(FORMS)) {
    instance.addContentTypeParser(FORMS, (_request, _payload, done) => done(null));
  }
  // What never comes to an interceptor is refused as the interceptors refuse it.
  instance.addHook(
    'preParsing',
    ({ headers: { 'content-type': type = '' } }, _reply, _body, done) =>
      /^multipart\//i.test(type) && !WELL_FORMED.test(type) ? done(malformedType()) : done(),
  );
}
