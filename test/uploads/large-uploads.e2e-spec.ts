import { once } from 'node:events';
import { Socket } from 'node:net';
import type { StoredFile } from '../../lib/index.js';
import { type StorageDriver, StorageFileInterceptor, storedFile } from '../../lib/index.js';
import { closeApps, until } from '../nest/app-fixture.js';
import { openSocket } from '../nest/http-client.js';
import { BOUNDARY, partHead, png, requestHead } from './forms.js';
import { onEachAdapter, recordedUploadApp } from './upload-fixture.js';

onEachAdapter(() => {
  afterEach(closeApps);

  const MiB = 1024 * 1024;
  const interceptor = StorageFileInterceptor('f', {
    maxSize: '1gb',
  });
  const head = Buffer.concat([
    partHead({ name: 'f', filename: 'a.png', type: 'image/png' }),
    png(16),
  ]);
  const tail = Buffer.from(`\r\n--${BOUNDARY}--\r\n`);

  /** A driver that reads bodies by `read` and keeps nothing of them. */
  function discarding(
    read: (chunk: Uint8Array) => Promise<void> | void,
  ): () => Partial<StorageDriver> {
    return () => ({
      async put(key, body): Promise<StoredFile> {
        let size = 0;
        for await (const chunk of body instanceof Uint8Array ? [body] : body) {
          size += chunk.byteLength;
          await read(chunk);
        }
        return storedFile({ key, size, metadata: {} } as never);
      },
    });
  }

  test('two hundred MiB pass through without being held', async () => {
    let stored = 0;
    let most = 0;
    const socket = new Socket();
    const { port } = await recordedUploadApp(
      interceptor,
      {},
      discarding(async (chunk) => {
        stored += chunk.byteLength;
        // What has left the client and is not stored yet lies in between, in the app or in the kernel's buffers.
        most = Math.max(most, socket.bytesWritten - socket.writableLength - stored);
        // So that whoever could run ahead of the backend does.
        await new Promise((resolve) => setImmediate(resolve));
      }),
    );
    const chunk = Buffer.alloc(256 * 1024, 0x2e);
    socket.connect(port, '127.0.0.1');
    await once(socket, 'connect');
    const chunks = (200 * MiB) / chunk.length;
    socket.write(requestHead('/', head.length + chunks * chunk.length + tail.length));
    socket.write(head);
    for (let index = 0; index < chunks; index++) {
      if (!socket.write(chunk)) await once(socket, 'drain');
    }
    socket.write(tail);
    let answer = '';
    for await (const received of socket) answer += String(received);
    expect(answer).toMatch(/^HTTP\/1.1 201 /);
    expect(answer).toContain(`"size":${200 * MiB + 16}`);
    expect(most / MiB).toBeLessThan(16);
  });

  test('a backend that is slow pauses the client', async () => {
    let release: () => void = () => {};
    const released = new Promise<void>((resolve) => (release = resolve));
    let reading = false;
    const { port, app } = await recordedUploadApp(
      interceptor,
      {},
      discarding(async () => {
        reading = true;
        await released;
      }),
    );
    const server = app.getHttpServer() as NodeJS.EventEmitter;
    let received: () => number = () => 0;
    server.once('request', (request: { socket: { bytesRead: number } }) => {
      received = () => request.socket.bytesRead;
    });
    const total = 64 * MiB;
    const socket = await openSocket(port);
    socket.write(requestHead('/', head.length + total + tail.length));
    socket.write(head);
    socket.write(Buffer.alloc(total, 0x2e));
    socket.write(tail);
    await until(() => reading);
    // Until nothing comes any more.
    let last = -1;
    await until(async () => {
      const unchanged = received() === last;
      last = received();
      await new Promise((resolve) => setTimeout(resolve, 100));
      return unchanged;
    });
    expect(received()).toBeLessThan(8 * MiB);
    release();
    let answer = '';
    for await (const chunk of socket) answer += String(chunk);
    expect(answer).toContain(`"size":${total + 16}`);
  });
});
