import type { IncomingMessage } from 'node:http';
import {
  HeadBucketCommand,
  type S3Client,
  type ServiceInputTypes,
  type ServiceOutputTypes,
} from '@aws-sdk/client-s3';
import { StorageError } from '../../core/errors.js';
import { type ParsedRetryOptions, repeatCall } from '../../core/retry.js';
import { retryAfterOf, toNumber, toRecord } from '../remote/answer-fields.js';
import { waitForCredentials } from '../remote/credential-wait.js';
import { exchange, type HttpConnections, readAll } from '../remote/http-client.js';
import type { S3Call } from './s3.call.js';
import {
  type DirectOperation,
  directOperation,
  type DirectRequest,
  fieldsOf,
} from './s3.direct-operations.js';
import { readFailure, toStorageError } from './s3.errors.js';
import type { EngineOptions, S3Engine } from './s3.requests.js';
import { isErrorDocument, S3ServiceError } from './s3.service-error.js';
import { toChecksum } from './s3.metadata.js';
import { payloadHash, RequestSigner } from './s3.signature.js';
import { verifyAnswer } from './s3.verified-answer.js';

/** Difference of the clocks above which one of them is wrong, as the SDK has it. */
const MAX_SKEW = 300_000;

/** Where the bucket is, and in whose name requests to it are signed. */
interface BucketAddress {
  readonly protocol: string;
  readonly hostname: string;
  readonly port: string;
  /** Ends with a slash. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly signer: RequestSigner;
}

interface DirectOptions {
  readonly client: S3Client;
  readonly bucket: string;
  readonly connections: HttpConnections;
  readonly retry: ParsedRetryOptions;
  /** For all that is rare. */
  readonly rest: S3Engine;
}

/**
 * Sends what is asked for often without the SDK's command stack, which costs more than the request itself. The SDK tells
 * where the bucket is, who signs and what time it is; whatever it signs otherwise than S3 itself does is left to it.
 */
export class DirectEngine implements S3Engine {
  #address: Promise<BucketAddress | undefined> | undefined;
  #located: BucketAddress | undefined;

  constructor(private readonly options: DirectOptions) {}

  async send<Input extends ServiceInputTypes, Output extends ServiceOutputTypes>(
    call: S3Call<Input, Output>,
    options: EngineOptions,
  ): Promise<Output> {
    const { rest, retry } = this.options;
    const operation = directOperation(call.command);
    const request = operation?.request(call.command.input as Record<string, unknown>);
    if (!operation || !request) return rest.send(call, options);
    const address = this.#located ?? (await this.#locate(options.signal));
    if (!address) return rest.send(call, options);
    call.change(request.headers, request.body);
    const attempt = async (): Promise<object> => {
      options.signal.throwIfAborted();
      try {
        return await this.#attempt(call, operation, request, address, options);
      } catch (error) {
        options.onFailure(error);
        throw error;
      }
    };
    const { signal } = options;
    return (await repeatCall(attempt, retry, { signal, shouldRetry, retryAfter })) as Output;
  }

  async #attempt(
    call: Pick<S3Call, 'answered' | 'leavesPayloadUnsigned'>,
    operation: DirectOperation,
    request: DirectRequest,
    address: BucketAddress,
    { signal, cut }: Pick<EngineOptions, 'signal' | 'cut'>,
  ): Promise<object> {
    const { client, connections } = this.options;
    const { method, key, query, body } = request;
    const { protocol, hostname, port } = address;
    const path = address.path + key;
    const unsigned = call.leavesPayloadUnsigned(protocol === 'https:', hostname);
    const headers: Record<string, string> = { ...address.headers, ...request.headers };
    if (body !== undefined) headers['content-length'] ??= String(Buffer.byteLength(body));
    headers['x-amz-content-sha256'] = unsigned ? 'UNSIGNED-PAYLOAD' : payloadHash(body);
    const identity = await this.#authorizing(signal, () => client.config.credentials());
    const now = Date.now() + client.config.systemClockOffset;
    Object.assign(headers, address.signer.sign({ method, path, query, headers }, identity, now));
    const answer = await exchange(
      connections,
      {
        method,
        destination: { protocol, hostname, port, path: query === '' ? path : `${path}?${query}` },
        headers,
        body: body === undefined || body.length === 0 ? [] : [body],
      },
      cut,
      operation.isStreamed ? verifyWhole : undefined,
    );
    const status = answer.statusCode ?? 0;
    if (operation.isStreamed && status >= 200 && status < 300) {
      call.answered({ headers: answer.headers as Record<string, string> });
      return { ...operation.output(answer.headers, ''), Body: answer };
    }
    const text = (await readAll(answer)).toString('utf8');
    if (status < 200 || status >= 300) throw this.#refused(answer, text, method);
    // As the SDK has it: an error that came with status 200 passes.
    if (isErrorDocument(text)) throw new S3ServiceError(503, answer.headers, text);
    call.answered({ headers: answer.headers as Record<string, string> });
    try {
      return operation.output(answer.headers, text);
    } catch (error) {
      if (error instanceof StorageError) throw error;
      const { headers: told, statusCode } = answer;
      throw Object.assign(error as Error, { $response: { statusCode, headers: told } });
    }
  }

  #refused(answer: IncomingMessage, text: string, method: string): S3ServiceError {
    const status = answer.statusCode ?? 0;
    const unnamed = method === 'HEAD' && status === 404 ? 'NotFound' : 'Unknown';
    const error = new S3ServiceError(status, answer.headers, text, unnamed);
    if (status === 403 || status === 400) this.#setClock(error);
    return error;
  }

  /** By the service's clock, where that differs so much that nothing would be accepted. */
  #setClock(error: S3ServiceError): void {
    const { config } = this.options.client;
    const told = Date.parse(error.ServerTime ?? error.$response.headers.date ?? '');
    if (Number.isNaN(told)) return;
    if (Math.abs(Date.now() + config.systemClockOffset - told) < MAX_SKEW) return;
    config.systemClockOffset = told - Date.now();
    skewed.add(error);
  }

  #authorizing<Result>(signal: AbortSignal, call: () => Promise<Result>): Promise<Result> {
    const { idleTimeout } = this.options.connections;
    return waitForCredentials(idleTimeout, 'for the bucket', signal, call);
  }

  async #locate(signal: AbortSignal): Promise<BucketAddress | undefined> {
    const address = (this.#address ??= locate(this.options));
    try {
      return (this.#located = await this.#authorizing(signal, () => address));
    } catch (error) {
      // Nor does the next one wait for credentials that do not come.
      if (this.#address === address) this.#address = undefined;
      throw error;
    }
  }
}

/** A range comes without the checksum of its bytes. */
function verifyWhole(answer: IncomingMessage): void {
  if (answer.statusCode !== 200) return;
  const checksum = toChecksum(fieldsOf(answer.headers));
  if (checksum) verifyAnswer(answer, checksum);
}

/** Refused for the clock, which is set now. */
const skewed = new WeakSet<object>();

function shouldRetry(error: unknown): boolean {
  return skewed.has(error as object) || toStorageError(error).retryable;
}

function retryAfter(error: unknown): number | undefined {
  return retryAfterOf(readFailure(error).headers['retry-after']);
}

/** What the SDK would send to the bucket, and sign for which region. `undefined`: it would sign in another way. */
async function locate({ client, bucket }: DirectOptions): Promise<BucketAddress | undefined> {
  // Directory buckets have sessions, and access points of several regions a signature of their own.
  if (bucket.endsWith('--x-s3') || bucket.startsWith('arn:')) return undefined;
  let request: Record<string, unknown> = {};
  const command = new HeadBucketCommand({ Bucket: bucket });
  command.middlewareStack.add(
    () => (args) => {
      request = toRecord(args.request);
      return Promise.resolve({ response: {}, output: { $metadata: {} } });
    },
    { name: 'addressOnly', step: 'finalizeRequest', priority: 'low' },
  );
  await client.send(command);
  const { protocol, hostname, path } = request;
  const port = toNumber(request['port']);
  const headers = toRecord(request['headers']) as Record<string, string>;
  const [, region, service] =
    /^AWS4-HMAC-SHA256 Credential=.*\/\d{8}\/([^/]+)\/([^/]+)\/aws4_request,/.exec(
      headers['authorization'] ?? '',
    ) ?? [];
  if (region === undefined || service === undefined) return undefined;
  const { host, 'user-agent': agent } = headers;
  return {
    protocol: String(protocol),
    hostname: String(hostname),
    port: port === undefined ? '' : String(port),
    path: String(path).replace(/\/?$/, '/'),
    headers: { host: host ?? String(hostname), ...(agent && { 'user-agent': agent }) },
    signer: new RequestSigner(region, service),
  };
}
