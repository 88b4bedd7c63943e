import type { S3Client, ServiceInputTypes, ServiceOutputTypes } from '@aws-sdk/client-s3';
import { waitForCredentials } from '../remote/credential-wait.js';
import type { S3Call, S3Command, WireAnswer } from './s3.call.js';
import type { EngineOptions, S3Engine } from './s3.requests.js';
import { callSignal } from './s3.retry.js';
import { watchedBody } from './s3.watched-body.js';

/** What the middleware sees of a request. */
interface WireRequest {
  readonly protocol: string;
  readonly hostname: string;
  readonly headers: Record<string, string>;
  readonly query: Record<string, unknown>;
  readonly body?: unknown;
}

/** Sends calls through the stack of the SDK's client, which also repeats them. */
export class SdkEngine implements S3Engine {
  /** @param idleTimeout milliseconds for which credentials are awaited; on a client that was given, as long as it likes */
  constructor(
    private readonly client: S3Client,
    private readonly idleTimeout?: number,
  ) {}

  send<Input extends ServiceInputTypes, Output extends ServiceOutputTypes>(
    call: S3Call<Input, Output>,
    options: EngineOptions,
  ): Promise<Output> {
    const { signal, cut } = options;
    const command = sdkCommand(call);
    let isUnderWay = false;
    let isGivenUp = false;
    followAttempts(command, options, () => {
      // The caller was told so, and may have asked again: it is not sent any more.
      if (isGivenUp) throw new Error('The wait for the credentials was given up');
      isUnderWay = true;
    });
    return waitForCredentials(
      this.idleTimeout,
      'for the bucket',
      signal,
      () => callSignal.run(signal, () => this.client.send(command, { abortSignal: cut })),
      { isUnderWay: () => isUnderWay, onTimeout: () => (isGivenUp = true) },
    );
  }
}

/** The command of the call with its changes. */
export function sdkCommand<Input extends ServiceInputTypes, Output extends ServiceOutputTypes>(
  call: S3Call<Input, Output>,
): S3Command<Input, Output> {
  const { command } = call;
  const { middlewareStack } = command;
  middlewareStack.add(
    (next) => (args) => {
      const { protocol, hostname, headers, query, body } = args.request as WireRequest;
      // `x-id` names the operation, and Google's S3-compatible API refuses it (aws-sdk-js-v3#6430). For `Expect` the SDK opens a
      // connection of its own each time.
      delete query['x-id'];
      delete headers['Expect'];
      call.change(headers, body);
      if (call.leavesPayloadUnsigned(protocol === 'https:', hostname)) {
        headers['x-amz-content-sha256'] = 'UNSIGNED-PAYLOAD';
      }
      return next(args);
    },
    // After the SDK's own checksums, which are of the same step.
    { name: 'changes', step: 'build', priority: 'low' },
  );
  middlewareStack.add(
    (next) => async (args) => {
      const result = await next(args);
      call.answered(result.response as WireAnswer);
      return result;
    },
    { name: 'seenAnswer', step: 'deserialize', priority: 'low' },
  );
  return command;
}

function followAttempts<Input extends ServiceInputTypes, Output extends ServiceOutputTypes>(
  { middlewareStack }: S3Command<Input, Output>,
  { signal, cut, isWatched, onFailure }: EngineOptions,
  onAttempt: () => void,
): void {
  middlewareStack.add(
    (next) => async (args) => {
      // The wait for the credentials may have been given up.
      signal.throwIfAborted();
      onAttempt();
      try {
        return await next(args);
      } catch (error) {
        onFailure(error);
        throw error;
      }
    },
    { name: 'watchedAttempt', step: 'finalizeRequest', priority: 'low' },
  );
  if (cut === signal) return;
  middlewareStack.add(
    (next) => (args) => {
      signal.throwIfAborted();
      const request = args.request as WireRequest;
      return next(isWatched ? { ...args, request: watchedBody(request, cut) } : args);
    },
    { name: 'settledAbort', step: 'deserialize', priority: 'low' },
  );
}
