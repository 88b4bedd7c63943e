import {
  type ArgumentsHost,
  BadRequestException,
  type CallHandler,
  Catch,
  Controller,
  type ExceptionFilter,
  type ExecutionContext,
  type NestInterceptor,
  Post,
  Redirect,
  Res,
  StreamableFile,
  UseInterceptors,
} from '@nestjs/common';
import type { Socket } from 'node:net';
import { Readable } from 'node:stream';
import {
  concat,
  map,
  mergeMap,
  NEVER,
  type Observable,
  of,
  Subject,
  take,
  takeUntil,
  throwError,
} from 'rxjs';
import {
  contentHashKey,
  StorageConnectionError,
  type StorageDriver,
  StorageFileFieldsInterceptor,
  StorageFileInterceptor,
  StorageModule,
  type StoredUpload,
} from '../../lib/index.js';
import { holdTimeouts } from '../held-timeouts.js';
import { closeApps, RejectionWatch, until } from '../nest/app-fixture.js';
import { openSocket, send } from '../nest/http-client.js';
import { recordingDriver } from '../nest/recording-driver.js';
import { form, formHeaders, requestHead } from './forms.js';
import { onEachAdapter, recordedUploadApp, startApp } from './upload-fixture.js';

const text = (content: string, name = 'file') => ({
  name,
  filename: 'a.txt',
  type: 'text/plain',
  content,
});
const overwriting = { key: ({ fieldname }: { fieldname: string }) => fieldname, overwrite: true };
const overwrite = StorageFileInterceptor('file', overwriting);
const twoFields = StorageFileFieldsInterceptor([{ name: 'a' }, { name: 'b' }], overwriting);

/** An interceptor around the uploads. */
function around(act: (answer: Observable<unknown>) => Observable<unknown>): NestInterceptor {
  return { intercept: (_context: ExecutionContext, next: CallHandler) => act(next.handle()) };
}

const refuse = (): never => {
  throw new BadRequestException('outer');
};

async function* breakingOff(): AsyncGenerator<Buffer, void> {
  yield Buffer.from('abc');
  await new Promise((resolve) => setImmediate(resolve));
  throw new Error('source');
}

onEachAdapter(() => {
  const rejections = new RejectionWatch();
  beforeEach(() => rejections.start());
  afterEach(async () => {
    await closeApps();
    rejections.stop();
  });

  type Settings = Parameters<typeof recordedUploadApp>[1];
  type Replace = (memory: StorageDriver) => Partial<StorageDriver>;

  async function app(interceptor = overwrite, settings: Settings = {}, replace?: Replace) {
    const recorded = await recordedUploadApp(interceptor, settings, replace);
    return {
      ...recorded,
      contents: async () =>
        Promise.all(
          (await recorded.keys())
            .filter((key) => !key.includes('staged'))
            .map(async (key) => `${key}: ${String(await recorded.storage.getBytes(key))}`),
        ),
      staged: async () => (await recorded.keys()).filter((key) => key.includes('staged')),
    };
  }

  describe('a file that is to replace another does so only after', () => {
    const leaves = new Subject<void>();
    test.each<[string, NonNullable<Settings>, number]>([
      [
        'an interceptor around that throws on the answer',
        { earlier: [around((answer) => answer.pipe(map(refuse)))] },
        400,
      ],
      [
        'one that fails later',
        {
          earlier: [
            around((answer) =>
              answer.pipe(
                mergeMap((value) => new Promise((resolve) => setImmediate(resolve, value))),
                map(refuse),
              ),
            ),
          ],
        },
        400,
      ],
      [
        'one that gives up when there was a first value',
        {
          handle: () => concat(of(1), NEVER),
          earlier: [
            around((answer) =>
              concat(
                answer.pipe(
                  map(() => leaves.next()),
                  takeUntil(leaves),
                ),
                throwError(() => new BadRequestException()),
              ),
            ),
          ],
        },
        400,
      ],
      ['an answer that cannot be made', { handle: () => ({ n: 1n }) }, 500],
    ])('%s', async (_what, settings, status) => {
      const { post, storage, contents, staged, count } = await app(overwrite, settings);
      await storage.put('file', 'old');
      expect((await post(text('new'))).status).toBe(status);
      await until(async () => (await staged()).length === 0);
      expect(await contents()).toEqual(['file: old']);
      expect(count('copy')).toBe(0);
    });
  });

  test('an answer for which nothing waits is made into JSON once', async () => {
    let made = 0;
    const { port, post } = await app(StorageFileInterceptor('file'), {
      handle: () => ({ toJSON: () => ({ made: (made += 1) }) }),
    });
    expect((await post(text('new'))).json).toEqual({ made: 1 });
    const headers = { 'Content-Type': 'application/json' };
    const noForm = await send(port, '/', { method: 'POST', headers, body: '{}' });
    expect(noForm.json).toEqual({ made: 2 });
  });

  test('an interceptor around that has seen enough of the answer is no failure', async () => {
    const { post, contents } = await app(overwrite, {
      handle: () => concat(of('first'), NEVER),
      earlier: [around((answer) => answer.pipe(take(1)))],
    });
    expect(await post(text('new'))).toMatchObject({ status: 201, text: 'first' });
    expect(await contents()).toEqual(['file: new']);
  });

  test('a publication that fails is answered by the filters of the app', async () => {
    const seen: unknown[] = [];
    @Catch()
    class Filter implements ExceptionFilter {
      catch(error: { getStatus(): number }, host: ArgumentsHost): void {
        seen.push(error.getStatus());
        const response = host.switchToHttp().getResponse<any>();
        response.status(error.getStatus()).send({ custom: true });
      }
    }
    const { post, contents, staged } = await app(overwrite, { filters: [new Filter()] }, () => ({
      copy: () => Promise.reject(new StorageConnectionError('down')),
    }));
    expect(await post(text('new'))).toMatchObject({ status: 502, json: { custom: true } });
    expect(seen).toEqual([502]);
    expect([...(await contents()), ...(await staged())]).toEqual([]);
  });

  describe('of several files', () => {
    test('those that take nothing away come first, and what was not published is gone when one fails', async () => {
      let copies = 0;
      const { post, storage, contents, staged, calls } = await app(
        StorageFileFieldsInterceptor([
          { name: 'a', ...overwriting },
          { name: 'b', ...overwriting },
          { name: 'c', key: contentHashKey },
          { name: 'd', key: () => 'own' },
        ]),
        {},
        (memory) => ({
          copy: (...args) =>
            ++copies === 2
              ? Promise.reject(new StorageConnectionError('down'))
              : memory.copy(...args),
        }),
      );
      await storage.put('a', 'old a');
      await storage.put('b', 'old b');
      const answer = await post(text('a', 'a'), text('b', 'b'), text('c', 'c'), text('d', 'd'));
      expect(answer.status).toBe(502);
      expect(await staged()).toEqual([]);
      expect(calls.filter((call) => call.startsWith('copy'))).toHaveLength(2);
      // Somebody else may have found the file under the key of its content.
      expect(await contents()).toEqual([expect.stringMatching(/: c$/), 'a: old a', 'b: old b']);
    });

    test('all take their places, or none, when the client leaves meanwhile', async () => {
      for (const leavesAt of [1, 2]) {
        let copies = 0;
        let begun = false;
        let publish: () => void = () => {};
        const mayPublish = new Promise<void>((resolve) => (publish = resolve));
        const { post: _post, ...recorded } = await app(twoFields, {}, (memory) => ({
          async copy(...args) {
            if (++copies === leavesAt) {
              begun = true;
              await mayPublish;
            }
            return memory.copy(...args);
          },
        }));
        const body = form(text('new a', 'a'), text('new b', 'b'));
        const socket = await openSocket(recorded.port);
        socket.write(requestHead('/', body.length));
        socket.write(body);
        await until(() => begun);
        socket.destroy();
        await until(
          () =>
            new Promise((resolve) =>
              (recorded.app.getHttpServer() as any).getConnections(
                (_error: unknown, count: number) => resolve(count === 0),
              ),
            ),
        );
        publish();
        await recorded.app.close();
        expect(await recorded.keys()).toEqual(['a', 'b']);
      }
    });

    test('is told in the log when it fails behind a file that it has replaced', async () => {
      let copies = 0;
      const { post, ...recorded } = await app(twoFields, {}, (memory) => ({
        async copy(...args) {
          if (++copies === 2) throw new StorageConnectionError('gone');
          return memory.copy(...args);
        },
      }));
      const answer = await post(text('new a', 'a'), text('new b', 'b'));
      expect(answer.status).toBe(502);
      expect(await recorded.contents()).toEqual(['a: new a']);
      expect(recorded.log.text).toMatch(/has replaced what was in the storage ".*", under "a"/);
      expect(recorded.log.text).not.toMatch(/has replaced .*under "b"/);
    });
  });

  describe('answers that Nest does not give by itself', () => {
    async function answering() {
      const { driver, keys } = await recordingDriver();
      @Controller()
      class AnsweringController {
        @Post('redirect')
        @Redirect('/elsewhere', 303)
        @UseInterceptors(overwrite)
        redirect(): void {}

        @Post('by-hand')
        @UseInterceptors(overwrite)
        byHand(@Res() response: any): void {
          response.status(200).send('ok');
        }

        @Post('refused-by-hand')
        @UseInterceptors(overwrite)
        refuse(@Res() response: any): void {
          response.status(422).send('no');
        }
      }
      const { port } = await startApp({
        imports: [StorageModule.forRoot({ storages: { uploads: { driver } } })],
        controllers: [AnsweringController],
      });
      const post = (path: string) =>
        send(port, path, { method: 'POST', headers: formHeaders, body: form(text('new')) });
      return { post, keys };
    }

    test('publish when they are good', async () => {
      const { post, keys } = await answering();
      expect((await post('/redirect')).status).toBe(303);
      expect(await keys()).toEqual(['file']);
      expect((await post('/by-hand')).status).toBe(200);
      await until(async () => (await keys()).join() === 'file');
    });

    test('publish nothing when they are not', async () => {
      const { post, keys } = await answering();
      expect((await post('/refused-by-hand')).status).toBe(422);
      await until(async () => (await keys()).length === 0);
    });

    test('a publication that fails is answered in the place of a redirect', async () => {
      const { driver } = await recordingDriver(() => ({
        copy: () => Promise.reject(new StorageConnectionError('down')),
      }));
      @Controller()
      class RedirectingController {
        @Post()
        @Redirect('/elsewhere', 303)
        @UseInterceptors(overwrite)
        add(): void {}
      }
      const { port } = await startApp({
        imports: [
          StorageModule.forRoot({ storages: { uploads: { driver, retry: { maxRetries: 0 } } } }),
        ],
        controllers: [RedirectingController],
      });
      const body = form(text('new'));
      const answer = await send(port, '/', { method: 'POST', headers: formHeaders, body });
      expect(answer).toMatchObject({ status: 502, json: { code: 'CONNECTION_FAILED' } });
    });
  });

  test('an answer that breaks off on the server’s side takes the file with it', async () => {
    const { post, keys } = await recordedUploadApp(StorageFileInterceptor('file'), {
      handle: () => new StreamableFile(Readable.from(breakingOff())),
    });
    await expect(post(text('new'))).rejects.toThrow();
    await until(async () => (await keys()).length === 0);
  });

  test.each([
    ['destroy()', (socket: Socket) => socket.destroy()],
    ['destroy() with an error', (socket: Socket) => socket.destroy(new Error('ended'))],
    ['resetAndDestroy()', (socket: Socket) => socket.resetAndDestroy()],
  ])('so does the connection that is ended by %s', async (_how, end) => {
    const { driver, keys } = await recordingDriver();
    @Controller()
    class BreakingController {
      @Post()
      @UseInterceptors(StorageFileInterceptor('file'))
      add(@Res() response: any): void {
        response.hijack?.();
        const raw = response.raw ?? response;
        raw.writeHead(200);
        raw.write('x');
        setImmediate(() => end(raw.socket));
      }
    }
    const { port } = await startApp({
      imports: [StorageModule.forRoot({ storages: { uploads: { driver } } })],
      controllers: [BreakingController],
    });
    const body = form(text('new'));
    await expect(send(port, '/', { method: 'POST', headers: formHeaders, body })).rejects.toThrow();
    await until(async () => (await keys()).length === 0);
  });

  describe('a publication that hangs', () => {
    const MINUTE = 60_000;

    /** Publishes nothing until it is released; then, what was aborted meanwhile fails. */
    async function hanging(
      options: Record<string, unknown> = {},
      settings: NonNullable<Settings> & { shutdownTimeout?: number } = {},
    ) {
      const begun: number[] = [];
      let release: () => void = () => {};
      const released = new Promise<void>((resolve) => (release = resolve));
      const { shutdownTimeout = 10_000, ...rest } = settings;
      const recorded = await recordedUploadApp(
        StorageFileInterceptor('file', { ...overwriting, ...options }),
        rest,
        (memory) => ({
          async copy(from, to, copyOptions) {
            if (begun.push(1) === 1) await released;
            copyOptions?.signal?.throwIfAborted();
            return memory.copy(from, to, copyOptions);
          },
        }),
        { shutdownTimeout },
      );
      return { ...recorded, release: () => release(), begun };
    }

    test('is answered at the timeout, and leaves nothing when it ends', async () => {
      const { post, keys, release, app: nest, begun } = await hanging({ timeout: MINUTE });
      using timeouts = holdTimeouts();
      const answer = post(text('new'));
      await until(() => begun.length > 0);
      await timeouts.passUntil(answer);
      expect(await answer).toMatchObject({ status: 408, json: { code: 'UPLOAD_TIMEOUT' } });
      release();
      await nest.close();
      expect(await keys()).toEqual([]);
    });

    test('is answered when the shutdown has waited', async () => {
      const recorded = await hanging({}, { shutdownTimeout: 50 });
      const answer = recorded.post(text('new'));
      await until(() => recorded.begun.length > 0);
      const closing = recorded.app.close();
      expect(await answer).toMatchObject({ status: 503, json: { code: 'CLOSED' } });
      recorded.release();
      await closing;
      expect(await recorded.keys()).toEqual([]);
    });

    test('is answered, too, when it begins only after the shutdown has waited', async () => {
      let handling = false;
      let handled: () => void = () => {};
      const mayEnd = new Promise<void>((resolve) => (handled = resolve));
      const recorded = await hanging(
        {},
        {
          shutdownTimeout: 0,
          handle() {
            handling = true;
            return mayEnd;
          },
        },
      );
      const answer = recorded.post(text('new'));
      await until(() => handling);
      const closing = recorded.app.close();
      // The shutdown waits by a timer that was set before this one.
      setTimeout(handled, 20);
      expect(await answer).toMatchObject({ status: 503, json: { code: 'CLOSED' } });
      recorded.release();
      await closing;
      expect(await recorded.keys()).toEqual([]);
    });

    test('is good when it takes place at its end all the same', async () => {
      let isBegun = false;
      const recorded = await recordedUploadApp(
        StorageFileInterceptor('file', { ...overwriting, timeout: MINUTE }),
        {},
        (memory) => ({
          copy: (from, to, options) =>
            new Promise((resolve) => {
              isBegun = true;
              options?.signal?.addEventListener('abort', () =>
                resolve(memory.copy(from, to, { ...options, signal: undefined as never })),
              );
            }),
        }),
      );
      using timeouts = holdTimeouts();
      const answer = recorded.post(text('new'));
      await until(() => isBegun);
      await timeouts.passUntil(answer);
      expect((await answer).status).toBe(201);
      expect(await recorded.keys()).toEqual(['file']);
    });

    test('of a file that is to be kept takes place in another try', async () => {
      const recorded = await hanging(
        { timeout: MINUTE },
        {
          handle({ file }) {
            (file as StoredUpload).keep();
          },
        },
      );
      using timeouts = holdTimeouts();
      const answer = recorded.post(text('new'));
      await until(() => recorded.begun.length > 0);
      await timeouts.passUntil(answer);
      expect((await answer).status).toBe(408);
      recorded.release();
      await until(async () => (await recorded.keys()).join() === 'file');
    });
  });

  test('keep() tells that it comes too late when the client has gone', async () => {
    let running = false;
    let goOn: () => void = () => {};
    const mayGoOn = new Promise<void>((resolve) => (goOn = resolve));
    let thrown: unknown;
    const recorded = await recordedUploadApp(StorageFileInterceptor('file'), {
      async handle({ file }) {
        running = true;
        await mayGoOn;
        try {
          (file as StoredUpload).keep();
        } catch (error) {
          thrown = error;
          throw error;
        }
      },
    });
    const body = form(text('evidence'));
    const socket = await openSocket(recorded.port);
    socket.write(requestHead('/', body.length));
    socket.write(body);
    await until(() => running);
    socket.destroy();
    await until(async () => (await recorded.keys()).length === 0);
    goOn();
    await until(() => thrown !== undefined);
    expect(thrown).toMatchObject({ code: 'ABORTED' });
  });
});
