import {
  BadRequestException,
  type CallHandler,
  Controller,
  type ExecutionContext,
  FileValidator,
  Header,
  HttpException,
  type NestInterceptor,
  ParseFilePipe,
  Post,
  Req,
  Res,
  UploadedFiles,
  UseInterceptors,
} from '@nestjs/common';
import { randomBytes } from 'node:crypto';
import { from, map, merge, mergeMap, type Observable, of, Subject, throwError } from 'rxjs';
import {
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

type CauseName = keyof typeof CAUSES;

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

@Controller()
class UploadController {
  @Post()
  @UseInterceptors(
    Outer,
    StorageFilesInterceptor<CauseRequest>('photo', 5, {
      key,
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
  @UseInterceptors(StorageFilesInterceptor<CauseRequest>('photo', 5, { key, overwrite: true }))
  overwrite(@Req() { headers }: CauseRequest): unknown {
    return HANDLERS[headers['x-cause']!]?.() ?? 'stored';
  }

  @Post('patience')
  @UseInterceptors(
    StorageFilesInterceptor<CauseRequest>('photo', 5, {
      key,
      minRate: 10 * MiB,
      minRateWindow: 100,
    }),
  )
  slow(): void {}

  @Post('time')
  @UseInterceptors(StorageFilesInterceptor<CauseRequest>('photo', 5, { key, timeout: 100 }))
  late(): void {}

  @Post('by-hand')
  @Header('X-By', 'hand')
  @UseInterceptors(StorageFilesInterceptor<CauseRequest>('photo', 5, { key }))
  byHand(@Res() response: any): void {
    // On both adapters.
    response.status(422).send({ code: 'NOT_THESE' });
  }
}

const never = new Promise<never>(() => {});
const handlerBegan = new Subject<void>();
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
};

interface Target {
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
} satisfies Record<string, (target: Target, cause: string) => Promise<void>>;

function of_(cause: string): (object: string) => boolean {
  return (object) => object.includes(`${cause}/`);
}

/** The driver, failing as the key asks for, and counting the files that it completes. */
function watchedDriver(driver: StorageDriver, written: Map<string, number>): StorageDriver {
  const put: StorageDriver['put'] = async (at, body, options) => {
    const [cause] = at.includes('/staged/') ? ['the handler throws, staged'] : at.split('/');
    const file = await target(at, body, options);
    written.set(cause!, (written.get(cause!) ?? 0) + 1);
    return file;
  };
  const target: StorageDriver['put'] = (at, body, options) => {
    const failsAt = /^the backend fails (at once|in the middle|at the end)/.exec(at)?.[1];
    // The first file of each such request is short, and stored.
    if (failsAt === undefined || body instanceof Uint8Array) return driver.put(at, body, options);
    if (failsAt === 'at once') return Promise.reject(new StorageConnectionError('down'));
    return driver.put(at, cut(body, failsAt === 'in the middle' ? 100_000 : Infinity), options);
  };
  return new Proxy(driver, {
    get(_target, name: keyof StorageDriver) {
      if (name === 'put') return put;
      // What is left is looked at after the app has ended.
      if (name === 'close') return async () => {};
      const member = driver[name] as unknown;
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
      let target: Target;
      const rejections = new RejectionWatch();

      beforeAll(async () => {
        rejections.start();
        const backend = await UPLOAD_BACKENDS[name]();
        const written = new Map<string, number>();
        const driver = watchedDriver(backend.driver, written);
        const { port } = await startApp({
          imports: [
            StorageModule.forRoot({ storages: { uploads: { driver, retry: { maxRetries: 0 } } } }),
          ],
          controllers: [UploadController],
        });
        target = { port, backend, written };
      });
      afterAll(async () => {
        await closeApps();
        await target.backend.close();
        rejections.stop();
      });

      test('a request that succeeds leaves its files', async () => {
        const { backend } = target;
        await post(two, 201)(target, 'success');
        await post(two, 201, '/overwriting')(target, 'success');
        const objects = await backend.objects();
        expect(objects.filter(of_('success'))).toHaveLength(4);
        expect(objects).toHaveLength(4);
        const { signal } = new AbortController();
        await backend.driver.deleteMany(objects, { signal });
        target.written.clear();
      });

      // All at once: none may get in another's way.
      test('whatever else happens leaves nothing', async () => {
        const { backend, written } = target;
        await Promise.all(Object.entries(CAUSES).map(([cause, make]) => make(target, cause)));
        await untilEmpty(() => backend.objects());
        // Waits for all that is under way.
        await closeApps();
        const objects = await backend.objects();
        for (const cause of Object.keys(CAUSES) as CauseName[]) {
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
      }, 120_000);
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
