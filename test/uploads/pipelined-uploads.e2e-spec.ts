import { Controller, Get, Post, Req, UploadedFile, UseInterceptors } from '@nestjs/common';
import { randomUUID } from 'node:crypto';
import type { Socket } from 'node:net';
import {
  getStorageToken,
  type Storage,
  StorageFileInterceptor,
  StorageModule,
  type StoredUpload,
  UploadProgress,
} from '../../lib/index.js';
import { rawRequest } from '../../lib/http-exchange.js';
import { closeApps, failure, until } from '../nest/app-fixture.js';
import { openSocket } from '../nest/http-client.js';
import { form, png, requestHead } from './forms.js';
import { onEachAdapter, startApp } from './upload-fixture.js';

/** Forms that are sent behind a request which is still being answered, on one connection (RFC 9112 §9.3.2). */
onEachAdapter(() => {
  afterEach(closeApps);

  const photo = { name: 'photo', filename: 'a.png', type: 'image/png', content: png(3000) };
  const body = form(photo);

  async function start() {
    let release: () => void = () => {};
    const released = new Promise<void>((resolve) => (release = resolve));
    const handled: string[] = [];
    let connection: Socket | undefined;
    let keeping: Error | undefined;

    @Controller()
    class PipelinedController {
      @Get('slow')
      async slow(@Req() request: object) {
        connection = rawRequest(request).socket;
        await released;
        return {};
      }

      @Post('fast')
      @UseInterceptors(StorageFileInterceptor('photo'))
      fast(@UploadedFile() file: StoredUpload) {
        handled.push('fast');
        return { key: file.key };
      }

      @Post('replaces')
      @UseInterceptors(StorageFileInterceptor('photo', { key: () => 'one', overwrite: true }))
      async replaces(@UploadedFile() file: StoredUpload) {
        handled.push('replaces');
        await released;
        keeping = await failure(async () => file.keep());
        return { key: file.key };
      }
    }
    const { app, port } = await startApp({
      imports: [
        StorageModule.forRoot({
          storages: { uploads: { driver: 'memory' } },
          shutdownTimeout: 600_000,
        }),
      ],
      controllers: [PipelinedController],
    });
    const storage = app.get<Storage>(getStorageToken('uploads'));
    return {
      app,
      release: () => release(),
      handled,
      connection: () => connection!,
      keeping: () => keeping,
      progress: app.get(UploadProgress),
      socket: await openSocket(port),
      keys: async (): Promise<string[]> => {
        const keys: string[] = [];
        for await (const { key } of storage.list()) keys.push(key);
        return keys;
      },
    };
  }

  const slow = 'GET /slow HTTP/1.1\r\nHost: x\r\n\r\n';

  function head(path: string, id: string): string {
    return requestHead(path, body.length).replace(
      'Connection: close\r\n',
      `X-Upload-Id: ${id}\r\n`,
    );
  }

  test.each(['fast', 'replaces'])(
    'a client that leaves before the answer of /%s could begin takes its file with it',
    async (path) => {
      const { socket, app, handled, keys, progress, release, keeping } = await start();
      const id = randomUUID();
      let state: string | undefined;
      progress.progressOf(id).subscribe((seen) => (state = seen.state));
      socket.write(slow);
      socket.write(head(`/${path}`, id));
      socket.write(body);
      await until(() => handled.length === 1);
      socket.destroy();
      await until(() => state === 'failed');
      await until(async () => (await keys()).length === 0);
      release();
      // Would wait for ten minutes if the request had not come to an end.
      await app.close();
      if (path === 'replaces') {
        await until(() => keeping() !== undefined);
        expect(keeping()).toMatchObject({ code: 'ABORTED' });
      }
    },
  );

  test('files whose answers had to wait stay, and many forms of a connection listen to it once', async () => {
    const { socket, handled, keys, release, connection } = await start();
    let answers = '';
    socket.on('data', (chunk: Buffer) => (answers += String(chunk)));
    socket.write(slow);
    await until(() => connection() !== undefined);
    const before = connection().listenerCount('close');
    for (let count = 0; count < 12; count++) {
      socket.write(head('/fast', randomUUID()));
      socket.write(body);
    }
    await until(() => handled.length === 12);
    expect(connection().listenerCount('close')).toBeLessThanOrEqual(before + 1);
    release();
    await until(() => answers.split('HTTP/1.1 201').length === 13);
    socket.destroy();
    await until(() => connection().closed);
    expect(await keys()).toHaveLength(12);
  });
});
