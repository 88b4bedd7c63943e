import { AsyncLocalStorage } from 'node:async_hooks';
import { channel } from 'node:diagnostics_channel';
import type { StorageErrorCode } from './errors.js';

/** Where a call to a storage begins, as `StorageCallEvent`. */
export const OPERATION_START = 'nestjs-storages:operation:start';

/** Where a request of a call is about to be repeated. */
export const OPERATION_RETRY = 'nestjs-storages:operation:retry';

/** Where a call ends; a `get`, when its body does. */
export const OPERATION_END = 'nestjs-storages:operation:end';

/** The call that what runs now belongs to, while somebody listens: requests are repeated in many places. */
const callUnderWay = new AsyncLocalStorage<StorageCallEvent>();

const start = channel(OPERATION_START);
const retry = channel(OPERATION_RETRY);
const end = channel(OPERATION_END);

/** What the channels of `node:diagnostics_channel` carry: the same object from a call's start to its end. */
export class StorageCallEvent {
  readonly #key: string | undefined;
  readonly #startedAt = performance.now();

  /** Bytes of bodies that have passed so far, sent and received. */
  bytes = 0;
  /** Requests to the backend that were repeated so far. */
  retries = 0;
  /** Milliseconds that the call took; at its end. */
  duration: number | undefined;
  /** Why the call failed; at its end, if it did. */
  errorCode: StorageErrorCode | undefined;

  constructor(
    /** Name of the storage. */
    readonly storage: string,
    readonly driver: string,
    /** The method that was called, such as `'put'`. */
    readonly operation: string,
    key: string | undefined,
  ) {
    this.#key = key;
  }

  /** The file's key, for whoever needs it: no log and no JSON shows it by itself, since keys often name people. */
  revealKey(): string | undefined {
    return this.#key;
  }

  /** @internal */
  run<T>(call: () => T): T {
    return callUnderWay.run(this, call);
  }

  /** @internal */
  retried(): void {
    this.retries += 1;
    retry.publish(this);
  }

  /** @internal */
  ended(errorCode: StorageErrorCode | undefined): void {
    this.duration = performance.now() - this.#startedAt;
    this.errorCode = errorCode;
    end.publish(this);
  }
}

/** Tells that a call begins, when somebody listens to any of the channels; otherwise there is nothing to tell its end with. */
export function announceCall(
  storage: string,
  driver: string,
  operation: string,
  key: string | undefined,
): StorageCallEvent | undefined {
  if (!start.hasSubscribers && !retry.hasSubscribers && !end.hasSubscribers) return undefined;
  const event = new StorageCallEvent(storage, driver, operation, key);
  start.publish(event);
  return event;
}

/** Tells that a request of the call that is under way is about to be repeated. */
export function announceRetry(): void {
  callUnderWay.getStore()?.retried();
}
