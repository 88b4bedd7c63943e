import { once } from 'node:events';
import {
  createServer,
  type ClientRequest,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type OutgoingMessage,
  request as forwardTo,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { Faults, type Fault } from '../servers/faults.js';
import { RequestLog } from '../servers/request-log.js';
import { resetConnection } from '../servers/reset-connection.js';
import { corrupting, passing, slowed } from './passage.js';
import type { ProxyFaultEffect, ProxyFaultOptions } from './proxy-faults.js';

export interface FaultProxyOptions {
  /** URL of the service, such as `http://127.0.0.1:10000/account`. Plain HTTP. */
  readonly target: string;
}

/** One request as it came. */
export interface ProxiedRequest {
  readonly method: string;
  /** The raw path and query. */
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  /** What struck it, if anything did. */
  readonly fault: ProxyFaultEffect | undefined;
}

/** A running proxy. Everything it reports is as of now. */
export interface FaultProxy extends AsyncDisposable {
  /** The target's URL with host and port of the proxy: what clients are given instead. */
  readonly endpoint: string;
  /** Requests in the order they came, those under way included. */
  readonly requests: readonly ProxiedRequest[];
  /** Requests that have neither been answered nor given up. */
  readonly inFlight: number;
  /** Requests that have come whole and are held back. */
  readonly held: number;
  /** Requests that were held back and are with the service, for clients who may be gone. */
  readonly forwarding: number;
  /** Connections that clients hold open. */
  readonly connections: number;
  /** The requests so far that fit. */
  seen(method: string, url?: RegExp): ProxiedRequest[];
  /** Makes requests that fit fail. Of several faults that fit, the one that was given first strikes. */
  fail(fault: ProxyFaultOptions): Fault;
  clearFaults(): void;
  /** Resets every connection, and takes no new one: clients get ECONNREFUSED. */
  refuse(): void;
  /** Takes connections again, on the same port. */
  accept(): Promise<void>;
  /**
   * Resolves once the condition holds; it is tried whenever a request comes or ends and a connection opens or closes.
   * Rejects when the proxy is closed first.
   */
  until(condition: (proxy: FaultProxy) => boolean): Promise<void>;
  /** Destroys every connection, and waits until they are gone. */
  close(): Promise<void>;
}

/**
 * Starts a proxy before an HTTP service, on a free port of 127.0.0.1, that passes everything on but what its faults
 * strike. It changes no header of a request, `Host` included, so signatures stay valid; `Location` of answers leads back to
 * the proxy.
 */
export async function startFaultProxy({ target }: FaultProxyOptions): Promise<FaultProxy> {
  const proxy = new RunningProxy(new URL(target));
  await proxy.accept();
  return proxy;
}

class RunningProxy implements FaultProxy {
  readonly #sockets = new Set<Socket>();
  readonly #faults = new Faults<string, ProxyFaultEffect>();
  readonly #log = new RequestLog<ProxiedRequest>();
  #server: Server | undefined;
  #port = 0;
  #inFlight = 0;
  #held = 0;
  #forwarding = 0;

  constructor(private readonly target: URL) {
    if (target.protocol !== 'http:') {
      throw new TypeError(`target must be an http: URL, not one of ${target.protocol}`);
    }
  }

  get endpoint(): string {
    const path = this.target.pathname.replace(/\/$/, '');
    return `http://127.0.0.1:${this.#port}${path}`;
  }

  get requests(): readonly ProxiedRequest[] {
    return this.#log.requests;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  get held(): number {
    return this.#held;
  }

  get forwarding(): number {
    return this.#forwarding;
  }

  get connections(): number {
    return this.#sockets.size;
  }

  seen(method: string, url = /./): ProxiedRequest[] {
    return this.requests.filter(
      (request) => request.method === method && request.url.search(url) >= 0,
    );
  }

  fail({ method = '*', url, ...fault }: ProxyFaultOptions): Fault {
    return this.#faults.add({ ...fault, operation: method, ...(url && { key: url }) });
  }

  clearFaults(): void {
    this.#faults.clear();
  }

  refuse(): void {
    this.#server?.close();
    this.#server = undefined;
    for (const socket of this.#sockets) resetConnection(socket);
  }

  async accept(): Promise<void> {
    if (this.#server) return;
    const server = createServer((request, response) => void this.#receive(request, response));
    server.keepAliveTimeout = 60_000;
    server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket);
      socket.on('error', () => {}).on('close', () => this.#disconnected(socket));
      this.#log.changed();
    });
    await this.#listen(server);
    this.#server = server;
    this.#port = (server.address() as AddressInfo).port;
  }

  until(condition: (proxy: FaultProxy) => boolean): Promise<void> {
    return this.#log.until(() => condition(this));
  }

  async close(): Promise<void> {
    const closed = this.#server && once(this.#server, 'close');
    this.refuse();
    await closed;
    // The server counts a connection out before the connection says so.
    await this.#log.until(() => this.#sockets.size === 0);
    this.#log.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** On the port that clients know, as soon as nobody else has it who was given it while none was taken. */
  async #listen(server: Server): Promise<void> {
    for (;;) {
      server.listen(this.#port, '127.0.0.1');
      try {
        await once(server, 'listening');
        return;
      } catch (error) {
        if (this.#port === 0 || (error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
        await sleep(10);
      }
    }
  }

  #disconnected(socket: Socket): void {
    this.#sockets.delete(socket);
    this.#log.changed();
  }

  async #receive(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = '', url = '', headers } = request;
    this.#inFlight++;
    request.on('error', () => {});
    response.on('close', () => {
      this.#inFlight--;
      this.#log.changed();
    });
    const effect = this.#faults.strike(method, url);
    this.#log.add({ method, url, headers, fault: effect });
    if (effect === 'unread') return;
    if (effect === 'stall') {
      // Read to its end, so that it shows when the client is gone.
      request.resume();
    } else if (effect === 'reset') {
      resetConnection(request.socket);
    } else if (effect === 'refuse') {
      this.refuse();
    } else if (effect === 'forward-twice') {
      await this.#forwardTwice(request, response);
    } else if (typeof effect === 'object' && 'status' in effect) {
      request.resume();
      response.writeHead(effect.status, effect.headers).end(effect.body);
    } else if (effect === 'lose-answer') {
      await this.#loseAnswer(request, response);
    } else if (typeof effect === 'object' && 'hold' in effect) {
      await this.#holdBack(request, response, effect.hold);
    } else {
      if (typeof effect === 'object' && 'before' in effect) await effect.before();
      this.#forward(request, response, effect);
    }
  }

  #forward(
    request: IncomingMessage,
    response: ServerResponse,
    effect: ProxyFaultEffect | undefined,
  ): void {
    const forwarded = this.#openRequest(request);
    forwarded.on('error', () => resetConnection(request.socket));
    forwarded.on('response', (answered) => this.#passBack(answered, response, effect));
    response.on('close', () => forwarded.destroy());
    request.on('error', () => forwarded.destroy());
    if (typeof effect !== 'object') request.pipe(forwarded);
    else if ('bytesPerSecond' in effect) {
      request.pipe(slowed(effect.bytesPerSecond)).pipe(forwarded);
    } else if ('corruptRequestAt' in effect) {
      request.pipe(corrupting(effect.corruptRequestAt)).pipe(forwarded);
    } else if ('resetRequestAt' in effect) {
      passSome(request, forwarded, effect.resetRequestAt, () => resetConnection(request.socket));
    } else request.pipe(forwarded);
  }

  #openRequest({ method, url, headers }: IncomingMessage): ClientRequest {
    const { hostname, port } = this.target;
    // On a connection of its own: one that was kept may break by itself, which nobody asked for.
    return forwardTo({ hostname, port, method, path: url ?? '/', headers, agent: false });
  }

  #passBack(
    answered: IncomingMessage,
    response: ServerResponse,
    effect: ProxyFaultEffect | undefined,
  ): void {
    const socket = response.req.socket;
    // The service broke it off: so does the proxy.
    answered.on('error', () => resetConnection(socket));
    if (effect === 'keep-answer') {
      answered.resume();
    } else if (effect === 'answer-twice') {
      void answerTwice(answered, response, this.#headersOf(answered));
    } else {
      response.writeHead(answered.statusCode!, this.#headersOf(answered));
      response.flushHeaders();
      if (typeof effect !== 'object') answered.pipe(response);
      else if ('bytesPerSecond' in effect) {
        answered.pipe(slowed(effect.bytesPerSecond)).pipe(response);
      } else if ('corruptAnswerAt' in effect) {
        answered.pipe(corrupting(effect.corruptAnswerAt)).pipe(response);
      } else if ('resetAnswerAt' in effect) {
        passSome(answered, response, effect.resetAnswerAt, () => resetConnection(socket));
      } else if ('stallAnswerAt' in effect) {
        passSome(answered, response, effect.stallAnswerAt, () => {});
      } else if ('truncateAnswerAt' in effect) {
        passSome(answered, response, effect.truncateAnswerAt, () => socket.destroySoon());
      } else answered.pipe(response);
    }
  }

  /** What the service said, in pairs of name and value; an address of its own is one of the proxy. */
  #headersOf({ rawHeaders }: IncomingMessage): string[] {
    return rawHeaders.map((text, index) => {
      const isLocation = index % 2 === 1 && /^location$/i.test(rawHeaders[index - 1]!);
      return isLocation ? text.replace(this.target.origin, new URL(this.endpoint).origin) : text;
    });
  }

  /** Reads the request before it is passed on: a client that leaves while the service takes its time is seen to be gone. */
  async #loseAnswer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await wholeBody(request);
    if (!body) return;
    const cut = (): void => resetConnection(request.socket);
    const forwarded = this.#openRequest(request);
    forwarded.on('error', cut).on('response', (answered) => answered.resume().on('close', cut));
    response.on('close', () => forwarded.destroy());
    forwarded.end(body);
  }

  async #forwardTwice(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await wholeBody(request);
    if (!body) return;
    const again = (): void => {
      const second = this.#openRequest(request);
      second.on('error', () => resetConnection(request.socket));
      second.on('response', (answered) => this.#passBack(answered, response, undefined));
      response.on('close', () => second.destroy());
      second.end(body);
    };
    const first = this.#openRequest(request);
    first.on('error', () => resetConnection(request.socket));
    first.on('response', (answered) => answered.resume().on('end', again));
    first.end(body);
  }

  /** What a service does that has all of a request and takes its time. One of which only a part came is dropped. */
  async #holdBack(
    request: IncomingMessage,
    response: ServerResponse,
    hold: Promise<void>,
  ): Promise<void> {
    const body = await wholeBody(request);
    if (!body) return;
    this.#held++;
    this.#log.changed();
    await hold;
    this.#held--;
    this.#forwarding++;
    const passed = (): void => {
      this.#forwarding--;
      this.#log.changed();
    };
    this.#openRequest(request)
      .on('response', (answered) => {
        answered.on('close', passed);
        if (response.destroyed) answered.resume();
        else this.#passBack(answered, response, undefined);
      })
      .on('error', () => {
        passed();
        resetConnection(request.socket);
      })
      .end(body);
  }
}

/** `undefined` when the client has left before it was whole. */
async function wholeBody(request: IncomingMessage): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  } catch {
    return undefined;
  }
  return Buffer.concat(chunks);
}

async function answerTwice(
  answered: IncomingMessage,
  response: ServerResponse,
  rawHeaders: string[],
): Promise<void> {
  const body = await wholeBody(answered);
  if (!body) return;
  const { statusCode = 0, statusMessage = '' } = answered;
  const { socket } = response.req;
  const lines = [`HTTP/1.1 ${statusCode} ${statusMessage}`];
  for (let index = 0; index < rawHeaders.length; index += 2) {
    if (/^(transfer-encoding|content-length)$/i.test(rawHeaders[index]!)) continue;
    lines.push(`${rawHeaders[index]}: ${rawHeaders[index + 1]}`);
  }
  const isEmpty = statusCode === 204 || statusCode === 304 || response.req.method === 'HEAD';
  if (!isEmpty) lines.push(`Content-Length: ${body.byteLength}`);
  const head = Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1');
  response.writeHead(statusCode, rawHeaders);
  response.end(body, () => socket.write(Buffer.concat([head, body])));
}

/** Passes the first bytes of a body on. One that is shorter passes whole. */
function passSome(
  source: IncomingMessage,
  destination: OutgoingMessage,
  bytes: number,
  onPassed: () => void,
): void {
  let isBroken = false;
  const cut = (): void => {
    isBroken = true;
    onPassed();
  };
  source
    .pipe(passing(bytes, cut))
    .on('end', () => {
      if (!isBroken) destination.end();
    })
    .pipe(destination, { end: false });
}
