import { jest } from '@jest/globals';
import { ForbiddenException, Injectable, Module, UseGuards } from '@nestjs/common';
import {
  StorageConfigurationError,
  StorageFileExistsError,
  StoragePreconditionFailedError,
  StorageTimeoutError,
} from '../../lib/core/errors.js';
import { Storage } from '../../lib/core/storage.js';
import { CompletionClaim } from '../../lib/direct/completion-claim.js';
import { openStorage } from '../../lib/drivers/open-storage.js';
import type { DirectUploadsOptions } from '../../lib/interfaces/direct-uploads-options.interface.js';
import { DirectUploadsModule } from '../../lib/direct/direct-uploads.module.js';
import { StorageModule } from '../../lib/storage.module.js';
import { closeApps, failure, startApp } from '../nest/app-fixture.js';
import { send } from '../nest/http-client.js';
import { recordingDriver } from '../nest/recording-driver.js';
import { signingKeys } from '../routes/routes-fixture.js';
import { type Backend, BACKENDS, type DirectApp, PNG, put, startDirect } from './direct-fixture.js';

/** When a claim that nobody has renewed is taken for abandoned. */
async function inTheEleventhMinute(act: () => Promise<void>): Promise<void> {
  const eleventhMinute = Date.now() + 11 * 60_000;
  const clock = jest.spyOn(Date, 'now').mockImplementation(() => eleventhMinute);
  try {
    await act();
  } finally {
    clock.mockRestore();
  }
}

afterEach(closeApps);

test('an upload in parts whose URLs cannot be signed leaves nothing', async () => {
  await using backend = await BACKENDS['memory']!();
  const app = await startDirect(backend.configuration, { multipart: { threshold: 1 } });
  const sign = jest.spyOn(Storage.prototype, 'uploadPartUrl');
  sign.mockRejectedValueOnce(new StorageTimeoutError());
  const file = { filename: 'a', size: PNG.length };
  expect((await app.call('POST', '/direct-uploads', file)).status).toBe(504);
  sign.mockRestore();
  const left: string[] = [];
  for await (const { key } of app.storage.staging().listMultipartUploads()) left.push(key);
  expect([left, await app.staged()]).toEqual([[], []]);
});

describe('an outage of the backend', () => {
  let backend: Backend;
  let app: DirectApp;
  let told: string[];

  beforeEach(async () => {
    backend = await BACKENDS['s3']!();
    told = [];
    app = await startDirect(
      { ...backend.configuration, retry: { maxRetries: 0 } } as Backend['configuration'],
      { onUploaded: ({ key }) => told.push(key) },
    );
  });
  afterEach(() => backend[Symbol.asyncDispose]());

  async function sent(): Promise<{ key: string; complete: string; name: string }> {
    const { json } = await app.call('POST', '/direct-uploads', { filename: 'a', size: PNG.length });
    await put(json, PNG);
    const [name] = await app.staged();
    return { key: json.key, complete: `/direct-uploads/${json.id}/complete`, name: name! };
  }

  test.each(['HeadObject', 'GetObject', 'CopyObject'] as const)(
    'at %s keeps what was sent, and the upload can be completed later',
    async (operation) => {
      const { key, complete, name } = await sent();
      backend.s3!.fail({ operation, with: { status: 503, code: 'ServiceUnavailable' } });
      const failed = await app.call('POST', complete);
      expect([failed.status >= 500 || failed.status === 429, told]).toEqual([true, []]);
      expect([await app.keys(), await app.staged()]).toEqual([[], [name]]);
      expect((await app.call('POST', complete)).status).toBe(200);
      expect([told, await app.staged()]).toEqual([[key], []]);
    },
  );

  test('that takes the answer to the publication away tells the app once all the same', async () => {
    const { key, complete } = await sent();
    backend.s3!.fail({ operation: 'CopyObject', with: 'reset-after-commit' });
    expect((await app.call('POST', complete)).status).toBe(200);
    expect([told, await app.keys(), await app.staged()]).toEqual([[key], [key], []]);
  });

  test('a process that ended before the app was told leaves that to the next one', async () => {
    const { key, complete, name } = await sent();
    const staging = app.storage.staging();
    // As a process leaves it that is killed after it has published the file.
    await staging.put(`${name}.claim`, '{"holder":"a"}');
    const staged = await app.storage.staged(name);
    await staged.commit(key, { metadata: { 'direct-upload': name } });
    expect((await app.call('POST', complete)).json.code).toBe('UPLOAD_BUSY');
    expect(told).toEqual([]);
    await inTheEleventhMinute(async () => {
      const id = complete.split('/')[2]!;
      // One that comes too late puts nothing off.
      await expect(app.uploads.cancel(id, 'ada')).rejects.toMatchObject({
        response: { code: 'ALREADY_COMPLETED' },
      });
      expect(await app.uploads.complete(id, 'ada')).toMatchObject({ key });
    });
    expect([told, await app.staged()]).toEqual([[key], []]);
  });

  test('a call that is repeated after a killed process takes no file away, whatever the app says', async () => {
    const { key, complete, name } = await sent();
    const outcome = { state: 'told', file: await app.storage.staging().info(name) };
    const note = { holder: 'a', outcome };
    await app.storage.staging().put(`${name}.claim`, JSON.stringify(note));
    await (await app.storage.staged(name)).commit(key, { metadata: { 'direct-upload': name } });
    const late = await startDirect(backend.configuration, {
      onUploaded: () => Promise.reject(new Error('the row is there already')),
    });
    await inTheEleventhMinute(async () => {
      await expect(late.uploads.complete(complete.split('/')[2]!, 'ada')).rejects.toThrow('row');
    });
    // Nobody is about it any more: the next request need not wait.
    await expect(late.uploads.complete(complete.split('/')[2]!, 'ada')).rejects.toThrow('row');
    expect(await app.keys()).toEqual([key]);
  });

  test('a process that ended after the app had moved the file leaves a completed upload', async () => {
    const { complete, name } = await sent();
    const id = complete.split('/')[2]!;
    const outcome = { state: 'told', file: await app.storage.staging().info(name) };
    await app.storage.staging().put(`${name}.claim`, JSON.stringify({ holder: 'a', outcome }));
    await app.storage.staging().delete(name);
    // Whether the app has taken it is not known before it is completed once more.
    expect((await app.uploads.status(id, 'ada')).state).toBe('uploaded');
    await expect(app.uploads.cancel(id, 'ada')).rejects.toMatchObject({ status: 409 });
    await inTheEleventhMinute(async () => {
      expect((await app.uploads.complete(id, 'ada')).lastModified).toBeInstanceOf(Date);
      expect((await app.uploads.status(id, 'ada')).state).toBe('completed');
    });
    expect([told, await app.keys(), await app.staged()]).toEqual([[], [], []]);
  });

  test('an app that refuses a file after so long does not take it from the request that came after', async () => {
    const { key, complete } = await sent();
    let refuse: (error: Error) => void = () => {};
    let began: () => void = () => {};
    const hasBegun = new Promise<void>((resolve) => (began = resolve));
    const late = await startDirect(backend.configuration, {
      onUploaded: () =>
        new Promise<void>((_resolve, reject) => {
          refuse = reject;
          began();
        }),
    });
    const first = late.call('POST', complete);
    await hasBegun;
    await inTheEleventhMinute(async () => {
      expect(await app.uploads.complete(complete.split('/')[2]!, 'ada')).toMatchObject({ key });
      refuse(new Error('too late'));
      expect((await first).status).toBe(500);
    });
    expect([told, await app.keys()]).toEqual([[key], [key]]);
  });
});

describe('a file that the app refuses when it is told of it for the first time', () => {
  let backend: Backend;
  let app: DirectApp;
  let path: string;
  let calls: number;

  beforeEach(async () => {
    backend = await BACKENDS['s3']!();
    calls = 0;
    app = await startDirect(
      { ...backend.configuration, retry: { maxRetries: 0 } } as Backend['configuration'],
      {
        onUploaded() {
          if (calls++ === 0) throw new ForbiddenException();
        },
      },
    );
    const { json } = await app.call('POST', '/direct-uploads', { filename: 'a', size: PNG.length });
    await put(json, PNG);
    path = `/direct-uploads/${json.id}`;
  });
  afterEach(async () => {
    jest.restoreAllMocks();
    await backend[Symbol.asyncDispose]();
  });

  const complete = () => app.call('POST', `${path}/complete`);
  const left = async () => [await app.keys(), await app.staged()];

  test.each([
    ['is completed again', async () => (await complete()).json.code, 'NOT_UPLOADED'],
    ['is cancelled', async () => (await app.call('DELETE', path)).status, 204],
  ])(
    'is removed when the upload %s, where an outage kept it from being so at once',
    async (_, comeAgain, answer) => {
      const outage = jest.spyOn(app.storage, 'delete').mockRejectedValue(new StorageTimeoutError());
      expect((await complete()).status).toBe(403);
      expect(await app.keys()).toHaveLength(1);
      // What ends in another outage is gone on with once more.
      expect((await complete()).status).toBeGreaterThanOrEqual(500);
      outage.mockRestore();
      expect(await comeAgain()).toBe(answer);
      expect([calls, ...(await left())]).toEqual([1, [], []]);
    },
  );

  test('is removed though a process before had ended while it examined the file', async () => {
    const [name] = await app.staged();
    await app.storage.staging().put(`${name}.claim`, '{"holder":"a"}');
    await inTheEleventhMinute(async () => {
      await expect(app.uploads.complete(path.split('/')[2]!, 'ada')).rejects.toThrow('Forbidden');
    });
    expect(await left()).toEqual([[], []]);
  });

  test('is not published by another completion when a copy of it had stayed behind', async () => {
    backend.s3!.fail({
      operation: 'DeleteObject',
      with: { status: 503, code: 'ServiceUnavailable' },
    });
    expect((await complete()).status).toBe(403);
    expect(await left()).toEqual([[], []]);
    expect((await complete()).json.code).toBe('NOT_UPLOADED');
  });

  test('is removed though the note that it was told had failed before, when nobody was', async () => {
    // The claim, and what it says of the file.
    backend.s3!.fail({ operation: 'PutObject', after: 1, with: 'reset' });
    expect((await complete()).status).toBeGreaterThanOrEqual(500);
    expect([calls, (await app.keys()).length]).toEqual([0, 1]);
    expect((await complete()).status).toBe(403);
    expect([calls, ...(await left())]).toEqual([1, [], []]);
  });
});

test('a key that clashes with a file on a file system is refused, and nothing is left', async () => {
  await using backend = await BACKENDS['local']!();
  const app = await startDirect(backend.configuration, { key: () => 'folder/a' });
  await app.storage.put('folder', 'a file');
  const { json } = await app.call('POST', '/direct-uploads', { filename: 'a', size: PNG.length });
  await put(json, PNG);
  const answer = await app.call('POST', `/direct-uploads/${json.id}/complete`);
  expect([answer.status, answer.json.code, await app.staged()]).toEqual([400, 'INVALID_KEY', []]);
});

describe('a publication that lands after it was given up', () => {
  afterEach(() => jest.restoreAllMocks());

  async function landed(
    onUploaded: NonNullable<DirectUploadsOptions['onUploaded']>,
  ): Promise<{ app: DirectApp; key: string; complete: string }> {
    const app = await startDirect({ driver: 'memory' }, { onUploaded });
    const { json } = await app.call('POST', '/direct-uploads', { filename: 'a', size: PNG.length });
    await put(json, PNG);
    let land = (): Promise<unknown> => Promise.resolve();
    const staged = app.storage.staged.bind(app.storage);
    jest.spyOn(app.storage, 'staged').mockImplementationOnce(async (name) => {
      const file = await staged(name);
      const commit = file.commit.bind(file);
      return Object.assign(file, {
        commit: (...given: Parameters<typeof commit>) => {
          land = () => commit(...given);
          return Promise.reject(new StorageTimeoutError());
        },
      });
    });
    const complete = `/direct-uploads/${json.id}/complete`;
    expect((await app.call('POST', complete)).status).toBeGreaterThanOrEqual(500);
    await land();
    return { app, key: json.key, complete };
  }

  test('is told to the app by the next request, once', async () => {
    const told: string[] = [];
    const { app, key, complete } = await landed((file) => void told.push(file.key));
    const statuses = [];
    for (let i = 0; i < 2; i++) statuses.push((await app.call('POST', complete)).status);
    expect([statuses, told, await app.staged()]).toEqual([[200, 200], [key], []]);
  });

  test('is removed when the app refuses it, which was not told of it before', async () => {
    const { app, complete } = await landed(() => Promise.reject(new ForbiddenException()));
    expect((await app.call('POST', complete)).status).toBe(403);
    expect([await app.keys(), await app.staged()]).toEqual([[], []]);
  });

  test('stays when the app refuses it, where somebody else replaces it in that moment', async () => {
    const { app, key, complete } = await landed(() => {
      jest.spyOn(app.storage, 'info').mockImplementationOnce(async (...given) => {
        const found = await look(...given);
        await app.storage.put(key, 'another’s');
        return found;
      });
      throw new ForbiddenException();
    });
    const look = app.storage.info.bind(app.storage);
    expect((await app.call('POST', complete)).status).toBe(403);
    expect((await app.storage.getBytes(key)).toString()).toBe('another’s');
  });
});

describe('a claim to an upload', () => {
  afterEach(() => jest.restoreAllMocks());

  test.each([
    ['create-only writes', true, new StorageTimeoutError()],
    ['create-only writes, by the second of two tries,', true, new StorageFileExistsError()],
    ['others', false, new StorageTimeoutError()],
  ])(
    'that was stored by %s though its answer was lost is known by who stored it',
    async (_, createOnly, lost) => {
      const { driver } = await recordingDriver(({ capabilities }) => ({
        capabilities: { ...capabilities, createOnly, compareAndSet: createOnly },
      }));
      await using storage = await openStorage('files', { driver });
      const write = storage.put.bind(storage);
      jest.spyOn(storage, 'put').mockImplementationOnce(async (...given) => {
        await write(...given);
        throw lost;
      });
      await using claim = await CompletionClaim.take(storage, 'a');
      expect(await claim.isHeld()).toBe(true);
      await expect(CompletionClaim.take(storage, 'a')).rejects.toMatchObject({ status: 409 });
      await claim.note({ state: 'cancelled' });
      expect(await CompletionClaim.outcomeOf(storage, 'a')).toEqual({ state: 'cancelled' });
    },
  );

  test("that was not stored is nobody's", async () => {
    await using storage = await openStorage('files', { driver: 'memory' });
    jest.spyOn(storage, 'put').mockRejectedValueOnce(new StorageTimeoutError());
    await expect(CompletionClaim.take(storage, 'a')).rejects.toThrow(StorageTimeoutError);
    await using claim = await CompletionClaim.take(storage, 'a');
    expect(await claim.isHeld()).toBe(true);
  });

  test('that another takes while it is looked at is left to him', async () => {
    await using storage = await openStorage('files', { driver: 'memory' });
    await using claim = await CompletionClaim.take(storage, 'a');
    const overtaken = new StoragePreconditionFailedError();
    jest.spyOn(storage, 'put').mockRejectedValueOnce(overtaken).mockRejectedValueOnce(overtaken);
    await expect(claim.note({ state: 'cancelled' })).resolves.toBe(false);
  });

  test.each([
    ['what could not be verified', 503, { scan: () => Promise.reject(new Error('no scanner')) }],
    ['what is refused', 415, { accept: ['image/jpeg'] }],
    ['what the app refuses', 403, { onUploaded: () => Promise.reject(new ForbiddenException()) }],
  ])('that cannot be released hides no answer to %s', async (_, status, options) => {
    const app = await startDirect({ driver: 'memory' }, options);
    const { json } = await app.call('POST', '/direct-uploads', { filename: 'a', size: PNG.length });
    await put(json, PNG);
    jest.spyOn(Storage.prototype, 'delete').mockRejectedValue(new StorageConfigurationError('x'));
    jest
      .spyOn(Storage.prototype, 'deleteMany')
      .mockRejectedValue(new StorageConfigurationError('x'));
    const answer = await app.call('POST', `/direct-uploads/${json.id}/complete`);
    expect(answer.status).toBe(status);
  });
});

describe('the module', () => {
  const base = { owner: () => 'anybody', signingKeys };

  @Injectable()
  class Closed {
    canActivate(): boolean {
      return false;
    }
  }

  test('has its guards before every route', async () => {
    const { port } = await startApp({
      imports: [
        StorageModule.forRoot({ storages: { files: { driver: 'memory' } }, routes: {} }),
        DirectUploadsModule.forRoot({
          ...base,
          decorators: [UseGuards(Closed)],
          activeStorage: { path: '/blobs' },
          companion: { path: '/uppy' },
        }),
      ],
    });
    const statuses = await Promise.all(
      [
        ['POST', '/direct-uploads'],
        ['GET', '/direct-uploads/x'],
        ['POST', '/direct-uploads/x/complete'],
        ['DELETE', '/direct-uploads/x'],
        ['POST', '/blobs'],
        ['GET', '/uppy/s3/params'],
        ['POST', '/uppy/s3/multipart'],
        ['DELETE', '/uppy/s3/multipart/x'],
        ['POST', '/uppy/sign'],
        ['GET', '/uppy/signed/multipart/x'],
        ['POST', '/uppy/signed/multipart'],
        ['DELETE', '/uppy/signed/multipart/x'],
      ].map(async ([method, path]) => (await send(port, path!, { method: method! })).status),
    );
    expect(new Set(statuses)).toEqual(new Set([403]));
  });

  test('takes what is allowed from a factory with other providers', async () => {
    const SIZE = Symbol('size');
    @Module({ providers: [{ provide: SIZE, useValue: 3 }], exports: [SIZE] })
    class SizeModule {}
    const { port } = await startApp({
      imports: [
        StorageModule.forRoot({
          storages: { files: { driver: 'memory' } },
          routes: { signingKeys },
        }),
        DirectUploadsModule.forRootAsync({
          path: '/send',
          imports: [SizeModule],
          inject: [SIZE],
          useFactory: (maxSize: number) => ({ ...base, maxSize }),
        }),
      ],
    });
    const ask = (size: number) =>
      send(port, '/send', {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ filename: 'a', size }),
      });
    expect([(await ask(3)).status, (await ask(4)).status]).toEqual([201, 413]);
  });

  test('knows no ids of another module on the same storage', async () => {
    const { port } = await startApp({
      imports: [
        StorageModule.forRoot({
          storages: { files: { driver: 'memory' } },
          routes: { signingKeys },
        }),
        DirectUploadsModule.forRoot({ ...base, path: '/avatars' }),
        DirectUploadsModule.forRoot({ ...base, path: '/films', isGlobal: false }),
      ],
    });
    const { json } = await send(port, '/avatars', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ filename: 'a', size: 3 }),
    });
    expect((await send(port, `/avatars/${json.id}`)).json.state).toBe('waiting');
    expect((await send(port, `/films/${json.id}`)).status).toBe(404);
  });

  test.each<[string, Partial<Record<keyof DirectUploadsOptions, unknown>>]>([
    ['owner', { owner: undefined }],
    ['"maxsize"', { maxsize: 3 } as object],
    ['accept', { accept: ['image'] }],
    ['key', { key: { fromContent: () => 'a' } }],
    ['onUploaded', { onUploaded: 'x' }],
    ['multipart.partSize', { multipart: { partSize: 'large' } }],
    ['expiresIn', { expiresIn: 'soon' }],
    ['path', { path: '/a/:b' }],
    ['signingKeys', { signingKeys: [] }],
  ])('names %s when it is not well-formed', async (named, options) => {
    const error = await failure(() =>
      startDirect({ driver: 'memory' }, options as Partial<DirectUploadsOptions>),
    );
    expect(error.message).toContain(named);
  });

  test('has no secret of its own in production', async () => {
    process.env['NODE_ENV'] = 'production';
    try {
      const started = startApp({
        imports: [
          StorageModule.forRoot({ storages: { files: { driver: 'memory' } } }),
          DirectUploadsModule.forRoot({ owner: () => 'anybody' }),
        ],
      });
      expect((await failure(started)).message).toContain('in production, it needs signingKeys');
    } finally {
      process.env['NODE_ENV'] = 'test';
    }
  });
});
