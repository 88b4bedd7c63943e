import { createHash } from 'node:crypto';
import type {
  $Command,
  S3ClientResolvedConfig,
  ServiceInputTypes,
  ServiceOutputTypes,
} from '@aws-sdk/client-s3';
import { wasCutShort, withSettledAbort } from '../remote/settled-abort.js';
import type { S3Bucket } from './s3.client.js';
import { isRefusal } from './s3.errors.js';
import type { CreateOnlyHeader } from './s3.profiles.js';
import { callSignal } from './s3.retry.js';
import { watchedBody } from './s3.watched-body.js';

const LOOPBACK = /^(localhost|127\.\d+\.\d+\.\d+|\[?::1\]?)$/;

/** Any command of the SDK. */
export type S3Command<
  Input extends ServiceInputTypes = ServiceInputTypes,
  Output extends ServiceOutputTypes = ServiceOutputTypes,
> = $Command<Input, Output, S3ClientResolvedConfig, ServiceInputTypes, ServiceOutputTypes>;

/** What the middleware sees of a request. */
interface WireRequest {
  readonly protocol: string;
  readonly hostname: string;
  readonly headers: Record<string, string>;
  readonly query: Record<string, unknown>;
  readonly body?: unknown;
}

/** The answer as it came: headers by lower-case name, and the stream that holds the socket. */
export interface WireAnswer {
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

/** Sends the command. An abort cuts the request at once. */
export function send<Input extends ServiceInputTypes, Output extends ServiceOutputTypes>(
  bucket: Pick<S3Bucket, 'client'>,
  command: S3Command<Input, Output>,
  signal: AbortSignal,
): Promise<Output> {
  return attempt(bucket, command, signal, signal);
}

/**
 * Sends a command that changes what is stored: an abort cuts a request that has not gone out whole, and waits for the answer
 * to one that has.
 */
export function sendWrite<Input extends ServiceInputTypes, Output extends ServiceOutputTypes>(
  bucket: Pick<S3Bucket, 'client' | 'idleTimeout'>,
  command: S3Command<Input, Output>,
  signal: AbortSignal,
): Promise<Output> {
  const { idleTimeout } = bucket;
  // Nobody knows how a client that was given sends its bodies.
  const blind = idleTimeout === undefined;
  return withSettledAbort(signal, { idleTimeout, blind }, (cut) => {
    command.middlewareStack.add(
      (next) => (args) => {
        signal.throwIfAborted();
        const request = args.request as WireRequest;
        return next(blind ? args : { ...args, request: watchedBody(request, cut) });
      },
      { name: 'settledAbort', step: 'deserialize', priority: 'low' },
    );
    return attempt(bucket, command, signal, cut);
  });
}

/**
 * What is thrown is what broke the last attempt: the SDK hides errors of another realm, such as Node's own inside of a test
 * runner, behind one that tells nothing.
 *
 * @param signal ends the attempts, `cut` the one that is under way
 */
async function attempt<Input extends ServiceInputTypes, Output extends ServiceOutputTypes>(
  { client }: Pick<S3Bucket, 'client'>,
  command: S3Command<Input, Output>,
  signal: AbortSignal,
  cut: AbortSignal,
): Promise<Output> {
  let uncertain = false;
  let failed: { readonly error: unknown } | undefined;
  withoutExtras(command).middlewareStack.add(
    (next) => async (args) => {
      try {
        return await next(args);
      } catch (error) {
        failed = { error };
        uncertain ||= !isRefusal(error) && !wasCutShort(cut);
        throw error;
      }
    },
    { name: 'watchedAttempt', step: 'finalizeRequest', priority: 'low' },
  );
  try {
    return await callSignal.run(signal, () => client.send(command, { abortSignal: cut }));
  } catch (error) {
    const thrown = signal.aborted
      ? // Whether it ended an attempt or the wait for the next one.
        new DOMException('The request was aborted', 'AbortError')
      : (failed?.error ?? error);
    if (uncertain && typeof thrown === 'object' && thrown !== null) uncertainFailures.add(thrown);
    throw thrown;
  }
}

const uncertainFailures = new WeakSet<object>();

/**
 * Whether the service may have done what was asked in spite of this error of `send`: because the answer was lost, or that
 * of an attempt before.
 */
export function mayHaveHappened(error: unknown): boolean {
  return typeof error === 'object' && error !== null && uncertainFailures.has(error);
}

/** Changes the headers of the command's request before it is signed. */
export function withHeaders<Input extends ServiceInputTypes, Output extends ServiceOutputTypes>(
  command: S3Command<Input, Output>,
  change: (headers: Record<string, string>, body: unknown) => void,
): S3Command<Input, Output> {
  command.middlewareStack.add(
    (next) => (args) => {
      const { headers, body } = args.request as WireRequest;
      change(headers, body);
      return next(args);
    },
    // After the SDK's own checksums, which are of the same step.
    { name: 'changedHeaders', step: 'build', priority: 'low' },
  );
  return command;
}

/** Lets the write only create, in the words of the service. */
export function onlyCreating<Input extends ServiceInputTypes, Output extends ServiceOutputTypes>(
  command: S3Command<Input, Output>,
  { name, value }: CreateOnlyHeader,
): S3Command<Input, Output> {
  return withHeaders(command, (headers) => {
    headers[name] = value;
  });
}

/**
 * Leaves out what the SDK adds and no service needs: `x-id` in the query, which names the operation and which Google's
 * face of S3 refuses (aws-sdk-js-v3#6430), and `Expect`, for which the SDK opens a connection of its own each time.
 */
export function withoutExtras<Input extends ServiceInputTypes, Output extends ServiceOutputTypes>(
  command: S3Command<Input, Output>,
): S3Command<Input, Output> {
  command.middlewareStack.add(
    (next) => (args) => {
      const { headers, query } = args.request as WireRequest;
      delete query['x-id'];
      delete headers['Expect'];
      return next(args);
    },
    { name: 'noExtras', step: 'build', priority: 'low' },
  );
  return command;
}

/** Content-MD5 instead of the SDK's own checksum, for services that know no other. */
export function withContentMd5<Input extends ServiceInputTypes, Output extends ServiceOutputTypes>(
  command: S3Command<Input, Output>,
): S3Command<Input, Output> {
  return withHeaders(command, (headers, body) => {
    for (const name of Object.keys(headers)) {
      if (/^x-amz-(checksum-|sdk-checksum-algorithm$)/i.test(name)) delete headers[name];
    }
    headers['content-md5'] = createHash('md5')
      .update(body as string | Uint8Array)
      .digest('base64');
  });
}

/**
 * Leaves the SHA-256 of the payload out of the signature, which costs more than everything else in sending it. For
 * requests that carry another checksum, on a wire that nobody can change: TLS, or this machine's own.
 */
export function withUnsignedPayload<
  Input extends ServiceInputTypes,
  Output extends ServiceOutputTypes,
>(command: S3Command<Input, Output>): S3Command<Input, Output> {
  command.middlewareStack.add(
    (next) => (args) => {
      const { protocol, hostname, headers } = args.request as WireRequest;
      if (protocol === 'https:' || LOOPBACK.test(hostname)) {
        headers['x-amz-content-sha256'] = 'UNSIGNED-PAYLOAD';
      }
      return next(args);
    },
    { name: 'unsignedPayload', step: 'build', priority: 'low' },
  );
  return command;
}

/** Shows each answer of the command, that of the last attempt last. The SDK's outputs leave out most headers. */
export function onAnswer<Input extends ServiceInputTypes, Output extends ServiceOutputTypes>(
  command: S3Command<Input, Output>,
  look: (answer: WireAnswer) => void,
): S3Command<Input, Output> {
  command.middlewareStack.add(
    (next) => async (args) => {
      const result = await next(args);
      look(result.response as WireAnswer);
      return result;
    },
    { name: 'seenAnswer', step: 'deserialize', priority: 'low' },
  );
  return command;
}

/** The service's own clock, by which `Last-Modified` is told. */
export function dateOf(answer: WireAnswer | undefined): Date | undefined {
  const date = new Date(answer?.headers['date'] ?? '');
  return Number.isNaN(date.getTime()) ? undefined : date;
}
