import { jest } from '@jest/globals';
import { StorageConnectionError } from '../../lib/core/errors.js';
import { closeApps } from '../nest/app-fixture.js';
import { removeFolders } from '../routes/routes-fixture.js';
import {
  type Backend,
  BACKENDS,
  type DirectApp,
  keysOf,
  put,
  startDirect,
} from './direct-fixture.js';

const DAY = 24 * 60 * 60_000;
const BYTES = Buffer.alloc(100, 'a');

interface Begun {
  readonly id: string;
  readonly url: string;
  readonly headers: Record<string, string>;
  readonly parts: readonly { readonly url: string; readonly headers: Record<string, string> }[];
}

afterEach(async () => {
  jest.restoreAllMocks();
  await closeApps();
  await removeFolders();
});

/** One whose file is sent, whole or in parts, and that nobody completes. */
async function send(app: DirectApp, size: number): Promise<Begun> {
  const begun: Begun = (await app.call('POST', '/direct-uploads', { filename: 'a', size })).json;
  const sent = await put(begun.parts?.[0] ?? begun, BYTES.subarray(0, size));
  expect(sent.ok).toBe(true);
  return begun;
}

/** The SDK of S3 learns by a request that is refused what its clock lacks. */
async function learnTime({ storage }: DirectApp): Promise<void> {
  await storage.exists('a').catch(() => {});
}

async function multipartUploads({ storage }: DirectApp): Promise<number> {
  let count = 0;
  for await (const _ of storage.staging().listMultipartUploads()) count++;
  return count;
}

test.each(['local', 's3'])(
  'on %s, a sweep removes what is left of fifty abandoned uploads of each kind, and nothing of those alive',
  async (name) => {
    await using backend: Backend = await BACKENDS[name]!();
    const { configuration } = backend;
    const multipart = { threshold: BYTES.length };
    const app = await startDirect(configuration, { multipart });
    const patient = await startDirect(configuration, { multipart, expiresIn: '5d' });
    const alive = [await send(patient, 10), await send(patient, BYTES.length)];
    const kept = await app.staged();
    const sizes = Array.from({ length: 100 }, (_, index) => (index % 2 ? 10 : BYTES.length));
    await Promise.all(sizes.map((size) => send(app, size)));
    expect([(await app.staged()).length, await multipartUploads(app)]).toEqual([
      kept.length + 50,
      51,
    ]);

    const clock = jest.spyOn(Date, 'now');
    clock.mockReturnValue(Date.now() + 2 * DAY);
    await learnTime(app);
    const { staged, multipartUploads: uploads, failed } = await app.storage.sweep();
    expect([staged.length, uploads.length, failed]).toEqual([50, 50, []]);
    clock.mockRestore();
    await learnTime(app);
    expect([await app.staged(), await multipartUploads(app)]).toEqual([kept, 1]);
    for (const { id } of alive) {
      expect((await patient.call('POST', `/direct-uploads/${id}/complete`)).status).toBe(200);
    }
    expect([await app.staged(), await multipartUploads(app)]).toEqual([[], 0]);
  },
);

test('a sweep leaves an upload alone that is being completed when its id is over', async () => {
  await using backend: Backend = await BACKENDS['local']!();
  const clock = jest.spyOn(Date, 'now');
  let end = 0;
  const app: DirectApp = await startDirect(backend.configuration, {
    async scan() {
      clock.mockReturnValue(end + 1000);
      await app.storage.sweep({ olderThan: 1 });
    },
  });
  const { id } = await send(app, 10);
  const { expiresAt } = await app.uploads.status(id, 'ada');
  // An hour is left for a file that came at the last moment.
  end = expiresAt.getTime() + 60 * 60_000;
  clock.mockReturnValue(end - 1000);
  expect(await app.uploads.complete(id, 'ada', {})).toMatchObject({ size: 10 });
  await expect(app.uploads.status(id, 'ada')).rejects.toMatchObject({ status: 404 });
  clock.mockReturnValue(end + DAY);
  await app.storage.sweep({ olderThan: 1 });
  expect(await app.staged()).toEqual([]);
});

/** Backends on which whoever has a URL can send with it again, so that the file is moved before it is looked at. */
const SENDERS: Readonly<
  Record<string, [backend: string, begin: (app: DirectApp) => Promise<string>]>
> = {
  'a PUT to a generic S3': [
    'generic s3',
    async (app) => {
      const asked = { filename: 'a', size: BYTES.length };
      const { json } = await app.call('POST', '/direct-uploads', asked);
      expect((await put(json, BYTES)).ok).toBe(true);
      return json.id;
    },
  ],
  'a form to AWS': [
    's3',
    async (app) => {
      const { json } = await app.call('GET', '/uppy/s3/params?filename=a&type=text/plain');
      const form = new FormData();
      for (const [field, value] of Object.entries<string>(json.fields)) form.set(field, value);
      form.set('file', new Blob([BYTES]));
      expect((await fetch(json.url, { method: 'POST', body: form })).ok).toBe(true);
      return app.uploads.notedId(json.fields.key);
    },
  ],
};

describe.each(Object.entries(SENDERS))('after %s', (_name, [name, begin]) => {
  let backend: Backend;
  let told: string[];
  let app: DirectApp;
  let id: string;

  const start = () =>
    startDirect(
      { ...backend.configuration, retry: { maxRetries: 0 } } as Backend['configuration'],
      {
        companion: { path: '/uppy' },
        onUploaded: ({ key }) => told.push(key),
      },
    );

  /** As a process leaves it that is killed right after the request: whatever it would do next does not come to the backend. */
  async function killAfter(operation: 'CopyObject' | 'DeleteObject'): Promise<void> {
    const s3 = backend.s3!;
    // The claim is put, then the file is copied, and the first of them is deleted.
    const passing = operation === 'CopyObject' ? ['CopyObject'] : ['CopyObject', 'DeleteObject'];
    const faults = (['CopyObject', 'DeleteObject', 'GetObject'] as const).map((each) =>
      s3.fail({
        operation: each,
        after: passing.includes(each) ? 1 : 0,
        times: Infinity,
        with: 'reset',
      }),
    );
    await expect(app.uploads.complete(id, 'ada')).rejects.toBeInstanceOf(StorageConnectionError);
    for (const fault of faults) fault.clear();
    expect(await app.keys()).toEqual([]);
  }

  /** Long enough for the right of the process that ended to be given up. */
  async function later<Result>(milliseconds: number, act: () => Promise<Result>): Promise<Result> {
    const clock = jest.spyOn(Date, 'now');
    clock.mockReturnValue(Date.now() + milliseconds);
    try {
      await learnTime(app);
      return await act();
    } finally {
      clock.mockRestore();
      await learnTime(app);
    }
  }

  beforeEach(async () => {
    backend = await BACKENDS[name]!();
    told = [];
    app = await start();
    id = await begin(app);
  });
  afterEach(() => backend[Symbol.asyncDispose]());

  test.each(['CopyObject', 'DeleteObject'] as const)(
    'a process that is killed after its %s leaves an upload that another one completes',
    async (operation) => {
      await killAfter(operation);
      const replica = await start();
      expect((await replica.uploads.status(id, 'ada')).state).toBe('uploaded');
      const file = await later(11 * 60_000, () => replica.uploads.complete(id, 'ada'));
      expect((await app.storage.getBytes(file.key)).equals(BYTES)).toBe(true);
      expect([told, await app.keys(), await app.staged()]).toEqual([[file.key], [file.key], []]);
      await later(2 * DAY, () => app.storage.sweepStaged());
      expect(await keysOf(app.storage.staging())).toEqual([]);
    },
  );

  test('what a killed process has taken out of reach is cancelled with the upload, or swept after it', async () => {
    await killAfter('DeleteObject');
    const kept = await app.staged();
    // Once more in the middle of it: nothing of an upload that can be completed is taken away.
    await app.storage.sweepStaged({ olderThan: 1 });
    expect(await app.staged()).toEqual(kept);
    const second = await begin(app);
    await later(11 * 60_000, () => app.uploads.cancel(id, 'ada'));
    expect((await app.uploads.status(second, 'ada')).state).toBe('uploaded');
    expect((await app.staged()).filter((each) => !each.endsWith('.id'))).toHaveLength(1);

    id = second;
    await killAfter('DeleteObject');
    await later(2 * DAY, () => app.storage.sweepStaged());
    expect(await app.staged()).toEqual([]);
  });
});
