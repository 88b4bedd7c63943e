import { S3Client, S3ServiceException } from '@aws-sdk/client-s3';
import type { S3ClientConfig } from '@aws-sdk/client-s3';
import { request, type IncomingHttpHeaders, type RequestOptions } from 'node:http';
import type { S3TestServer } from '../../../lib/testing/s3-server/index.js';

/** The real SDK, pointed at the server, without retries that hide answers. */
export function connect(server: S3TestServer, config: S3ClientConfig = {}): S3Client {
  return new S3Client({
    endpoint: server.endpoint,
    region: server.region,
    credentials: server.credentials,
    forcePathStyle: true,
    maxAttempts: 1,
    ...config,
  });
}

/** What the SDK made of a refusal. */
export async function refusal(
  outcome: Promise<unknown>,
): Promise<{ code: string; status: number | undefined }> {
  try {
    await outcome;
  } catch (error) {
    if (error instanceof S3ServiceException) {
      return { code: error.name, status: error.$metadata.httpStatusCode };
    }
    throw error;
  }
  throw new Error('The request was not refused');
}

export interface RawResponse {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  /** The code of the error document, if it is one. */
  readonly code: string | undefined;
}

/** A request exactly as given: no client in between that mends it. */
export function send(
  server: S3TestServer,
  path: string,
  options: RequestOptions & { body?: string | Buffer } = {},
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
          const text = Buffer.concat(chunks).toString('latin1');
          resolve({
            status: incoming.statusCode ?? 0,
            headers: incoming.headers,
            text,
            code: /<Error><Code>(\w+)</.exec(text)?.[1],
          });
        });
      },
    );
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

/** Sends to a presigned URL. */
export function sendTo(
  server: S3TestServer,
  url: string,
  options: Parameters<typeof send>[2] = {},
): Promise<RawResponse> {
  const { pathname, search } = new URL(url);
  return send(server, pathname + search, options);
}
