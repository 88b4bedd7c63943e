import { Logger } from '@nestjs/common';
import { once, setMaxListeners } from 'node:events';
import { StorageAbortedError } from '../core/errors.js';
import type { StorageWork } from '../storage.registry.js';
import { shuttingDown, tookTooLong } from './upload.exceptions.js';
import type { StoredUpload } from './stored-upload.js';
import type { UploadedFileInfo, WrittenUpload } from './written-upload.js';

const logger = new Logger('StorageUploads');

/** Milliseconds that an answer waits for what is being ended, at most: a backend that hangs must not hold it up. */
const LONGEST_WAIT = 1000;

/**
 * The unit of work of one request: knows every file that the request stored, and either publishes all of them or leaves
 * none, but for those that are to be kept in any case.
 */
export class UploadTransaction implements StorageWork {
  /** Resolves when everything is published, or removed, for good. */
  readonly settled: Promise<void>;
  readonly #controller = new AbortController();
  readonly #ended: Promise<never>;
  readonly #written: WrittenUpload[] = [];
  readonly #writing = new Set<Promise<unknown>>();
  readonly #kept = new Set<WrittenUpload>();
  readonly #uploads: (StoredUpload | undefined)[] = [];
  #isReceiving = true;
  #isKept = false;
  #hasLost = false;
  /** Ends a publication that an answer waits for. */
  readonly #publication = new AbortController();
  #isAwaited = false;
  #isInterrupted = false;
  #commit: Promise<void> | undefined;
  #isReplacing = false;
  /** Published in the place of what their keys held, which cannot be taken back. */
  readonly #replaced: WrittenUpload[] = [];
  #rollback: Promise<void> | undefined;
  #rollbackSoon: Promise<void> | undefined;

  #settle: () => void = () => {};

  constructor() {
    this.settled = new Promise((resolve) => (this.#settle = resolve));
    // Each file listens for the end, several times over: no leak, and nothing to warn of.
    setMaxListeners(0, this.signal);
    this.#ended = new Promise((_resolve, reject) => {
      this.signal.addEventListener('abort', () => reject(this.signal.reason as Error));
    });
    this.#ended.catch(() => {});
  }

  /** Aborted by the rollback. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** What was stored, in the order in which the files came. */
  get uploads(): readonly StoredUpload[] {
    return this.#uploads.filter((upload) => upload !== undefined);
  }

  /** Lets a file be written as a part of this request. What is written after a rollback is removed at once. */
  write(start: (signal: AbortSignal) => Promise<WrittenUpload>): Promise<UploadedFileInfo> {
    const place = this.#uploads.push(undefined) - 1;
    const writing = this.#write(start, place);
    this.#writing.add(writing);
    const settled = (): void => void this.#writing.delete(writing);
    writing.then(settled, settled);
    return writing;
  }

  /** The result of the work, unless the rollback comes first: it waits for nothing. @throws its reason */
  unlessEnded<Result>(work: Promise<Result>): Promise<Result> {
    return Promise.race([work, this.#ended]);
  }

  /** Resolves when every file is in its storage. @throws the reason of a rollback */
  async written(): Promise<void> {
    await this.unlessEnded(Promise.allSettled(this.#writing));
    this.signal.throwIfAborted();
  }

  /** The form is complete. */
  received(): void {
    this.#isReceiving = false;
  }

  /**
   * Ends a form that is still being received, and a publication that an answer waits for; a handler that has its uploads is
   * not disturbed, nor what was answered already.
   */
  interrupt(): void {
    this.#isInterrupted = true;
    if (this.#isReceiving) void this.rollback(shuttingDown());
    else if (this.#isAwaited) this.#publication.abort(shuttingDown());
  }

  /** Nothing more happens: what was published stays. */
  settle(): void {
    this.#settle();
  }

  /** Keeps everything, also when the request fails. */
  keepAll(): void {
    this.#isKept = true;
  }

  /** Whether all that was stored stays when the request fails. */
  get keepsEverything(): boolean {
    const written = this.#written;
    return written.length > 0 && (this.#isKept || written.every((each) => this.#kept.has(each)));
  }

  /** Whether a file that was to be kept is not under its key, now that everything is settled. */
  get hasLost(): boolean {
    return this.#hasLost;
  }

  /** Whether anything is left to be published. */
  get isStaged(): boolean {
    return this.#written.some(({ publication }) => publication !== 'done');
  }

  /**
   * Publishes what is stored aside, once, however often it is called. Does nothing after a rollback, and stops at one, until the
   * first file takes the place of another: from then on, the rest follows.
   */
  commit(): Promise<void> {
    return (this.#commit ??= this.#publishAll());
  }

  /**
   * The same for who is to answer, and waits for no backend that hangs. What takes place all the same, when it is ended, is good.
   *
   * @param timeout milliseconds
   * @throws HttpException when it takes longer, or longer than a shutdown waits
   */
  async commitWithin(timeout: number | undefined): Promise<void> {
    const { signal } = this.#publication;
    const commit = this.commit();
    const overdue = once(signal, 'abort').then(async () => {
      await settledWithin(LONGEST_WAIT, commit);
      throw signal.reason;
    });
    const end = (reason: Error): void => this.#publication.abort(reason);
    const timer = this.#isInterrupted
      ? setTimeout(() => end(shuttingDown()), LONGEST_WAIT)
      : timeout !== undefined && setTimeout(() => end(tookTooLong(timeout)), timeout);
    this.#isAwaited = true;
    try {
      await Promise.race([commit, overdue]);
    } catch (error) {
      void commit.then(tellOfLatePublication, () => {});
      throw signal.aborted ? signal.reason : error;
    } finally {
      this.#isAwaited = false;
      clearTimeout(timer || undefined);
    }
  }

  /**
   * Removes everything, once, however often it is called; resolves when nothing is in flight any more. What cannot be
   * removed is logged.
   *
   * @param reason what a form that is still being received is answered with
   */
  rollback(reason: Error = new StorageAbortedError('The request failed')): Promise<void> {
    return (this.#rollback ??= this.#removeAll(reason));
  }

  /** The same for who is to answer: does not wait for long. The removal goes on, and holds the storages open. */
  rollbackSoon(reason?: Error): Promise<void> {
    return (this.#rollbackSoon ??= settledWithin(LONGEST_WAIT, this.rollback(reason)));
  }

  async #write(
    start: (signal: AbortSignal) => Promise<WrittenUpload>,
    place: number,
  ): Promise<UploadedFileInfo> {
    const written = await start(this.signal);
    if (this.#rollback) {
      await this.#remove(written);
      throw this.signal.reason;
    }
    this.#written.push(written);
    this.#uploads[place] = this.#withKeep(written);
    return written.info;
  }

  async #publishAll(): Promise<void> {
    // What cannot be taken back comes last.
    for (const publication of ['adding', 'replacing'] as const) {
      for (const written of this.#written) {
        if (written.publication !== publication) continue;
        if (this.#rollback && !this.#isReplacing) return;
        this.#isReplacing = publication === 'replacing';
        await written.publish({ signal: this.#publication.signal });
        if (this.#isReplacing) this.#replaced.push(written);
      }
    }
  }

  async #removeAll(reason: Error): Promise<void> {
    this.#controller.abort(reason);
    if (this.#isReplacing) await this.#commit?.catch(() => this.#tellOfReplacedFiles());
    // Begun at once: at a shutdown, the storage takes no call that comes later.
    const removals = this.#written.map((written) =>
      this.#isKept || this.#kept.has(written) ? this.#publish(written) : this.#remove(written),
    );
    await Promise.allSettled([...removals, ...this.#writing]);
    this.settle();
  }

  async #publish(written: WrittenUpload): Promise<void> {
    const { storage, key } = written.info;
    // What was ended has another try, which nothing ends.
    if (this.#publication.signal.aborted) await this.#commit?.catch(() => {});
    try {
      await written.publish();
    } catch (error) {
      this.#hasLost = true;
      logger.error(
        `An upload that was to be kept is not in the storage "${storage}", under ${JSON.stringify(key)}; its bytes are staged until sweepStaged() removes them`,
        error,
      );
    }
  }

  /** Removes the file; never rejects, since the client is to see why the request failed. */
  async #remove(written: WrittenUpload): Promise<void> {
    const { storage, key } = written.info;
    try {
      await written.remove();
    } catch (error) {
      logger.error(
        `An upload that was to be removed is still in the storage "${storage}", under ${JSON.stringify(key)}`,
        error,
      );
    }
  }

  /** Of a publication that failed behind its first file: the client is told that all has failed. */
  #tellOfReplacedFiles(): void {
    for (const written of this.#replaced) {
      if (this.#isKept || this.#kept.has(written)) continue;
      const { storage, key } = written.info;
      logger.error(
        `An upload of a request that failed has replaced what was in the storage "${storage}", under ${JSON.stringify(key)}, and stays there: another upload of the request could not be published`,
      );
    }
  }

  #withKeep(written: WrittenUpload): StoredUpload {
    // Not enumerable: as JSON, and in comparisons, an upload is its data.
    return Object.defineProperty(written.info as StoredUpload, 'keep', {
      value: () => this.#keep(written),
    });
  }

  #keep(written: WrittenUpload): void {
    if (this.#isKept || this.#kept.has(written)) return;
    if (this.#rollback) {
      throw new StorageAbortedError(
        'The upload cannot be kept: its request has failed already, as when the client has gone, and it was removed',
      );
    }
    this.#kept.add(written);
  }
}

/** Resolves when the work is over, however it ends, or the milliseconds are. */
async function settledWithin(milliseconds: number, work: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const longest = new Promise<void>((resolve) => (timer = setTimeout(resolve, milliseconds)));
  await Promise.race([work.catch(() => {}), longest]);
  clearTimeout(timer);
}

function tellOfLatePublication(): void {
  logger.error('Uploads were published after their request had been answered with a failure');
}
