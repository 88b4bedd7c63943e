import type { ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { onConnectionClosed } from '../core/connection-end.js';
import { type HttpExchange, http2StreamOf } from '../http-exchange.js';

/**
 * Watches how a request ends: it fails when it is answered with a status of 400 or more, when the client goes away
 * before it is answered, when the answer breaks off, and when its handler never ran or was given up. A client that goes away while a
 * good answer is on its way to it changes nothing.
 */
export class RequestOutcome {
  #handler: 'waiting' | 'running' | 'succeeded' | 'givenUp' = 'waiting';
  #isSent = false;
  #isBrokenOff = false;
  #verdict: 'failed' | 'succeeded' | undefined;
  readonly #response: ServerResponse;
  readonly #carrier: Duplex;
  #leaveConnection: () => void = () => {};

  constructor(
    { request, response }: Pick<HttpExchange, 'request' | 'response'>,
    private readonly on: { readonly failure: () => void; readonly success: () => void },
  ) {
    const stream = http2StreamOf(response);
    const carrier = stream ?? request.socket;
    this.#response = response;
    this.#carrier = carrier;
    if (response.destroyed || carrier.destroyed) {
      this.fail();
      return;
    }
    // Over HTTP/2, a response finishes with its stream, however that comes to its end.
    (stream ?? response).once('finish', () => this.#onFinish());
    response.once('close', () => this.#onClose());
    // Behind the answer to another request, a response has no connection yet, and is not told when that closes.
    if (response.socket === null) {
      this.#leaveConnection = onConnectionClosed(request.socket, () => this.#onClose());
    }
    this.#watchForBreakingOff();
  }

  get hasFailed(): boolean {
    return this.#verdict === 'failed';
  }

  /** The handler has given its answer, and nothing has failed so far. */
  get isGood(): boolean {
    return this.#handler === 'succeeded' && !this.hasFailed;
  }

  handlerStarted(): void {
    this.#handler = 'running';
  }

  handlerSucceeded(): void {
    this.#handler = 'succeeded';
    if (this.#isSent) this.#judge();
  }

  /** Nobody waits for the handler any more, as when an interceptor around it has a time limit. */
  handlerGivenUp(): void {
    if (this.#handler === 'running') this.#handler = 'givenUp';
    if (this.#isSent) this.#judge();
  }

  fail(): void {
    this.#decide('failed');
  }

  #onFinish(): void {
    // A stream that is reset ends without the answer.
    if (!this.#response.writableEnded) return;
    this.#isSent = true;
    this.#leaveConnection();
    this.#judge();
  }

  /** Of an answer that was sent. */
  #judge(): void {
    if (this.#response.statusCode >= 400) return this.#decide('failed');
    // An answer that the running handler gave by itself says nothing about how the handler ends.
    if (this.#handler === 'running') return;
    this.#decide(this.#handler === 'succeeded' ? 'succeeded' : 'failed');
  }

  #onClose(): void {
    if (this.#isSent) return;
    const { headersSent, socket, statusCode } = this.#response;
    // Of an answer that has waited behind another, nothing was sent.
    const isBrokenOff = this.#isBrokenOff || isDestroyedHere(this.#carrier);
    const isOnItsWay = headersSent && socket !== null && !isBrokenOff;
    const isGood = statusCode < 400 && this.#handler === 'succeeded';
    this.#decide(isOnItsWay && isGood ? 'succeeded' : 'failed');
  }

  /** The events of a response are the same, whichever side ends it early: here, both adapters destroy it. */
  #watchForBreakingOff(): void {
    const response = this.#response;
    const carrier = this.#carrier;
    const destroy = response.destroy.bind(response);
    response.destroy = (error) => {
      this.#isBrokenOff ||= !carrier.closed && !carrier.destroyed;
      return destroy(error);
    };
  }

  #decide(verdict: 'failed' | 'succeeded'): void {
    if (this.#verdict) return;
    this.#verdict = verdict;
    this.#leaveConnection();
    if (verdict === 'failed') this.on.failure();
    else this.on.success();
  }
}

/** Of a connection that has closed: one that the client ends has an end, or an error of the connection itself. */
function isDestroyedHere({ readableEnded, errored }: Duplex): boolean {
  if (readableEnded) return false;
  const { code, syscall } = (errored ?? {}) as NodeJS.ErrnoException;
  return syscall === undefined && !/^(?:ECONNRESET|EPIPE|ERR_SSL_|HPE_)/.test(code ?? '');
}
