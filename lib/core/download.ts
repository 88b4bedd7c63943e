import { Readable } from 'node:stream';
import { ReadableStream } from 'node:stream/web';
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
    body.on('error', ignore);
    watchBody(this, body, storage);
  }

  /** Bytes that the body delivers. */
  get size(): number {
    return this.range ? this.range.end - this.range.start + 1 : this.file.size;
  }

  /** The body as a Node stream. It fails with a `StorageError`, never ends early as if it were complete. */
  get stream(): Readable {
    return (this.#stream ??= this.#takeStream());
  }

  /** The body as a web stream. It fails, too, and never ends early as if it were complete. */
  web(): ReadableStream<Uint8Array> {
    const stream = this.#takeStream();
    // Of one that has failed already, Node would make an empty one that has ended well.
    return stream.destroyed
      ? failedStream(stream.errored)
      : (Readable.toWeb(stream) as ReadableStream<Uint8Array>);
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
    const chunks = await readToEnd(body);
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
    if (!(body instanceof Readable)) return new HeldBytes(body);
    body.off('error', ignore);
    return body;
  }
}

function failedStream(error: Error | null): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(controller) {
      controller.error(
        error ?? new StorageConnectionError('The body broke off before it was read'),
      );
    },
  });
}

function ignore(): void {}
