import { once } from 'node:events';
import {
  Agent,
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  request as forwardTo,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo, Socket } from 'node:net';

/** What happens to a request in place of passing through. */
export type Fault =
  /** It never reaches the service: the connection is reset. */
  | 'reset'
  /** The service answers, and the answer is lost: the connection is reset. */
  | 'lose answer'
  /** The service answers, and nothing more is heard of it. */
  | 'keep answer'
  /** Not a byte of it is taken from the socket. */
  | 'unread'
  /** It never reaches the service, and nothing more is heard of it. */
  | 'stall'
  /** A bit of its body is another one when the service gets it. */
  | 'corrupt'
  /** Answered here; the service never sees it. */
  | { readonly status: number; readonly headers?: Record<string, string>; readonly body?: string }
  /** So many bytes of the answer's body pass before the connection is reset. */
  | { readonly resetAfter: number }
  /** So many bytes of the answer's body pass, and nothing more comes. */
  | { readonly stallAfter: number }
  /** Done before it goes on to the service, which is kept waiting. */
  | { readonly before: () => Promise<void> }
  /** Held back once all of it has come, and passed on then whether or not the client is still there. */
  | { readonly hold: Promise<void> };

/** Which requests a fault befalls: those that fit all that is given. */
export interface FaultRule {
  readonly method?: string;
  /** Of path and query. */
  readonly url?: RegExp;
  /** Requests that are hit. Default 1. */
  readonly times?: number;
  /** Requests that fit and pass first. Default 0. */
  readonly skip?: number;
  readonly with: Fault;
}

export interface ProxiedRequest {
  readonly method: string;
  /** Path and query. */
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
}

/** A proxy before an HTTP service that lets everything through but what its rules say. */
export class FaultProxy implements AsyncDisposable {
  readonly requests: ProxiedRequest[] = [];
  readonly #server = createServer((request, response) => void this.#answer(request, response));
  readonly #agent = new Agent({ keepAlive: true });
  readonly #sockets = new Set<Socket>();
  readonly #rules: { rule: FaultRule; left: number; skip: number }[] = [];
  #inFlight = 0;
  #held = 0;
  #forwarding = 0;

  private constructor(private readonly target: URL) {
    this.#server.keepAliveTimeout = 60_000;
    this.#server.on('connection', (socket) => {
      this.#sockets.add(socket);
      socket.on('error', () => {}).on('close', () => this.#sockets.delete(socket));
    });
  }

  /** @param origin of the service, such as `http://127.0.0.1:10000` */
  static async start(origin: string): Promise<FaultProxy> {
    const proxy = new FaultProxy(new URL(origin));
    proxy.#server.listen(0, '127.0.0.1');
    await once(proxy.#server, 'listening');
    return proxy;
  }

  get origin(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Requests that have neither been answered nor given up. */
  get inFlight(): number {
    return this.#inFlight;
  }

  /** Requests that have come whole and are held back. */
  get held(): number {
    return this.#held;
  }

  /** Requests that are with the service, for clients who may be gone. */
  get forwarding(): number {
    return this.#forwarding;
  }

  /** Connections that clients hold open. */
  get connections(): number {
    return this.#sockets.size;
  }

  /** Rules are tried in the order in which they were given. */
  fail(rule: FaultRule): void {
    this.#rules.push({ rule, left: rule.times ?? 1, skip: rule.skip ?? 0 });
  }

  /** The requests so far that fit. */
  seen(method: string, url = /./): ProxiedRequest[] {
    return this.requests.filter((request) => request.method === method && url.test(request.url));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeAllConnections();
    this.#agent.destroy();
    await closed;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = '', url = '', headers } = request;
    this.requests.push({ method, url, headers });
    this.#inFlight++;
    response.on('close', () => this.#inFlight--);
    const fault = this.#faultFor(method, url);
    if (fault === 'stall') {
      // Read to its end, so that it shows when the client is gone.
      request.resume();
      return;
    }
    if (fault === 'unread') return;
    if (fault === 'reset') {
      request.socket.resetAndDestroy();
      return;
    }
    if (typeof fault === 'object' && 'status' in fault) {
      request.resume();
      response.writeHead(fault.status, fault.headers).end(fault.body);
      return;
    }
    if (typeof fault === 'object' && 'before' in fault) await fault.before();
    if (typeof fault === 'object' && 'hold' in fault) {
      await this.#holdBack(request, response, fault.hold);
      return;
    }
    this.#forward(request, response, fault);
  }

  #faultFor(method: string, url: string): Fault | undefined {
    for (const entry of this.#rules) {
      const { rule } = entry;
      if (rule.method !== undefined && rule.method !== method) continue;
      if ((rule.url && !rule.url.test(url)) || entry.left === 0) continue;
      if (entry.skip > 0) {
        entry.skip--;
        continue;
      }
      entry.left--;
      return rule.with;
    }
    return undefined;
  }

  /** What a service does that has all of a request and takes its time. One of which only a part came is dropped. */
  async #holdBack(
    request: IncomingMessage,
    response: ServerResponse,
    hold: Promise<void>,
  ): Promise<void> {
    request.on('error', () => {});
    const chunks: Buffer[] = [];
    try {
      for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
    } catch {
      return;
    }
    this.#held++;
    await hold;
    this.#held--;
    const { method, url, headers } = request;
    const { hostname, port } = this.target;
    this.#forwarding++;
    const forwarded = forwardTo({ hostname, port, method, path: url ?? '/', headers });
    forwarded
      .on('response', (answer) => {
        answer.on('close', () => this.#forwarding--);
        if (response.destroyed) answer.resume();
        else answer.pipe(response.writeHead(answer.statusCode!, answer.rawHeaders));
      })
      .on('error', () => {
        this.#forwarding--;
        request.socket.resetAndDestroy();
      })
      .end(Buffer.concat(chunks));
  }

  #forward(request: IncomingMessage, response: ServerResponse, fault: Fault | undefined): void {
    const { method, url, headers } = request;
    const { hostname, port } = this.target;
    const path = url ?? '/';
    const agent = this.#agent;
    const forwarded = forwardTo({ hostname, port, method, path, headers, agent });
    forwarded.on('error', () => request.socket.resetAndDestroy());
    response.on('close', () => forwarded.destroy());
    forwarded.on('response', (answer) => {
      if (fault === 'lose answer') {
        answer.resume().on('end', () => request.socket.resetAndDestroy());
        return;
      }
      if (fault === 'keep answer') {
        answer.resume();
        return;
      }
      response.writeHead(answer.statusCode!, answer.rawHeaders);
      const { resetAfter, stallAfter } = breakOf(fault);
      if (resetAfter !== undefined) {
        passSome(answer, response, resetAfter, () => response.socket?.resetAndDestroy());
      } else if (stallAfter !== undefined) {
        passSome(answer, response, stallAfter, () => {});
      } else {
        answer.pipe(response);
      }
    });
    let corrupted = fault !== 'corrupt';
    request.on('data', (chunk: Buffer) => {
      if (!corrupted) chunk[0]! ^= 1;
      corrupted = true;
      if (!forwarded.write(chunk)) {
        request.pause();
        forwarded.once('drain', () => request.resume());
      }
    });
    request.on('end', () => forwarded.end()).on('error', () => forwarded.destroy());
  }
}

function breakOf(fault: Fault | undefined): { resetAfter?: number; stallAfter?: number } {
  return typeof fault === 'object' ? (fault as { resetAfter?: number; stallAfter?: number }) : {};
}

/** Passes the first bytes of the answer's body on; at least its headers. */
function passSome(
  answer: IncomingMessage,
  response: ServerResponse,
  bytes: number,
  onPassed: () => void,
): void {
  let left = bytes;
  response.flushHeaders();
  if (left === 0) {
    onPassed();
    return;
  }
  answer.on('data', (chunk: Buffer) => {
    if (left === 0) return;
    const part = chunk.subarray(0, left);
    left -= part.byteLength;
    const over = left === 0;
    response.write(part, () => {
      if (over) onPassed();
    });
  });
}
