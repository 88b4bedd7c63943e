import {
  BadRequestException,
  type CallHandler,
  Controller,
  type ExecutionContext,
  FileValidator,
  Header,
  HttpException,
  type INestApplication,
  type NestInterceptor,
  ParseFilePipe,
  Post,
  Req,
  Res,
  UploadedFiles,
  UseInterceptors,
} from '@nestjs/common';
import { randomBytes } from 'node:crypto';
import {
  firstValueFrom,
  from,
  map,
  merge,
  mergeMap,
  type Observable,
  of,
  Subject,
  throwError,
} from 'rxjs';
import {
  contentHashKey,
  getStorageToken,
  type Storage,
  StorageConnectionError,
  type StorageDriver,
  StorageFilesInterceptor,
  StorageModule,
  type StoredUpload,
} from '../../lib/index.js';
import { closeApps, RejectionWatch, until } from '../nest/app-fixture.js';
import { openSocket, send, sendRaw } from '../nest/http-client.js';
import { form, formHeaders, part, png } from './forms.js';
import { UPLOAD_BACKENDS, type UploadBackend } from './upload-backends.js';
import { onEachAdapter, startApp } from './upload-fixture.js';

const MiB = 1024 * 1024;
const photo = { name: 'photo', filename: 'a.png', type: 'image/png', content: png() };
/** In two parts, on backends that have such. */
const large = { ...photo, content: png(9 * MiB) };
const two = form(photo, { ...photo, content: png(300_000) });

interface CauseRequest {
  headers: Record<string, string>;
}

type CauseName = keyof typeof CAUSES | keyof typeof AT_SHUTDOWN;

const causeOf = (context: ExecutionContext): CauseName =>
  context.switchToHttp().getRequest<CauseRequest>().headers['x-cause'] as CauseName;

/** Around the uploads: what throws here throws when the handler has succeeded. */
class Outer implements NestInterceptor {
  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const cause = causeOf(context);
    const answer = next.handle();
    if (cause === 'an interceptor around it throws') {
      return answer.pipe(map(() => failing('outer')));
    }
    if (cause === 'an interceptor around it gives up') {
      return merge(answer, handlerBegan.pipe(map(() => failing('waited too long'))));
    }
    return answer;
  }
}

/** Between the uploads and the handler. */
class Inner implements NestInterceptor {
  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    if (causeOf(context) === 'a later interceptor throws') failing('inner');
    return next.handle();
  }
}

class RefusesWhenAsked extends FileValidator {
  isValid(file?: unknown): boolean {
    return !(file as StoredUpload).key.startsWith('a pipe rejects');
  }
  buildErrorMessage(): string {
    return 'refused';
  }
}

function failing(message: string): never {
  throw new BadRequestException(message);
}

const key = (_file: unknown, { headers }: CauseRequest): string =>
  `${headers['x-cause']}/${randomBytes(8).toString('hex')}`;
/** The name of a file that is staged says nothing. */
const metadata = (_file: unknown, { headers }: CauseRequest): Record<string, string> => ({
  cause: headers['x-cause']!,
});
/** Of the file that is there before the requests that are to replace it. */
const OLD_KEY = 'old/photo.png';

@Controller()
class UploadController {
  @Post()
  @UseInterceptors(
    Outer,
    StorageFilesInterceptor<CauseRequest>('photo', 5, {
      key,
      metadata,
      accept: ['image/png'],
      maxSize: 10 * MiB,
      maxTotalSize: 30 * MiB,
    }),
    Inner,
  )
  add(
    @UploadedFiles(new ParseFilePipe({ validators: [new RefusesWhenAsked({})] })) _files: unknown,
    @Req() { headers }: CauseRequest,
  ): unknown {
    return HANDLERS[headers['x-cause']!]?.() ?? 'stored';
  }

  @Post('overwriting')
  @UseInterceptors(
    StorageFilesInterceptor<CauseRequest>('photo', 5, { key, metadata, overwrite: true }),
  )
  overwrite(@Req() { headers }: CauseRequest): unknown {
    return HANDLERS[headers['x-cause']!]?.() ?? 'stored';
  }

  @Post('replacing')
  @UseInterceptors(
    StorageFilesInterceptor<CauseRequest>('photo', 5, {
      key: () => OLD_KEY,
      metadata,
      overwrite: true,
    }),
  )
  replace(@Req() { headers }: CauseRequest): unknown {
    return HANDLERS[headers['x-cause']!]?.() ?? 'stored';
  }

  @Post('by-content')
  @UseInterceptors(
    StorageFilesInterceptor<CauseRequest>('photo', 5, { key: contentHashKey, metadata }),
  )
  byContent(@Req() { headers }: CauseRequest): unknown {
    return HANDLERS[headers['x-cause']!]?.() ?? 'stored';
  }

  @Post('scanned')
  @UseInterceptors(
    StorageFilesInterceptor<CauseRequest>('photo', 5, {
      key,
      metadata,
      scanTimeout: 100,
      scan(stream) {
        stream.resume();
        return never;
      },
    }),
  )
  scanned(): void {}

  @Post('patience')
  @UseInterceptors(
    StorageFilesInterceptor<CauseRequest>('photo', 5, {
      key,
      metadata,
      minRate: 10 * MiB,
      minRateWindow: 100,
    }),
  )
  slow(): void {}

  @Post('time')
  @UseInterceptors(
    StorageFilesInterceptor<CauseRequest>('photo', 5, { key, metadata, timeout: 100 }),
  )
  late(): void {}

  @Post('by-hand')
  @Header('X-By', 'hand')
  @UseInterceptors(StorageFilesInterceptor<CauseRequest>('photo', 5, { key, metadata }))
  byHand(@Res() response: any): void {
    // On both adapters.
    response.status(422).send({ code: 'NOT_THESE' });
  }
}

const never = new Promise<never>(() => {});
const handlerBegan = new Subject<void>();
/** Ends the handlers that run while the app shuts down. */
const shutdown = new Subject<void>();
const HANDLERS: Readonly<Record<string, () => unknown>> = {
  'the handler throws': () => failing('handler'),
  'the handler throws, staged': () => failing('handler'),
  'the handler rejects': () => Promise.reject(new HttpException('handler', 409)),
  'its Observable fails after a value': () =>
    from([of(1), throwError(() => new BadRequestException())]).pipe(mergeMap((each) => each)),
  'an interceptor around it gives up': () => {
    handlerBegan.next();
    return never;
  },
  'the client leaves while the handler runs': () => never,
  'the app shuts down while the handler runs': async () => {
    await firstValueFrom(shutdown);
    failing('handler');
  },
};

interface Target {
  readonly app: INestApplication;
  readonly port: number;
  readonly backend: UploadBackend;
  /** How many files the backend completed, by cause. */
  readonly written: Map<string, number>;
}

const headersOf = (cause: string): Record<string, string> => ({ ...formHeaders, 'X-Cause': cause });

const chunked = { 'Transfer-Encoding': 'chunked' };

const post =
  (body: Buffer, status: number, path = '/', more: Record<string, string> = {}) =>
  async ({ port }: Target, cause: string): Promise<void> => {
    const headers = { ...headersOf(cause), ...more };
    const answer = await send(port, path, { method: 'POST', headers, body });
    expect({ cause, status: answer.status }).toEqual({ cause, status });
  };

const head = (cause: string, length: number, path = '/'): string =>
  `POST ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Cause: ${cause}\r\nContent-Type: ${formHeaders['Content-Type']}\r\nContent-Length: ${length}\r\n\r\n`;

/** Sends the beginning of a form whose end never comes. */
const stall =
  (status: number, path: string) =>
  async ({ port }: Target, cause: string): Promise<void> => {
    const answer = await sendRaw(port, head(cause, 1_000_000, path), two.subarray(0, 100_000));
    expect(answer).toContain(`HTTP/1.1 ${status} `);
  };

/** Sends so much of a form with two files and goes away. */
const leaveAfter =
  (body: Buffer, bytes: number) =>
  async ({ port }: Target, cause: string): Promise<void> => {
    const socket = await openSocket(port);
    socket.write(head(cause, body.length + 1000));
    await new Promise((resolve) => socket.write(body.subarray(0, bytes), resolve));
    socket.destroy();
  };

const CAUSES = {
  'a pipe rejects': post(two, 400),
  'the handler throws': post(two, 400),
  'the handler throws, staged': post(two, 400, '/overwriting'),
  'the handler rejects': post(two, 409),
  'its Observable fails after a value': post(two, 400),
  'a later interceptor throws': post(two, 400),
  'an interceptor around it throws': post(two, 400),
  'an interceptor around it gives up': post(two, 400),
  'the handler answers 422 by itself': post(two, 422, '/by-hand'),
  'the second file is not accepted': post(form(photo, { ...photo, content: 'text' }), 415),
  'the second file is too large': post(form(photo, { ...photo, content: png(10 * MiB + 1) }), 413),
  'a field is not expected': post(form(photo, large, { ...photo, name: 'other' }), 400),
  'a file too many': post(form(photo, photo, photo, photo, photo, photo), 400),
  'the form breaks off': post(Buffer.concat([two.subarray(0, 200_000)]), 400),
  'the form announces too much': post(form(large, large, large, large), 413),
  'the form turns out too large': post(form(large, large, large, large), 413, '/', chunked),
  'the form comes too slowly': stall(408, '/patience'),
  'the form takes too long': stall(408, '/time'),
  'the client leaves at its first byte': leaveAfter(two, 1),
  'the client leaves in the head of a file': leaveAfter(two, 60),
  'the client leaves in the first bytes': leaveAfter(two, 150),
  'the client leaves after a file': leaveAfter(two, part(photo).length),
  'the client leaves in the second file': leaveAfter(two, 150_000),
  'the client leaves in the second part': leaveAfter(form(photo, large), 8.5 * MiB),
  'the client leaves before the last byte': leaveAfter(two, two.length - 1),
  'the client leaves while the handler runs': async ({ port, backend }: Target, cause: string) => {
    const socket = await openSocket(port);
    socket.write(head(cause, two.length));
    socket.write(two);
    await until(async () => (await backend.objects()).filter(of_(cause)).length === 2);
    socket.destroy();
  },
  'the backend fails at once': post(two, 502),
  'the backend fails in the middle': post(two, 502),
  'the backend fails at the end': post(two, 502),
  'the backend fails on complete': post(form(photo, large), 502),
  'the backend fails on publication': post(two, 502, '/overwriting'),
  'a scan hangs': post(form(large, photo), 503, '/scanned'),
} satisfies Record<string, (target: Target, cause: string) => Promise<void>>;

/** Each resolves when the request is so far, with its answer to come. */
const AT_SHUTDOWN = {
  'the app shuts down during the form': async (target: Target, cause: string) => {
    const answer = sendRaw(target.port, head(cause, two.length), two.subarray(0, 150_000));
    await untilWritten(target, cause, 1);
    return { answer, status: 503 };
  },
  'the app shuts down while the handler runs': async (target: Target, cause: string) => {
    const answer = sendRaw(target.port, head(cause, two.length), two);
    await until(() => shutdown.observed);
    return { answer, status: 400 };
  },
};

function untilWritten({ written }: Target, cause: string, files: number): Promise<void> {
  return until(() => written.get(cause) === files);
}

function of_(cause: string): (object: string) => boolean {
  return (object) => object.includes(`${cause}/`);
}

/** The driver, failing as the key asks for, and counting the files that it completes. */
function watchedDriver(backend: UploadBackend, written: Map<string, number>): StorageDriver {
  const { driver } = backend;
  const put: StorageDriver['put'] = async (at, body, options) => {
    const file = await failingPut(at, body, options);
    const { cause } = options.metadata;
    written.set(cause!, (written.get(cause!) ?? 0) + 1);
    return file;
  };
  const failingPut: StorageDriver['put'] = async (at, body, options) => {
    const failsAt = /^the backend fails (at once|in the middle|at the end|on complete)/.exec(
      at,
    )?.[1];
    // The first file of each such request is short, and stored.
    if (failsAt === undefined || body instanceof Uint8Array) return driver.put(at, body, options);
    if (failsAt === 'at once') throw new StorageConnectionError('down');
    if (failsAt === 'in the middle') return driver.put(at, cut(body, 100_000), options);
    if (failsAt === 'at the end') return driver.put(at, cut(body, Infinity), options);
    if (backend.failsToComplete) return driver.put(at, body, options);
    // All of it was read, and nothing is stored.
    for await (const _chunk of body);
    throw new StorageConnectionError('down');
  };
  const copy: StorageDriver['copy'] = async (at, to, options) => {
    if (to.startsWith('the backend fails on publication')) throw new StorageConnectionError('down');
    return driver.copy(at, to, options);
  };
  const replaced: Partial<StorageDriver> = {
    put,
    copy,
    // What is left is looked at after the app has ended.
    async close() {},
  };
  return new Proxy(driver, {
    get(_target, name: keyof StorageDriver) {
      const member = (replaced[name] ?? driver[name]) as unknown;
      return typeof member === 'function' ? (member.bind(driver) as unknown) : member;
    },
  });
}

async function* cut(
  body: AsyncIterable<Uint8Array>,
  bytes: number,
): AsyncGenerator<Uint8Array, void> {
  let left = bytes;
  for await (const chunk of body) {
    yield chunk;
    left -= chunk.byteLength;
    if (left < 0) break;
  }
  throw new StorageConnectionError('down');
}

/** Causes that come after every file was stored: that there is nothing left says nothing when there was nothing. */
const AFTER_TWO_FILES: readonly CauseName[] = [
  'a pipe rejects',
  'the handler throws',
  'the handler throws, staged',
  'the handler rejects',
  'its Observable fails after a value',
  'a later interceptor throws',
  'an interceptor around it throws',
  'an interceptor around it gives up',
  'the handler answers 422 by itself',
  'the client leaves while the handler runs',
  'the backend fails on publication',
  'the app shuts down while the handler runs',
];

/** Fails with what is still there after a while. */
async function untilEmpty(list: () => Promise<string[]>): Promise<void> {
  await until(async () => (await list()).length === 0).catch(() => {});
  expect(await list()).toEqual([]);
}

const table = new Map<string, Map<string, string>>();

onEachAdapter((adapter) => {
  describe.each(Object.keys(UPLOAD_BACKENDS) as (keyof typeof UPLOAD_BACKENDS)[])(
    'with %s',
    (name) => {
      let backend: UploadBackend;
      let target: Target;
      const rejections = new RejectionWatch();

      beforeAll(async () => {
        rejections.start();
        backend = await UPLOAD_BACKENDS[name]();
        backend.failsToComplete?.(/^the backend fails on complete/);
      });
      // An app for each test: one of them ends it.
      beforeEach(async () => {
        const written = new Map<string, number>();
        const driver = watchedDriver(backend, written);
        const { app, port } = await startApp({
          imports: [
            StorageModule.forRoot({
              storages: { uploads: { driver, retry: { maxRetries: 0 } } },
              shutdownTimeout: 500,
            }),
          ],
          controllers: [UploadController],
        });
        target = { app, port, backend, written };
      });
      afterEach(closeApps);
      afterAll(async () => {
        await backend.close();
        rejections.stop();
      });

      test('a request that succeeds leaves its files', async () => {
        await post(two, 201)(target, 'success');
        await post(two, 201, '/overwriting')(target, 'success');
        const objects = await backend.objects();
        expect(objects.filter(of_('success'))).toHaveLength(4);
        expect(objects).toHaveLength(4);
        const { signal } = new AbortController();
        await backend.driver.deleteMany(objects, { signal });
      });

      test('a handler that throws leaves what is under the keys of its files', async () => {
        const storage = target.app.get<Storage>(getStorageToken('uploads'));
        const contents = async (): Promise<[string, string, Uint8Array][]> => {
          const files: [string, string, Uint8Array][] = [];
          for await (const { key: at, etag } of storage.list()) {
            files.push([at, etag!, await storage.getBytes(at)]);
          }
          return files;
        };
        await post(form(photo), 201, '/replacing')(target, 'success');
        await post(form(photo), 201, '/by-content')(target, 'success');
        const before = await contents();
        expect(before).toHaveLength(2);
        await post(two, 400, '/replacing')(target, 'the handler throws');
        await post(two, 400, '/by-content')(target, 'the handler throws');
        expect(await contents()).toEqual(before);
        await storage.deletePrefix('', { all: true });
      });

      // All at once: none may get in another's way.
      test('whatever else happens leaves nothing', async () => {
        const { written } = target;
        await Promise.all(Object.entries(CAUSES).map(([cause, make]) => make(target, cause)));
        await untilEmpty(() => backend.objects());
        const begun = await Promise.all(
          Object.entries(AT_SHUTDOWN).map(async ([cause, make]) => ({
            cause,
            ...(await make(target, cause)),
          })),
        );
        // Waits for all that is under way.
        const closed = target.app.close();
        shutdown.next();
        for (const { cause, answer, status } of begun) {
          expect(`${cause}: ${await answer}`).toContain(`${cause}: HTTP/1.1 ${status} `);
        }
        await closed;
        const objects = await backend.objects();
        for (const cause of Object.keys({ ...CAUSES, ...AT_SHUTDOWN }) as CauseName[]) {
          const left = objects.filter(of_(cause)).length;
          const cells = table.get(cause) ?? new Map<string, string>();
          table.set(
            cause,
            cells.set(`${adapter}, ${name}`, `${written.get(cause) ?? 0} → ${left}`),
          );
        }
        expect(objects).toEqual([]);
        await untilEmpty(() => backend.unfinished());
        for (const cause of AFTER_TWO_FILES) {
          expect({ cause, files: written.get(cause) }).toEqual({ cause, files: 2 });
        }
      });
    },
  );
});

// For the reader of the output: what stood against what.
afterAll(() => {
  const columns = [...(table.values().next().value?.keys() ?? [])];
  const row = (cause: string, cells: string[]): string =>
    [cause.padEnd(42), ...cells.map((cell, at) => cell.padStart(columns[at]!.length))].join('  ');
  const rows = [...table].map(([cause, cells]) => row(cause, [...cells.values()]));
  const title = 'Files written → files left; temporary files and multipart uploads left: none';
  process.stdout.write(`\n${[title, row('cause', columns), ...rows].join('\n')}\n`);
});
