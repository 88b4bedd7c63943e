import { once } from 'node:events';
import type { Socket } from 'node:net';
import { StorageAnyFilesInterceptor, StorageFileInterceptor } from '../../lib/index.js';
import { closeApps, RejectionWatch, until } from '../nest/app-fixture.js';
import { openSocket, send, sendRaw } from '../nest/http-client.js';
import { form, formHeaders, part, partHead, png, requestHead } from './forms.js';
import { onEachAdapter, recordedUploadApp } from './upload-fixture.js';

const MiB = 1024 * 1024;
const photo = { name: 'photo', filename: 'a.png', type: 'image/png' };
const keepAliveHead = (length: number): string =>
  requestHead('/', length).replace('Connection: close\r\n', '');

/** Reads until the answer's body, which is short, is there. */
async function readAnswer(socket: Socket): Promise<string> {
  let text = '';
  while (!text.endsWith('}')) {
    const [chunk] = (await once(socket, 'data')) as [Buffer];
    text += chunk.toString();
  }
  return text;
}

onEachAdapter(() => {
  const rejections = new RejectionWatch();
  beforeEach(() => rejections.start());
  afterEach(async () => {
    await closeApps();
    rejections.stop();
  });

  describe('maxTotalSize', () => {
    test('refuses a form that announces more before any of it is sent', async () => {
      const { port, calls } = await recordedUploadApp(
        StorageFileInterceptor('photo', { maxTotalSize: '1mb' }),
      );
      const socket = await openSocket(port);
      socket.write(keepAliveHead(MiB + 1));
      const answer = await readAnswer(socket);
      expect(answer).toMatch(/^HTTP\/1.1 413 /);
      expect(answer).toContain('"code":"LIMIT_TOTAL_SIZE"');
      expect(calls).toEqual([]);
      socket.destroy();
    });

    test('takes one that announces just so much', async () => {
      const content = png(1000);
      const body = form({ ...photo, content });
      const { port } = await recordedUploadApp(
        StorageFileInterceptor('photo', { maxTotalSize: body.length }),
      );
      const request = { method: 'POST', headers: formHeaders };
      expect((await send(port, '/', { ...request, body })).status).toBe(201);
      const longer = Buffer.concat([body, Buffer.from('\n')]);
      expect((await send(port, '/', { ...request, body: longer })).status).toBe(413);
    });

    test('ends a form that announces nothing where it goes beyond', async () => {
      const { port, keys } = await recordedUploadApp(
        StorageAnyFilesInterceptor({ maxTotalSize: '1mb' }),
      );
      const file = { ...photo, content: png(400_000) };
      const answer = await send(port, '/', {
        method: 'POST',
        headers: { ...formHeaders, 'Transfer-Encoding': 'chunked' },
        body: form(file, file, file),
      });
      expect(answer).toMatchObject({ status: 413, json: { code: 'LIMIT_TOTAL_SIZE' } });
      expect(await keys()).toEqual([]);
    });

    test.each([
      ['one file', StorageFileInterceptor('photo'), 15 * MiB, 'LIMIT_FILE_SIZE'],
      ['ten files', StorageAnyFilesInterceptor(), 105 * MiB, 'LIMIT_TOTAL_SIZE'],
    ])('is by default what %s of the largest size take', async (_what, upload, beyond, code) => {
      const { port } = await recordedUploadApp(upload);
      const socket = await openSocket(port);
      socket.write(keepAliveHead(beyond));
      expect(await readAnswer(socket)).toContain(code);
      socket.destroy();
    });

    test.each([['a little'], ['much']])(
      'of a form for one file tells of the file when that is larger by %s',
      async (much) => {
        const { post } = await recordedUploadApp(
          StorageFileInterceptor('photo', { maxSize: '1kb', maxFieldSize: '1kb' }),
        );
        const answer = await post({ ...photo, content: png(much === 'much' ? MiB : 1025) });
        expect(answer.json).toEqual({
          statusCode: 413,
          code: 'LIMIT_FILE_SIZE',
          message: 'The file is larger than the limit of 1024 bytes',
          field: 'photo',
        });
      },
    );
  });

  describe('a form that is refused early', () => {
    test('is answered though its end does not come', async () => {
      const { port, calls } = await recordedUploadApp(
        StorageFileInterceptor('photo', { accept: ['image/*'], maxSize: '1gb' }),
      );
      const socket = await openSocket(port);
      socket.write(keepAliveHead(1024 * MiB));
      socket.write(Buffer.concat([partHead(photo), Buffer.alloc(5000, 'text ')]));
      expect(await readAnswer(socket)).toMatch(/^HTTP\/1.1 415 /);
      expect(calls).toEqual([]);
      socket.destroy();
    });

    test('is read on for a while, for clients that look for the answer at the end', async () => {
      const { port } = await recordedUploadApp(
        StorageFileInterceptor('photo', { accept: ['image/*'], maxSize: '100mb' }),
      );
      const body = form({ ...photo, content: Buffer.alloc(8 * MiB, 'text ') });
      const answer = await sendRaw(port, requestHead('/', body.length), body);
      expect(answer).toMatch(/^HTTP\/1.1 415 /);
    });

    test('leaves the connection to the next request when it was not long', async () => {
      const { port } = await recordedUploadApp(
        StorageFileInterceptor('photo', { accept: ['image/*'] }),
      );
      const body = form({ ...photo, content: Buffer.alloc(MiB, 'text ') });
      const socket = await openSocket(port);
      socket.write(keepAliveHead(body.length));
      socket.write(body);
      expect(await readAnswer(socket)).toMatch(/^HTTP\/1.1 415 /);
      const good = form({ ...photo, content: png() });
      socket.write(requestHead('/', good.length));
      socket.write(good);
      let answer = '';
      for await (const chunk of socket) answer += String(chunk);
      expect(answer).toMatch(/^HTTP\/1.1 201 /);
    });

    test('is not read for ever: its connection is closed', async () => {
      const { port } = await recordedUploadApp(
        StorageFileInterceptor('photo', { accept: ['image/*'], maxSize: '1gb' }),
      );
      const socket = await openSocket(port);
      socket.resume();
      socket.write(keepAliveHead(1024 * MiB));
      socket.write(Buffer.concat([partHead(photo), Buffer.alloc(5000, 'text ')]));
      const chunk = Buffer.alloc(MiB);
      let sent = 0;
      while (!socket.destroyed && sent < 200) {
        sent++;
        await new Promise((resolve) => socket.write(chunk, resolve));
      }
      expect(socket.destroyed).toBe(true);
      // What is on its way and in the buffers of the system counts, too.
      expect(sent).toBeLessThan(60);
    });

    test('is seen by fetch, whose body is still on its way', async () => {
      const { port } = await recordedUploadApp(
        StorageFileInterceptor('photo', { accept: ['image/*'], maxSize: '100mb' }),
      );
      const data = new FormData();
      data.set(
        'photo',
        new Blob([Buffer.alloc(12 * MiB, 'text ')], { type: 'image/png' }),
        'a.png',
      );
      const answer = await fetch(`http://127.0.0.1:${port}/`, { method: 'POST', body: data });
      expect(answer.status).toBe(415);
      expect(await answer.json()).toMatchObject({ code: 'UNSUPPORTED_MEDIA_TYPE' });
    });
  });

  describe('minRate', () => {
    test('ends a form that trickles', async () => {
      const { port, keys } = await recordedUploadApp(
        StorageAnyFilesInterceptor({ minRate: '1mb', minRateWindow: 100 }),
      );
      const socket = await openSocket(port);
      socket.write(keepAliveHead(MiB));
      socket.write(part({ ...photo, content: png() }));
      const trickle = setInterval(() => socket.write(' '), 10);
      const answer = await readAnswer(socket);
      clearInterval(trickle);
      socket.destroy();
      expect(answer).toMatch(/^HTTP\/1.1 408 /);
      expect(answer).toContain('"code":"UPLOAD_TOO_SLOW"');
      expect(await keys()).toEqual([]);
    });

    // Of 430,000 bytes, all have come when the storage takes its time.
    test.each([430_000, 9 * MiB])(
      'does not count the time in which the storage is slow, of %s bytes',
      async (size) => {
        let release: () => void = () => {};
        const released = new Promise<void>((resolve) => (release = resolve));
        let reading = false;
        const { port } = await recordedUploadApp(
          StorageFileInterceptor('photo', { minRate: '10kb', minRateWindow: 500 }),
          {},
          (memory) => ({
            async put(key, body, options) {
              reading = true;
              await released;
              return memory.put(key, body, options);
            },
          }),
        );
        const body = form({ ...photo, content: png(size) });
        const answer = sendRaw(port, requestHead('/', body.length), body);
        await until(() => reading);
        // Longer than two windows.
        setTimeout(release, 1300);
        expect(await answer).toMatch(/^HTTP\/1.1 201 /);
      },
    );

    test('of 0 has all the patience in the world', async () => {
      const { port } = await recordedUploadApp(
        StorageFileInterceptor('photo', { minRate: 0, minRateWindow: 10 }),
      );
      const body = form({ ...photo, content: png() });
      const socket = await openSocket(port);
      socket.write(requestHead('/', body.length));
      setTimeout(() => socket.write(body), 100);
      let answer = '';
      for await (const chunk of socket) answer += String(chunk);
      expect(answer).toMatch(/^HTTP\/1.1 201 /);
    });
  });

  test('timeout ends a form that takes longer', async () => {
    const { port, keys } = await recordedUploadApp(StorageAnyFilesInterceptor({ timeout: 100 }));
    const socket = await openSocket(port);
    socket.write(keepAliveHead(MiB));
    socket.write(part({ ...photo, content: png() }));
    const answer = await readAnswer(socket);
    socket.destroy();
    expect(answer).toMatch(/^HTTP\/1.1 408 /);
    expect(answer).toContain('"code":"UPLOAD_TIMEOUT"');
    expect(await keys()).toEqual([]);
  });
});
