import { jest } from '@jest/globals';
import {
  type ExecutionContext,
  ForbiddenException,
  Inject,
  Injectable,
  Module,
  Scope,
} from '@nestjs/common';
import { REQUEST } from '@nestjs/core';
import { text } from 'node:stream/consumers';
import { StorageTimeoutError } from '../../lib/core/errors.js';
import { Storage } from '../../lib/core/storage.js';
import { DirectUploadsModule } from '../../lib/direct/direct-uploads.module.js';
import type { UploadInterceptorOptions } from '../../lib/uploads/upload-options.js';
import type { UploadPolicy } from '../../lib/uploads/upload-policy.js';
import type { UploadScan } from '../../lib/uploads/upload-scan.js';
import { closeApps, failure } from '../nest/app-fixture.js';
import { removeFolders } from '../routes/routes-fixture.js';
import {
  type Backend,
  BACKENDS,
  type DirectApp,
  type DirectRequest,
  PNG,
  put,
  startDirect,
} from './direct-fixture.js';

const asked = { filename: 'a.txt', size: 5, contentType: 'text/plain' };

interface Begun {
  readonly key: string;
  readonly complete: string;
}

async function sent(app: DirectApp, body = 'hello', user?: string): Promise<Begun> {
  const { json } = await app.call('POST', '/direct-uploads', asked, user);
  expect((await put(json, Buffer.from(body))).ok).toBe(true);
  return { key: json.key, complete: `/direct-uploads/${json.id}/complete` };
}

@Injectable()
class Plans {
  sizeFor(user: string): number {
    return user === 'bob' ? 4 : 100;
  }
}

@Injectable()
class PlanPolicy implements UploadPolicy {
  constructor(@Inject(Plans) private readonly plans: Plans) {}

  optionsFor(context: ExecutionContext): UploadInterceptorOptions {
    const { headers } = context.switchToHttp().getRequest<DirectRequest>();
    const user = headers['x-user']!;
    if (user === 'eve') throw new ForbiddenException();
    // What is about the form around files is for interceptors that have the same policy.
    return { maxSize: this.plans.sizeFor(user), metadata: { user }, maxFiles: 1, timeout: '1m' };
  }
}

@Injectable({ scope: Scope.REQUEST })
class RequestPolicy implements UploadPolicy {
  constructor(@Inject(REQUEST) private readonly request: DirectRequest) {}

  optionsFor(): UploadInterceptorOptions {
    return { metadata: { user: this.request.headers['x-user']! } };
  }
}

@Module({ providers: [Plans, RequestPolicy], exports: [Plans, RequestPolicy] })
class PlansModule {}

afterEach(closeApps);

describe.each(['local', 'generic s3'])('on %s', (name) => {
  let backend: Backend;
  beforeAll(async () => {
    backend = await BACKENDS[name]!();
  });
  afterAll(async () => {
    await backend[Symbol.asyncDispose]();
    await removeFolders();
  });

  const start = (...[options, settings]: Tail<Parameters<typeof startDirect>>) => {
    const prefix = `${Math.random().toString(36).slice(2)}/`;
    const configuration = { ...backend.configuration, prefix } as Backend['configuration'];
    return startDirect(configuration, options, { imports: [PlansModule], ...settings });
  };

  test.each(['Express', 'Fastify'])(
    'a policy class with other providers decides about each request on %s',
    async (adapter) => {
      const app = await start({ policy: PlanPolicy, cacheControl: 'private' }, { adapter });
      await expect(app.uploads.start(asked, 'ada')).rejects.toThrow(/decides by the request/);
      const refused = await app.call('POST', '/direct-uploads', asked, 'bob');
      expect([refused.status, refused.json.code]).toEqual([413, 'LIMIT_FILE_SIZE']);
      expect((await app.call('POST', '/direct-uploads', asked, 'eve')).status).toBe(403);
      const { complete } = await sent(app);
      expect((await app.call('POST', complete)).json).toMatchObject({
        cacheControl: 'private',
        metadata: { user: 'ada' },
      });
    },
  );

  test('a policy of request scope is that of the request', async () => {
    const app = await start({ policy: RequestPolicy });
    for (const user of ['ada', 'bob']) {
      const { complete } = await sent(app, 'hello', user);
      const { json } = await app.call('POST', complete, undefined, user);
      expect(json.metadata.user).toBe(user);
    }
  });

  test('a file that the scanner refuses is never published, and nothing of it is left', async () => {
    const seen: unknown[] = [];
    const told: string[] = [];
    const app: DirectApp = await start({
      onUploaded: ({ key }) => told.push(key),
      async scan(stream, file, { request }) {
        seen.push([await text(stream), file, request.headers['x-user'], await app.keys()]);
        return { rejected: 'EICAR' };
      },
    });
    const { complete } = await sent(app);
    expect(await app.call('POST', complete)).toMatchObject({
      status: 422,
      json: { code: 'FILE_REJECTED', reason: 'EICAR' },
    });
    const file = {
      fieldname: 'file',
      originalname: 'a.txt',
      mimetype: 'text/plain',
      contentType: 'text/plain',
    };
    expect(seen).toEqual([['hello', file, 'ada', []]]);
    expect([told, await app.keys(), await app.staged()]).toEqual([[], [], []]);
    expect((await app.call('POST', complete)).json.code).toBe('NOT_UPLOADED');
  });

  test('a file that could not be examined is kept, and examined when it is completed again', async () => {
    let scan: UploadScan<DirectRequest> = () => Promise.reject(new Error('clamd is away'));
    const app = await start({ scan: (...given) => scan(...given), scanTimeout: 50 });
    const { key, complete } = await sent(app);
    expect((await app.call('POST', complete)).json.code).toBe('SCAN_FAILED');
    scan = () => new Promise(() => {});
    expect((await app.call('POST', complete)).json.code).toBe('SCAN_FAILED');
    expect([await app.keys(), (await app.staged()).length]).toEqual([[], 1]);
    scan = () => {};
    expect((await app.call('POST', complete)).status).toBe(200);
    expect([await app.keys(), await app.staged()]).toEqual([[key], []]);
  });

  test('a scanner of a file that cannot be read is let go of', async () => {
    let signal: AbortSignal | undefined;
    const app = await start({
      scan(_stream, _file, context) {
        signal = context.signal;
        return new Promise(() => {});
      },
    });
    const { complete } = await sent(app);
    const firstBytes = jest.spyOn(Storage.prototype, 'getBytes');
    firstBytes.mockResolvedValueOnce(Buffer.from('hello'));
    const read = jest.spyOn(Storage.prototype, 'get');
    read.mockRejectedValueOnce(new StorageTimeoutError());
    expect((await app.call('POST', complete)).status).toBe(504);
    firstBytes.mockRestore();
    read.mockRestore();
    expect(signal!.aborted).toBe(true);
  });

  test('a shutdown does not wait for a scanner, and the file is kept', async () => {
    let begin: () => void = () => {};
    const begun = new Promise<void>((resolve) => (begin = resolve));
    const prefix = 'shut/';
    const configuration = { ...backend.configuration, prefix } as Backend['configuration'];
    const scan: UploadScan = async (stream) => {
      await text(stream);
      begin();
      await new Promise(() => {});
    };
    const app = await startDirect(configuration, { scan }, { shutdownTimeout: 1 });
    const { key, complete } = await sent(app);
    const answered = app.call('POST', complete);
    await begun;
    await app.app.close();
    expect(await answered).toMatchObject({ status: 503, json: { code: 'CLOSED' } });
    const replica = await startDirect(configuration, { scan: () => {} });
    expect((await replica.call('POST', complete)).json.key).toBe(key);
  });

  test('a policy says for each request whether the file is examined, and by whom', async () => {
    const scanned: string[] = [];
    let scans = true;
    const app = await start({
      policy(context) {
        const { headers } = context.switchToHttp().getRequest<DirectRequest>();
        const user = headers['x-user']!;
        return user === 'bob' && scans ? { scan: () => void scanned.push(user) } : {};
      },
    });
    const ada = await sent(app);
    const bob = await sent(app, 'hello', 'bob');
    const late = await sent(app, 'hello', 'bob');
    expect((await app.call('POST', ada.complete)).status).toBe(200);
    expect((await app.call('POST', bob.complete, undefined, 'bob')).status).toBe(200);
    expect(scanned).toEqual(['bob']);
    // What was to be examined is not published unexamined.
    scans = false;
    const refused = await app.call('POST', late.complete, undefined, 'bob');
    expect([refused.status, refused.json.code]).toEqual([503, 'SCAN_FAILED']);
    // A completion is answered as it was, whatever the policy says by now.
    const again = await app.call('POST', bob.complete, undefined, 'bob');
    expect([again.status, again.json.key]).toEqual([200, bob.key]);
    // Nor does a refusal of the policy keep the upload from being completed later.
    scans = true;
    expect((await app.call('POST', late.complete, undefined, 'bob')).status).toBe(200);
    expect((await app.keys()).sort()).toEqual([ada.key, bob.key, late.key].sort());
  });
});

test.each<[string, unknown]>([
  ['overwrite', { overwrite: true }],
  ['storage', { storage: 'other' }],
  ['maxSize', { maxSize: 'large' }],
  ['key', { key: { fromContent: () => 'a' } }],
  ['key', { key: () => '../x' }],
  ['metadata', { metadata: () => null }],
  ['metadata', { metadata: () => ({ Title: 'x' }) }],
  ['5', 5],
  ['null', null],
  ['Array', [1]],
  ['string', 'maxSize'],
])(
  'a policy whose %s cannot be kept to is told to the app, and allows nothing',
  async (named, given) => {
    const app = await startDirect(
      { driver: 'memory' },
      { policy: () => given as UploadInterceptorOptions },
    );
    expect(await app.call('POST', '/direct-uploads', asked)).toMatchObject({
      status: 500,
      json: { code: 'CONFIGURATION' },
    });
    expect(app.log.text).toMatch(
      new RegExp(`of direct uploads: .*${named}|${named} of direct uploads: `),
    );
  },
);

test('what a policy leaves undefined is as the module has it', async () => {
  const given: object = { maxSize: undefined, accept: undefined };
  const policy = () => given as UploadInterceptorOptions;
  const app = await startDirect({ driver: 'memory' }, { maxSize: 4, accept: ['image/*'], policy });
  expect((await app.call('POST', '/direct-uploads', asked)).status).toBe(413);
  const small = { ...asked, size: 3 };
  expect((await app.call('POST', '/direct-uploads', small)).status).toBe(415);
});

test('an empty file, which shows no type, is refused before it is sent where types count, but for a text', async () => {
  const app = await startDirect({ driver: 'memory' }, { accept: ['text/plain', 'image/png'] });
  const begin = (contentType?: string) =>
    app.call('POST', '/direct-uploads', { filename: 'a', size: 0, contentType });
  const refused = [await begin('image/png'), await begin()];
  expect(refused.map(({ json }) => json.code)).toEqual(Array(2).fill('UNSUPPORTED_MEDIA_TYPE'));
  expect((await begin('text/plain')).status).toBe(201);
  expect((await app.call('POST', '/direct-uploads', asked)).status).toBe(201);
});

test('an empty text is published', async () => {
  const app = await startDirect({ driver: 'memory' }, {});
  const { json } = await app.call('POST', '/direct-uploads', { ...asked, size: 0 });
  expect((await put(json, Buffer.alloc(0))).ok).toBe(true);
  const completed = await app.call('POST', `/direct-uploads/${json.id}/complete`);
  expect([completed.status, completed.json.size]).toEqual([200, 0]);
});

test('a page that is none, and a picture with more pixels than are allowed, are not published', async () => {
  const app = await startDirect(
    { driver: 'memory' },
    { accept: ['text/html', 'image/png'], image: { maxWidth: 10 } },
  );
  const wide = Buffer.from(PNG);
  wide.writeUInt32BE(11, 16);
  for (const [contentType, bytes, refusal] of [
    ['text/html', PNG, [415, 'UNSUPPORTED_MEDIA_TYPE']],
    ['image/png', wide, [422, 'IMAGE_TOO_LARGE']],
    ['image/png', PNG, [200, undefined]],
  ] as const) {
    const file = { filename: 'a', size: bytes.length, contentType };
    const { json } = await app.call('POST', '/direct-uploads', file);
    expect((await put(json, bytes)).ok).toBe(true);
    const completed = await app.call('POST', `/direct-uploads/${json.id}/complete`);
    expect([completed.status, completed.json.code]).toEqual(refusal);
  }
});

test('a file of any size is sent in one piece without multipart, and its missing parts are told with it', async () => {
  const large = { ...asked, size: 13 * 5 * 1024 ** 2 };
  const maxSize = '100mb';
  const whole = await startDirect({ driver: 'memory' }, { maxSize, multipart: false });
  const { json } = await whole.call('POST', '/direct-uploads', large);
  expect([json.method, json.parts]).toEqual(['PUT', undefined]);
  const multipart = { threshold: '5mb', partSize: '5mb' } as const;
  const divided = await startDirect({ driver: 'memory' }, { maxSize, multipart });
  const { id } = (await divided.call('POST', '/direct-uploads', large)).json;
  const refused = await divided.call('POST', `/direct-uploads/${id}/complete`);
  expect(refused.json).toMatchObject({
    code: 'NOT_UPLOADED',
    message: expect.stringMatching(/^Parts are missing: 1, 2, .*, 10 and 3 more;/) as string,
  });
});

test('an upload needs an owner, and an id that this app has sealed', async () => {
  const { uploads } = await startDirect({ driver: 'memory' }, {});
  await expect(uploads.start(asked, '')).rejects.toThrow(/owner/);
  await expect(uploads.complete(5 as never, 'ada')).rejects.toMatchObject({ status: 404 });
  const useFactory = 'none' as never;
  expect(() => DirectUploadsModule.forRootAsync({ useFactory })).toThrow(
    /useFactory must be a function/,
  );
});

test('a policy of request scope that nothing provides ends the start with what to do', async () => {
  @Injectable()
  class LonePolicy implements UploadPolicy {
    constructor(@Inject(REQUEST) private readonly request: DirectRequest) {}

    optionsFor(): UploadInterceptorOptions {
      return { metadata: { user: this.request.headers['x-user']! } };
    }
  }
  const started = startDirect({ driver: 'memory' }, { policy: LonePolicy });
  expect((await failure(started)).message).toMatch(/LonePolicy.*request.*providers/);
});

type Tail<List extends readonly unknown[]> = List extends [unknown, ...infer Rest] ? Rest : never;
