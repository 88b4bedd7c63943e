import { ForbiddenException, type NestInterceptor, type Type } from '@nestjs/common';
import { AsyncLocalStorage } from 'node:async_hooks';
import { defer } from 'rxjs';
import {
  StorageExceptionFilter,
  StorageFileFieldsInterceptor,
  StorageFileInterceptor,
  StorageFilesInterceptor,
} from '../../lib/index.js';
import type { UploadScan } from '../../lib/uploads/upload-scan.js';
import { closeApps, RejectionWatch, until } from '../nest/app-fixture.js';
import { openSocket, send } from '../nest/http-client.js';
import { form, type Part, partHead, png, requestHead } from './forms.js';
import { onEachAdapter, recordedUploadApp } from './upload-fixture.js';

const MIB = 1024 * 1024;
const photo = { name: 'photo', filename: 'a.png', type: 'image/png', content: png(100_000) };

type Interceptor = (begun: Promise<void>) => Type<NestInterceptor>;

const refusesAfter =
  (begun: Promise<void>): UploadScan =>
  async (stream) => {
    stream.resume();
    await begun;
    return { rejected: 'while it is stored' };
  };

onEachAdapter(() => {
  const rejections = new RejectionWatch();
  beforeEach(() => rejections.start());
  afterEach(async () => {
    await closeApps();
    rejections.stop();
  });

  /** A backend that does nothing until it is released, not even at an abort. */
  function hanging() {
    let release: () => void = () => {};
    const released = new Promise<void>((resolve) => (release = resolve));
    return { release: () => release(), released };
  }

  test('a refused file does not wait for a backend in which another one hangs', async () => {
    const backend = hanging();
    const app = await recordedUploadApp(
      StorageFilesInterceptor('photo', 2, { accept: ['image/*'] }),
      { several: true },
      (memory) => ({
        async put(key, body, options) {
          await backend.released;
          return memory.put(key, body, options);
        },
      }),
    );
    const answer = await app.post({ ...photo, content: png(100) }, { ...photo, content: 'text' });
    expect([answer.status, answer.json.code]).toEqual([415, 'UNSUPPORTED_MEDIA_TYPE']);
    backend.release();
    await until(async () => app.count('put') === 1 && (await app.keys()).length === 0);
  });

  test.each([100, 100_000])(
    'the timeout covers the backend, too, of a file of %s bytes',
    async (size) => {
      const backend = hanging();
      const app = await recordedUploadApp(
        StorageFileInterceptor('photo', { timeout: 200 }),
        {},
        (memory) => ({
          async put(key, body, options) {
            await backend.released;
            return memory.put(key, body, options);
          },
        }),
      );
      const answer = await app.post({ ...photo, content: png(size) });
      expect(answer.status).toBe(408);
      backend.release();
      await app.app.close();
      expect(await app.keys()).toEqual([]);
    },
  );

  const others = [{ ...photo, name: 'other' }, photo];

  test.each<[what: string, code: string, Interceptor, size: number, parts: Part[]]>([
    [
      'beyond the limit',
      'LIMIT_FILE_SIZE',
      () => StorageFileInterceptor('photo', { maxSize: '90kb' }),
      120_000,
      [],
    ],
    [
      'beyond the limit of its field',
      'LIMIT_FILE_SIZE',
      () => StorageFileFieldsInterceptor([{ name: 'photo', maxSize: '90kb' }, { name: 'other' }]),
      120_000,
      [],
    ],
    [
      'that a scanner refuses while it comes',
      'FILE_REJECTED',
      (begun) => StorageFileInterceptor('photo', { scan: refusesAfter(begun) }),
      120_000,
      [],
    ],
    [
      'in front of one of an unexpected field',
      'LIMIT_UNEXPECTED_FILE',
      () => StorageFilesInterceptor('photo', 2),
      300_000,
      others.slice(0, 1),
    ],
    [
      'in front of one too many',
      'LIMIT_FILE_COUNT',
      () => StorageFilesInterceptor('photo', 1),
      300_000,
      others.slice(1),
    ],
  ])(
    'a file %s does not wait for the backend in which it hangs, and nothing of it stays',
    async (_what, code, interceptor, size, parts) => {
      const [backend, begun] = [hanging(), hanging()];
      const app = await recordedUploadApp(interceptor(begun.released), {}, (memory) => ({
        async put(key, body, options) {
          const chunks = (body as AsyncIterable<Uint8Array>)[Symbol.asyncIterator]();
          const { value } = (await chunks.next()) as IteratorYieldResult<Uint8Array>;
          begun.release();
          await backend.released;
          async function* whole(): AsyncGenerator<Uint8Array, void> {
            yield value;
            yield* { [Symbol.asyncIterator]: () => chunks };
          }
          return memory.put(key, whole(), { ...options, signal: new AbortController().signal });
        },
      }));
      const body = form({ ...photo, content: png(size) }, ...parts);
      const socket = await openSocket(app.port);
      socket.write(requestHead('/', body.length));
      socket.write(body.subarray(0, 60_000));
      await begun.released;
      socket.write(body.subarray(60_000));
      let answer = '';
      for await (const chunk of socket) answer += String(chunk);
      expect(answer).toContain(code);
      backend.release();
      await app.app.close();
      expect(await app.keys()).toEqual([]);
    },
  );

  test('a policy that refuses does not let the rest of a large form in', async () => {
    const app = await recordedUploadApp(
      StorageFileInterceptor('photo', () => {
        throw new ForbiddenException('Not for you');
      }),
    );
    const socket = await openSocket(app.port);
    let answer = '';
    socket.on('data', (chunk: Buffer) => (answer += String(chunk)));
    const closed = new Promise((resolve) => socket.once('close', () => resolve('closed')));
    socket.write(requestHead('/', 400 * MIB).replace('Connection: close\r\n', ''));
    socket.write(partHead(photo));
    let sent = 0;
    for (let ended = false; !ended && sent < 100; sent++) {
      if (socket.write(Buffer.alloc(MIB))) continue;
      const drained = new Promise((resolve) => socket.once('drain', resolve));
      ended = (await Promise.race([drained, closed])) === 'closed';
    }
    await closed;
    expect(answer).toMatch(/^HTTP\/1.1 403 /);
    expect(sent).toBeLessThan(50);
  });

  test('an app that is closed while a policy decides waits for nobody', async () => {
    let decide: () => void = () => {};
    let asked = false;
    const decided = new Promise<void>((resolve) => (decide = resolve));
    const app = await recordedUploadApp(
      StorageFileInterceptor('photo', async () => {
        asked = true;
        await decided;
        return { minRate: 0 };
      }),
      {},
      undefined,
      { shutdownTimeout: 50 },
    );
    const socket = await openSocket(app.port);
    socket.write(requestHead('/', 1_000_000));
    socket.write(partHead(photo));
    await until(() => asked);
    const closing = app.app.close();
    let answer = '';
    for await (const chunk of socket) answer += String(chunk);
    await closing;
    decide();
    expect(answer).toMatch(/^HTTP\/1.1 503 /);
    expect(await app.keys()).toEqual([]);
  });

  test('the functions among the options run in the asynchronous context of the request', async () => {
    const context = new AsyncLocalStorage<string>();
    const seen: Record<string, string | undefined> = {};
    const note = (name: string): void => void (seen[name] = context.getStore());
    const around: NestInterceptor = {
      intercept: (_context, next) => defer(() => context.run('this request', () => next.handle())),
    };
    const app = await recordedUploadApp(
      StorageFileInterceptor('photo', {
        key() {
          note('key');
          return 'a.png';
        },
        metadata() {
          note('metadata');
          return {};
        },
        async scan(body) {
          note('scan');
          for await (const _chunk of body);
        },
      }),
      { earlier: [around] },
    );
    expect((await app.post(photo)).status).toBe(201);
    expect(seen).toEqual({ key: 'this request', metadata: 'this request', scan: 'this request' });
  });

  test('options that a policy spoils are the fault of the server, whatever filter there is', async () => {
    const app = await recordedUploadApp(
      StorageFileInterceptor('photo', () => ({ maxSize: 'much' }) as never),
      { filters: [new StorageExceptionFilter()] },
    );
    const answer = await app.post(photo);
    expect(answer.status).toBe(500);
    expect(app.log.text).toContain('maxSize');
  });

  test.each(['multipart/form-data boundary=x', 'multipart/form-data, boundary=x', 'multipart/'])(
    'the Content-Type %j is malformed on each adapter',
    async (type) => {
      const app = await recordedUploadApp(StorageFileInterceptor('photo'));
      const headers = { 'Content-Type': type };
      const answer = await send(app.port, '/', { method: 'POST', headers, body: form(photo) });
      expect([answer.status, answer.json.code]).toEqual([400, 'MALFORMED_FORM']);
    },
  );
});
