import * as storage8 from '@google-cloud/storage';
import * as storage7 from 'google-cloud-storage-7';
import { request, type IncomingHttpHeaders, type RequestOptions } from 'node:http';
import type { GcsTestServer } from '../../../lib/testing/gcs-server/index.js';

/** Both majors of the SDK; their types differ in nothing that is used here. */
export const SDK_VERSIONS: [string, typeof storage8][] = [
  ['8', storage8],
  ['7', storage7 as unknown as typeof storage8],
];

/** The real SDK, pointed at the server, without retries that hide answers. */
export function connect(
  server: GcsTestServer,
  { Storage }: typeof storage8 = storage8,
  credentials:
    GcsTestServer['credentials'] | GcsTestServer['workloadIdentity'] | null = server.credentials,
): storage8.Storage {
  const { credentials: _, ...options } = server.clientOptions;
  const storage = new Storage({
    ...options,
    retryOptions: { autoRetry: false, maxRetries: 0 },
  });
  // Not as an option: the SDK would write a warning to the console for each client.
  if (credentials)
    storage.authClient.jsonContent = credentials as typeof storage.authClient.jsonContent;
  return storage;
}

export interface Refusal {
  readonly status: number | undefined;
  readonly reason: string | undefined;
  readonly message: string;
}

/** What the SDK made of a refusal. */
export async function refusal(outcome: Promise<unknown>): Promise<Refusal> {
  try {
    await outcome;
  } catch (error) {
    const { code, errors, message } = error as storage8.ApiError;
    return { status: code, reason: errors?.[0]?.reason, message };
  }
  throw new Error('The request was not refused');
}

export interface RawResponse {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  readonly text: string;
  /** The reason of a JSON error or the code of an XML one. */
  readonly reason: string | undefined;
}

export interface RawOptions extends Pick<RequestOptions, 'method' | 'signal'> {
  readonly headers?: Readonly<Record<string, string | number>>;
  readonly body?: string | Buffer;
}

/** A request exactly as given: no client in between that mends it. */
export function send(
  server: GcsTestServer,
  path: string,
  options: RawOptions = {},
): Promise<RawResponse> {
  const { body, ...rest } = options;
  return new Promise((resolve, reject) => {
    const outgoing = request(
      { host: '127.0.0.1', port: server.port, path, agent: false, ...rest },
      (incoming) => {
        const chunks: Buffer[] = [];
        incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
        incoming.on('error', reject);
        incoming.on('end', () => {
          const bytes = Buffer.concat(chunks);
          const text = bytes.toString('utf8');
          resolve({
            status: incoming.statusCode ?? 0,
            headers: incoming.headers,
            body: bytes,
            text,
            reason: /"reason":"(\w+)"/.exec(text)?.[1] ?? /<Code>(\w+)</.exec(text)?.[1],
          });
        });
      },
    );
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

/** As {@link send}, with an access token. */
export async function sendAuthorized(
  server: GcsTestServer,
  path: string,
  options: RawOptions = {},
): Promise<RawResponse> {
  const headers = { authorization: `Bearer ${await accessToken(server)}`, ...options.headers };
  return send(server, path, { ...options, headers });
}

const tokens = new WeakMap<GcsTestServer, Promise<string>>();

/** One token per server, from its metadata endpoint. */
export function accessToken(server: GcsTestServer): Promise<string> {
  let token = tokens.get(server);
  if (!token) {
    token = send(server, '/computeMetadata/v1/instance/service-accounts/default/token', {
      headers: { 'metadata-flavor': 'Google' },
    }).then(({ text }) => (JSON.parse(text) as { access_token: string }).access_token);
    tokens.set(server, token);
  }
  return token;
}

/** Sends to a signed URL. */
export function sendTo(
  server: GcsTestServer,
  url: string,
  options: RawOptions = {},
): Promise<RawResponse> {
  const { pathname, search } = new URL(url);
  return send(server, pathname + search, options);
}
