import { HttpException, Logger } from '@nestjs/common';
import { PassThrough, type Readable } from 'node:stream';
import type { BodyInspection } from './body-inspection.js';
import type { TypedFile } from './stored-upload.js';
import { fileRejected, scanFailed } from './upload.exceptions.js';

/** What a scanner says of a file that is not to be kept. */
export interface ScanVerdict {
  /** A code for what was found. The client is told. */
  readonly rejected: string;
}

export interface ScanContext<Request = unknown> {
  readonly request: Request;
  /** Aborted when nobody waits for the verdict any more: the upload has ended, or `scanTimeout` is over. */
  readonly signal: AbortSignal;
}

/**
 * Examines a file while it is on its way to the storage. It may read the stream at its own pace, and holds up the upload when it
 * is the slower of the two; it may also decide without having read all of it. The file is kept only when this resolves
 * with nothing: a verdict refuses it, 422 `FILE_REJECTED`, and an error does so with 503 `SCAN_FAILED`, but for an
 * HttpException, which is answered as it is.
 */
export type UploadScan<Request = unknown> = (
  stream: Readable,
  file: TypedFile,
  context: ScanContext<Request>,
) => Promise<ScanVerdict | void> | ScanVerdict | void;

const logger = new Logger('StorageUploads');

/** Feeds a scanner, and waits for its verdict. */
export class ScanInspection implements BodyInspection {
  readonly #stream = new PassThrough();
  readonly #controller = new AbortController();
  /** Why the file is refused; undefined when it is not. Never rejects. */
  readonly #decision: Promise<Error | undefined>;
  #refusal: Error | undefined;
  /** The upload ended in another way. */
  #isMoot = false;

  constructor(
    scan: UploadScan,
    private readonly file: TypedFile,
    private readonly options: {
      readonly request: unknown;
      /** Milliseconds that the upload waits at once: until the scanner reads on, and from the last byte on for the verdict. */
      readonly timeout: number;
      /** Of the upload. */
      readonly signal: AbortSignal;
      /** Told why the file is refused, as soon as that is known: nobody may ask for more of it. */
      readonly onRefusal?: (refusal: Error) => void;
    },
  ) {
    const { request, signal } = options;
    signal.addEventListener('abort', this.#onAbort);
    // Who leaves the stream, or breaks it, says why by the verdict.
    this.#stream.on('error', () => {});
    this.#decision = this.#examine(scan, request);
    if (signal.aborted) this.abandon();
  }

  async see(chunk: Uint8Array): Promise<void> {
    if (!this.#stream.destroyed && !this.#stream.write(chunk)) await this.#inTime(this.#drained());
    if (this.#refusal) throw this.#refusal;
  }

  async decide(): Promise<void> {
    this.#stream.end();
    const refusal = await this.#inTime(this.#decision);
    if (refusal) throw refusal;
  }

  abandon(): void {
    this.#isMoot = true;
    this.#giveUp(new Error('The upload has ended'));
  }

  readonly #onAbort = (): void => this.abandon();

  /** Ends the examination when the upload has to wait for it too long. */
  #inTime<Result>(waiting: Promise<Result>): Promise<Result> {
    const { timeout } = this.options;
    const timer = setTimeout(() => {
      this.#giveUp(new Error(`The scanner held the upload up for more than ${timeout} ms`));
    }, timeout);
    return waiting.finally(() => clearTimeout(timer));
  }

  #giveUp(reason: Error): void {
    this.#controller.abort(reason);
  }

  async #examine(scan: UploadScan, request: unknown): Promise<Error | undefined> {
    const { signal } = this.#controller;
    const givenUp = new Promise<never>((_resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
    });
    try {
      const asked = (async () => scan(this.#stream, this.file, { request, signal }))();
      this.#refusal = this.#judge(await Promise.race([asked, givenUp]));
    } catch (error) {
      this.#refusal = this.#failure(error);
    } finally {
      this.options.signal.removeEventListener('abort', this.#onAbort);
      // What still comes of the file need not wait for anybody.
      this.#stream.destroy();
    }
    if (this.#refusal && !this.#isMoot) this.options.onRefusal?.(this.#refusal);
    return this.#refusal;
  }

  #judge(verdict: ScanVerdict | void): Error | undefined {
    if (verdict === undefined || verdict === null) return undefined;
    const { rejected } = verdict;
    if (typeof rejected === 'string') return fileRejected(rejected, this.file.fieldname);
    return this.#failure(
      new TypeError('A scanner resolves with nothing, or with { rejected: "…" }'),
    );
  }

  #failure(error: unknown): Error {
    const { signal } = this.options;
    if (signal.aborted) return signal.reason as Error;
    if (error instanceof HttpException) return error;
    if (!this.#isMoot) logger.error('A file could not be examined', error);
    return scanFailed(this.file.fieldname, error);
  }

  /** The scanner is ready for more, or does not want any. */
  #drained(): Promise<void> {
    const stream = this.#stream;
    return new Promise((resolve) => {
      const done = (): void => {
        stream.off('drain', done).off('close', done);
        resolve();
      };
      stream.on('drain', done).on('close', done);
    });
  }
}
