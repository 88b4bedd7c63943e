import { setMaxListeners } from 'node:events';
import {
  addErrorContext,
  StorageAbortedError,
  StorageClosedError,
  StorageError,
  StorageTimeoutError,
} from './errors.js';
import { type ParsedRetryOptions, repeatCall } from './retry.js';
import { announceCall, type StorageCallEvent } from './storage-events.js';
import { MAX_TIMER } from './units.js';

interface Settings {
  readonly storage: string;
  readonly driver: string;
  /** Whether the calls are told to those who listen. Default true. */
  readonly isObserved?: boolean;
  /** Milliseconds, `MAX_TIMER` at most. */
  readonly timeout: number | undefined;
  /** Milliseconds, `MAX_TIMER` at most. */
  readonly totalTimeout: number | undefined;
  /** Nothing when the driver repeats by itself. */
  readonly retry: () => ParsedRetryOptions | undefined;
}

/** Calls that may wait for a reader or a source for as long as those like. */
const TRANSFERS: ReadonlySet<string> = new Set(['get', 'put', 'stage']);

/** The calls of one storage that are under way: gives each its signal and deadline, and waits for them at the end. */
export class Operations {
  readonly #active = new Set<Operation>();
  #closed = false;
  #onIdle: (() => void) | undefined;

  constructor(private readonly settings: Settings) {}

  /** @throws StorageClosedError, StorageAbortedError when it must not even start. */
  begin(name: string, key: string | undefined, signal: AbortSignal | undefined): Operation {
    const { storage, driver } = this.settings;
    const context = { storage, driver, operation: name, key };
    if (this.#closed) throw new StorageClosedError(undefined, context);
    if (signal?.aborted) {
      throw new StorageAbortedError(undefined, { ...context, cause: signal.reason });
    }
    const operation = new Operation(context, signal, this.settings, () => {
      this.#active.delete(operation);
      if (this.#active.size === 0) this.#onIdle?.();
    });
    this.#active.add(operation);
    return operation;
  }

  /**
   * Lets no new call start, waits up to `timeout` milliseconds (or as long as a timer can) for those under way, then
   * aborts them and waits.
   */
  async close(timeout: number): Promise<void> {
    this.#closed = true;
    if (this.#active.size === 0) return;
    const idle = new Promise<void>((resolve) => (this.#onIdle = resolve));
    const timer = setTimeout(() => this.#abort(this.#active), Math.min(timeout, MAX_TIMER));
    await idle;
    clearTimeout(timer);
  }

  /** Aborts the reads and writes of whole bodies that are under way. New calls still start: what is to be undone can be. */
  abortTransfers(): void {
    this.#abort([...this.#active].filter(({ name }) => TRANSFERS.has(name)));
  }

  #abort(operations: Iterable<Operation>): void {
    for (const operation of operations) {
      operation.abort(new StorageAbortedError('The storage was closed while the call ran'));
    }
  }
}

/** One call under way. */
export class Operation {
  readonly #controller = new AbortController();
  readonly #onAbort: () => void;
  readonly #event: StorageCallEvent | undefined;
  #failure: StorageError | undefined;
  #timer: NodeJS.Timeout | undefined;
  readonly #totalTimer: NodeJS.Timeout | undefined;
  #paused = false;
  #ended = false;

  constructor(
    private readonly context: {
      storage: string;
      driver: string;
      operation: string;
      key: string | undefined;
    },
    private readonly callerSignal: AbortSignal | undefined,
    private readonly settings: Settings,
    private readonly onEnd: () => void,
  ) {
    const { storage, driver, operation, key } = context;
    if (settings.isObserved !== false) this.#event = announceCall(storage, driver, operation, key);
    this.#onAbort = () => {
      this.abort(new StorageAbortedError(undefined, { cause: callerSignal?.reason }));
    };
    // Many calls may share one signal, and one call may have many requests: no leak, and nothing to warn of.
    setMaxListeners(0, this.signal, ...(callerSignal ? [callerSignal] : []));
    callerSignal?.addEventListener('abort', this.#onAbort, { once: true });
    this.#startDeadline();
    const { totalTimeout } = settings;
    if (totalTimeout === undefined) return;
    this.#totalTimer = setTimeout(() => {
      this.abort(new StorageTimeoutError(`The call took longer than ${totalTimeout} ms`));
    }, totalTimeout);
  }

  /** The method that was called. */
  get name(): string {
    return this.context.operation;
  }

  /** Aborted by the caller's signal, by the deadline and by the storage's end; its reason is a StorageError. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  abort(reason: StorageError): void {
    this.#controller.abort(addErrorContext(reason, this.context));
    if (!this.#paused) return;
    // Nothing is in flight, and the caller may never come back.
    this.#failure ??= reason;
    this.end();
  }

  /** Counts bytes of a body that have passed, for whoever listens to what becomes of the call. */
  countBytes(bytes: number): void {
    if (this.#event) this.#event.bytes += bytes;
  }

  /** Makes what the driver does for the call known as its own. */
  run<T>(call: () => Promise<T>): Promise<T> {
    return this.#event ? this.#event.run(call) : call();
  }

  /** Makes a call that may be repeated, as often as the storage's retry options say. */
  repeat<T>(call: () => Promise<T>): Promise<T> {
    const retry = this.settings.retry();
    return retry ? repeatCall(call, retry, { signal: this.signal }) : call();
  }

  /** The driver has the turn: its deadline starts anew, unless it keeps the time of its requests by itself. */
  driverStarts(): void {
    this.sourceWaits(false);
  }

  /** The caller's source has the turn, or the driver again: the deadline starts anew. */
  sourceWaits(waiting: boolean): void {
    if (waiting || this.settings.retry()) this.#startDeadline();
    else this.suspendDeadline();
  }

  /** What comes next may take its time: the caller's own reading, or a driver with deadlines of its own. */
  suspendDeadline(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** The caller has the turn, until `resume()`; nothing is in flight. */
  pause(): void {
    this.suspendDeadline();
    this.#paused = true;
  }

  /** @throws StorageError the reason, when it was aborted meanwhile */
  resume(): void {
    this.signal.throwIfAborted();
    this.#paused = false;
    this.driverStarts();
  }

  /** What the caller is told: the reason of the abort if there was one, else the error, as a StorageError. */
  failure(error: unknown): StorageError {
    this.#failure = this.#toStorageError(error);
    return this.#failure;
  }

  #toStorageError(error: unknown): StorageError {
    if (this.signal.aborted) return this.signal.reason as StorageError;
    if (error instanceof StorageError) return addErrorContext(error, this.context);
    const reason = error instanceof Error ? error.message : String(error);
    return new StorageError(reason, { ...this.context, cause: error });
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    clearTimeout(this.#timer);
    clearTimeout(this.#totalTimer);
    this.callerSignal?.removeEventListener('abort', this.#onAbort);
    this.onEnd();
    this.#event?.ended(this.#failure?.code);
  }

  #startDeadline(): void {
    const { timeout } = this.settings;
    if (timeout === undefined || this.#ended) return;
    if (this.#timer) {
      this.#timer.refresh();
      return;
    }
    this.#timer = setTimeout(() => {
      this.abort(new StorageTimeoutError(`No progress for ${timeout} ms`));
    }, timeout);
  }
}
