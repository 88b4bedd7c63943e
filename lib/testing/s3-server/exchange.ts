import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import type { Faults } from '../servers/faults.js';
import type { RequestLog } from '../servers/request-log.js';
import { checkKeyLength, parseTarget, type RequestTarget } from './addressing.js';
import type { S3Response, S3Service } from './call.js';
import { errorDocument, notImplemented, S3Error, s3Error } from './errors.js';
import type { S3FaultEffect } from './faults.js';
import type { S3OperationName } from './operation-names.js';
import { receiveText } from './payload.js';
import { asTakenBy } from './provider-rules.js';
import type { MutableRecord, S3RecordedRequest } from './recorded-request.js';
import { operationOf, refuseUnknown, ROUTES } from './routes.js';
import { authenticate, type Authentication } from './signature-v4.js';

/** What requests have in common. */
export interface ExchangeContext {
  readonly service: S3Service;
  readonly faults: Faults<S3OperationName, S3FaultEffect>;
  readonly log: RequestLog<S3RecordedRequest>;
  readonly publicBuckets: readonly string[];
  now(): number;
  latency(request: S3RecordedRequest): number;
  connectionOf(incoming: IncomingMessage): number;
}

/** The connection is gone, by the client or by a fault: nobody to answer. */
class ConnectionGone extends Error {}

/** Those of any operation of S3. */
const METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'PUT', 'POST', 'DELETE', 'OPTIONS']);

/** One request and its answer. Never rejects. */
export class Exchange {
  readonly #requestId = randomBytes(8).toString('hex').toUpperCase();
  readonly #gone = new AbortController();
  readonly #record: MutableRecord;
  readonly #headers: ReadonlyMap<string, string>;
  #target: RequestTarget | undefined;
  #effect: S3FaultEffect | undefined;
  #brokenByFault = false;

  constructor(
    private readonly context: ExchangeContext,
    private readonly incoming: IncomingMessage,
    private readonly response: ServerResponse,
    /** Whether the client holds its body back until told to go on. */
    private awaitsContinue: boolean,
  ) {
    this.#headers = rawHeaders(incoming);
    this.#record = {
      operation: undefined,
      method: incoming.method ?? '',
      url: incoming.url ?? '',
      bucket: '',
      key: '',
      query: {},
      headers: Object.fromEntries(this.#headers),
      bodyBytes: 0,
      aborted: false,
      connection: context.connectionOf(incoming),
    };
    response.once('close', () => {
      if (!response.writableFinished && !this.#brokenByFault) {
        this.#record.aborted = true;
      }
      this.#gone.abort();
      context.log.changed();
    });
  }

  async run(): Promise<void> {
    try {
      await this.#send(await this.#answer());
    } catch (error) {
      await this.#sendError(error);
    } finally {
      // An unread rest would keep the connection from its next request.
      this.incoming.resume();
      this.context.log.changed();
    }
  }

  async #answer(): Promise<S3Response> {
    const operation = this.#identify();
    const { service, faults } = this.context;
    const target = this.#target;
    if (!operation || !target) {
      if (!METHODS.has(this.#record.method)) {
        throw s3Error(
          'MethodNotAllowed',
          'The specified method is not allowed against this resource.',
        );
      }
      throw notImplemented(`${this.#record.method} ${this.#record.url}`);
    }
    const now = this.context.now();
    const authentication = authenticate(
      { method: this.#record.method, target, headers: this.#headers },
      {
        credentials: service.credentials,
        region: service.region,
        acceptsRegion: service.acceptsRegion,
        now,
      },
    );
    const headers =
      authentication.kind === 'presigned'
        ? withHoistedHeaders(this.#headers, target)
        : this.#headers;
    this.#authorize(operation, authentication);

    const wait = this.context.latency(this.#record);
    if (wait > 0) await this.#delay(wait);
    this.#effect = faults.strike(operation, this.#record.key);
    await this.#failEarly();

    checkKeyLength(this.#record.key, service.provider.maxKeyBytes);
    const call = asTakenBy(service.provider, {
      operation,
      method: this.#record.method,
      bucket: this.#record.bucket,
      key: this.#record.key,
      query: target.query,
      headers,
      authentication,
      now,
      body: () => this.#body(),
    });
    refuseUnknown(operation, call.query, call.headers);
    const route = ROUTES[operation];
    // Nothing uses such a body, but what was promised about it must hold.
    if (!route.readsBody) await receiveText(call);
    return route.run(call, service);
  }

  /** Names the request and puts it on record, whatever comes of it. */
  #identify(): S3OperationName | undefined {
    const record = this.#record;
    try {
      const target = parseTarget(
        record.url,
        this.#headers.get('host') ?? '',
        this.context.service.provider,
      );
      this.#target = target;
      record.bucket = target.bucket ?? '';
      record.key = target.key ?? '';
      record.query = Object.fromEntries(target.query.pairs);
      record.operation = operationOf(
        record.method,
        target,
        withHoistedHeaders(this.#headers, target),
      );
      return record.operation;
    } finally {
      this.context.log.add(record);
    }
  }

  #authorize(operation: S3OperationName, { kind }: Authentication): void {
    const allowed =
      kind !== 'anonymous' ||
      // Its form carries the signature, and is verified when read.
      operation === 'PostObject' ||
      ((operation === 'GetObject' || operation === 'HeadObject') &&
        this.context.publicBuckets.includes(this.#record.bucket));
    if (!allowed) throw s3Error('AccessDenied', 'Access Denied');
  }

  async #failEarly(): Promise<void> {
    const effect = this.#effect;
    if (effect === 'reset') throw this.#reset();
    if (effect === 'stall') {
      // Read on: a socket that nobody reads does not tell that the client has gone.
      this.incoming.resume();
      await once(this.#gone.signal, 'abort');
      throw new ConnectionGone();
    }
    if (effect === '200-with-error') {
      throw new S3Error(
        200,
        'InternalError',
        'We encountered an internal error. Please try again.',
      );
    }
    if (typeof effect === 'object' && 'status' in effect) {
      throw new S3Error(
        effect.status,
        effect.code,
        effect.message ?? `Failing on demand with ${effect.code}`,
        {
          headers: {
            ...effect.headers,
            ...(effect.retryAfter === undefined ? {} : { 'retry-after': effect.retryAfter }),
          },
        },
      );
    }
  }

  async *#body(): AsyncGenerator<Buffer> {
    if (this.awaitsContinue) {
      this.awaitsContinue = false;
      this.response.writeContinue();
    }
    try {
      // Left open on an early end, for the refusal has to go out on it.
      const chunks = this.incoming.iterator({ destroyOnReturn: false });
      for await (const chunk of chunks as AsyncIterable<Buffer>) {
        this.#record.bodyBytes += chunk.length;
        this.context.log.changed();
        if (this.#effect === 'reset-mid-body') throw this.#reset();
        yield chunk;
      }
    } catch (error) {
      // The only other thing that fails here is the socket.
      throw error instanceof S3Error ? error : new ConnectionGone();
    }
    if (!this.incoming.complete) throw new ConnectionGone();
  }

  async #send(answer: S3Response): Promise<void> {
    try {
      if (this.#effect === 'reset-after-commit') throw this.#reset();
      if (this.#gone.signal.aborted) return;
      const text = answer.xml === undefined ? undefined : Buffer.from(answer.xml);
      const size = answer.body ? answer.body.end - answer.body.start : (text?.length ?? 0);
      const { 'content-length': length = size, ...headers } = answer.headers ?? {};
      this.#writeHead(answer.status, {
        ...(text ? { 'content-type': 'application/xml' } : {}),
        ...headers,
        // Last: once Node knows a length, it writes Content-Disposition as Latin-1 instead of the bytes that it is given.
        ...(answer.status === 204 || answer.status === 304 ? {} : { 'content-length': length }),
      });
      const source = answer.body
        ? answer.body.stored.read(answer.body.start, answer.body.end)
        : text
          ? [text]
          : [];
      await this.#sendBody(source, size);
    } finally {
      answer.body?.stored.release();
    }
  }

  async #sendBody(source: AsyncIterable<Buffer> | Iterable<Buffer>, size: number): Promise<void> {
    const effect = this.#effect;
    const stopAt = this.#stopAt(size);
    let sent = 0;
    for await (const chunk of source) {
      const rest = chunk.subarray(0, stopAt - sent);
      await this.#write(
        typeof effect === 'object' && 'corruptBodyAt' in effect
          ? withFlippedByte(rest, effect.corruptBodyAt - sent)
          : rest,
      );
      sent += rest.length;
      if (sent >= stopAt) break;
    }
    if (stopAt === Number.POSITIVE_INFINITY) {
      this.response.end();
      if (!this.response.closed) await this.#closed();
    } else if (effect === 'reset-mid-body') {
      throw this.#reset();
    } else if (effect === 'stall-mid-body') {
      this.#brokenByFault = true;
      await this.#closed();
    } else {
      this.#brokenByFault = true;
      this.response.socket?.destroySoon();
      await this.#closed();
    }
  }

  /** Where a fault cuts the answer's body off. */
  #stopAt(size: number): number {
    const effect = this.#effect;
    if (effect === 'reset-mid-body' || effect === 'stall-mid-body') {
      return Math.ceil(size / 2);
    }
    return typeof effect === 'object' && 'truncateBodyAt' in effect
      ? Math.min(effect.truncateBodyAt, size)
      : Number.POSITIVE_INFINITY;
  }

  async #write(chunk: Buffer): Promise<void> {
    if (this.#gone.signal.aborted) throw new ConnectionGone();
    if (this.response.write(chunk)) return;
    try {
      await once(this.response, 'drain', { signal: this.#gone.signal });
    } catch {
      throw new ConnectionGone();
    }
  }

  async #sendError(error: unknown): Promise<void> {
    const { response } = this;
    if (error instanceof ConnectionGone || this.#gone.signal.aborted) return;
    if (response.headersSent) {
      response.destroy();
      return;
    }
    const refusal =
      error instanceof S3Error
        ? error
        : s3Error('InternalError', error instanceof Error ? (error.stack ?? '') : String(error));
    this.#record.code = refusal.code;
    const body = Buffer.from(errorDocument(refusal, this.#requestId));
    this.#writeHead(refusal.status, {
      ...refusal.extras.headers,
      ...(this.#record.method === 'HEAD'
        ? {}
        : { 'content-type': 'application/xml', 'content-length': body.length }),
    });
    response.end(this.#record.method === 'HEAD' ? undefined : body);
    if (!response.closed) await this.#closed();
  }

  #writeHead(status: number, headers: Readonly<Record<string, string | number | undefined>>): void {
    for (const [name, value] of Object.entries(headers)) {
      if (value !== undefined) this.response.setHeader(name, value);
    }
    this.response.setHeader('x-amz-request-id', this.#requestId);
    this.response.setHeader('x-amz-id-2', `${this.#requestId}-host`);
    // The client may still send the body it was never invited to send.
    if (this.awaitsContinue) this.response.setHeader('connection', 'close');
    this.response.writeHead(status);
    this.#record.status = status;
    this.context.log.changed();
  }

  #reset(): ConnectionGone {
    this.#brokenByFault = true;
    this.incoming.socket.resetAndDestroy();
    return new ConnectionGone();
  }

  async #delay(milliseconds: number): Promise<void> {
    try {
      await delay(milliseconds, undefined, { signal: this.#gone.signal });
    } catch {
      throw new ConnectionGone();
    }
  }

  async #closed(): Promise<void> {
    if (!this.#gone.signal.aborted) await once(this.#gone.signal, 'abort');
  }
}

function rawHeaders(incoming: IncomingMessage): Map<string, string> {
  const headers = new Map<string, string>();
  for (let index = 0; index < incoming.rawHeaders.length; index += 2) {
    const name = (incoming.rawHeaders[index] ?? '').toLowerCase();
    const value = incoming.rawHeaders[index + 1] ?? '';
    const earlier = headers.get(name);
    headers.set(name, earlier === undefined ? value : `${earlier},${value}`);
  }
  return headers;
}

const SIGNATURE_PARAMETERS =
  /^x-amz-(algorithm|credential|date|expires|signedheaders|signature|security-token|content-sha256)$/;

/** Presigning moves `x-amz-*` headers into the query, where they count too. */
function withHoistedHeaders(
  headers: ReadonlyMap<string, string>,
  target: RequestTarget,
): ReadonlyMap<string, string> {
  const all = new Map(headers);
  if (!target.query.has('X-Amz-Signature')) return all;
  for (const [name, value] of target.query.pairs) {
    const header = name.toLowerCase();
    if (!header.startsWith('x-amz-') || SIGNATURE_PARAMETERS.test(header)) continue;
    if (!all.has(header)) all.set(header, value);
  }
  return all;
}

function withFlippedByte(chunk: Buffer, offset: number): Buffer {
  if (offset < 0 || offset >= chunk.length) return chunk;
  const flipped = Buffer.from(chunk);
  flipped[offset] = ~(flipped[offset] ?? 0) & 0xff;
  return flipped;
}
