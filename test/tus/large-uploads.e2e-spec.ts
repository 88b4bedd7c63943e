import { once } from 'node:events';
import { Socket } from 'node:net';
import type { MultipartPart } from '../../lib/core/multipart.js';
import { closeApps } from '../nest/app-fixture.js';
import { recordingDriver } from '../nest/recording-driver.js';
import { ADAPTERS, startTus } from './tus-fixture.js';

const MiB = 1024 * 1024;

test.each(Object.entries(ADAPTERS))(
  'two hundred MiB in one request pass through without being held, on %s',
  async (_, adapter) => {
    let stored = 0;
    let most = 0;
    const parts: MultipartPart[] = [];
    const socket = new Socket();
    const { driver } = await recordingDriver((memory) => ({
      // Keeps nothing of the bytes.
      async uploadPart(_upload, partNumber, { byteLength: size }) {
        stored += size;
        // What has left the client and is not stored yet lies in between, in the app or in the kernel's buffers.
        most = Math.max(most, socket.bytesWritten - socket.writableLength - stored);
        // So that whoever could run ahead of the backend does.
        await new Promise((resolve) => setTimeout(resolve, 5));
        const part = { partNumber, size, etag: `"${partNumber}"` };
        parts.push(part);
        return part;
      },
      listParts: async () => parts,
      completeMultipartUpload: ({ key }, _parts, { signal }) =>
        // As large as what was sent, or it is not published.
        memory.put(key, Buffer.concat([Buffer.from('GIF89a')], 200 * MiB), {
          signal,
          contentType: 'image/gif',
          metadata: {},
        }),
    }));
    const keys: string[] = [];
    const { port, create } = await startTus({
      adapter: adapter(),
      configuration: { driver },
      options: { onUploaded: ({ key }) => void keys.push(key) },
    });
    const path = await create(200 * MiB);
    socket.connect(port, '127.0.0.1');
    await once(socket, 'connect');
    socket.write(
      `PATCH ${path} HTTP/1.1\r\nHost: x\r\nTus-Resumable: 1.0.0\r\nUpload-Offset: 0\r\n` +
        `Content-Type: application/offset+octet-stream\r\nContent-Length: ${200 * MiB}\r\n` +
        `Connection: close\r\n\r\n`,
    );
    const chunk = Buffer.alloc(256 * 1024, 0x2e);
    for (let sent = 0; sent < 200 * MiB; sent += chunk.length) {
      if (!socket.write(chunk)) await once(socket, 'drain');
    }
    let answer = '';
    for await (const received of socket) answer += String(received);
    expect(answer).toMatch(/^HTTP\/1.1 204 /);
    expect([stored, keys.length]).toEqual([200 * MiB, 1]);
    expect(most / MiB).toBeLessThan(16);
    await closeApps();
  },
);
