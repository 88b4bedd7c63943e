import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';

/**
 * The worst service there is: it refuses everything, and its words repeat the request, headers and all, in the form that the
 * SDK of each service reads.
 */
export class EchoingServer implements AsyncDisposable {
  status = 400;
  /** What it says in place of the request. */
  words: string | undefined;
  readonly #server = createServer((request, response) => {
    request.resume();
    const words = this.words ?? echo(request);
    const headers = { 'x-ms-error-code': 'InvalidQueryParameterValue', 'x-ms-request-id': words };
    if (request.headers['x-ms-version']) {
      response.writeHead(this.status, { ...headers, 'content-type': 'application/xml' });
      response.end(
        `<Error><Code>InvalidQueryParameterValue</Code><Message>${words}</Message></Error>`,
      );
    } else if (request.headers['x-goog-api-client'] ?? /\/storage\/v1\//.test(request.url ?? '')) {
      const error = {
        code: this.status,
        message: words,
        errors: [{ reason: 'invalid', message: words }],
      };
      response.writeHead(this.status, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ error }));
    } else {
      response.writeHead(this.status, { 'content-type': 'application/xml' });
      response.end(`<Error><Code>InvalidRequest</Code><Message>${words}</Message></Error>`);
    }
  });

  static async start(): Promise<EchoingServer> {
    const server = new EchoingServer();
    server.#server.listen(0, '127.0.0.1');
    await once(server.#server, 'listening');
    return server;
  }

  get origin(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }
}

/** In one line, as text that XML and JSON can hold. */
function echo({ method, url, headers }: IncomingMessage): string {
  const fields = Object.entries(headers).map(([name, value]) => `${name}: ${String(value)}`);
  const bare = Object.values(headers).map((value) => `not ${String(value)} at all`);
  return [`${method} ${url}`, ...bare, ...fields]
    .join(' ; ')
    .replace(/[<"]/g, "'")
    .replace(/&/g, '&amp;');
}
