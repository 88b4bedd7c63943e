import { once } from 'node:events';
import { Agent, createServer, type IncomingHttpHeaders, request as send } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  errorAnswer,
  type ErrorAnswerName,
  type FaultProxy,
  type ProxyFaultEffect,
  type ServiceDialect,
  startFaultProxy,
} from 'nestjs-storages/testing';

/** What a service saw, and what its client was told. */
interface Seen {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

interface Opened extends AsyncDisposable {
  readonly proxy: FaultProxy;
  readonly seen: Seen[];
}

/** A service that answers each request with its body and its number, behind a proxy. */
async function open(): Promise<Opened> {
  const seen: Seen[] = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    request.on('error', () => {});
    try {
      for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
    } catch {
      return;
    }
    const { method = '', url = '', headers } = request;
    const body = Buffer.concat(chunks).toString();
    seen.push({ method, url, headers, body });
    response.setHeader('location', `${origin}/session`);
    response.end(`${seen.length}:${body}`);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const proxy = await startFaultProxy({ target: `${origin}/account` });
  return {
    proxy,
    seen,
    async [Symbol.asyncDispose]() {
      await proxy.close();
      server.closeAllConnections();
      server.close();
    },
  };
}

const agent = new Agent({ keepAlive: true, maxSockets: 1 });
afterAll(() => agent.destroy());

interface Sending {
  readonly body?: string;
  readonly signal?: AbortSignal;
}

async function call(
  { endpoint }: FaultProxy,
  method: string,
  path: string,
  { body = '', signal }: Sending = {},
): Promise<Answer> {
  const headers = { host: 'signed.example', 'content-length': Buffer.byteLength(body) };
  const request = send(`${endpoint}${path}`, { method, agent, headers, ...(signal && { signal }) });
  request.end(body);
  const [answer] = await once(request, 'response');
  const chunks: Buffer[] = await answer.toArray();
  return { status: answer.statusCode, headers: answer.headers, body: chunks.join('') };
}

/** The code of the failure that the client meets. */
async function broken(
  proxy: FaultProxy,
  effect: ProxyFaultEffect,
  sending?: Sending,
): Promise<string> {
  proxy.fail({ with: effect });
  return call(proxy, 'PUT', '/a', { body: '0123456789', ...sending }).then(
    ({ body }) => `answered ${body}`,
    (error: NodeJS.ErrnoException) => error.code ?? error.name,
  );
}

test('requests pass as they are, Host included, and addresses of the service lead back to the proxy', async () => {
  await using opened = await open();
  const { proxy, seen } = opened;
  expect(new URL(proxy.endpoint).pathname).toBe('/account');
  const { status, headers, body } = await call(proxy, 'PUT', '/a%2Fb?c=%20', { body: 'bytes' });
  expect([status, body]).toEqual([200, '1:bytes']);
  expect(headers.location).toBe(`${new URL(proxy.endpoint).origin}/session`);
  expect(seen).toMatchObject([
    { method: 'PUT', url: '/account/a%2Fb?c=%20', headers: { host: 'signed.example' } },
  ]);
  expect(proxy.requests).toMatchObject([{ method: 'PUT', url: '/account/a%2Fb?c=%20' }]);
});

test('a fault strikes the requests that fit, after those that pass, so many times, until it is cleared', async () => {
  await using opened = await open();
  const { proxy } = opened;
  const fault = proxy.fail({
    method: 'PUT',
    url: /\/a\?/,
    after: 1,
    times: 2,
    with: { status: 418 },
  });
  const statuses: number[] = [];
  for (const [method, path] of [
    ['PUT', '/a?1'],
    ['GET', '/a?2'],
    ['PUT', '/b?3'],
    ['PUT', '/a?4'],
  ] as const) {
    statuses.push((await call(proxy, method, path)).status);
  }
  expect([statuses, fault.hits]).toEqual([[200, 200, 200, 418], 1]);
  fault.clear();
  expect((await call(proxy, 'PUT', '/a?5')).status).toBe(200);
});

test('requests are found by a pattern, whatever its flags', async () => {
  await using opened = await open();
  const { proxy } = opened;
  for (const path of ['/a?1', '/a?2', '/b']) await call(proxy, 'GET', path);
  expect(proxy.seen('GET', /\/a\?/g).map(({ url }) => url)).toEqual([
    '/account/a?1',
    '/account/a?2',
  ]);
});

test.each<[ProxyFaultEffect, failure: string, seen: string[]]>([
  ['reset', 'ECONNRESET', []],
  [{ resetRequestAt: 3 }, 'ECONNRESET', []],
  ['lose-answer', 'ECONNRESET', ['0123456789']],
  [{ resetAnswerAt: 3 }, 'ECONNRESET', ['0123456789']],
  [{ truncateAnswerAt: 3 }, 'ECONNRESET', ['0123456789']],
  ['forward-twice', 'answered 2:0123456789', ['0123456789', '0123456789']],
  [{ corruptRequestAt: 3 }, 'answered 1:0122456789', ['0122456789']],
  [{ corruptAnswerAt: 5 }, 'answered 1:0122456789', ['0123456789']],
  [{ corruptAnswerAt: 500 }, 'answered 1:0123456789', ['0123456789']],
  [{ bytesPerSecond: 200 }, 'answered 1:0123456789', ['0123456789']],
])('%j shows to the client as %s', async (effect, failure, bodies) => {
  await using opened = await open();
  const { proxy, seen } = opened;
  expect(await broken(proxy, effect)).toBe(failure);
  expect(seen.map(({ body }) => body)).toEqual(bodies);
  // The next one passes.
  expect((await call(proxy, 'GET', '/b')).status).toBe(200);
});

test.each<[ProxyFaultEffect, seen: number]>([
  ['stall', 0],
  ['unread', 0],
  ['keep-answer', 1],
  [{ stallAnswerAt: 3 }, 1],
])('%j ends only when the client gives up', async (effect, count) => {
  await using opened = await open();
  const { proxy, seen } = opened;
  const abort = new AbortController();
  const failure = broken(proxy, effect, { signal: abort.signal });
  await proxy.until(({ inFlight }) => inFlight === 1);
  while (seen.length < count) await new Promise((resolve) => setImmediate(resolve));
  abort.abort();
  expect(await failure).toMatch(/ABORT_ERR|ECONNRESET/);
  await proxy.until(({ inFlight }) => inFlight === 0);
});

test('an answer that comes twice is told once', async () => {
  await using opened = await open();
  const { proxy } = opened;
  expect(await broken(proxy, 'answer-twice')).toBe('answered 1:0123456789');
});

test('a proxy that refuses is one that is not there, until it accepts again', async () => {
  await using opened = await open();
  const { proxy } = opened;
  const { endpoint } = proxy;
  expect(await broken(proxy, 'refuse')).toBe('ECONNRESET');
  await expect(call(proxy, 'GET', '/a')).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  await proxy.accept();
  expect(proxy.endpoint).toBe(endpoint);
  expect((await call(proxy, 'GET', '/a')).status).toBe(200);
});

test('a proxy that is to accept again waits for its port, which somebody else may have taken meanwhile', async () => {
  await using opened = await open();
  const { proxy } = opened;
  proxy.refuse();
  const other = createServer().listen(Number(new URL(proxy.endpoint).port), '127.0.0.1');
  await once(other, 'listening');
  const freed = new Promise((resolve) => setImmediate(() => other.close(resolve)));
  await Promise.all([proxy.accept(), freed]);
  expect((await call(proxy, 'GET', '/a')).status).toBe(200);
});

test('a proxy that is closed has no connection any more', async () => {
  await using opened = await open();
  const { proxy } = opened;
  const answer = call(proxy, 'GET', '/a').catch(() => {});
  await proxy.until(({ connections }) => connections > 0);
  await proxy.close();
  expect(proxy.connections).toBe(0);
  await proxy.close();
  await answer;
});

test.each<[ServiceDialect, ErrorAnswerName, status: number, words: RegExp]>([
  ['s3', 'slow-down', 503, /<Code>SlowDown<\/Code>/],
  ['s3', 'ok-with-error', 200, /<Code>InternalError<\/Code>/],
  ['gcs', 'expired-token', 401, /"reason":"authError"/],
  ['azure', 'internal-error', 500, /<Code>InternalError<\/Code>/],
])('an error of %s: %s', async (dialect, name, status, words) => {
  await using opened = await open();
  const { proxy, seen } = opened;
  proxy.fail({ with: errorAnswer(dialect, name, { retryAfter: 7 }) });
  const answer = await call(proxy, 'GET', '/a');
  expect([answer.status, answer.headers['retry-after'], seen]).toEqual([status, '7', []]);
  expect(answer.body).toMatch(words);
});

test('a target that speaks TLS is refused', async () => {
  await expect(startFaultProxy({ target: 'https://127.0.0.1' })).rejects.toThrow(
    'target must be an http: URL, not one of https:',
  );
});
