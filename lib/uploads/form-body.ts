import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import { wasReset } from '../core/body.js';
import { http2StreamOf } from '../http-exchange.js';
import { ReceiveRate } from './receive-rate.js';
import { formTooLarge, tooSlow } from './upload.exceptions.js';
import type { FormLimits } from './upload-plan.js';

/** What a body is held to while it comes. */
export type BodyLimits = Pick<FormLimits, 'maxTotalSize' | 'minRate' | 'minRateWindow'>;

/**
 * The body of a request, for the parser. It stands before the request itself, which must live until it is answered:
 * this may be ended at any time, when the form is too large, comes too slowly or is refused.
 */
export class FormBody extends Readable {
  readonly headers: IncomingHttpHeaders;
  /** Set by the parser. */
  body?: unknown;
  readonly #request: IncomingMessage;
  readonly #maxTotalSize: number;
  readonly #rate: ReceiveRate | undefined;
  #size = 0;

  constructor(
    request: IncomingMessage,
    { maxTotalSize, minRate, minRateWindow }: BodyLimits,
    private readonly onReceived: (bytes: number) => void = () => {},
  ) {
    super();
    // The parser goes by this for whether there is a body, of which HTTP/2 says nothing.
    this.headers = { 'transfer-encoding': 'chunked', ...request.headers };
    this.#request = request;
    this.#maxTotalSize = maxTotalSize;
    if (minRate > 0) {
      this.#rate = new ReceiveRate(minRate, minRateWindow, () => this.destroy(tooSlow()));
    }
    request.on('data', this.#onData).on('end', this.#onEnd);
    request.on('error', this.#onGone).on('close', this.#onGone);
    // The parser listens only while it parses.
    this.on('error', () => {});
  }

  override _read(): void {
    this.#rate?.resume();
    this.#request.resume();
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#rate?.stop();
    const request = this.#request;
    request.off('data', this.#onData).off('end', this.#onEnd);
    request.off('error', this.#onGone).off('close', this.#onGone);
    request.pause();
    callback(error);
  }

  readonly #onData = (chunk: Buffer): void => {
    this.#size += chunk.byteLength;
    this.#rate?.received(chunk.byteLength);
    this.onReceived(chunk.byteLength);
    if (this.#size > this.#maxTotalSize) {
      this.destroy(formTooLarge(this.#maxTotalSize));
    } else if (!this.push(chunk)) {
      this.#rate?.pause();
      this.#request.pause();
    }
  };

  readonly #onEnd = (): void => {
    // What the parser has yet to take is no matter of the client any more.
    this.#rate?.stop();
    const stream = http2StreamOf(this.#request);
    // Over HTTP/2, what a client resets ends as if all of it had come.
    if (stream && wasReset(stream)) this.#giveUp();
    else this.push(null);
  };

  readonly #onGone = (): void => {
    if (!this.#request.readableEnded) this.#giveUp();
  };

  #giveUp(): void {
    this.destroy(new Error('Request aborted'));
  }
}
