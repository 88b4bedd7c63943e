import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { type ConnectionFault, isConnectionFault } from './faults.js';
import type { RequestLog } from './request-log.js';
import { resetConnection } from './reset-connection.js';

/** The connection is gone, by the client or by a fault: nobody to answer. */
export class ConnectionGone extends Error {}

/** Why a signal aborts, made once: each has a stack. */
const GONE = new ConnectionGone();

/** What is on record of a request before a service has read it. The connection keeps it up to date. */
export interface RequestRecord {
  readonly operation: undefined;
  readonly method: string;
  readonly url: string;
  readonly bucket: string;
  readonly key: string;
  readonly query: Readonly<Record<string, string>>;
  readonly headers: Readonly<Record<string, string>>;
  bodyBytes: number;
  status?: number;
  /** The client went away before its answer was out. */
  aborted: boolean;
  readonly connection: number;
}

export interface ConnectionOptions {
  /** Which of all sockets of the server it is, from 1 on. */
  readonly number: number;
  /** Whether the client holds its body back until told to go on. */
  readonly awaitsContinue: boolean;
  /** Is told whenever the record changes, and when the connection is done with. */
  readonly log: Pick<RequestLog<unknown>, 'changed'>;
}

export interface AnswerBody {
  readonly source: AsyncIterable<Buffer> | Iterable<Buffer>;
  /** Where faults count from; what goes out may be longer when it is sent gunzipped. */
  readonly size: number;
}

/** One request and one answer on the wire, and the faults that strike there. */
export class Connection {
  /** The headers as they came, by lower-case name; those of one name joined by commas. */
  readonly headers: ReadonlyMap<string, string>;
  readonly record: RequestRecord;
  readonly #log: ConnectionOptions['log'];
  #awaitsContinue: boolean;
  #brokenByFault = false;
  /** Made for the first who waits: most requests need none. */
  #gone: AbortController | undefined;

  constructor(
    private readonly incoming: IncomingMessage,
    private readonly response: ServerResponse,
    { number, awaitsContinue, log }: ConnectionOptions,
  ) {
    this.headers = rawHeaders(incoming);
    this.record = {
      operation: undefined,
      method: incoming.method ?? '',
      url: incoming.url ?? '',
      bucket: '',
      key: '',
      query: {},
      headers: Object.fromEntries(this.headers),
      bodyBytes: 0,
      aborted: false,
      connection: number,
    };
    this.#log = log;
    this.#awaitsContinue = awaitsContinue;
    response.once('close', () => {
      if (!response.writableFinished && !this.#brokenByFault) this.record.aborted = true;
      this.#gone?.abort(GONE);
      log.changed();
    });
  }

  get isGone(): boolean {
    return this.response.closed;
  }

  /** Whether the head of the answer is out. */
  get isAnswered(): boolean {
    return this.response.headersSent;
  }

  /** @throws ConnectionGone */
  async wait(milliseconds: number): Promise<void> {
    if (milliseconds <= 0) return;
    try {
      await delay(milliseconds, undefined, { signal: this.#signal });
    } catch {
      throw new ConnectionGone();
    }
  }

  /** The error to throw once the connection is broken off. */
  reset(): ConnectionGone {
    this.#brokenByFault = true;
    resetConnection(this.incoming.socket);
    return new ConnectionGone();
  }

  /** Lets a fault strike that is to come instead of an answer; any other does nothing here. @throws ConnectionGone */
  async failEarly(effect: unknown): Promise<void> {
    if (effect === 'reset') throw this.reset();
    if (effect !== 'stall') return;
    // Read on: a socket that nobody reads does not tell that the client has gone.
    this.incoming.resume();
    await this.#closed();
    throw new ConnectionGone();
  }

  /**
   * The request's body.
   * @param effect of a fault; one that is none of the connection does nothing here
   * @throws ConnectionGone when it breaks off
   */
  async *body(effect: unknown): AsyncGenerator<Buffer> {
    if (this.#awaitsContinue) {
      this.#awaitsContinue = false;
      this.response.writeContinue();
    }
    try {
      // Left open on an early end, for the refusal has to go out on it.
      const chunks = this.incoming.iterator({ destroyOnReturn: false });
      for await (const chunk of chunks as AsyncIterable<Buffer>) {
        this.record.bodyBytes += chunk.length;
        this.#log.changed();
        if (effect === 'reset-mid-body') throw this.reset();
        yield chunk;
      }
    } catch {
      throw new ConnectionGone();
    }
    if (!this.incoming.complete) throw new ConnectionGone();
  }

  /** Lets what nobody has read of the request go: it would keep the connection from its next one. */
  drain(): void {
    this.incoming.resume();
  }

  writeHead(status: number, headers: Readonly<Record<string, string | number | undefined>>): void {
    const { 'content-length': length, ...others } = headers;
    for (const [name, value] of Object.entries(others)) {
      if (value !== undefined) this.response.setHeader(name, value);
    }
    // Node's own may be older, on a busy machine by more than a second: a file would be younger than the answer to its upload.
    this.response.setHeader('date', new Date().toUTCString());
    // Behind Content-Disposition, which Node encodes anew once it knows a length.
    if (length !== undefined) this.response.setHeader('content-length', length);
    // The client may still send the body it was never invited to send.
    if (this.#awaitsContinue) this.response.setHeader('connection', 'close');
    this.response.writeHead(status);
    this.record.status = status;
    this.#log.changed();
  }

  /** Sends the body of the answer as far as the fault lets it. @throws ConnectionGone */
  async send({ source, size }: AnswerBody, planned: unknown): Promise<void> {
    const effect = isConnectionFault(planned) ? planned : undefined;
    const stopAt = cutOff(effect, size);
    let sent = 0;
    for await (const chunk of source) {
      const rest = chunk.subarray(0, stopAt - sent);
      await this.#write(
        typeof effect === 'object' && 'corruptBodyAt' in effect
          ? withFlippedByte(rest, effect.corruptBodyAt - sent)
          : rest,
      );
      sent += rest.length;
      if (sent >= stopAt) break;
    }
    if (stopAt === Number.POSITIVE_INFINITY) return this.end();
    if (effect === 'reset-mid-body') throw this.reset();
    this.#brokenByFault = true;
    if (effect !== 'stall-mid-body') this.response.socket?.destroySoon();
    await this.#closed();
  }

  async end(body?: Buffer): Promise<void> {
    this.response.end(body);
    if (!this.response.closed) await this.#closed();
  }

  /** Breaks an answer off that cannot be finished. */
  destroy(): void {
    this.response.destroy();
  }

  async #write(chunk: Buffer): Promise<void> {
    if (this.isGone) throw new ConnectionGone();
    if (this.response.write(chunk)) return;
    try {
      await once(this.response, 'drain', { signal: this.#signal });
    } catch {
      throw new ConnectionGone();
    }
  }

  async #closed(): Promise<void> {
    if (!this.isGone) await new Promise((resolve) => this.response.once('close', resolve));
  }

  /** Aborts once the connection is gone. */
  get #signal(): AbortSignal {
    this.#gone ??= new AbortController();
    if (this.isGone) this.#gone.abort(GONE);
    return this.#gone.signal;
  }
}

function rawHeaders({ rawHeaders: raw }: IncomingMessage): ReadonlyMap<string, string> {
  const headers = new Map<string, string>();
  for (let index = 0; index < raw.length; index += 2) {
    const name = (raw[index] ?? '').toLowerCase();
    const value = raw[index + 1] ?? '';
    const earlier = headers.get(name);
    headers.set(name, earlier === undefined ? value : `${earlier},${value}`);
  }
  return headers;
}

/** Where a fault cuts the answer's body off. */
function cutOff(effect: ConnectionFault | undefined, size: number): number {
  if (effect === 'reset-mid-body' || effect === 'stall-mid-body') return Math.ceil(size / 2);
  return typeof effect === 'object' && 'truncateBodyAt' in effect
    ? Math.min(effect.truncateBodyAt, size)
    : Number.POSITIVE_INFINITY;
}

function withFlippedByte(chunk: Buffer, offset: number): Buffer {
  if (offset < 0 || offset >= chunk.length) return chunk;
  const flipped = Buffer.from(chunk);
  flipped[offset] = ~(flipped[offset] ?? 0) & 0xff;
  return flipped;
}
