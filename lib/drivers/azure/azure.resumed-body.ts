import { Readable } from 'node:stream';
import { StorageAbortedError, StorageConnectionError } from '../../core/errors.js';
import type { ByteRange } from '../../core/range.js';
import { toStorageError } from './azure.errors.js';

/** Bytes after which a connection was worth its while: few at a time would go on for ever. */
const PROGRESS = 64 * 1024;

interface ResumedBodyOptions {
  /** Opens the rest of the same version, from the byte on. */
  readonly resume: (start: number, signal: AbortSignal) => Promise<Readable>;
  readonly signal: AbortSignal;
  /** Times that the body may break off one after the other, with no more than `PROGRESS` between. */
  readonly maxFailures: number;
}

/**
 * Delivers exactly the bytes of the range, or fails: a connection that breaks off is replaced by one that goes on from the
 * byte where it broke. Destroying it frees the connection, even one that is still to be made.
 */
export class ResumedBody extends Readable {
  readonly #stop = new AbortController();
  #source: Readable | undefined;
  /** The next byte. */
  #position: number;
  #failures = 0;
  /** Where it last broke off. */
  #broken: number;

  constructor(
    source: Readable,
    private readonly range: ByteRange,
    private readonly settings: ResumedBodyOptions,
  ) {
    super();
    this.#position = range.start;
    this.#broken = range.start;
    this.#read(source);
  }

  override _read(): void {
    this.#source?.resume();
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#stop.abort();
    this.#source?.destroy();
    callback(error);
  }

  #read(source: Readable): void {
    this.#source = source;
    let over = false;
    const onEnd = (error?: Error): void => {
      if (over) return;
      over = true;
      source.destroy();
      this.#source = undefined;
      void this.#goOn(error);
    };
    source
      .on('data', (chunk: Buffer) => {
        this.#position += chunk.byteLength;
        if (!this.push(chunk)) source.pause();
      })
      .on('end', onEnd)
      .on('error', onEnd)
      .on('close', onEnd)
      .pause();
  }

  /** Ends the body when all of it has come, or fetches the rest. */
  async #goOn(error: Error | undefined): Promise<void> {
    if (this.destroyed) return;
    const { range, settings } = this;
    if (this.#position > range.end) {
      // More than announced is no better than less.
      if (this.#position > range.end + 1) this.destroy(brokenOff(error));
      else this.push(null);
      return;
    }
    if (settings.signal.aborted) {
      this.destroy(new StorageAbortedError(undefined, { cause: settings.signal.reason }));
      return;
    }
    if (this.#position - this.#broken > PROGRESS) this.#failures = 0;
    this.#broken = this.#position;
    if (this.#failures >= settings.maxFailures) {
      this.destroy(brokenOff(error));
      return;
    }
    this.#failures++;
    try {
      const signal = AbortSignal.any([settings.signal, this.#stop.signal]);
      const source = await settings.resume(this.#position, signal);
      if (this.destroyed) source.destroy();
      else this.#read(source);
      this.#source?.resume();
    } catch (failure) {
      this.destroy(toStorageError(failure, settings.signal));
    }
  }
}

function brokenOff(error: Error | undefined): Error {
  const mapped = error && toStorageError(error);
  if (mapped && mapped.code !== 'UNKNOWN') return mapped;
  return new StorageConnectionError('The connection broke before the whole file had come', {
    cause: mapped?.cause,
  });
}
