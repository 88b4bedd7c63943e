import { StorageFilesInterceptor } from '../../lib/index.js';
import { StorageRegistry } from '../../lib/index.js';
import { closeApps, RejectionWatch, until } from '../nest/app-fixture.js';
import { openSocket } from '../nest/http-client.js';
import { form, part, partHead, png, requestHead } from './forms.js';
import { onEachAdapter, recordedUploadApp } from './upload-fixture.js';

const photo = { name: 'photo', filename: 'a.png', type: 'image/png' };
const interceptor = StorageFilesInterceptor('photo', 3);

onEachAdapter(() => {
  const rejections = new RejectionWatch();
  beforeEach(() => rejections.start());
  afterEach(async () => {
    await closeApps();
    rejections.stop();
  });

  /** A client one of whose files is stored, and whose second one is on its way. */
  async function uploading(app: { port: number; keys(): Promise<string[]> }) {
    const socket = await openSocket(app.port);
    socket.write(requestHead('/', 1_000_000));
    socket.write(part({ ...photo, content: png() }));
    socket.write(partHead(photo));
    socket.write(png(100_000));
    await until(async () => (await app.keys()).length === 1);
    return socket;
  }

  test('an upload that goes on may end while the app shuts down, and is kept', async () => {
    const app = await recordedUploadApp(StorageFilesInterceptor('photo', 3));
    const socket = await openSocket(app.port);
    const body = form({ ...photo, content: png() }, { ...photo, content: png(100_000) });
    socket.write(requestHead('/', body.length));
    socket.write(body.subarray(0, 50_000));
    await until(async () => (await app.keys()).length === 1);
    const closed = app.app.close();
    socket.write(body.subarray(50_000));
    let answer = '';
    for await (const chunk of socket) answer += String(chunk);
    await closed;
    expect(answer).toMatch(/^HTTP\/1.1 201 /);
    expect(await app.keys()).toHaveLength(2);
  });

  test('an upload that takes longer than the shutdown may is answered with 503, and nothing is left', async () => {
    const app = await recordedUploadApp(interceptor, {}, undefined, { shutdownTimeout: 50 });
    const socket = await uploading(app);
    const closed = app.app.close();
    let answer = '';
    for await (const chunk of socket) answer += String(chunk);
    expect(answer).toMatch(/^HTTP\/1.1 503 /);
    expect(answer).toContain('"code":"CLOSED"');
    socket.destroy();
    await closed;
    expect(await app.keys()).toEqual([]);
  });

  test('connections that are cut at the shutdown leave nothing, though the storages close', async () => {
    const app = await recordedUploadApp(interceptor, {}, (memory) => ({
      // The rest of the app could be gone before this is done.
      async deleteMany(keys, options) {
        await new Promise((resolve) => setImmediate(resolve));
        return memory.deleteMany(keys, options);
      },
    }));
    await uploading(app);
    (app.app.getHttpServer() as { closeAllConnections(): void }).closeAllConnections();
    await app.app.close();
    expect(await app.keys()).toEqual([]);
  });

  test('storages that are closed while an upload goes on leave nothing', async () => {
    const app = await recordedUploadApp(interceptor);
    const socket = await uploading(app);
    const closing = app.app.get(StorageRegistry).onApplicationShutdown();
    let answer = '';
    for await (const chunk of socket) answer += String(chunk);
    await closing;
    expect(answer).toMatch(/^HTTP\/1.1 503 /);
    expect(await app.keys()).toEqual([]);
  });

  test('a handler that runs is not disturbed, and what it has is kept', async () => {
    let finish: () => void = () => {};
    const finished = new Promise<void>((resolve) => (finish = resolve));
    let running = false;
    const app = await recordedUploadApp(
      interceptor,
      {
        async handle() {
          running = true;
          await finished;
          return 'done';
        },
      },
      undefined,
      { shutdownTimeout: 20 },
    );
    const body = form({ ...photo, content: png() });
    const socket = await openSocket(app.port);
    socket.write(requestHead('/', body.length));
    socket.write(body);
    await until(() => running);
    const closed = app.app.close();
    setTimeout(finish, 100);
    let answer = '';
    for await (const chunk of socket) answer += String(chunk);
    await closed;
    expect(answer).toMatch(/^HTTP\/1.1 201 /);
    expect(await app.keys()).toHaveLength(1);
  });
});
