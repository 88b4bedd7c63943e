import { finished, Readable } from 'node:stream';
import type { ReadableStream } from 'node:stream/web';
import {
  StorageConnectionError,
  StorageIntegrityError,
  StorageInvalidArgumentError,
} from './errors.js';
import { HeldBytes } from './held-bytes.js';
import { readToEnd } from './read-to-end.js';
import type { ByteRange } from './range.js';
import type { StoredFile } from './stored-file.js';
import { forgetBody, watchBody } from './unread-bodies.js';

/**
 * A file that is being read: what it is, and its bytes, once. Whoever does not read the body to its end frees it with
 * `destroy()` (or `await using`); leaving a `for await` loop does so by itself.
 */
export class Download implements AsyncIterable<Uint8Array>, AsyncDisposable {
  readonly #source: Readable | undefined;
  readonly #failure = new EarlyFailure();
  #body: Uint8Array | Readable | undefined;
  #stream: Readable | undefined;

  constructor(
    readonly file: StoredFile,
    /** The part that was asked for, as it is delivered; absent for the whole file. */
    readonly range: ByteRange | undefined,
    body: Uint8Array | Readable,
    /** Name of the storage that it comes from: for messages. */
    storage = '',
  ) {
    this.#body = body;
    if (!(body instanceof Readable)) return;
    this.#source = body;
    // Until somebody takes the stream nobody listens, and a connection that breaks must not end the process.
    body.on('error', this.#failure.note);
    watchBody(this, body, storage);
  }

  /** Bytes that the body delivers. */
  get size(): number {
    return this.range ? this.range.end - this.range.start + 1 : this.file.size;
  }

  /** The body as a Node stream. It fails with a `StorageError`, never ends early as if it were complete. */
  get stream(): Readable {
    return (this.#stream ??= this.#takeStream().off('error', this.#failure.note));
  }

  /** The body as a web stream. It fails, too, and never ends early as if it were complete. */
  web(): ReadableStream<Uint8Array> {
    return Readable.toWeb(this.#takeStream()) as ReadableStream<Uint8Array>;
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
    return this.#takeStream()[Symbol.asyncIterator]();
  }

  /** The whole body in memory. */
  async bytes(): Promise<Buffer> {
    const body = this.#take();
    if (body instanceof Uint8Array) {
      return Buffer.from(body.buffer, body.byteOffset, body.byteLength);
    }
    const chunks = await readToEnd(this.#failure.inPlaceOf(body));
    const size = chunks.reduce((sum, { byteLength }) => sum + byteLength, 0);
    if (size !== this.size) {
      throw new StorageIntegrityError(
        `The backend delivered ${size} bytes of the ${this.size} that it announced`,
        { key: this.file.key },
      );
    }
    return Buffer.concat(chunks, size);
  }

  /** The whole body as text, decoded from UTF-8. */
  async text(): Promise<string> {
    return (await this.bytes()).toString('utf8');
  }

  /** Frees the connection or descriptor behind the body. Idempotent. */
  destroy(): void {
    this.#body = undefined;
    forgetBody(this);
    (this.#source ?? this.#stream)?.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.destroy();
  }

  #take(): Uint8Array | Readable {
    const body = this.#body;
    if (!body) {
      throw new StorageInvalidArgumentError('The body of this download was already taken', {
        key: this.file.key,
      });
    }
    this.#body = undefined;
    forgetBody(this);
    return body;
  }

  #takeStream(): Readable {
    const body = this.#take();
    return body instanceof Readable ? this.#failure.inPlaceOf(body) : new HeldBytes(body);
  }
}

/** What a body has failed with before it was taken. Apart from the download, which the body would hold otherwise. */
class EarlyFailure {
  #error: Error | undefined;

  readonly note = (error: Error): void => void (this.#error ??= error);

  /**
   * The body itself, unless it has broken already: of such a one, Node would tell what it was destroyed with, and as a web stream that
   * it has ended well. What takes its place fails when it is read.
   */
  inPlaceOf(body: Readable): Readable {
    if (!body.destroyed) return body;
    const errorOf = (): Error =>
      this.#error ??
      body.errored ??
      new StorageConnectionError('The body broke off before it was read');
    return new Readable({
      read() {
        // Its own event may be still to come.
        finished(body, () => this.destroy(errorOf()));
      },
    });
  }
}
