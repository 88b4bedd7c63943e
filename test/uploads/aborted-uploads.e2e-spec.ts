import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { StorageFileInterceptor, StorageFilesInterceptor } from '../../lib/index.js';
import { type S3TestServer, startS3Server } from '../../lib/testing/s3-server/index.js';
import { closeApps, RejectionWatch, until } from '../nest/app-fixture.js';
import { openSocket } from '../nest/http-client.js';
import { part, partHead, png, requestHead } from './forms.js';
import { onEachAdapter, recordedUploadApp, uploadApp, type UploadApp } from './upload-fixture.js';

onEachAdapter(() => {
  const folders: string[] = [];
  const servers: S3TestServer[] = [];
  const rejections = new RejectionWatch();

  beforeEach(() => rejections.start());
  afterEach(async () => {
    await closeApps();
    for (const server of servers.splice(0)) await server.close();
    for (const folder of folders.splice(0)) await rm(folder, { recursive: true, force: true });
    rejections.stop();
  });

  const file = { name: 'photo', filename: 'a.png', type: 'image/png' };
  const interceptor = StorageFileInterceptor('photo', { maxSize: '100mb' });

  /** Sends part of a large file and goes away, without a word. */
  async function abandon(app: UploadApp, bytes: number): Promise<void> {
    const socket = await openSocket(app.port);
    socket.write(requestHead('/', 50_000_000));
    socket.write(partHead(file));
    if (bytes > 0) {
      await new Promise((resolve) =>
        socket.write(png(Math.max(bytes, 16)).subarray(0, bytes), resolve),
      );
    }
    socket.destroy();
  }

  const descriptors = (): number => readdirSync('/proc/self/fd').length;

  async function abandonMany(app: UploadApp, times: number): Promise<void> {
    const sizes = [0, 1, 100, 4096, 5000, 70_000, 300_000];
    for (let index = 0; index < times; index++) {
      await abandon(app, sizes[index % sizes.length]!);
    }
  }

  test('a hundred clients that leave in mid-upload leave no object in memory, and no descriptor', async () => {
    const app = await recordedUploadApp(interceptor);
    await abandonMany(app, 2);
    const before = descriptors();
    await abandonMany(app, 100);
    await until(() => descriptors() <= before + 1);
    // Calls under way would hold the end up.
    await app.app.close();
    expect(await app.keys()).toEqual([]);
  });

  test('a hundred clients that leave in mid-upload leave no file, no temporary file and no descriptor on disk', async () => {
    const root = await mkdtemp(join(tmpdir(), 'nestjs-storages-uploads-'));
    folders.push(root);
    const app = await uploadApp({ driver: 'local', root, durability: 'none' }, interceptor);
    await app.storage.put('first.txt', 'opens the driver');
    await app.storage.delete('first.txt');
    const files = async (): Promise<string[]> => {
      const entries = await readdir(root, { recursive: true, withFileTypes: true });
      return entries
        .filter((entry) => entry.isFile())
        .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1))
        .sort();
    };
    const filesBefore = await files();
    const before = descriptors();
    await abandonMany(app, 100);
    await until(() => descriptors() <= before + 1);
    await until(async () => (await files()).length <= filesBefore.length);
    expect(await files()).toEqual(filesBefore);
  });

  test('a hundred clients that leave in mid-upload leave no object, no multipart upload and no descriptor on S3', async () => {
    const before = descriptors();
    const server = await startS3Server({ buckets: ['bucket'] });
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
    await app.storage.put('first.txt', 'opens the driver');
    await app.storage.delete('first.txt');
    for (let index = 0; index < 100; index++) {
      await abandon(app, index % 10 === 0 ? 12_000_000 : 100_000);
    }
    await app.app.close();
    await until(() => server.inFlight === 0);
    expect(server.multipartUploads('bucket')).toEqual([]);
    expect([...server.objects('bucket')]).toEqual([]);
    await server.close();
    await until(() => descriptors() <= before + 1);
  });

  test('a client that leaves takes the files before with it', async () => {
    const app = await recordedUploadApp(StorageFilesInterceptor('photo', 5));
    const socket = await openSocket(app.port);
    socket.write(requestHead('/', 1_000_000));
    socket.write(part({ ...file, content: png() }));
    socket.write(part({ ...file, content: png(100_000) }));
    socket.write(partHead(file));
    socket.write(png(5000));
    await until(async () => (await app.keys()).length === 2);
    socket.destroy();
    await until(async () => (await app.keys()).length === 0);
    await app.app.close();
    expect(await app.keys()).toEqual([]);
  });

  test('a client that leaves while its file is being committed leaves nothing', async () => {
    let commit: () => void = () => {};
    const mayCommit = new Promise<void>((resolve) => (commit = resolve));
    const app = await recordedUploadApp(StorageFilesInterceptor('photo', 5), {}, (memory) => ({
      async put(key, body, options) {
        const file = await memory.put(key, body, options);
        await mayCommit;
        return file;
      },
    }));
    const socket = await openSocket(app.port);
    socket.write(requestHead('/', 1_000_000));
    // The head of the next part tells that the file is at its end.
    socket.write(Buffer.concat([part({ ...file, content: png(10_000) }), partHead(file)]));
    await until(async () => (await app.keys()).length === 1);
    socket.destroy();
    const server = app.app.getHttpServer() as {
      getConnections(done: (error: unknown, count: number) => void): void;
    };
    await until(
      () =>
        new Promise((resolve) => server.getConnections((_error, count) => resolve(count === 0))),
    );
    commit();
    await until(async () => (await app.keys()).length === 0);
  });
});
