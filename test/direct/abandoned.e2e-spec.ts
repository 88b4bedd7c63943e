import { jest } from '@jest/globals';
import { closeApps } from '../nest/app-fixture.js';
import { removeFolders } from '../routes/routes-fixture.js';
import { type Backend, BACKENDS, type DirectApp, put, startDirect } from './direct-fixture.js';

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
