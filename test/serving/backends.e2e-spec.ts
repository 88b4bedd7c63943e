import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  getStorageToken,
  type Storage,
  type StorageConfiguration,
  StorageModule,
} from '../../lib/index.js';
import { type S3TestServer, startS3Server } from '../../lib/testing/s3-server/index.js';
import { closeApps, startApp, until } from '../nest/app-fixture.js';
import { openSocket, send } from '../nest/http-client.js';
import { FilesController } from './serving-fixture.js';

let root: string;
let server: S3TestServer;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'nestjs-storages-serving-'));
  server = await startS3Server({ buckets: ['bucket'] });
});
afterEach(closeApps);
afterAll(async () => {
  await server.close();
  await rm(root, { recursive: true, force: true });
});

const SIZE = 20_000_000;

async function serveFrom(files: StorageConfiguration): Promise<{ port: number; storage: Storage }> {
  const { app, port } = await startApp({
    controllers: [FilesController],
    imports: [StorageModule.forRoot({ storages: { files } })],
  });
  const storage = app.get<Storage>(getStorageToken());
  await storage.put('ten.txt', '0123456789');
  await storage.put('large.bin', Buffer.alloc(SIZE, 7));
  return { port, storage };
}

describe.each([
  ['local', (): StorageConfiguration => ({ driver: 'local', root, durability: 'none' })],
  [
    's3',
    (): StorageConfiguration => ({
      driver: 's3',
      bucket: 'bucket',
      region: server.region,
      endpoint: server.endpoint,
      forcePathStyle: true,
      ...server.credentials,
    }),
  ],
])('files on %s', (_name, configuration) => {
  test('are served whole, in ranges, by condition and for HEAD', async () => {
    const { port } = await serveFrom(configuration());
    const whole = await send(port, '/files/ten.txt');
    expect(whole).toMatchObject({ status: 200, text: '0123456789' });
    const { etag } = whole.headers;
    expect(etag).toMatch(/^"/);
    const get = (headers: Record<string, string>, method = 'GET') =>
      send(port, '/files/ten.txt', { method, headers });
    expect(await get({ Range: 'bytes=-100' })).toMatchObject({ status: 206, text: '0123456789' });
    expect(await get({ Range: 'bytes=2-3', 'If-Range': etag! })).toMatchObject({
      status: 206,
      text: '23',
    });
    const beyond = await get({ Range: 'bytes=10-' });
    expect(beyond.status).toBe(416);
    expect(beyond.headers['content-range']).toBe('bytes */10');
    expect((await get({ 'If-None-Match': etag! })).status).toBe(304);
    expect((await get({ 'If-Match': '"other"' })).status).toBe(412);
    expect((await get({}, 'HEAD')).headers['content-length']).toBe('10');
    expect((await send(port, '/files/missing')).status).toBe(404);
    expect((await send(port, '/files/large.bin')).body).toHaveLength(SIZE);
  });

  test('that fifty clients leave behind keep no descriptor open', async () => {
    const { port, storage } = await serveFrom(configuration());
    const descriptors = (): number => readdirSync('/proc/self/fd').length;
    const before = descriptors();
    for (let index = 0; index < 50; index++) {
      const socket = await openSocket(port);
      socket.write('GET /files/large.bin HTTP/1.1\r\nHost: x\r\n\r\n');
      await once(socket, 'data');
      socket.destroy();
    }
    await until(() => server.inFlight === 0);
    // Pooled connections to the backend may stay.
    await until(() => descriptors() <= before + 4);
    // Ends only when no download is under way.
    await storage.close({ timeout: 60_000 });
  }, 20_000);
});
