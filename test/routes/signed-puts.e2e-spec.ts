import type { ExecutionContext } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { type ClientHttp2Stream, connect, constants } from 'node:http2';
import type { UploadUrlOptions } from '../../lib/core/storage-methods.js';
import type { Storage } from '../../lib/core/storage.js';
import type { StoredFile } from '../../lib/core/stored-file.js';
import { closeApps, until } from '../nest/app-fixture.js';
import { type Answer, openSocket, send, sendRaw } from '../nest/http-client.js';
import { filesBelow } from './files-below.js';
import { pathMutations, queryMutations, signatureMutations } from './mutations.js';
import {
  allGone,
  answerOf,
  CASES,
  configurationOf,
  ADAPTERS,
  REFUSAL,
  removeFolders,
  type RoutesApp,
  startRoutes,
  targetOf,
} from './routes-fixture.js';

const KEY = 'ordner/größe & co.png';
const BYTES = Buffer.alloc(3000, 'abc');
const checksum = {
  algorithm: 'sha256',
  value: createHash('sha256').update(BYTES).digest('base64'),
} as const;

describe.each(CASES)('a signed PUT of %s on %s', (driver, adapter) => {
  let app: RoutesApp;
  let root: string | undefined;

  beforeEach(async () => {
    const configuration = await configurationOf(driver);
    root = 'root' in configuration ? configuration.root : undefined;
    app = await startRoutes({ adapter: ADAPTERS[adapter]!(), configuration });
  });

  afterEach(async () => {
    await closeApps();
    await removeFolders();
  });

  const sign = async (options?: UploadUrlOptions): Promise<string> =>
    targetOf((await app.storage.uploadUrl(KEY, options)).url);

  const put = (
    target: string,
    body: Buffer | string = BYTES,
    headers: Record<string, string> = {},
    method = 'PUT',
  ): Promise<Answer> => send(app.port, target, { method, body, headers });

  /** Every key, and on disk every file that is none of ours to keep. */
  async function stored(): Promise<string[]> {
    const keys: string[] = [];
    for await (const { key } of app.storage.list()) keys.push(key);
    if (root === undefined) return keys;
    const left = await filesBelow(root, '.nestjs-storages/tmp');
    return [...keys, ...left.map(({ name }) => `tmp/${name}`)];
  }

  test('stores the body and answers with its etag, and nothing else', async () => {
    const answer = await put(await sign(), BYTES, { 'Content-Type': 'image/png' });
    const { etag, contentType } = await app.storage.info(KEY);
    expect(answer).toMatchObject({ status: 201, text: '', headers: { etag } });
    expect(contentType).toBe('image/png');
    expect(await app.storage.getBytes(KEY)).toEqual(BYTES);
  });

  test('stores an empty body, and one of many megabytes', async () => {
    expect((await put(await sign(), '')).status).toBe(201);
    expect((await app.storage.info(KEY)).size).toBe(0);
    const large = Buffer.alloc(5 * 1024 * 1024, 'x');
    expect((await put(await sign(), large)).status).toBe(201);
    expect((await app.storage.getBytes(KEY)).equals(large)).toBe(true);
  });

  test('takes the type of the uploader, or else that of the key, where none is signed', async () => {
    await put(await sign(), BYTES, { 'Content-Type': 'text/html; charset=utf-8' });
    expect((await app.storage.info(KEY)).contentType).toBe('text/html; charset=utf-8');
    await put(await sign(), BYTES);
    expect((await app.storage.info(KEY)).contentType).toBe('image/png');
    const { status } = await put(await sign(), 'changed', { 'Content-Type': 'nonsense' });
    expect(status).toBe(400);
    expect(await app.storage.getBytes(KEY)).toEqual(BYTES);
  });

  test('is refused with one answer, whatever of the URL was changed, and stores nothing', async () => {
    const target = await sign({
      contentType: 'image/png',
      size: BYTES.length,
      maxSize: 5000,
      checksum,
      ifNoneMatch: '*',
    });
    const mutations = [
      ...queryMutations(target),
      ...signatureMutations(target).slice(0, 5),
      ...pathMutations(target, '/storage'),
    ];
    expect(mutations.length).toBeGreaterThan(200);
    const headers = { 'Content-Type': 'image/png' };
    for (const { what, target } of mutations) {
      expect([what, await answerOf(put(target, BYTES, headers))]).toEqual([what, REFUSAL]);
    }
    expect(await stored()).toEqual([]);
    expect((await put(target, BYTES, headers)).status).toBe(201);
  });

  test.each(['GET', 'HEAD', 'POST', 'DELETE', 'PATCH'])(
    'is refused for %s, and does nothing',
    async (method) => {
      await app.storage.put(KEY, 'before');
      const target = await sign();
      const answer = await send(app.port, target, { method });
      expect(answer.status).toBe(403);
      if (method !== 'HEAD') expect(answer.text).toBe(REFUSAL.body);
      expect(await (await app.storage.get(KEY)).text()).toBe('before');
    },
  );

  test('takes only the type that was signed', async () => {
    const target = await sign({ contentType: 'image/png' });
    for (const type of ['text/html', 'image/png; charset=utf-8', 'IMAGE/PNG']) {
      const answer = await put(target, BYTES, { 'Content-Type': type });
      expect([type, answer.status, answer.json.code]).toEqual([
        type,
        415,
        'UNSUPPORTED_MEDIA_TYPE',
      ]);
    }
    expect((await put(target)).status).toBe(415);
    expect(await stored()).toEqual([]);
  });

  test('refuses what is announced to be larger before a byte of it is sent', async () => {
    for (const options of [{ maxSize: 100 }, { size: 100 }]) {
      const target = await sign(options);
      const head = `PUT ${target} HTTP/1.1\r\nHost: x\r\nContent-Length: 101\r\nConnection: close\r\n\r\n`;
      const socket = await openSocket(app.port);
      socket.write(head);
      const [answer] = (await once(socket, 'data')) as [Buffer];
      expect(answer.toString()).toMatch(/^HTTP\/1\.1 413 [\s\S]*"TOO_LARGE"/);
      socket.destroy();
    }
    expect(await stored()).toEqual([]);
  });

  test('counts what comes without an announcement, and stores none of it when it is too large', async () => {
    const target = await sign({ maxSize: BYTES.length });
    expect(await sendChunked(target, BYTES)).toMatch(/^HTTP\/1\.1 201 /);
    await app.storage.delete(KEY);
    expect(await sendChunked(target, BYTES, Buffer.from('x'))).toMatch(/^HTTP\/1\.1 413 /);
    expect(await stored()).toEqual([]);
  });

  test('takes exactly the size that was signed', async () => {
    const target = await sign({ size: BYTES.length });
    const answer = await put(target, BYTES.subarray(1));
    expect(answer).toMatchObject({ status: 422, json: { code: 'INTEGRITY' } });
    expect(await sendChunked(target, BYTES.subarray(1))).toMatch(/^HTTP\/1\.1 422 /);
    expect(await sendChunked(target, BYTES, Buffer.from('x'))).toMatch(/^HTTP\/1\.1 422 /);
    expect(await stored()).toEqual([]);
    expect(await sendChunked(target, BYTES)).toMatch(/^HTTP\/1\.1 201 /);
  });

  test('stores no bytes but those of the checksum that was signed, and keeps what was there', async () => {
    await app.storage.put(KEY, 'before');
    const target = await sign({ checksum });
    const answer = await put(target, Buffer.alloc(BYTES.length, 'x'));
    expect(answer).toMatchObject({ status: 422, json: { code: 'INTEGRITY' } });
    expect(await (await app.storage.get(KEY)).text()).toBe('before');
    expect((await put(target)).status).toBe(201);
    expect(await app.storage.getBytes(KEY)).toEqual(BYTES);
  });

  test('creates only once, when that was signed', async () => {
    const target = await sign({ ifNoneMatch: '*' });
    expect((await put(target)).status).toBe(201);
    const again = await put(target, 'changed');
    expect(again).toMatchObject({ status: 409, json: { code: 'FILE_EXISTS' } });
    expect(await app.storage.getBytes(KEY)).toEqual(BYTES);
  });

  test('holds to the conditions of its uploader, too', async () => {
    const target = await sign();
    const { etag } = await app.storage.put(KEY, 'before');
    for (const [headers, status] of [
      [{ 'If-None-Match': '*' }, 412],
      [{ 'If-Match': '"other"' }, 412],
      [{ 'If-Match': `W/${etag}` }, 412],
      [{ 'If-Match': etag!, 'If-None-Match': '*' }, 412],
      // No backend decides these at the moment of the commit.
      [{ 'If-None-Match': '"other"' }, 501],
      [{ 'If-Match': `${etag}, "other"` }, 501],
      [{ 'If-Unmodified-Since': 'Sun, 06 Nov 1994 08:49:37 GMT' }, 501],
    ] as [Record<string, string>, number][]) {
      expect([headers, (await put(target, BYTES, headers)).status]).toEqual([headers, status]);
    }
    expect(await (await app.storage.get(KEY)).text()).toBe('before');
    expect((await put(target, BYTES, { 'If-Match': etag! })).status).toBe(201);
    expect((await put(target, BYTES, { 'If-Match': '*' })).status).toBe(201);
    await app.storage.delete(KEY);
    expect((await put(target, BYTES, { 'If-Match': '*' })).status).toBe(412);
    expect((await put(target, BYTES, { 'If-None-Match': '*' })).status).toBe(201);
    const once = await sign({ ifNoneMatch: '*' });
    expect((await put(once, BYTES, { 'If-Match': '*' })).status).toBe(412);
  });

  test('stores the bytes as they are encoded, and no part of a file as the whole', async () => {
    const answer = await put(await sign(), BYTES, { 'Content-Encoding': 'gzip' });
    expect(answer.status).toBe(201);
    expect((await app.storage.info(KEY)).contentEncoding).toBe('gzip');
    expect(await app.storage.getBytes(KEY)).toEqual(BYTES);
    const part = await put(await sign(), 'part', { 'Content-Range': 'bytes 0-3/100' });
    expect(part).toMatchObject({ status: 400, json: { code: 'INVALID_ARGUMENT' } });
    expect(await app.storage.getBytes(KEY)).toEqual(BYTES);
  });

  test('leaves nothing of a body that its client gives up', async () => {
    await app.storage.put(KEY, 'before');
    const socket = await openSocket(app.port);
    const half = Buffer.alloc(500_000, 'x');
    socket.write(`PUT ${await sign()} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n`);
    await new Promise<void>((resolve) => socket.write(half, () => resolve()));
    if (root !== undefined) await until(async () => (await stored()).length > 1);
    socket.destroy();
    await allGone(app);
    await until(async () => (await stored()).length === 1);
    expect(await (await app.storage.get(KEY)).text()).toBe('before');
    expect(app.log.text).toBe('');
  });

  test('lets the connection go on behind a body that is refused while it comes', async () => {
    const [put, get] = [await sign({ maxSize: 100 }), targetOf(await app.storage.url('b.txt'))];
    await app.storage.put('b.txt', 'the next answer');
    const chunk = Buffer.alloc(1024 * 1024, 'x');
    const answers = await sendRaw(
      app.port,
      `PUT ${put} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n`,
      ...Array.from({ length: 8 }, () =>
        Buffer.concat([Buffer.from('100000\r\n'), chunk, Buffer.from('\r\n')]),
      ),
      '0\r\n\r\n',
      `GET ${get} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`,
    );
    expect(answers).toMatch(/^HTTP\/1\.1 413 [\s\S]*HTTP\/1\.1 200 [\s\S]*the next answer/);
  });

  test('is interrupted by a shutdown that takes too long, and leaves nothing', async () => {
    await closeApps();
    const configuration = await configurationOf(driver);
    let requests = 0;
    const counter = { canActivate: () => ++requests > 0 };
    app = await startRoutes({
      adapter: ADAPTERS[adapter]!(),
      configuration,
      metadata: { providers: [{ provide: APP_GUARD, useValue: counter }] },
      settings: { shutdownTimeout: 20 },
    });
    root = 'root' in configuration ? configuration.root : undefined;
    const socket = await openSocket(app.port);
    socket.write(`PUT ${await sign()} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\nhalf`);
    const answered = once(socket, 'data');
    await until(() => requests === 1);
    const closed = app.app.close();
    const [answer] = (await answered) as [Buffer];
    expect(answer.toString()).toMatch(/^HTTP\/1\.1 503 [\s\S]*"CLOSED"/);
    socket.destroy();
    await closed;
    if (root !== undefined) {
      expect(await filesBelow(root, '')).toEqual([]);
    }
  });

  async function sendChunked(target: string, ...chunks: Buffer[]): Promise<string> {
    return sendRaw(
      app.port,
      `PUT ${target} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n`,
      ...chunks.map((chunk) =>
        Buffer.concat([
          Buffer.from(`${chunk.length.toString(16)}\r\n`),
          chunk,
          Buffer.from('\r\n'),
        ]),
      ),
      '0\r\n\r\n',
    );
  }
});

describe('a signed PUT that its client gives up', () => {
  afterEach(async () => {
    await closeApps();
    await removeFolders();
  });

  test.each([
    ['closes its stream', (stream: ClientHttp2Stream) => stream.close(constants.NGHTTP2_CANCEL)],
    ['drops its stream', (stream: ClientHttp2Stream) => stream.destroy()],
    ['drops its session', ({ session }: ClientHttp2Stream) => session!.destroy()],
  ])('leaves nothing over HTTP/2 when it %s, and is no failure of ours', async (_how, leave) => {
    const { storage, port, log } = await startRoutes({
      adapter: new FastifyAdapter({ http2: true } as never),
      configuration: await configurationOf('local'),
    });
    await storage.put(KEY, 'before');
    const puts = putsOf(storage);
    const path = targetOf((await storage.uploadUrl(KEY)).url);
    const session = connect(`http://127.0.0.1:${port}`);
    try {
      // Its length is not announced.
      const stream = session.request({ ':method': 'PUT', ':path': path });
      await new Promise<void>((resolve) => stream.write(BYTES, () => resolve()));
      await until(() => puts.length === 1);
      leave(stream);
      await expect(puts[0]).rejects.toMatchObject({ code: 'ABORTED' });
    } finally {
      session.destroy();
    }
    expect((await storage.getBytes(KEY)).toString()).toBe('before');
    expect(log.text).toBe('');
  });

  test('before a guard lets it in, is not waited for', async () => {
    let isIn = false;
    const guard = {
      async canActivate(context: ExecutionContext) {
        isIn = true;
        await until(() => context.switchToHttp().getRequest<IncomingMessage>().destroyed);
        return true;
      },
    };
    const { storage, port } = await startRoutes({
      metadata: { providers: [{ provide: APP_GUARD, useValue: guard }] },
    });
    const puts = putsOf(storage);
    const path = targetOf((await storage.uploadUrl(KEY)).url);
    const socket = await openSocket(port);
    socket.write(`PUT ${path} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\nhalf`);
    await until(() => isIn);
    socket.destroy();
    await until(() => puts.length === 1);
    await expect(puts[0]).rejects.toMatchObject({ code: 'ABORTED' });
  });
});

/** What becomes of every `put` from now on. */
function putsOf(storage: Storage): Promise<StoredFile>[] {
  const puts: Promise<StoredFile>[] = [];
  const put = storage.put.bind(storage);
  storage.put = (...given) => {
    const stored = put(...given);
    puts.push(stored);
    return stored;
  };
  return puts;
}
