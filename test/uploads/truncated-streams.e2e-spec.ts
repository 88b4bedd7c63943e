import { watch } from 'node:fs';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { StorageDriver } from '../../lib/index.js';
import { StorageFileInterceptor, StorageFilesInterceptor } from '../../lib/index.js';
import { type S3TestServer, startS3Server } from '../../lib/testing/s3-server/index.js';
import { closeApps, until } from '../nest/app-fixture.js';
import { openSocket, sendRaw } from '../nest/http-client.js';
import { form, partHead, png, requestHead } from './forms.js';
import { onEachAdapter, recordedUploadApp, uploadApp } from './upload-fixture.js';

const MiB = 1024 * 1024;
const photo = { name: 'photo', filename: 'a.png', type: 'image/png' };
const interceptor = StorageFileInterceptor('photo', { maxSize: 12 * MiB });
const start = partHead(photo).length;

/** A form, and after how many of its bytes nothing comes any more. */
type Cut = [what: string, fileSize: number, sent: number];

const cuts: Cut[] = [
  ['before its first byte', 300_000, start],
  ['after its first byte', 300_000, start + 1],
  ['where its type is just known', 300_000, start + 4096],
  ['after that', 300_000, start + 4097],
  ['in the middle', 300_000, start + 150_000],
  ['before its last byte', 300_000, start + 299_999],
  ['after its last byte, without a boundary', 300_000, start + 300_000],
  ['in the boundary', 300_000, start + 300_005],
  ['in the second part of an upload', 10 * MiB, start + 9 * MiB],
  ['at the end of a part', 10 * MiB, start + 8 * MiB],
];

/** How a form is cut off. */
const WAYS = {
  'the client goes away': async (port: number, body: Buffer, sent: number): Promise<void> => {
    const socket = await openSocket(port);
    socket.write(requestHead('/', body.length));
    await new Promise((resolve) => socket.write(body.subarray(0, sent), resolve));
    socket.destroy();
  },
  'the form ends there': async (port: number, body: Buffer, sent: number): Promise<void> => {
    const answer = await sendRaw(port, requestHead('/', sent), body.subarray(0, sent));
    expect(answer).toMatch(/^HTTP\/1.1 400 /);
  },
};

const fileOf = (size: number): Buffer => form({ ...photo, content: png(size) });

/** The body of every put as it ended: whole, or failed. */
function watchedPuts() {
  const puts: Promise<'whole' | 'failed'>[] = [];
  const watch = (memory: StorageDriver): Partial<StorageDriver> => ({
    put(key, body, options) {
      let tell: (end: 'whole' | 'failed') => void = () => {};
      puts.push(new Promise((resolve) => (tell = resolve)));
      async function* watched(): AsyncGenerator<Uint8Array, void> {
        try {
          yield* body instanceof Uint8Array ? [body] : body;
        } catch (error) {
          tell('failed');
          throw error;
        }
        tell('whole');
      }
      return memory.put(key, watched(), options);
    },
  });
  return { puts, watch };
}

const servers: S3TestServer[] = [];

onEachAdapter(() => {
  afterEach(async () => {
    await closeApps();
    for (const server of servers.splice(0)) await server.close();
  });

  describe.each(Object.entries(WAYS))('%s', (way, cutOff) => {
    test.each(cuts)('%s: the backend sees no end of the file', async (_where, size, sent) => {
      const { puts, watch } = watchedPuts();
      const app = await recordedUploadApp(interceptor, {}, watch);
      await cutOff(app.port, fileOf(size), sent);
      await closeAndWait(app);
      expect(await Promise.all(puts)).not.toContain('whole');
      // Enough came for the backend to be opened: then it was told of the failure.
      if (way === 'the form ends there' && sent > start + 4096) expect(puts).toHaveLength(1);
      expect(await app.keys()).toEqual([]);
    });
  });

  test('a file beyond the limit: the backend sees no end of it', async () => {
    const { puts, watch } = watchedPuts();
    const app = await recordedUploadApp(
      StorageFileInterceptor('photo', { maxSize: 100_000 }),
      {},
      watch,
    );
    const answer = await app.post({ ...photo, content: png(100_001) });
    expect(answer.status).toBe(413);
    expect(await Promise.all(puts)).toEqual(['failed']);
  });

  test('on S3 no object is put and no upload completed', async () => {
    const server = await startS3Server({ defaultChecksum: 'none' });
    servers.push(server);
    const app = await uploadApp(
      {
        driver: 's3',
        bucket: 'bucket',
        region: server.region,
        endpoint: server.endpoint,
        forcePathStyle: true,
        ...server.credentials,
      },
      interceptor,
    );
    for (const cutOff of Object.values(WAYS)) {
      await Promise.all(cuts.map(([, size, sent]) => cutOff(app.port, fileOf(size), sent)));
    }
    await app.post({ ...photo, content: png(12 * MiB + 1) });
    await closeAndWait(app);
    const operations = server.requests.map(({ operation }) => operation);
    // The large ones had begun to go up in parts.
    expect(operations).toContain('UploadPart');
    expect(operations).not.toContain('PutObject');
    expect(operations).not.toContain('CompleteMultipartUpload');
    expect(server.multipartUploads('bucket')).toEqual([]);
    expect([...server.objects('bucket')]).toEqual([]);
  });

  test('on disk no file ever gets a name', async () => {
    const root = await mkdtemp(join(tmpdir(), 'nestjs-storages-uploads-'));
    const app = await uploadApp(
      { driver: 'local', root, durability: 'none' },
      StorageFilesInterceptor('photo', 3, { maxSize: 12 * MiB, key: () => 'named.png' }),
    );
    await app.storage.open();
    const names = new Set<string>();
    const watcher = watch(root, (_event, name) => names.add(name!));
    for (const cutOff of Object.values(WAYS)) {
      await Promise.all(cuts.map(([, size, sent]) => cutOff(app.port, fileOf(size), sent)));
    }
    await closeAndWait(app);
    watcher.close();
    expect([...names].filter((name) => !name.startsWith('.'))).toEqual([]);
    expect((await readdir(root)).filter((name) => !name.startsWith('.'))).toEqual([]);
    await rm(root, { recursive: true });
  });
});

/** Every connection is over, and every call to the storage. */
async function closeAndWait({
  app,
}: {
  app: { close(): Promise<void>; getHttpServer(): unknown };
}) {
  const server = app.getHttpServer() as {
    getConnections(done: (error: unknown, count: number) => void): void;
  };
  await until(
    () => new Promise((resolve) => server.getConnections((_error, count) => resolve(count === 0))),
  );
  await app.close();
}
