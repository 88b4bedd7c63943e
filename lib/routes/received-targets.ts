import type { HttpAdapterHost } from '@nestjs/core';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import type { Server } from 'node:net';
import { setSafeHeaders } from '../serving/file-headers.js';
import type { ServedFileOptions } from '../serving/serving-options.js';
import { targetBelow } from './route-path.js';

/**
 * Looks at each request below a path before anybody else does, so that it is the same to all who come after,
 * middleware that is bound to a path included: an absolute-form target (RFC 9112 §3.2.2) becomes the path and query that
 * it means, and what routers cannot decode, and would answer by themselves, a path that is no key's. Whatever answers
 * has the headers for safety. To be called before the app listens. Fastify's `inject()` goes by no server, and by none of this.
 */
export function receiveBelow(
  mount: string,
  { httpAdapter }: HttpAdapterHost,
  serving: ServedFileOptions = {},
): void {
  const server = httpAdapter?.getHttpServer() as Server | undefined;
  if (!server) return;
  prependOnEach(server, (request: IncomingMessage, response: ServerResponse) => {
    const url = request.url?.replace(ABSOLUTE_FORM, (_, end: string) =>
      end === '/' ? end : `/${end}`,
    );
    const target = targetBelow(mount, url);
    if (!target) return;
    const query = url!.includes('?') ? `?${target.query}` : '';
    request.url = `${mount}/${decodable(target.path)}${query}`;
    const header = (name: string, value: string): void => void response.setHeader(name, value);
    setSafeHeaders({ serving }, { header });
  });
}

const LISTEN_CALLED = 'tracing:net.server.listen:asyncStart';

/**
 * Puts the listener before those of the app's server, and of each that comes to listen with one of these: Fastify makes
 * one for each further address of `localhost`, and an app may hand what it has of Express to several.
 */
function prependOnEach(server: Server, listener: RequestListener): void {
  const join = (message: unknown): void => {
    const { server: other } = message as { readonly server: Server };
    const own = server.listeners('request');
    if (other !== server && other.listeners('request').some((each) => own.includes(each))) {
      other.prependListener('request', listener);
    }
  };
  server.prependListener('request', listener);
  subscribe(LISTEN_CALLED, join);
  server.once('close', () => unsubscribe(LISTEN_CALLED, join));
}

const ABSOLUTE_FORM = /^https?:\/\/[^/?#]*(\/|$|(?=[?#]))/i;

/** The path, or one that reads like it and is no key's: it has a NUL. */
function decodable(path: string): string {
  try {
    decodeURIComponent(path);
    return path;
  } catch {
    return `%00${path.replaceAll('%', '%25')}`;
  }
}
