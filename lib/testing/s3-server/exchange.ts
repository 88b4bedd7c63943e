import { randomBytes } from 'node:crypto';
import type { Connection } from '../servers/connection.js';
import type { Faults } from '../servers/faults.js';
import type { Exchange } from '../servers/loopback-server.js';
import type { RequestLog } from '../servers/request-log.js';
import { checkKeyLength, parseTarget, type RequestTarget } from './addressing.js';
import type { S3Response, S3Service } from './call.js';
import { asRefusal, errorDocument, notImplemented, S3Error, s3Error } from './errors.js';
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
}

/** Those of any operation of S3. */
const METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'PUT', 'POST', 'DELETE', 'OPTIONS']);

export class S3Exchange implements Exchange {
  readonly #requestId = randomBytes(8).toString('hex').toUpperCase();
  readonly #record: MutableRecord;
  #target: RequestTarget | undefined;
  #effect: S3FaultEffect | undefined;

  constructor(
    private readonly context: ExchangeContext,
    private readonly connection: Connection,
  ) {
    this.#record = connection.record;
  }

  async answer(): Promise<void> {
    await this.#send(await this.#perform());
  }

  async #perform(): Promise<S3Response> {
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
      { method: this.#record.method, target, headers: this.connection.headers },
      {
        credentials: service.credentials,
        signingKey: service.signingKey,
        region: service.region,
        acceptsRegion: service.acceptsRegion,
        now,
      },
    );
    const headers =
      authentication.kind === 'presigned'
        ? withHoistedHeaders(this.connection.headers, target)
        : this.connection.headers;
    this.#authorize(operation, authentication);

    await this.connection.wait(this.context.latency(this.#record));
    this.#effect = faults.strike(operation, this.#record.key);
    await this.connection.failEarly(this.#effect);
    this.#failOnDemand();

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
      body: () => this.connection.body(this.#effect),
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
        this.connection.headers.get('host') ?? '',
        this.context.service.provider,
      );
      this.#target = target;
      record.bucket = target.bucket ?? '';
      record.key = target.key ?? '';
      record.query = Object.fromEntries(target.query.pairs);
      record.operation = operationOf(
        record.method,
        target,
        withHoistedHeaders(this.connection.headers, target),
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

  #failOnDemand(): void {
    const effect = this.#effect;
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

  async #send(answer: S3Response): Promise<void> {
    try {
      if (this.#effect === 'reset-after-commit') throw this.connection.reset();
      if (this.connection.isGone) return;
      const text = answer.xml === undefined ? undefined : Buffer.from(answer.xml);
      const size = answer.body ? answer.body.end - answer.body.start : (text?.length ?? 0);
      const { 'content-length': length = size, ...headers } = answer.headers ?? {};
      this.#writeHead(answer.status, {
        ...(text ? { 'content-type': 'application/xml' } : {}),
        ...headers,
        ...(answer.status === 204 || answer.status === 304 ? {} : { 'content-length': length }),
      });
      const source = answer.body
        ? answer.body.stored.read(answer.body.start, answer.body.end)
        : text
          ? [text]
          : [];
      await this.connection.send({ source, size }, this.#effect);
    } finally {
      answer.body?.stored.release();
    }
  }

  async refuse(error: unknown): Promise<void> {
    const refusal = asRefusal(error);
    this.#record.code = refusal.code;
    const body = Buffer.from(errorDocument(refusal, this.#requestId));
    this.#writeHead(refusal.status, {
      ...refusal.extras.headers,
      ...(this.#record.method === 'HEAD'
        ? {}
        : { 'content-type': 'application/xml', 'content-length': body.length }),
    });
    await this.connection.end(this.#record.method === 'HEAD' ? undefined : body);
  }

  #writeHead(status: number, headers: Readonly<Record<string, string | number | undefined>>): void {
    this.connection.writeHead(status, {
      ...headers,
      'x-amz-request-id': this.#requestId,
      'x-amz-id-2': `${this.#requestId}-host`,
    });
  }
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
