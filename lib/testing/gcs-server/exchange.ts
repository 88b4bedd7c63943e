import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import type { Connection } from '../servers/connection.js';
import type { Faults } from '../servers/faults.js';
import type { Exchange } from '../servers/loopback-server.js';
import type { RequestLog } from '../servers/request-log.js';
import { parseTarget, type RequestTarget } from './addressing.js';
import { authenticate, authorize } from './authentication.js';
import { performBatched } from './batched-call.js';
import type { GcsCall, GcsResponse, GcsService } from './call.js';
import {
  asRefusal,
  errorDocument,
  errorResource,
  failedOnDemand,
  notImplemented,
  type GcsError,
} from './errors.js';
import type { GcsFaultEffect } from './faults.js';
import { withFields } from './fields.js';
import type { GcsOperationName } from './operation-names.js';
import type { GcsRecordedRequest, MutableRecord } from './recorded-request.js';
import { refuseUnknown, routeOf, ROUTES, type Destination } from './routes.js';

/** What requests have in common. */
export interface ExchangeContext {
  readonly service: GcsService;
  readonly faults: Faults<GcsOperationName, GcsFaultEffect>;
  readonly log: RequestLog<GcsRecordedRequest>;
  now(): number;
  latency(request: GcsRecordedRequest): number;
}

export class GcsExchange implements Exchange {
  readonly #id = randomBytes(18).toString('base64url');
  readonly #record: MutableRecord;
  /** How a refusal is told. */
  #errors: 'json' | 'xml' | 'text' = 'json';
  #effect: GcsFaultEffect | undefined;

  constructor(
    private readonly context: ExchangeContext,
    private readonly connection: Connection,
  ) {
    this.#record = connection.record;
  }

  async answer(): Promise<void> {
    await this.#send(await this.#perform());
  }

  async #perform(): Promise<GcsResponse> {
    const record = this.#record;
    const { target, destination } = this.#identify();
    if (!destination) throw notImplemented(`${record.method} ${record.url}`);
    const { service, faults } = this.context;
    const { operation } = destination;
    const now = this.context.now();
    const request = { method: record.method, target, headers: this.connection.headers };
    const authentication = authenticate(request, service, now);
    authorize(authentication, ROUTES[operation].access, destination, service);

    await this.connection.wait(this.context.latency(record));
    this.#effect = faults.strike(operation, record.key);
    await this.connection.failEarly(this.#effect);
    this.#failOnDemand();

    refuseUnknown(operation, target.query, this.connection.headers);
    const effect = this.#effect;
    const call: GcsCall = {
      ...destination,
      method: record.method,
      query: target.query,
      headers: this.connection.headers,
      authentication,
      now,
      partialChunk: typeof effect === 'object' && 'persistOnly' in effect ? effect : undefined,
      body: () => this.connection.body(effect),
      reset: () => this.connection.reset(),
      perform: async (inner) => {
        const { answer, noted } = await performBatched(inner, service, { authentication, now });
        record.calls = [...(record.calls ?? []), noted];
        return answer;
      },
    };
    const response = await ROUTES[operation].run(call, service);
    return withFields(response, target.query);
  }

  /** Names the request and puts it on record, whatever comes of it. */
  #identify(): { target: RequestTarget; destination: Destination | undefined } {
    const record = this.#record;
    // As long as nobody knows what is asked for.
    if (!/^\/(storage|upload|download|batch)\//.test(record.url)) this.#errors = 'xml';
    try {
      const target = parseTarget(record.url);
      const destination = routeOf(record.method, target, this.connection.headers);
      record.query = Object.fromEntries(target.query.pairs);
      if (destination) {
        record.operation = destination.operation;
        record.bucket = destination.bucket;
        record.key = destination.name;
        this.#errors = ROUTES[destination.operation].errors ?? destination.api;
      }
      return { target, destination };
    } finally {
      this.context.log.add(record);
    }
  }

  #failOnDemand(): void {
    const effect = this.#effect;
    if (typeof effect !== 'object' || !('status' in effect)) return;
    throw failedOnDemand(effect);
  }

  async #send(answer: GcsResponse): Promise<void> {
    const { body, json, text } = answer;
    try {
      if (this.#effect === 'reset-after-commit') throw this.connection.reset();
      if (this.connection.isGone) return;
      const content =
        json === undefined ? (text === undefined ? undefined : Buffer.from(text)) : jsonBytes(json);
      const size = body ? body.end - body.start : (content?.length ?? 0);
      const hasLength = answer.status !== 204 && answer.status !== 304 && body?.gunzip !== true;
      this.#writeHead(answer.status, {
        ...(json === undefined ? {} : { 'content-type': 'application/json; charset=UTF-8' }),
        ...(hasLength ? { 'content-length': size } : {}),
        ...answer.headers,
      });
      const stored = body?.stored.read(body.start, body.end);
      const source = stored
        ? body?.gunzip
          ? gunzipped(stored)
          : stored
        : content
          ? [content]
          : [];
      await this.connection.send({ source, size }, this.#effect);
    } finally {
      body?.stored.release();
    }
  }

  async refuse(error: unknown): Promise<void> {
    const refusal = asRefusal(error);
    const { status, extras } = refusal;
    this.#record.reason = this.#errors === 'xml' ? refusal.code : refusal.reason;
    const bare = this.#record.method === 'HEAD' || status === 304;
    const [type, body] = this.#told(refusal);
    this.#writeHead(status, {
      ...extras.headers,
      ...(bare ? {} : { 'content-type': type, 'content-length': body.length }),
    });
    await this.connection.end(bare ? undefined : body);
  }

  #told(refusal: GcsError): [type: string, body: Buffer] {
    switch (this.#errors) {
      case 'xml':
        return ['application/xml; charset=UTF-8', Buffer.from(errorDocument(refusal))];
      case 'text':
        return ['text/html; charset=UTF-8', Buffer.from(refusal.message)];
      case 'json':
        return ['application/json; charset=UTF-8', jsonBytes(errorResource(refusal))];
    }
  }

  #writeHead(status: number, headers: Readonly<Record<string, string | number | undefined>>): void {
    this.connection.writeHead(status, {
      'x-guploader-uploadid': this.#id,
      // The SDK fetches tokens over sockets that nobody can close: kept alive, they would look like leaks.
      ...(isAboutTokens(this.#record) ? { connection: 'close' } : {}),
      ...headers,
    });
  }
}

function isAboutTokens({ operation }: GcsRecordedRequest): boolean {
  return operation === 'metadata' || operation?.startsWith('auth.') === true;
}

function jsonBytes(value: object): Buffer {
  return Buffer.from(JSON.stringify(value));
}

async function* gunzipped(source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const gunzip = createGunzip();
  const piped = pipeline(Readable.from(source), gunzip);
  // Told by the iteration below; here it only must not go unhandled.
  piped.catch(() => undefined);
  yield* gunzip as AsyncIterable<Buffer>;
  await piped;
}
