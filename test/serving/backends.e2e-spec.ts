import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { getStorageToken, type Storage, StorageModule } from '../../lib/index.js';
import { closeApps, startApp, type TestApp, until } from '../nest/app-fixture.js';
import { openSocket, send } from '../nest/http-client.js';
import { UPLOAD_BACKENDS, type UploadBackend } from '../uploads/upload-backends.js';
import { ADAPTERS } from './adapters.js';
import { recorded } from './recorded-driver.js';
import { FilesController } from './serving-fixture.js';

const MIB = 1024 * 1024;
/** The memory driver copies a whole file for each reader. */
const SIZES: Readonly<Record<string, number>> = { memory: MIB };
const ABORTED = 200;
const AT_ONCE = 10;

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** Bytes each four of which tell where they stand. */
const counted = new Uint32Array((64 * MIB) / 4);
for (let index = 0; index < counted.length; index++) counted[index] = index;

describe.each(Object.entries(UPLOAD_BACKENDS))('files on %s', (name, openBackend) => {
  const size = SIZES[name] ?? 64 * MIB;
  const large = Buffer.from(counted.buffer, 0, size);
  let backend: UploadBackend;
  let storage: Storage;
  const apps = new Map<string, TestApp>();
  /** What happens between the look at a file and its read. */
  let meanwhile: (() => Promise<unknown>) | undefined;

  beforeAll(async () => {
    backend = await openBackend();
    const { driver } = recorded(backend.driver, {
      info: async (key, options) => {
        const file = await backend.driver.info(key, options);
        const happens = meanwhile;
        meanwhile = undefined;
        await happens?.();
        return file;
      },
    });
    for (const [adapterName, adapter] of ADAPTERS) {
      const imports = [StorageModule.forRoot({ storages: { files: { driver } } })];
      const metadata = { controllers: [FilesController], imports };
      apps.set(adapterName, await startApp(metadata, { adapter: adapter() }));
    }
    storage = apps.get('Express')!.app.get<Storage>(getStorageToken());
    await storage.put('large.bin', large);
  });

  afterAll(async () => {
    await closeApps();
    await backend.close();
  });

  describe.each(ADAPTERS)('served by %s', (adapter) => {
    const port = (): number => apps.get(adapter)!.port;

    test('arrive whole', async () => {
      const { status, body } = await send(port(), '/files/large.bin');
      expect(status).toBe(200);
      expect(body.equals(large)).toBe(true);
    });

    test('arrive in part', async () => {
      const [start, end] = [size / 4 + 1, size / 2 + 2];
      const headers = { Range: `bytes=${start}-${end}` };
      const answer = await send(port(), '/files/large.bin', { headers });
      expect(answer.status).toBe(206);
      expect(answer.headers['content-range']).toBe(`bytes ${start}-${end}/${size}`);
      expect(answer.body.equals(large.subarray(start, end + 1))).toBe(true);
    });

    test('that are replaced meanwhile never mix their bytes', async () => {
      await storage.put('changing.bin', 'aaaaaaaaaa');
      const { etag } = await storage.info('changing.bin');
      meanwhile = () => storage.put('changing.bin', 'bbbbbbbbbbbbbbb');
      const headers = { Range: 'bytes=5-' };
      const answer = await send(port(), '/files/changing.bin', { headers });
      expect(answer).toMatchObject({ status: 206, text: 'bbbbbbbbbb' });
      expect(answer.headers['content-range']).toBe('bytes 5-14/15');
      meanwhile = () => storage.put('changing.bin', 'cccc');
      const current = { Range: 'bytes=0-1', 'If-Range': answer.headers.etag! };
      expect(await send(port(), '/files/changing.bin', { headers: current })).toMatchObject({
        status: 200,
        text: 'cccc',
      });
      expect(answer.headers.etag).not.toBe(etag);
    });

    test(`that ${ABORTED} clients leave behind hold nothing`, async () => {
      await abortDownloads(port(), 3 * AT_ONCE);
      const before = await settled();
      await abortDownloads(port(), ABORTED);
      // Each of those at once may have one in a pool that had none before.
      await until(() => descriptors() <= before.descriptors + AT_ONCE);
      await until(() => sockets() <= before.sockets + AT_ONCE);
      // A thousandth of what the clients asked for.
      const bound = before.heap + Math.max(8 * MIB, (ABORTED * size) / 1000);
      await until(() => heap() <= bound);
      await until(async () => (await backend.unfinished()).length === 0);
    });
  });
});

/** Clients that leave as soon as the first bytes arrive. */
async function abortDownloads(port: number, count: number): Promise<void> {
  const abort = async (): Promise<void> => {
    const socket = await openSocket(port);
    socket.write('GET /files/large.bin HTTP/1.1\r\nHost: x\r\n\r\n');
    await once(socket, 'data');
    socket.destroy();
  };
  for (let done = 0; done < count; done += AT_ONCE) {
    await Promise.all(Array.from({ length: AT_ONCE }, abort));
  }
}

/** What the process holds once nothing is freed any more. */
async function settled(): Promise<{ descriptors: number; sockets: number; heap: number }> {
  let last = Number.POSITIVE_INFINITY;
  await until(() => {
    const now = descriptors();
    const isSettled = now === last;
    last = now;
    return isSettled;
  });
  return { descriptors: last, sockets: sockets(), heap: heap() };
}

/** Bytes that are in use. */
function heap(): number {
  collectGarbage();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

function descriptors(): number {
  return readdirSync('/proc/self/fd').length;
}

function sockets(): number {
  return process.getActiveResourcesInfo().filter((name) => name === 'TCPSocketWrap').length;
}
