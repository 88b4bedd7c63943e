import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import { type RunningChecksum, startChecksum } from '../../core/checksum.js';
import {
  StorageAbortedError,
  StorageConnectionError,
  StorageIntegrityError,
} from '../../core/errors.js';
import { toStorageError } from './gcs.errors.js';

interface MediaBodyOptions {
  /** Bytes that must come. */
  readonly size: number;
  /** What they must amount to; absent for a part of a file. */
  readonly crc32c: string | undefined;
  readonly signal: AbortSignal;
}

/**
 * The bytes of a file as they come off the socket. It ends well only when all of them came and are the right ones; else it
 * fails with a StorageError. Destroying it frees the connection.
 */
export class MediaBody extends Readable {
  readonly #running: RunningChecksum | undefined;
  #received = 0;

  constructor(
    private readonly message: IncomingMessage,
    private readonly expected: MediaBodyOptions,
  ) {
    super();
    this.#running = expected.crc32c === undefined ? undefined : startChecksum('crc32c');
    message
      .on('data', (chunk: Buffer) => this.#take(chunk))
      .once('end', () => this.#finish())
      .on('error', (error) => this.destroy(this.#failure(error)))
      .once('close', () => {
        // Node tells no error of a connection that ends between two chunks of an answer without a length.
        if (!message.complete) this.destroy(this.#failure(cutShort()));
      })
      .pause();
  }

  override _read(): void {
    this.message.resume();
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.message.destroy();
    callback(error);
  }

  #take(chunk: Buffer): void {
    this.#received += chunk.byteLength;
    this.#running?.update(chunk);
    if (!this.push(chunk)) this.message.pause();
  }

  #finish(): void {
    const { size, crc32c } = this.expected;
    if (this.#received !== size) {
      this.destroy(cutShort());
    } else if (this.#running && this.#running.digest().value !== crc32c) {
      this.destroy(
        new StorageIntegrityError('The bytes that arrived do not have the checksum of the file'),
      );
    } else {
      this.push(null);
    }
  }

  #failure(error: Error): Error {
    const { signal } = this.expected;
    if (signal.aborted) return new StorageAbortedError(undefined, { cause: signal.reason });
    const mapped = toStorageError(error, signal);
    if (mapped.code !== 'UNKNOWN') return mapped;
    return new StorageConnectionError(undefined, { cause: mapped.cause });
  }
}

function cutShort(): StorageConnectionError {
  return new StorageConnectionError('The connection ended before all bytes had come');
}
