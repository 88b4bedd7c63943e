import { randomBytes } from 'node:crypto';
import { request, type IncomingHttpHeaders } from 'node:http';
import { encodePath, encodeStrictly } from '../../../lib/testing/servers/url-encoding.js';
import {
  type Credentials,
  presignedQuery,
  signatureHeaders,
  type Signing,
  type SigningChoices,
} from './signing.js';

/** A server on 127.0.0.1 that speaks S3, and whom it knows. */
export interface S3Endpoint {
  readonly port: number;
  readonly region: string;
  readonly credentials: Credentials;
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  readonly text: string;
  /** Of the error document, if it is one. */
  readonly code: string | undefined;
}

export interface Ask extends SigningChoices {
  readonly query?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
  /** Instead of the server's own bucket. */
  readonly bucket?: string;
  /** The path and query as they go over the wire, where they are not what is signed. */
  readonly wirePath?: string;
  /** By name of host instead of by path. */
  readonly virtualHost?: boolean;
  /** After the signature was made. */
  readonly tamper?: (headers: Record<string, string>) => void;
  /** Nothing is signed. */
  readonly unsigned?: boolean;
}

/** A bucket of its own on one of the servers, and raw requests to it: no client in between that mends them. */
export class RawBucket {
  readonly name = `raw-${randomBytes(6).toString('hex')}`;

  constructor(readonly server: S3Endpoint) {}

  static async create(server: S3Endpoint): Promise<RawBucket> {
    const bucket = new RawBucket(server);
    const { status, text } = await bucket.ask('PUT');
    if (status !== 200) throw new Error(`There is no bucket: ${status} ${text}`);
    return bucket;
  }

  /** Signed in the Authorization header. Without a key it is about the bucket. */
  ask(method: string, key = '', ask: Ask = {}): Promise<Answer> {
    const { query = {}, body = '', tamper } = ask;
    const { host, path } = this.#address(key, ask);
    const bare = { host, ...lowerCased(ask.headers) };
    const headers = ask.unsigned
      ? bare
      : signatureHeaders({ method, path, query, headers: bare, body }, this.signing, ask);
    tamper?.(headers);
    return this.send(method, ask.wirePath ?? wirePath(path, query), headers, body);
  }

  /** The path of a presigned URL, for `send`. `headers` are signed, and must be sent. */
  presign(method: string, key: string, ask: Ask & { readonly expires?: string } = {}): string {
    const { host, path } = this.#address(key, ask);
    const headers = { host, ...lowerCased(ask.headers) };
    const query = presignedQuery(
      { method, path, query: ask.query ?? {}, headers },
      this.signing,
      ask,
    );
    return wirePath(path, query);
  }

  /** Exactly this. */
  send(
    method: string,
    path: string,
    headers: Readonly<Record<string, string>> = {},
    body: string | Buffer = '',
  ): Promise<Answer> {
    const bytes = Buffer.from(body as string);
    const framed = { host: this.#host, ...headers };
    const unframed = !('transfer-encoding' in framed) && !('content-length' in framed);
    const hasBody = bytes.length > 0 || method === 'PUT' || method === 'POST';
    return new Promise((resolve, reject) => {
      const outgoing = request(
        {
          host: '127.0.0.1',
          port: this.server.port,
          method,
          path,
          agent: false,
          headers: {
            ...framed,
            ...(unframed && hasBody && { 'content-length': String(bytes.length) }),
          },
        },
        (incoming) => {
          const chunks: Buffer[] = [];
          incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
          incoming.on('error', reject);
          incoming.on('end', () => {
            const received = Buffer.concat(chunks);
            const text = received.toString();
            resolve({
              status: incoming.statusCode ?? 0,
              headers: incoming.headers,
              body: received,
              text,
              code: /<Error>\s*<Code>(\w+)</.exec(text)?.[1],
            });
          });
        },
      );
      outgoing.on('error', reject);
      outgoing.end(bytes);
    });
  }

  get signing(): Signing {
    const { region, credentials } = this.server;
    return { region, ...credentials };
  }

  get #host(): string {
    return `127.0.0.1:${this.server.port}`;
  }

  #address(key: string, { bucket = this.name, virtualHost }: Ask): { host: string; path: string } {
    return virtualHost
      ? { host: `${bucket}.s3.localhost:${this.server.port}`, path: `/${key}` }
      : { host: this.#host, path: key === '' ? `/${bucket}` : `/${bucket}/${key}` };
  }
}

function wirePath(path: string, query: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(query).map(
    ([name, value]) => `${encodeStrictly(name)}=${encodeStrictly(value)}`,
  );
  return encodePath(path) + (pairs.length > 0 ? `?${pairs.join('&')}` : '');
}

function lowerCased(headers: Readonly<Record<string, string>> = {}): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]),
  );
}
