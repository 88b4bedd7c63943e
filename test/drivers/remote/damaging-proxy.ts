import { once } from 'node:events';
import { Agent, createServer, type IncomingMessage, request as forwardTo } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Transform } from 'node:stream';

/** What the bodies of a test are made of: whichever chunk of a file passes, it holds this. */
const MARK = Buffer.from('sound and whole ');

/** So many bytes, in any few dozen of which the proxy finds what it damages. */
export function markedBytes(size: number): Buffer<ArrayBuffer> {
  return Buffer.alloc(size, MARK);
}

/** A proxy before an HTTP service that flips one bit of each file that passes, to the service or from it. */
export class DamagingProxy implements AsyncDisposable {
  /** Whose bodies are damaged. */
  damages: 'requests' | 'answers' | undefined;
  readonly #agent = new Agent({ keepAlive: true });
  readonly #server = createServer((request, response) => {
    const { method, url, headers } = request;
    const { hostname, port } = this.target;
    const forwarded = forwardTo({
      hostname,
      port,
      method,
      path: url ?? '/',
      headers,
      agent: this.#agent,
    });
    forwarded.on('error', () => request.socket.destroy());
    forwarded.on('response', (answer) => {
      response.writeHead(answer.statusCode!, answer.rawHeaders);
      this.#pass(answer, this.damages === 'answers').pipe(response);
    });
    this.#pass(request, this.damages === 'requests').pipe(forwarded);
  });

  private constructor(private readonly target: URL) {}

  /** @param origin of the service, such as `http://127.0.0.1:10000` */
  static async start(origin: string): Promise<DamagingProxy> {
    const proxy = new DamagingProxy(new URL(origin));
    proxy.#server.listen(0, '127.0.0.1');
    await once(proxy.#server, 'listening');
    return proxy;
  }

  get origin(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeAllConnections();
    this.#agent.destroy();
    await closed;
  }

  #pass(body: IncomingMessage, damaged: boolean): NodeJS.ReadableStream {
    let done = !damaged;
    const damaging = new Transform({
      transform(chunk: Buffer, _encoding, callback) {
        const at = done ? -1 : chunk.indexOf(MARK);
        if (at >= 0) {
          chunk[at]! ^= 1;
          done = true;
        }
        callback(null, chunk);
      },
    });
    return body.on('error', () => damaging.destroy()).pipe(damaging);
  }
}
