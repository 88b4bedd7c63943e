import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { closeApps, failure } from '../nest/app-fixture.js';
import { png } from '../uploads/forms.js';
import { clientOf, uploadAll } from './tus-clients.js';
import {
  ADAPTERS,
  published,
  staged,
  startTus,
  type TusApp,
  type TusSetup,
} from './tus-fixture.js';

// tus-js-client, as it is, in Node.
describe.each(Object.entries(ADAPTERS))('on %s, the real client', (_, adapter) => {
  const bytes = Buffer.concat([png(16), randomBytes(1_000_000)]);

  afterEach(closeApps);

  const start = ({ options, ...setup }: TusSetup = {}) =>
    startTus({ adapter: adapter(), options: { partSize: 100_000, ...options }, ...setup });

  async function expectOne({ storage }: TusApp): Promise<void> {
    const keys = await published(storage);
    expect(keys).toHaveLength(1);
    expect((await storage.getBytes(keys[0]!)).equals(bytes)).toBe(true);
    expect(await staged(storage)).toEqual([expect.stringMatching(/\.json$/)]);
  }

  test('uploads a file in one request, with its bytes in the first, and to a path with a slash', async () => {
    for (const options of [{}, { uploadDataDuringCreation: true }]) {
      const app = await start();
      await uploadAll(bytes, { endpoint: `${app.endpoint}/`, ...options });
      await expectOne(app);
    }
  });

  test('pauses, and goes on where it was', async () => {
    const app = await start();
    const offsets: number[] = [];
    const chunks: number[] = [];
    const options = {
      endpoint: app.endpoint,
      chunkSize: 150_000,
      metadata: { filename: 'a.png', filetype: 'image/png' },
      onAfterResponse: (
        request: { getMethod(): string },
        response: { getHeader(name: string): string | undefined },
      ) => {
        if (request.getMethod() === 'HEAD')
          offsets.push(Number(response.getHeader('Upload-Offset')));
      },
    };
    await new Promise<void>((resolve) => {
      const { upload } = clientOf(bytes, {
        ...options,
        onChunkComplete(_size, accepted) {
          chunks.push(accepted);
          if (chunks.length < 3) return;
          void upload.abort().then(() => {
            Object.assign(options, { uploadUrl: upload.url });
            resolve();
          });
        },
      });
      upload.start();
    });
    await uploadAll(bytes, options);
    expect(offsets).toHaveLength(1);
    expect(offsets[0]).toBeGreaterThanOrEqual(450_000);
    await expectOne(app);
  });

  test('uploads pieces in parallel, which are joined', async () => {
    const app = await start();
    await uploadAll(bytes, { endpoint: app.endpoint, parallelUploads: 3 });
    await expectOne(app);
  });

  test('uploads what it does not know the length of', async () => {
    const app = await start();
    await uploadAll(Readable.from(slices(bytes)), {
      endpoint: app.endpoint,
      uploadLengthDeferred: true,
      chunkSize: 150_000,
    });
    await expectOne(app);
  });

  test('is told that a file is refused, and terminates what it does not want', async () => {
    const app = await start({ options: { accept: ['image/jpeg'] } });
    const refused = await failure(uploadAll(bytes, { endpoint: app.endpoint, retryDelays: [] }));
    expect(refused.message).toMatch(/response code: 415/);
    await new Promise<void>((resolve) => {
      const { upload } = clientOf(bytes, {
        endpoint: app.endpoint,
        chunkSize: 150_000,
        onChunkComplete: () => void upload.abort(true).then(resolve),
      });
      upload.start();
    });
    expect([await published(app.storage), await staged(app.storage)]).toEqual([[], []]);
  });

  test('twice at one URL at once: the file is whole, and there is one', async () => {
    const app = await start();
    const path = await app.create(bytes.length);
    const uploadUrl = new URL(path, app.endpoint).href;
    await Promise.all(
      [100_000, 130_000].map((chunkSize) => uploadAll(bytes, { uploadUrl, chunkSize })),
    );
    await expectOne(app);
  });
});

function* slices(bytes: Buffer): Generator<Buffer, void> {
  for (let at = 0; at < bytes.length; at += 60_000) yield bytes.subarray(at, at + 60_000);
}
