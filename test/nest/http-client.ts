import { type IncomingHttpHeaders, request } from 'node:http';
import { connect, type Socket } from 'node:net';

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  readonly text: string;
  /** The body as JSON. */
  readonly json: any;
}

interface Sent {
  /** Default: 127.0.0.1. */
  host?: string;
  method?: string;
  headers?: Record<string, string | string[]>;
  body?: string | Buffer;
}

/** A request exactly as given, on a connection of its own. Rejects when the answer is cut off. */
export function send(
  port: number,
  path: string,
  { host = '127.0.0.1', method = 'GET', headers = {}, body }: Sent = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const options = { host, port, path, method, headers, agent: false };
    const outgoing = request(options, (incoming) => {
      const chunks: Buffer[] = [];
      incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
      incoming.on('error', reject);
      incoming.on('end', () => {
        const whole = Buffer.concat(chunks);
        resolve({
          status: incoming.statusCode!,
          headers: incoming.headers,
          body: whole,
          text: whole.toString(),
          get json() {
            return JSON.parse(whole.toString()) as unknown;
          },
        });
      });
    });
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

/** A connection for what no client would send. */
export async function openSocket(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => {});
  await new Promise((resolve) => socket.once('connect', resolve));
  return socket;
}

/** Sends bytes as they are and answers with all that comes back until the server closes. */
export async function sendRaw(port: number, ...chunks: (string | Buffer)[]): Promise<string> {
  const socket = await openSocket(port);
  for (const chunk of chunks) socket.write(chunk);
  const received: Buffer[] = [];
  for await (const chunk of socket) received.push(chunk as Buffer);
  return Buffer.concat(received).toString('latin1');
}
