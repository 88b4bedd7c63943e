import { ConflictException } from '@nestjs/common';
import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import {
  contentHashKey,
  type StorageDriver,
  StorageFileInterceptor,
  StorageFilesInterceptor,
} from '../../lib/index.js';
import type { UploadScan } from '../../lib/uploads/upload-scan.js';
import type { UploadOptions } from '../../lib/uploads/upload-options.js';
import { clamd } from '../../sample/clamd/src/clamd.js';
import { closeApps, RejectionWatch, until } from '../nest/app-fixture.js';
import { openSocket } from '../nest/http-client.js';
import { recordingDriver } from '../nest/recording-driver.js';
import { FakeClamd } from './fake-clamd.js';
import { partHead, png, requestHead } from './forms.js';
import { UPLOAD_BACKENDS } from './upload-backends.js';
import { onEachAdapter, recordedUploadApp, uploadApp } from './upload-fixture.js';

const MiB = 1024 * 1024;
const photo = { name: 'photo', filename: 'a.png', type: 'image/png' };
const small = { ...photo, content: png(100) };
const large = { ...photo, content: png(3 * MiB) };

const refuses: UploadScan = async (stream) => {
  await buffer(stream);
  return { rejected: 'EICAR' };
};

function scanning(scan: UploadScan, more: UploadOptions = {}) {
  return StorageFileInterceptor('photo', { scan, ...more });
}

const rejections = new RejectionWatch();
beforeEach(() => rejections.start());
afterEach(async () => {
  await closeApps();
  rejections.stop();
});

onEachAdapter(() => {
  test.each([small, large])(
    'a scanner sees every byte, and the file as it is described',
    async (file) => {
      const seen: unknown[] = [];
      const app = await recordedUploadApp(
        scanning(async (stream, described) => {
          seen.push(await buffer(stream), described);
        }),
      );
      const answer = await app.post(file);
      expect(answer.status).toBe(201);
      expect(Buffer.compare(seen[0] as Buffer, file.content)).toBe(0);
      expect(seen[1]).toMatchObject({
        fieldname: 'photo',
        originalname: 'a.png',
        mimetype: 'image/png',
        contentType: 'image/png',
      });
      expect(Buffer.compare(await app.storage.getBytes(answer.json.file.key), file.content)).toBe(
        0,
      );
    },
  );

  test('a file in memory that is refused never comes to the backend', async () => {
    const app = await recordedUploadApp(scanning(refuses));
    const answer = await app.post(small);
    expect(answer.status).toBe(422);
    expect(answer.json).toEqual({
      statusCode: 422,
      code: 'FILE_REJECTED',
      message: 'The file was examined and refused',
      reason: 'EICAR',
      field: 'photo',
    });
    expect(app.calls).toEqual([]);
  });

  test('a verdict that comes early ends the upload', async () => {
    const app = await recordedUploadApp(
      scanning(async (stream) => {
        await once(stream, 'readable');
        return { rejected: 'at its first byte' };
      }),
    );
    const answer = await app.post(large);
    expect([answer.status, answer.json.reason]).toEqual([422, 'at its first byte']);
    expect(await app.keys()).toEqual([]);
  });

  test('a scanner that has seen enough holds nothing up', async () => {
    const app = await recordedUploadApp(scanning(() => {}));
    expect((await app.post(large)).json.file.size).toBe(3 * MiB);
  });

  test('the storage does not get ahead of a scanner that is slower', async () => {
    let ahead = 0;
    let stored = 0;
    let seen = 0;
    const app = await recordedUploadApp(
      scanning(
        async (stream: Readable) => {
          for await (const chunk of stream) {
            // Each turn of the event loop lets the storage read as far as it can.
            await new Promise((resolve) => setImmediate(resolve));
            ahead = Math.max(ahead, stored - seen);
            seen += (chunk as Buffer).length;
          }
        },
        { maxSize: '30mb' },
      ),
      {},
      (memory) => ({
        async put(key, body, options) {
          const counted = async function* (): AsyncGenerator<Uint8Array, void> {
            for await (const chunk of body as AsyncIterable<Uint8Array>) {
              stored += chunk.byteLength;
              yield chunk;
            }
          };
          return memory.put(key, counted(), options);
        },
      }),
    );
    expect((await app.post({ ...photo, content: png(24 * MiB) })).status).toBe(201);
    expect(seen).toBe(24 * MiB);
    expect(ahead).toBeGreaterThan(0);
    // What may be on the way is a buffer or two, whatever the size of the file.
    expect(ahead).toBeLessThan(5 * MiB);
  });

  test('a scanner does not get ahead of a storage that is slower', async () => {
    let ahead = 0;
    let stored = 0;
    let seen = 0;
    const app = await recordedUploadApp(
      scanning(
        async (stream: Readable) => {
          for await (const chunk of stream) seen += (chunk as Buffer).length;
        },
        { maxSize: '30mb' },
      ),
      {},
      (memory) => ({
        async put(key, body, options) {
          const slow = async function* (): AsyncGenerator<Uint8Array, void> {
            for await (const chunk of body as AsyncIterable<Uint8Array>) {
              for (let turn = 0; turn < 5; turn++)
                await new Promise((resolve) => setImmediate(resolve));
              ahead = Math.max(ahead, seen - stored);
              stored += chunk.byteLength;
              yield chunk;
            }
          };
          return memory.put(key, slow(), options);
        },
      }),
    );
    expect((await app.post({ ...photo, content: png(24 * MiB) })).status).toBe(201);
    expect(ahead).toBeGreaterThan(0);
    // What may be on the way is a buffer or two, whatever the size of the file.
    expect(ahead).toBeLessThan(5 * MiB);
  });

  const failures: [what: string, scan: UploadScan][] = [
    [
      'throws',
      () => {
        throw new Error('secret path');
      },
    ],
    ['rejects at once', async () => Promise.reject(new Error('secret path'))],
    [
      'rejects at the end',
      async (stream) => {
        await buffer(stream);
        throw new Error('secret path');
      },
    ],
    [
      'breaks the stream',
      async (stream) => {
        stream.destroy(new Error('secret path'));
        await buffer(stream);
      },
    ],
    [
      'says something else',
      async (stream) => {
        await buffer(stream);
        return true as never;
      },
    ],
  ];

  test.each(failures)('a scanner that %s is a 503, and nothing stays', async (_what, scan) => {
    for (const file of [small, large]) {
      const app = await recordedUploadApp(scanning(scan));
      const answer = await app.post(file);
      expect(answer.json).toEqual({
        statusCode: 503,
        code: 'SCAN_FAILED',
        message: 'The file could not be examined',
        field: 'photo',
      });
      expect(await app.keys()).toEqual([]);
      expect(app.log.text).toContain('A file could not be examined');
    }
  });

  test('an HttpException of a scanner is the answer', async () => {
    const app = await recordedUploadApp(
      scanning(() => Promise.reject(new ConflictException('known'))),
    );
    expect((await app.post(large)).status).toBe(409);
    expect(await app.keys()).toEqual([]);
  });

  test.each([200_000, 3 * MiB])(
    'a scanner that stops reading in the middle of %d bytes is a 503 when its time is over',
    async (size) => {
      const app = await recordedUploadApp(
        scanning(
          async (stream) => {
            await once(stream, 'readable');
            return new Promise(() => {});
          },
          { scanTimeout: 20 },
        ),
      );
      const answer = await app.post({ ...photo, content: png(size) });
      expect([answer.status, answer.json.code]).toEqual([503, 'SCAN_FAILED']);
      expect(await app.keys()).toEqual([]);
    },
  );

  test('a scanner that never comes to a verdict is a 503 when its time is over, and hears of it', async () => {
    const reasons: unknown[] = [];
    const app = await recordedUploadApp(
      scanning(
        (_stream, _file, { signal }) => {
          _stream.resume();
          signal.addEventListener('abort', () => reasons.push(signal.reason));
          return new Promise(() => {});
        },
        { scanTimeout: 20 },
      ),
    );
    for (const file of [small, large]) {
      const answer = await app.post(file);
      expect([answer.status, answer.json.code]).toEqual([503, 'SCAN_FAILED']);
    }
    expect(reasons.map(String)).toEqual(
      Array(2).fill('Error: The scanner held the upload up for more than 20 ms'),
    );
    expect(await app.keys()).toEqual([]);
  });

  test('a scanner counts as the source of the body: what it holds up for the timeout of the storage is a 504', async () => {
    const { driver, keys } = await recordingDriver();
    const signals: AbortSignal[] = [];
    const app = await uploadApp(
      { driver, retry: { maxRetries: 0 }, timeout: 20 },
      scanning((_stream, _file, { signal }) => {
        signals.push(signal);
        return new Promise(() => {});
      }),
    );
    const answer = await app.post(large);
    expect([answer.status, answer.json.code]).toEqual([504, 'TIMEOUT']);
    expect(signals.map(({ aborted }) => aborted)).toEqual([true]);
    expect(await keys()).toEqual([]);
  });

  test('a client that leaves ends the scan, and nothing is logged as its failure', async () => {
    let aborted = false;
    let began = false;
    const app = await recordedUploadApp(
      scanning(async (stream, _file, { signal }) => {
        began = true;
        signal.addEventListener('abort', () => (aborted = true));
        await buffer(stream);
      }),
    );
    const socket = await openSocket(app.port);
    socket.write(requestHead('/', 5 * MiB));
    socket.write(partHead(photo));
    socket.write(png(200_000));
    await until(() => began);
    socket.destroy();
    await until(() => aborted);
    await app.app.close();
    expect(await app.keys()).toEqual([]);
    expect(app.log.text).not.toContain('could not be examined');
  });

  test('a client that leaves while the verdict is awaited leaves nothing', async () => {
    let asked: () => void = () => {};
    const isAsked = new Promise<void>((resolve) => (asked = resolve));
    const app = await recordedUploadApp(
      scanning(async (stream) => {
        await buffer(stream);
        asked();
        return new Promise<void>(() => {});
      }),
    );
    const socket = await openSocket(app.port);
    const head = partHead(photo);
    socket.write(requestHead('/', head.length + 200_000 + 1000));
    socket.write(head);
    socket.write(png(200_000));
    // The head of another part: the first one is complete.
    socket.write(Buffer.concat([Buffer.from('\r\n'), head]));
    await isAsked;
    socket.destroy();
    await app.app.close();
    expect(await app.keys()).toEqual([]);
  });

  test('a staged file is examined, too', async () => {
    const app = await recordedUploadApp(scanning(refuses, { key: contentHashKey }));
    expect((await app.post(large)).json.code).toBe('FILE_REJECTED');
    expect(await app.keys()).toEqual([]);
  });

  test('a second file that is refused takes the first one with it', async () => {
    let files = 0;
    const app = await recordedUploadApp(
      StorageFilesInterceptor('photo', 2, {
        scan: async (stream) => {
          await buffer(stream);
          return ++files === 2 ? { rejected: 'second' } : undefined;
        },
      }),
    );
    expect((await app.post(large, large)).json.reason).toBe('second');
    expect(await app.keys()).toEqual([]);
  });

  test.each(Object.keys(UPLOAD_BACKENDS) as (keyof typeof UPLOAD_BACKENDS)[])(
    `with %s a file in several parts that is refused at its last byte leaves nothing`,
    async (name) => {
      const backend = await UPLOAD_BACKENDS[name]();
      const driver = new Proxy(backend.driver, {
        get(target, name) {
          // What is left is looked at after the app has ended.
          if (name === 'close') return async () => {};
          const value = target[name as keyof StorageDriver] as unknown;
          return typeof value === 'function' ? (value.bind(target) as unknown) : value;
        },
      });
      const app = await uploadApp(
        { driver, retry: { maxRetries: 0 } },
        scanning(refuses, { maxSize: '20mb' }),
      );
      const answer = await app.post({ ...photo, content: png(9 * MiB) });
      expect([answer.status, answer.json.code]).toEqual([422, 'FILE_REJECTED']);
      await closeApps();
      expect(await backend.objects()).toEqual([]);
      expect(await backend.unfinished()).toEqual([]);
      await backend.close();
    },
  );

  describe('clamd', () => {
    test('examines what is uploaded, before it is kept', async () => {
      await using daemon = await FakeClamd.start('EICAR');
      const app = await recordedUploadApp(scanning(clamd(daemon.address)));
      const infected = Buffer.concat([large.content, Buffer.from('EICAR')]);
      expect((await app.post(large)).status).toBe(201);
      const refused = await app.post({ ...photo, content: infected });
      expect([refused.status, refused.json.code, refused.json.reason]).toEqual([
        422,
        'FILE_REJECTED',
        'Test-Signature',
      ]);
      expect(daemon.examined.map((file) => file.length)).toEqual([3 * MiB, infected.length]);
      expect(Buffer.compare(daemon.examined[1]!, infected)).toBe(0);
      expect(await app.keys()).toHaveLength(1);
      await until(() => daemon.connections.size === 0);
    });

    test('that cannot examine a file, or is not there, is a 503', async () => {
      const daemon = await FakeClamd.start('EICAR');
      const app = await recordedUploadApp(scanning(clamd(daemon.address)));
      expect((await app.post({ ...photo, content: 'too large for clamd' })).status).toBe(503);
      expect(app.log.text).toContain('size limit exceeded');
      await daemon[Symbol.asyncDispose]();
      for (const file of [small, large]) expect((await app.post(file)).status).toBe(503);
      expect(await app.keys()).toEqual([]);
    });

    test('is let go when the client leaves', async () => {
      await using daemon = await FakeClamd.start('EICAR');
      const app = await recordedUploadApp(scanning(clamd(daemon.address)));
      const socket = await openSocket(app.port);
      socket.write(requestHead('/', 5 * MiB));
      socket.write(partHead(photo));
      socket.write(png(200_000));
      await until(() => daemon.connections.size === 1);
      socket.destroy();
      await until(() => daemon.connections.size === 0);
      expect(daemon.examined).toEqual([]);
    });
  });
});
