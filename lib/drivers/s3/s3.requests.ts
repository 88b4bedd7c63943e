import type { ServiceInputTypes, ServiceOutputTypes } from '@aws-sdk/client-s3';
import { wasCutShort, withSettledAbort } from '../remote/settled-abort.js';
import { markUncertain } from '../remote/uncertain-failures.js';
import { S3Call, type S3Command } from './s3.call.js';
import type { S3Bucket } from './s3.client.js';
import { isRefusal } from './s3.errors.js';

/** What makes requests of calls, and repeats those that fail in passing as the storage's retry options say. */
export interface S3Engine {
  /** @throws what broke the last attempt: an error as the SDK makes them, which `toStorageError` reads */
  send<Input extends ServiceInputTypes, Output extends ServiceOutputTypes>(
    call: S3Call<Input, Output>,
    options: EngineOptions,
  ): Promise<Output>;
}

export interface EngineOptions {
  /** Ends the attempts. */
  readonly signal: AbortSignal;
  /** Cuts the attempt that is under way. That of `withSettledAbort` for a write, and else the same as `signal`. */
  readonly cut: AbortSignal;
  /** Whether `withSettledAbort` wants to see how far a request is. */
  readonly isWatched: boolean;
  /** Called with what broke each attempt. */
  readonly onFailure: (error: unknown) => void;
}

type Sendable<Input extends ServiceInputTypes, Output extends ServiceOutputTypes> =
  S3Call<Input, Output> | S3Command<Input, Output>;

/** Sends the call. An abort cuts the request at once. */
export function send<Input extends ServiceInputTypes, Output extends ServiceOutputTypes>(
  bucket: Pick<S3Bucket, 'engine'>,
  call: Sendable<Input, Output>,
  signal: AbortSignal,
): Promise<Output> {
  return sendWith(bucket, call, { signal, cut: signal, isWatched: false });
}

/**
 * Sends a call that changes what is stored: an abort cuts a request that has not gone out whole, and waits for the answer
 * to one that has.
 */
export function sendWrite<Input extends ServiceInputTypes, Output extends ServiceOutputTypes>(
  bucket: Pick<S3Bucket, 'engine' | 'idleTimeout'>,
  call: Sendable<Input, Output>,
  signal: AbortSignal,
): Promise<Output> {
  const { idleTimeout } = bucket;
  // Nobody knows how a client that was given sends its bodies.
  const blind = idleTimeout === undefined;
  return withSettledAbort(signal, { idleTimeout, blind }, (cut) =>
    sendWith(bucket, call, { signal, cut, isWatched: !blind }),
  );
}

/**
 * What is thrown is what broke the last attempt: the SDK hides errors of another realm, such as Node's own inside of a test
 * runner, behind one that tells nothing.
 */
async function sendWith<Input extends ServiceInputTypes, Output extends ServiceOutputTypes>(
  { engine }: Pick<S3Bucket, 'engine'>,
  call: Sendable<Input, Output>,
  options: Omit<EngineOptions, 'onFailure'>,
): Promise<Output> {
  const { signal, cut } = options;
  let uncertain = false;
  let failed: { readonly error: unknown } | undefined;
  const onFailure = (error: unknown): void => {
    failed = { error };
    uncertain ||= !isRefusal(error) && !wasCutShort(cut);
  };
  try {
    const whole = call instanceof S3Call ? call : new S3Call(call);
    return await engine.send(whole, { ...options, onFailure });
  } catch (error) {
    const thrown = signal.aborted
      ? // Whether it ended an attempt or the wait for the next one.
        new DOMException('The request was aborted', 'AbortError')
      : (failed?.error ?? error);
    if (uncertain) markUncertain(thrown);
    throw thrown;
  }
}
